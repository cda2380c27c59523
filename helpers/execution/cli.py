"""`python -m helpers run | status | data | test | kaggle`: all options of this folder in one place."""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

from helpers.environment import where_am_i
from helpers.execution.jobs import Job, Request, expand, parse_assignments

# Parameters that may name a file or folder: what is there is taken from where the user stands, other words stay.
PATHS = (
    "source",
    "beside_source",
    "weights",
    "front_end",
    "published",
    "recording",
    "recordings",
    "detector",
)
EXIT_OK, EXIT_FAILED, EXIT_REFUSED, EXIT_PAUSED, EXIT_STOPPED = 0, 1, 2, 3, 130


def parser_of(command: str, description: str) -> argparse.ArgumentParser:
    """A parser with the options that choose notebooks and parameters, the same for run, status and kaggle."""
    parser = argparse.ArgumentParser(prog=f"python -m helpers {command}", description=description)
    add = parser.add_argument
    add("--notebooks", default="", help="numbers and spans, as in 01-03,16; default: the core ones")
    add("--models", default="", help="only these trainings, as in lcnn,aasist")
    add("--all", action="store_true", dest="everything", help="every notebook of the plan")
    add("--dataset", default="", help="a name in data_manifest.yaml, or several joined by +")
    add("--profile", default="demo", help="demo | full | smoke")
    add("--seeds", default="", help="one training for each, as in 0,1,2")
    add("-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="a notebook's parameter")
    return parser


def request_from(arguments: argparse.Namespace, hosted: bool | None = None) -> Request:
    """The Request behind parsed options."""
    parameters = dict(parse_assignments(arguments.p))
    for name in PATHS:  # a notebook runs in its own folder
        path = Path(parameters.get(name, "")).expanduser()
        if parameters.get(name) and (name == "source" or path.exists()):
            parameters[name] = str(path.absolute())
    names = ("notebooks", "models", "everything", "dataset", "profile", "seeds")
    chosen = {name: getattr(arguments, name) for name in names}
    hosted = where_am_i().name != "local" if hosted is None else hosted
    again = getattr(arguments, "again", False)
    return Request(**chosen, parameters=parameters, again=again, needed_caches=hosted)


def run(argv: list[str]) -> int:
    """Run notebooks; 0 all complete, 1 something failed, 2 refused, 3 saved and to be resumed, 130 stopped."""
    from helpers.execution import machine, runner
    from helpers.execution.carry import restore_runs, save_runs
    from helpers.execution.room import refuse_small_disk

    parser = parser_of("run", "Run notebooks headless.")
    add = parser.add_argument
    add("--again", action="store_true", help="run what is finished once more; the old run stays until then")
    add("--jobs", type=int, default=0, help="how many side by side; default: one a GPU or four cores")
    limit = runner.DEFAULT_TIMEOUT_MINUTES
    add("--timeout", type=float, default=limit, metavar="MINUTES", help="for one cell; default: 12 hours")
    add("--minutes", type=float, default=0, help="for all of it: trainings stop and save in time")
    add("--save", type=Path, help="a zip or folder: runs are restored from it, and saved to it all along")
    add("--prepare-only", type=Path, metavar="FOLDER", help="only write the notebooks with their parameters")
    add("--dry", action="store_true", help="only say what would run and how much disk it takes")
    arguments = parser.parse_args(argv)
    for name in ("jobs", "timeout", "minutes"):
        value = getattr(arguments, name)
        if not math.isfinite(value) or value < 0:
            raise ValueError(f"--{name} is a number that is not negative, {value:g} is none")
    jobs = expand(request_from(arguments))
    runs_dir, place = jobs[0].folder.parent, where_am_i()
    if arguments.prepare_only:
        arguments.prepare_only.mkdir(parents=True, exist_ok=True)
        for job in jobs:
            print(prepare(job, arguments.prepare_only))
        return EXIT_OK
    refuse_small_disk(jobs, place.folders.cache, attached=place.name == "kaggle")
    if arguments.save:
        for name in restore_runs(arguments.save.expanduser(), runs_dir):
            print(f"restored {name}")
    if arguments.dry:
        return status(argv=[], jobs=jobs)

    def save() -> None:
        try:
            save_runs(arguments.save.expanduser(), runs_dir)
        except FileNotFoundError:
            return  # nothing to save yet
        except OSError as error:  # Drive answers 5 or 107 when its connection is gone
            advice = "mount Drive again in the open notebook" if error.errno in (5, 107) else "free some room"
            print(f"not saved to {arguments.save} ({error.strerror}): {advice}; the run goes on", flush=True)

    began = time.monotonic()
    working = runner.Runner(
        jobs,
        machine.slots(arguments.jobs),
        arguments.timeout,
        arguments.minutes,
        lambda line: print(line, flush=True),
        save if arguments.save else None,
    )
    try:
        works = working.run()
    except KeyboardInterrupt:
        if arguments.save:
            save()
        hint = ", without --again," * arguments.again
        print(f"\nstopped. The same command{hint} resumes where this stopped.", flush=True)
        return EXIT_STOPPED
    print("\n" + runner.summary(works, time.monotonic() - began), flush=True)
    return runner.exit_code(works)


def prepare(job: Job, folder: Path) -> Path:
    """The job's notebook with an injected-parameters cell, as papermill would run it, not executed."""
    from papermill import execute_notebook

    target = folder / f"{job.label.replace(' ', '-')}.ipynb"
    execute_notebook(
        job.source, target, job.overrides, prepare_only=True, kernel_name="python3", progress_bar=False
    )
    return target


def status(argv: list[str], jobs: list[Job] | None = None) -> int:
    """One line a run: finished, to be resumed, or not yet."""
    from helpers.execution.states import status_table

    if jobs is None:
        arguments = parser_of("status", "What has been run.").parse_args(argv)
        arguments.everything |= not (arguments.notebooks or arguments.models)
        jobs = expand(request_from(arguments))
    print(status_table(jobs))
    return EXIT_OK


def data(argv: list[str]) -> int:
    """List the manifest; with a name say where its data would come from, with --open count them."""
    from helpers.data import find_source, get_entry, open_dataset, read_manifest
    from helpers.execution.states import aligned

    parser = argparse.ArgumentParser(
        prog="python -m helpers data", description="The data sets, or one of them."
    )
    parser.add_argument("name", nargs="?", default="", help="an entry of data_manifest.yaml")
    parser.add_argument("--source", default="", help="a folder or zip that wins over the entry's own")
    parser.add_argument("--manifest", type=Path, default=None, help="another manifest")
    parser.add_argument("--open", action="store_true", help="stage and count: expected and found")
    asked = parser.parse_args(argv)
    if not asked.name:
        rows = [["name", "source", "licence", "title"]]
        for entry in read_manifest(asked.manifest).values():
            rows.append([entry.name, entry.slug or entry.source, entry.licence, entry.title])
        print(aligned([[cell if len(cell) < 60 else cell[:57] + "..." for cell in row] for row in rows]))
        return EXIT_OK
    entry = get_entry(asked.name, asked.manifest)
    for label, value in entry.model_dump(exclude={"name"}, exclude_defaults=True).items():
        print(f"{label + ':':<16}{value}")
    if not asked.open:
        for one in entry.sets:
            find_source(one, where_am_i(), asked.source)
        return EXIT_OK
    opened = open_dataset(
        asked.name, asked.source, allow_mismatch=True, manifest=asked.manifest, remember=False
    )
    print(opened.counts.to_string(index=False))
    return EXIT_FAILED if opened.allowed else EXIT_OK


def test(argv: list[str]) -> int:
    """Score a trained run on another data set: scores.<dataset>.csv in its folder, and the figures of each split."""
    from helpers.data import open_dataset
    from helpers.evaluation.summary import summarise
    from helpers.features import build_cache
    from helpers.runs import read_run, write_text
    from helpers.training.load import load_model, score_cache

    parser = argparse.ArgumentParser(
        prog="python -m helpers test", description="A trained run on another data set."
    )
    parser.add_argument("run", help="a run folder, or the name of a run or its beginning")
    parser.add_argument("dataset", help="a name in data_manifest.yaml, or several joined by +")
    parser.add_argument("--source", default="", help="a folder or zip that wins over the entry's own")
    asked = parser.parse_args(argv)
    folder = Path(asked.run)
    if not (folder / "params.json").is_file():
        found = sorted(where_am_i().folders.runs.glob(f"{asked.run}*/metrics.json"))
        if len(found) != 1:
            names = ", ".join(path.parent.name for path in found) or "none"
            raise ValueError(f"{asked.run} names {names} of the finished runs: name one")
        folder = found[0].parent
    trained = read_run(folder)
    model, setting = load_model(trained)
    opened = open_dataset(asked.dataset, asked.source)
    scores = score_cache(trained, model, build_cache(opened.table, setting))
    target = folder / f"scores.{asked.dataset}.csv"
    write_text(target, scores.to_csv(index=False, float_format="%.8g"))
    print(f"{target}: {len(scores):,} clips")
    for split, rows in scores.groupby("split"):
        if rows["label"].nunique() == 2:
            found_here = summarise(
                rows.assign(split="eval"), name=f"{trained.name} on {split}", polarity="note"
            )
            eer, interval = found_here["eval"]["eer"], found_here["eval"].get("eer_interval")
            extent = f" ({100 * interval[0]:.1f}–{100 * interval[1]:.1f} %)" if interval else ""
            print(f"  {split:<6} EER {100 * eer:.2f} %{extent}, {len(rows):,} clips")
    return EXIT_OK


def kaggle(argv: list[str]) -> int:
    """push: start or continue. status: one line. pull: fetch the runs. run: all of it, until nothing is left."""
    from helpers.execution import kaggle as kernels

    parser = parser_of("kaggle", "Run the notebooks as one Kaggle kernel.")
    add = parser.add_argument
    add("action", choices=["push", "status", "pull", "run"])
    add("--owner", default="", help="your Kaggle name; default: the token's")
    add("--prefix", default="adf", help="how the names of data set and kernel begin")
    add("--attach", default="", help="further data sets, as in owner/name,owner/name")
    add("--cpu", action="store_true", help="no GPU for the trainings")
    add("--internet", action="store_true", help="switch the kernel's internet on; off by default")
    add("--session-minutes", type=int, default=690, help="end of a session, at most 720")
    add("--poll", type=float, default=30, metavar="SECONDS", help="between two looks")
    arguments = parser.parse_args(argv)
    try:
        return kernels.main(arguments, request_from(arguments, hosted=True))
    except KeyboardInterrupt:
        print("\nstopped; a kernel at Kaggle goes on. The same command resumes from here.")
        return EXIT_STOPPED
