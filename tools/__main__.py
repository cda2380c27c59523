"""`python -m tools COMMAND ...`: what maintainers run. No notebook and no command of `helpers` needs it."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from helpers.environment import PROJECT, where_am_i

BENCHES = {"cache": "tools.bench_cache", "staging": "tools.bench_staging", "training": "tools.bench_training"}


def notebooks(argv: list[str]) -> int:
    """Compare the generated cells and tables with the plan, or rewrite them; check the form of all, solutions included."""
    from helpers.execution.plan import PLAN
    from tools.lessons import SOLUTIONS
    from tools.notebooks import check_form, check_solution, read_notebook, regenerate

    parser = argparse.ArgumentParser(prog="python -m tools notebooks", description=notebooks.__doc__)
    parser.add_argument("--write", action="store_true", help="rewrite what differs")
    arguments = parser.parse_args(argv)
    changed = regenerate(PROJECT, arguments.write)
    for name in changed:
        print(f"{'rewritten' if arguments.write else 'differs from the plan'}: {name}")
    complaints = []
    for entry in PLAN:
        path = PROJECT / "notebooks" / f"{entry.stem}.ipynb"
        asked, given = read_notebook(path), read_notebook(path.parent / SOLUTIONS / path.name)
        complaints += [f"{path.name}: {complaint}" for complaint in check_form(asked, path.stem)]
        complaints += [f"{SOLUTIONS}/{path.name}: {complaint}" for complaint in check_solution(given, asked)]
    print("\n".join(complaints) if complaints else "the form of all notebooks is right")
    return 1 if complaints or (changed and not arguments.write) else 0


def readme(argv: list[str]) -> int:
    """Write the tables of README.md and RESULTS.md from finished runs."""
    from helpers.runs import load_runs
    from tools.readme import update_readme

    parser = argparse.ArgumentParser(prog="python -m tools readme", description=readme.__doc__)
    parser.add_argument("--runs", type=Path, default=where_am_i().folders.runs, help="folder of run folders")
    parser.add_argument("--dataset", help="only this data set")
    default = [PROJECT / "README.md", PROJECT / "RESULTS.md"]
    parser.add_argument("--file", type=Path, nargs="+", default=default)
    asked = parser.parse_args(argv)
    runs = load_runs(asked.runs, asked.dataset)
    for path in asked.file:
        changed = update_readme(path, runs, asked.dataset)
        print(f"{path} {'has a new results table' if changed else 'already agrees with the runs'}")
    return 0


def scores(argv: list[str]) -> int:
    """Pack finished runs, without weights, into the archive that ships: scores RUNS."""
    from helpers.runs import load_runs
    from tools.readme import SHIPPED, pack_runs

    parser = argparse.ArgumentParser(prog="python -m tools scores", description=scores.__doc__)
    parser.add_argument("runs", type=Path, help="folder of run folders")
    parser.add_argument("--out", type=Path, default=SHIPPED)
    asked = parser.parse_args(argv)
    number = pack_runs(load_runs(asked.runs), asked.out)
    print(f"{asked.out}: {number} runs, {asked.out.stat().st_size / 1e6:.2f} MB")
    return 0


def encoder(argv: list[str]) -> int:
    """Make the embedded speech encoder from published Whisper weights."""
    from tools.encoder import embed

    parser = argparse.ArgumentParser(prog="python -m tools encoder", description=encoder.__doc__)
    parser.add_argument("path", type=Path, help="a folder with encoder.safetensors, or a safetensors file")
    parser.add_argument("--layers", type=int, default=2)
    asked = parser.parse_args(argv)
    written = embed(asked.path, asked.layers)
    print(f"{written}, {written.stat().st_size / 1e6:.2f} MB")
    return 0


def bench(argv: list[str]) -> int:
    """Measured speed: bench cache | staging | training."""
    if not argv or argv[0] not in BENCHES:
        raise ValueError(f"python -m tools bench {' | '.join(BENCHES)}")
    return int(importlib.import_module(BENCHES[argv[0]]).main(argv[1:]) or 0)


def starter(argv: list[str]) -> int:
    """Build the starter corpus: starter fetch | build | audit."""
    from tools.starter.__main__ import main

    return main(argv)


def course(argv: list[str]) -> int:
    """Copies for students, one seed each, and the grader's files: course export OUT --students roster.csv."""
    from tools.course import main

    return main(argv)


def detector(argv: list[str]) -> int:
    """Make the detector that ships with the project, from the data sets it learns from."""
    from tools.detector.build import SHIPPED, build

    parser = argparse.ArgumentParser(prog="python -m tools detector", description=detector.__doc__)
    parser.add_argument("data", type=Path, help="folder of speech_pairs and demo_clips")
    parser.add_argument("--work", type=Path, required=True, help="embeddings are kept here and computed once")
    parser.add_argument("--out", type=Path, default=SHIPPED)
    asked = parser.parse_args(argv)
    card = build(asked.data, asked.work, asked.out)
    print(f"{asked.out}: EER on left-out projects {100 * card['left_out']['eer']:.1f} %")
    return 0


COMMANDS = {
    command.__name__: command
    for command in (notebooks, readme, scores, encoder, bench, starter, detector, course)
}


def main(argv: list[str]) -> int:
    """Exit status of the command; 2 and a sentence for what it refuses."""
    if not argv or argv[0] not in COMMANDS:
        lines = [
            f"  {name:<10} {(command.__doc__ or '').splitlines()[0]}" for name, command in COMMANDS.items()
        ]
        print("\n".join(["python -m tools COMMAND ...", *lines]), file=sys.stderr)
        return 2
    try:
        return COMMANDS[argv[0]](argv[1:])
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
