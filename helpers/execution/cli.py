"""`python -m helpers run | status | prepare`."""

from __future__ import annotations

import argparse
import math
import sys
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


def add_choice(parser: argparse.ArgumentParser) -> None:
    """The options that choose notebooks and parameters, the same for run, status, prepare and kaggle."""
    parser.add_argument(
        "--notebooks", default="", help="numbers and spans, as in 01-03,16; default: the core ones"
    )
    parser.add_argument("--models", default="", help="only these trainings, as in lcnn,aasist")
    parser.add_argument("--all", action="store_true", dest="everything", help="every notebook of the plan")
    parser.add_argument("--dataset", default="", help="a name in data_manifest.yaml")
    parser.add_argument("--profile", default="demo", help="demo | full | smoke")
    parser.add_argument("--seeds", default="", help="one training for each, as in 0,1,2")
    parser.add_argument(
        "-p",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="a parameter of the notebooks",
    )


def request_from(arguments: argparse.Namespace) -> Request:
    """The Request behind parsed options."""
    parameters = dict(parse_assignments(arguments.p))
    for name in PATHS:  # a notebook runs in its own folder
        path = Path(parameters.get(name, "")).expanduser()
        if parameters.get(name) and (name == "source" or path.exists()):
            parameters[name] = str(path.absolute())
    return Request(
        notebooks=arguments.notebooks,
        models=arguments.models,
        everything=arguments.everything,
        dataset=arguments.dataset,
        profile=arguments.profile,
        seeds=arguments.seeds,
        parameters=parameters,
        again=getattr(arguments, "again", False),
    )


def refused(error: Exception) -> int:
    """One line for what cannot be run; nothing has been started."""
    print(f"not started: {error}", file=sys.stderr)
    return EXIT_REFUSED


def run(argv: list[str]) -> int:
    """Run notebooks; 0 all complete, 1 something failed, 2 refused, 3 saved and to be continued, 130 stopped."""
    from helpers.execution import machine, report
    from helpers.execution.runner import DEFAULT_TIMEOUT_MINUTES, Runner

    parser = argparse.ArgumentParser(prog="python -m helpers run", description="Run notebooks headless.")
    add_choice(parser)
    parser.add_argument("--again", action="store_true", help="run what is finished once more")
    parser.add_argument(
        "--jobs", type=int, default=0, help="how many side by side; default: one a GPU or four cores"
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=DEFAULT_TIMEOUT_MINUTES,
        metavar="MINUTES",
        help="for one cell, 0 is none",
    )
    arguments = parser.parse_args(argv)
    try:
        if arguments.jobs < 0 or arguments.timeout < 0:
            raise ValueError("--jobs and --timeout are not negative")
        if not math.isfinite(arguments.timeout):
            raise ValueError(
                f"--timeout is a number of minutes, {arguments.timeout} is none: write 0 for no limit"
            )
        jobs = expand(request_from(arguments))
    except ValueError as error:
        return refused(error)
    began = time.monotonic()
    runner = Runner(
        jobs, machine.slots(arguments.jobs), arguments.timeout, lambda line: print(line, flush=True)
    )
    try:
        works = runner.run()
    except KeyboardInterrupt:
        print(
            f"\nstopped. The same command{', without --again,' * arguments.again} goes on where this left off.",
            flush=True,
        )
        return EXIT_STOPPED
    print("\n" + report.summary(works, time.monotonic() - began), flush=True)
    return report.exit_code(works)


def status(argv: list[str]) -> int:
    """One line a run: finished, to be continued, or not yet."""
    from helpers.execution import report

    parser = argparse.ArgumentParser(prog="python -m helpers status", description="What has been run.")
    add_choice(parser)
    arguments = parser.parse_args(argv)
    chosen = arguments.notebooks or arguments.models
    arguments.everything = arguments.everything or not chosen
    try:
        jobs = expand(request_from(arguments))
    except ValueError as error:
        return refused(error)
    print(report.status_table(jobs))
    return EXIT_OK


def prepare(argv: list[str]) -> int:
    """Write notebooks with their parameters injected, executing nothing."""
    parser = argparse.ArgumentParser(prog="python -m helpers prepare", description="Inject parameters only.")
    add_choice(parser)
    parser.add_argument("--to", type=Path, default=None, help="folder, default work/prepared")
    arguments = parser.parse_args(argv)
    try:
        jobs = expand(request_from(arguments))
    except ValueError as error:
        return refused(error)
    folder = arguments.to or where_am_i().folders.data.parent / "prepared"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return refused(
            ValueError(f"--to names a folder, {folder} cannot be one ({error.strerror}): name another")
        )
    for job in jobs:
        print(prepare_one(job, folder))
    return EXIT_OK


def prepare_one(job: Job, folder: Path) -> Path:
    """The job's notebook with an injected-parameters cell, as papermill would run it."""
    from papermill import execute_notebook

    target = folder / f"{job.label.replace(' ', '-')}.ipynb"
    execute_notebook(
        job.source, target, job.overrides, prepare_only=True, kernel_name="python3", progress_bar=False
    )
    return target
