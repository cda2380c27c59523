"""The command line: `python -m helpers COMMAND ...`. What a command does is imported when it is used."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

from helpers.environment import EXIT_FAILED, EXIT_OK, EXIT_REFUSED, EXIT_STOPPED, where_am_i

EXIT_CODES = "exit code: 0 all likely bona fide, 1 a spoof or mixed, 2 refused, 3 cannot tell, 4 something was left out"


def parser() -> argparse.ArgumentParser:
    """Every command and option; `call` is the function behind the command."""
    top = argparse.ArgumentParser(
        prog="python -m helpers", description="Audio deepfake detection, end to end."
    )
    commands = top.add_subparsers(metavar="COMMAND", required=True)

    choice = argparse.ArgumentParser(add_help=False)  # which notebooks: the same for run, status and kaggle
    add = choice.add_argument
    add("--notebooks", default="", help="numbers and spans, as in 01-03,16; default: the core ones")
    add("--models", default="", help="only these trainings, as in lcnn,aasist")
    add("--all", action="store_true", dest="everything", help="every notebook of the plan")
    add("--dataset", default="", help="a name in data_manifest.yaml, or several joined by +")
    add("--profile", default="demo", help="demo | full | smoke")
    add("--seeds", default="", help="one training for each, as in 0,1,2")
    add("-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="a notebook's parameter")

    def command(
        call: Any, *parents: argparse.ArgumentParser, name: str = "", about: str = "", **more: Any
    ) -> Any:
        name, about = name or call.__name__, about or call.__doc__
        made = commands.add_parser(name, help=about, description=about, parents=parents, **more)
        made.set_defaults(call=call)
        return made.add_argument

    def elsewhere(name: str, module: str, function: str, about: str, **more: Any) -> Any:
        def call(asked: Namespace) -> int:
            options = {option: value for option, value in vars(asked).items() if option != "call"}
            return getattr(importlib.import_module(module), function)(**options)

        return command(call, name=name, about=about, **more)

    add = command(run, choice)
    add("--again", action="store_true", help="run what is finished once more; the old run stays until then")
    add("--jobs", type=int, default=0, help="how many side by side; default: one a GPU or four cores")
    add("--minutes", type=float, default=0, help="for all of it: trainings stop and save in time")
    add("--save", type=Path, help="a zip or folder: runs are restored from it, and saved to it all along")
    add("--prepare-only", type=Path, metavar="FOLDER", help="only write the notebooks with their parameters")
    add("--dry", action="store_true", help="only say what would run and how much disk it takes")
    command(status, choice)
    add = command(data)
    add("name", nargs="?", default="", help="an entry of data_manifest.yaml")
    add("--source", default="", help="a folder or zip that wins over the entry's own")
    add("--manifest", type=Path, help="another manifest")
    add("--open", action="store_true", help="stage and count: expected and found")
    add = command(test)
    add("run", help="a run folder, or the name of a run or its beginning")
    add("dataset", help="a name in data_manifest.yaml, or several joined by +")
    add("--source", default="", help="a folder or zip that wins over the entry's own")
    add = command(kaggle, choice)
    add(
        "action",
        choices=["push", "status", "pull", "run"],
        help="run: push, wait, pull, until nothing is left",
    )
    add("--owner", default="", help="your Kaggle name; default: the token's")
    add("--attach", default="", help="further data sets, as in owner/name,owner/name")
    add("--cpu", action="store_true", help="no GPU for the trainings")
    add("--internet", action="store_true", help="switch the kernel's internet on; off by default")
    add = elsewhere("predict", "helpers.demo.predict", "main", "a verdict on recordings", epilog=EXIT_CODES)
    add("files", nargs="+", metavar="FILE", help="recordings, folders, or - for a pipe")
    add("--run", action="append", default=[], help="shipped (the default), or a run; again for a second one")
    for form, about in (
        ("json", "everything, each window's score too"),
        ("csv", "a line a recording and detector"),
    ):
        add(f"--{form}", dest="form", action="store_const", const=form, default="table", help=about)
    add("--report", type=Path, metavar="FILE.html", help="also write a report to keep")
    add = elsewhere("demo", "helpers.demo.page", "main", "the web page")
    add("--run", help="the first detector: shipped (the default), a run folder or its name")
    add("--port", type=int, help="7860 by default, or the next that is free")
    add("--share", action="store_true", help="a public address for 72 hours, over Gradio's servers")
    add = elsewhere("export", "helpers.demo.export", "main", "a trained detector as one portable file")
    add("run", help="a run folder, or the name of a run or its beginning")
    add("--out", type=Path, help="the file to write, RUN/detector.onnx by default")
    add = elsewhere("evaluate", "helpers.evaluation.cli", "evaluate", "error rates of a score file")
    add("scores", help="`utterance attack label score` or `utterance score` lines, or a CSV")
    add("--labels", help="label file, for scores without labels")
    add("--asv", help="scores of a speaker verification system, for t-DCF")
    add("--json", dest="as_json", action="store_true", help="print JSON, rates as fractions")
    add("--rounds", type=int, default=200, help="bootstrap rounds for intervals, 0 for none")
    add("--repeats", action="store_true", help="allow a list of trials that repeats an utterance")
    add("--bonafide", default="", help="the number, or the word of your language, for bona fide")
    add("--higher", choices=["bonafide", "spoof"], default="bonafide", help="what a high score means")
    add = elsewhere("report", "helpers.evaluation.cli", "report", "tables and figures of finished runs")
    add("--runs", default="", help="folder of run folders")
    add("--dataset", help="only this data set")
    add("--out", default="", help="where report.html goes; default: beside the run folders")
    return top


def request_from(asked: Namespace, hosted: bool) -> Any:
    """The Request behind parsed options."""
    from helpers.execution.jobs import PATHS, Request

    parameters = dict(asked.p)
    for name in PATHS:
        path = Path(parameters.get(name, "")).expanduser()
        if parameters.get(name) and (name == "source" or path.exists()):
            parameters[name] = str(path.absolute())
    chosen = {
        n: getattr(asked, n) for n in ("notebooks", "models", "everything", "dataset", "profile", "seeds")
    }
    again = getattr(asked, "again", False)
    return Request(**chosen, parameters=parameters, again=again, needed_caches=hosted)


def run(asked: Namespace) -> int:
    """run notebooks headless; what is finished is skipped"""
    from helpers.execution import child, runner
    from helpers.execution.carry import restore_runs, save_runs
    from helpers.execution.jobs import expand, prepare, refuse_small_disk
    from helpers.execution.states import status_table

    place = where_am_i()
    jobs = expand(request_from(asked, hosted=place.name != "local"))
    if asked.prepare_only:
        for job in jobs:
            print(prepare(job, asked.prepare_only))
        return EXIT_OK
    refuse_small_disk(jobs, place.folders.cache, attached=place.name == "kaggle")
    if asked.save:
        for name in restore_runs(asked.save.expanduser(), place.folders.runs):
            print(f"restored {name}")
    if asked.dry:
        print(status_table(jobs))
        return EXIT_OK

    def save() -> None:
        try:
            save_runs(asked.save.expanduser(), place.folders.runs)
        except OSError as error:  # Drive answers 5 or 107 when its connection is gone
            advice = "mount Drive again in the open notebook" if error.errno in (5, 107) else "free some room"
            print(f"not saved to {asked.save} ({error.strerror}): {advice}; the run goes on", flush=True)

    began, saving = time.monotonic(), save if asked.save else lambda: None
    work = runner.Runner(
        jobs, child.slots(asked.jobs), asked.minutes, lambda line: print(line, flush=True), saving
    )
    try:
        works = work.run()
    except KeyboardInterrupt:
        saving()
        hint = ", without --again," * asked.again
        print(f"\nstopped. The same command{hint} resumes where this stopped.", flush=True)
        return EXIT_STOPPED
    print("\n" + runner.summary(works, time.monotonic() - began), flush=True)
    return runner.exit_code(works)


def status(asked: Namespace) -> int:
    """what is done, what goes on, what is missing"""
    from helpers.execution.jobs import expand
    from helpers.execution.states import status_table

    asked.everything |= not (asked.notebooks or asked.models)
    print(status_table(expand(request_from(asked, hosted=where_am_i().name != "local"))))
    return EXIT_OK


def data(asked: Namespace) -> int:
    """list the data sets, or check one"""
    from helpers.data import find_source, get_entry, open_dataset, read_manifest
    from helpers.execution.states import aligned

    if not asked.name:
        rows = [["name", "source", "licence", "title"]]
        for entry in read_manifest(asked.manifest).values():
            rows.append([entry.name, entry.slug or entry.source, entry.licence, entry.title])
        print(aligned([[cell if len(cell) < 60 else cell[:57] + "..." for cell in row] for row in rows]))
        return EXIT_OK
    entry = get_entry(asked.name, asked.manifest)
    for label, value in entry.model_dump(exclude={"name"}, exclude_defaults=True).items():
        print(f"{label + ':':<16}{value}")
    if asked.open:
        options = {"allow_mismatch": True, "manifest": asked.manifest, "remember": False}
        opened = open_dataset(asked.name, asked.source, **options)
        print(opened.counts.to_string(index=False))
        return EXIT_FAILED if opened.allowed else EXIT_OK
    for one in entry.sets:
        find_source(one, where_am_i(), asked.source)
    return EXIT_OK


def test(asked: Namespace) -> int:
    """score a trained run on another data set: scores.<dataset>.csv in its folder, and the figures of each split"""
    from helpers.data import open_dataset
    from helpers.demo.detector import find_run
    from helpers.evaluation.summary import summarise
    from helpers.features import build_cache
    from helpers.files import write_text
    from helpers.training.load import load_model, score_cache

    trained = find_run(asked.run)
    model, setting = load_model(trained)
    opened = open_dataset(asked.dataset, asked.source)
    scores = score_cache(model, build_cache(opened.table, setting))
    target = trained.folder / f"scores.{asked.dataset}.csv"
    write_text(target, scores.to_csv(index=False, float_format="%.8g"))
    print(f"{target}: {len(scores):,} clips")
    for split, rows in scores.groupby("split"):
        if rows["label"].nunique() == 2:
            name = f"{trained.name} on {split}"
            figures = summarise(rows.assign(split="eval"), name=name, polarity="note")["eval"]
            low, high = figures.get("eer_interval", (None, None))
            extent = f" ({100 * low:.1f}–{100 * high:.1f} %)" if low is not None else ""
            print(f"  {split:<6} EER {100 * figures['eer']:.2f} %{extent}, {len(rows):,} clips")
    return EXIT_OK


def kaggle(asked: Namespace) -> int:
    """run the notebooks as one Kaggle kernel: push, status, pull, or run, which is all of it"""
    from helpers.execution.kaggle import OneKernel

    request = request_from(asked, hosted=True)
    kernel = OneKernel(request, asked.owner, asked.attach, asked.cpu, asked.internet)
    try:
        said = getattr(kernel, asked.action)()
    except KeyboardInterrupt:
        print("\nstopped; a kernel at Kaggle goes on. The same command resumes from here.")
        return EXIT_STOPPED
    if asked.action == "run":
        return said
    print(said)
    return EXIT_OK


def dispatch(argv: list[str]) -> int:
    """Run one command; 2 and a sentence for what is refused."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal may lack a character
    asked = parser().parse_args(argv)
    try:
        return int(asked.call(asked))
    except BrokenPipeError:
        raise
    except (ValueError, OSError, RuntimeError, ImportError, KeyError) as error:
        if os.environ.get("HELPERS_TRACEBACK"):
            raise
        from helpers.data.errors import say

        print(f"{argv[0]}: {say(error)}", file=sys.stderr)
        return EXIT_REFUSED


if __name__ == "__main__":
    try:
        sys.exit(dispatch(sys.argv[1:]))
    except BrokenPipeError:  # the reader of a pipe, as in `| head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
