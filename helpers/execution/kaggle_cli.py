"""`python -m helpers kaggle push | status | pull | run`: the notebooks as Kaggle kernels, on its GPUs."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

from helpers.environment import where_am_i
from helpers.execution.child import Lock
from helpers.execution.cli import EXIT_FAILED, EXIT_OK, EXIT_STOPPED, PATHS, add_choice, refused, request_from
from helpers.execution.jobs import Job, expand
from helpers.execution.kaggle_campaign import Campaign
from helpers.execution.kaggle_pack import arrange
from helpers.execution.kaggle_service import KaggleBusy, KaggleError, Service
from helpers.execution.report import aligned

KAGGLE_INPUT = "/kaggle/input/"  # where a kernel finds what is attached to it
UPLOAD = f"upload it as a data set, name that with --attach owner/name, and give its path as {KAGGLE_INPUT}…"


def parser() -> argparse.ArgumentParser:
    """The options of all four actions."""
    made = argparse.ArgumentParser(
        prog="python -m helpers kaggle", description="Run the notebooks as Kaggle kernels."
    )
    made.add_argument("action", choices=["push", "status", "pull", "run"])
    add_choice(made)
    made.add_argument("--owner", default="", help="your Kaggle name; default: the token's")
    made.add_argument("--prefix", default="adf", help="how the names of data set and kernels begin")
    made.add_argument("--attach", default="", help="further data sets, as in owner/name,owner/name")
    made.add_argument("--cpu", action="store_true", help="no GPU for the trainings")
    made.add_argument(
        "--internet", action="store_true", help="switch the kernels' internet on; off by default"
    )
    made.add_argument("--session-minutes", type=int, default=690, help="end of a session, at most 720")
    made.add_argument("--poll", type=float, default=30, metavar="SECONDS", help="between two looks")
    return made


def runner_arguments(arguments: argparse.Namespace) -> list[str]:
    """What the runner inside a kernel is told besides its choice of notebooks."""
    passed = []
    if arguments.dataset:
        passed += ["--dataset", arguments.dataset]
    if arguments.profile != "demo":
        passed += ["--profile", arguments.profile]
    for name, value in arguments.p:
        passed += ["-p", name, value]
    return passed


def refuse_paths_from_home(parameters: dict[str, Any]) -> None:
    """ValueError for a file or folder that no kernel could see."""
    for name in PATHS:
        value = str(parameters.get(name, ""))
        if Path(value).is_absolute() and not value.startswith(KAGGLE_INPUT):
            raise ValueError(f"{value} (-p {name}) is a path of this machine, not of Kaggle: {UPLOAD}")


def attached_data(jobs: list[Job], extra: str, source: str = "") -> list[str]:
    """The Kaggle data sets of the chosen manifest entries, and those the user adds. `source` wins over an entry's path."""
    from helpers.data.manifest import MANIFEST, read_manifest

    found, travelling = [], read_manifest(MANIFEST).entries
    for name in dict.fromkeys(job.dataset for job in jobs if job.dataset):
        if name not in travelling:
            raise ValueError(
                f"{name} stands in a manifest of your own, which stays here: write it into {MANIFEST.name}"
            )
        entry = travelling[name]
        if entry.source == "kaggle":
            found.append(entry.slug)
        elif entry.source != "builtin" and not (source or entry.path).startswith(KAGGLE_INPUT):
            raise ValueError(
                f"{name} is audio of your own, which Kaggle does not have: {UPLOAD} with -p source"
            )
    return list(dict.fromkeys([*found, *(part.strip() for part in extra.split(",") if part.strip())]))


def build(arguments: argparse.Namespace) -> Campaign:
    """The campaign behind the options; ValueError or KaggleError says what is missing."""
    if not 10 <= arguments.session_minutes <= 720:
        raise ValueError("--session-minutes lies between 10 and 720")
    if not 1 <= arguments.poll <= 3600:
        raise ValueError("--poll lies between 1 and 3600 seconds")
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", arguments.prefix):
        raise ValueError(
            f"--prefix takes up to 40 small letters, digits and hyphens: {arguments.prefix!r} is not of them"
        )
    request = request_from(arguments)
    jobs = expand(request)
    refuse_paths_from_home(request.parameters)
    datasets = attached_data(jobs, arguments.attach, request.parameters.get("source", ""))
    service = Service()
    place = where_am_i()
    assert request.runs_dir is not None
    return Campaign(
        service,
        arrange(jobs, runner_arguments(arguments), not arguments.cpu, arguments.session_minutes),
        request.project,
        Path(place.folders.data).parent / "kaggle" / arguments.prefix,
        request.runs_dir,
        arguments.owner or service.owner,
        arguments.prefix,
        datasets,
        arguments.internet,
        arguments.session_minutes,
        arguments.poll,
        lambda line: print(line, flush=True),
    )


def main(argv: list[str]) -> int:
    """push: what is due now. status: a table. pull: what has ended. run: all of it, until the end."""
    arguments = parser().parse_args(argv)
    try:
        campaign = build(arguments)
        if arguments.action == "status":
            print(aligned(campaign.table()))
            return EXIT_OK
        alone = Lock(campaign.folder, "campaign")  # held as long as this name lives
        if not alone.take():
            raise ValueError(
                f"another command works on the kernels named {arguments.prefix}-…: wait for it, or choose --prefix"
            )
        if arguments.action in ("push", "run"):
            campaign.try_again()
        if arguments.action == "run":
            complete = campaign.run()
            print(aligned(campaign.table()))
            return EXIT_OK if complete else EXIT_FAILED
        if arguments.action == "pull":
            for kernel in campaign.kernels:
                if campaign.records[kernel.stage]["status"] == "pushed":
                    campaign.look(kernel)
        else:
            campaign.push_project()
            for kernel in campaign.due():
                campaign.push(kernel)
        return EXIT_OK
    except ValueError as error:
        return refused(error)
    except (KaggleError, KaggleBusy) as error:
        print(error, file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        print("\nstopped; kernels at Kaggle go on. The same command takes up from here.")
        return EXIT_STOPPED
