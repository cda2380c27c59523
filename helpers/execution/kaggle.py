"""The suite as one Kaggle kernel that runs the runner itself, on both cards; the next push goes on from its output."""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import time
from pathlib import Path
from typing import Any

from helpers.environment import PROJECT, where_am_i
from helpers.execution.carry import import_runs
from helpers.execution.cells import set_up_source, to_text
from helpers.execution.cli import EXIT_FAILED, EXIT_OK, PATHS
from helpers.execution.jobs import Job, Request, expand
from helpers.execution.kaggle_service import ENDED, KaggleBusy, KaggleError, Service
from helpers.execution.room import needed_room, room_table
from helpers.execution.states import FINISHED, epochs_done, state_of, status_table
from helpers.runs import WORKING, digest, write_json

TAKEN = (
    "helpers/**/*",
    "notebooks/*.ipynb",
    "requirements.txt",
    "data_manifest.yaml",
    "LICENSE",
    "wheels/*.whl",
)
LEFT_OUT = {"__pycache__", ".ipynb_checkpoints", "solutions"}
ACCELERATOR = "NvidiaTeslaT4"  # two T4 cards
KAGGLE_INPUT = "/kaggle/input/"  # where a kernel finds what is attached to it
UPLOAD = f"upload it as a data set, name that with --attach owner/name, and give its path as {KAGGLE_INPUT}…"
LAST_MINUTES = 30  # of a session: for what the runner and Kaggle do after the notebooks


def project_files(project: Path) -> list[Path]:
    """Relative paths of all that travels, in order: code, notebooks, the manifest, the starter corpus, wheels."""
    found = {path.relative_to(project) for one in TAKEN for path in project.glob(one) if path.is_file()}
    return sorted(path for path in found if not LEFT_OUT & set(path.parts) and path.suffix != ".pyc")


def project_digest(project: Path) -> str:
    """Changes when any travelling file does."""
    total = hashlib.sha256()
    for path in project_files(project):
        total.update(path.as_posix().encode() + b"\0" + (project / path).read_bytes())
    return total.hexdigest()[:10]


def pack_project(project: Path, folder: Path, reference: str) -> Path:
    """Copy what travels into `folder`, with the metadata of a private data set."""
    shutil.rmtree(folder, ignore_errors=True)
    for path in project_files(project):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(project / path, folder / path)
    title = reference.split("/")[1].replace("-", " ")
    record = {"id": reference, "title": title, "licenses": [{"name": "apache-2.0"}]}
    write_json(folder / "dataset-metadata.json", record)
    return folder


def driver(arguments: list[str]) -> dict[str, Any]:
    """The notebook that Kaggle executes: set-up, then the runner with its arguments."""
    run = (
        f"arguments = {json.dumps(arguments)}\n"
        'command = [sys.executable, "-u", "-m", "helpers", "run", *arguments]\n'
        "runner = subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)\n"
        "for line in runner.stdout:\n"
        '    print(line, end="", flush=True)\n'
        'assert runner.wait() in (0, 1, 3), "the runner did not start: see its lines above"'
    )
    cells = []
    for name, source in (
        ("parameters", "seed: int = 0  # unused"),
        ("set-up", set_up_source()),
        ("run", run),
    ):
        cell = {"cell_type": "code", "id": name, "metadata": {"tags": [name]}, "execution_count": None}
        cells.append({**cell, "outputs": [], "source": source.splitlines(keepends=True)})
    kernelspec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernelspec}, "nbformat": 4, "nbformat_minor": 5}


def refuse_what_kaggle_lacks(jobs: list[Job], internet: bool, project: Path = PROJECT) -> None:
    """ValueError for files of this machine, and for what must come from the internet while that is off."""
    wheels = {path.name.split("-")[0] for path in project.glob("wheels/*.whl")}
    for job in jobs:
        for name in PATHS:
            value = str(job.parameters.get(name, ""))
            if Path(value).is_absolute() and not value.startswith(KAGGLE_INPUT):
                raise ValueError(f"{value} (-p {name}) is a path of this machine, not of Kaggle: {UPLOAD}")
            hub = name == "front_end" and "/" in value and not value.startswith(KAGGLE_INPUT)
            if not internet and (hub or (name == "weights" and value == "imagenet")):
                raise ValueError(
                    f"{job.label} needs weights from the internet (-p {name} {value}), which is off: "
                    "switch it on with --internet, or choose weights that are in the project"
                )
        if not internet and job.row.model in ("vgg16_svm", "xgboost", "svm", "random_forest", "logistic"):
            if "skops" not in wheels:
                raise ValueError(
                    f"{job.label} is saved with skops, which Kaggle lacks, and the internet is off: "
                    "python -m pip download --no-deps -d wheels skops prettytable, or add --internet"
                )


def attached_data(jobs: list[Job], extra: str, source: str = "") -> list[str]:
    """The Kaggle data sets of the chosen manifest entries, and those the user adds. `source` wins over an entry's path."""
    from helpers.data.manifest import MANIFEST, read_manifest

    found, travelling = [], read_manifest(MANIFEST)
    for name in dict.fromkeys(one.strip() for job in jobs if job.dataset for one in job.dataset.split("+")):
        if name not in travelling:
            raise ValueError(
                f"{name} is in a manifest of your own, which stays here: write it into {MANIFEST.name}"
            )
        entry = travelling[name]
        if entry.source == "kaggle":
            found.append(entry.slug)
        elif entry.source != "builtin" and not (source or entry.path or "").startswith(KAGGLE_INPUT):
            raise ValueError(
                f"{name} is audio of your own, which Kaggle does not have: {UPLOAD} with -p source"
            )
    return list(dict.fromkeys([*found, *(part.strip() for part in extra.split(",") if part.strip())]))


def runner_arguments(request: Request, session_minutes: int) -> list[str]:
    """What the runner inside the kernel is told: the same choice, and when to stop."""
    words = ["--all"] if request.everything else []
    for name in ("notebooks", "models", "dataset", "profile", "seeds"):
        if getattr(request, name):
            words += [f"--{name}", getattr(request, name)]
    for name, value in request.parameters.items():
        words += ["-p", name, str(value)]
    return [*words, "--minutes", str(session_minutes - LAST_MINUTES)]


class OneKernel:
    """The kernel of one request: its name holds a hash of the choice, its state is Kaggle's own."""

    def __init__(self, asked: argparse.Namespace, request: Request, service: Service | None = None) -> None:
        if not 60 <= asked.session_minutes <= 720:
            raise ValueError("--session-minutes lies between 60 and 720")
        if not 0 < asked.poll <= 3600:
            raise ValueError("--poll lies between 0 and 3600 seconds")
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,29}", asked.prefix):
            raise ValueError(
                f"--prefix takes up to 30 small letters, digits and hyphens, {asked.prefix!r} does not fit"
            )
        self.asked, self.request, self.jobs = asked, request, expand(request)
        refuse_what_kaggle_lacks(self.jobs, asked.internet, request.project)
        self.data = attached_data(self.jobs, asked.attach, request.parameters.get("source", ""))
        self.gpu = not asked.cpu and any(job.notebook.device != "cpu" for job in self.jobs)
        self.service = service or Service()
        owner = asked.owner or self.service.owner
        self.arguments = runner_arguments(request, asked.session_minutes)
        self.project_reference = f"{owner}/{asked.prefix}-project"
        self.reference = f"{owner}/{asked.prefix}-{digest(self.arguments, 8)}"
        self.folder = Path(where_am_i().folders.data).parent / "kaggle" / self.reference.split("/")[1]

    def push(self) -> str:
        """Bring the code up to date, then push the kernel; once it has output, that is attached and it resumes."""
        if self.gpu or self.jobs:
            print(f"room needed at Kaggle: {room_table(needed_room(self.jobs, attached=True))}", flush=True)
        state = self.service.kernel_state(self.reference)
        if state.status not in ("absent", *ENDED):
            return f"{self.reference} is {state.status} already"
        code = project_digest(self.request.project)
        note = self.folder.parent / f"{self.asked.prefix}-project.txt"
        if not note.is_file() or note.read_text() != f"{self.project_reference} {code}":
            packed = pack_project(self.request.project, self.folder / "project", self.project_reference)
            self.service.push_dataset(packed, self.project_reference, f"code {code}")
            note.write_text(f"{self.project_reference} {code}")
        status = self.service.dataset_status(self.project_reference)
        if status != "ready":
            if status in ("failed", "error"):
                note.unlink()
                raise KaggleError(f"Kaggle could not take in {self.project_reference}: push again")
            raise KaggleBusy(f"Kaggle is still unpacking {self.project_reference} ({status})")
        earlier = [] if state.status == "absent" else [self.reference]
        self.pack(earlier)
        seconds = 60 * self.asked.session_minutes
        version = self.service.push_kernel(self.folder / "kernel", seconds, ACCELERATOR if self.gpu else "")
        return f"pushed {self.reference} version {version}" + (", which resumes" if earlier else "")

    def pack(self, earlier: list[str]) -> None:
        """Write kernel/: one notebook and kernel-metadata.json."""
        slug, folder = self.reference.split("/")[1], self.folder / "kernel"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{slug}.ipynb").write_text(to_text(driver(self.arguments)), encoding="utf-8")
        record: dict[str, Any] = {
            "id": self.reference,
            "title": slug.replace("-", " "),
            "code_file": f"{slug}.ipynb",
        }
        record |= {
            "language": "python",
            "kernel_type": "notebook",
            "is_private": True,
            "enable_gpu": self.gpu,
        }
        record |= {"enable_tpu": False, "enable_internet": self.asked.internet, "kernel_sources": earlier}
        record |= {"dataset_sources": [self.project_reference, *self.data]}
        write_json(
            folder / "kernel-metadata.json", {**record, "competition_sources": [], "model_sources": []}
        )

    def pull(self) -> str:
        """Fetch the runs of a kernel that has ended."""
        state = self.service.kernel_state(self.reference)
        if state.status not in ENDED:
            return f"{self.reference} is {state.status}: nothing to fetch yet"
        self.service.pull(self.reference, self.folder / "output")
        taken = import_runs(self.folder / "output" / "runs", self.request.runs_dir)
        return f"{state.status}: {len(taken)} runs fetched  {state.message}".rstrip()

    def unfinished(self) -> dict[str, int]:
        """Jobs that are not complete here, with the epochs that each has."""
        left = [job for job in self.jobs if state_of(job).kind != FINISHED]
        return {job.name: epochs_done(job.folder.parent / WORKING / job.name) for job in left}

    def run(self) -> int:
        """Push, wait, pull, and push again while that brings anything new; a connection lost for a while is waited for."""
        told, pushed = "", False
        while True:
            try:
                if not pushed:
                    before, pushed = self.unfinished(), bool(print(self.push(), flush=True) or True)
                state = self.service.kernel_state(self.reference)
                if state.status in ENDED:
                    print(self.pull(), flush=True)
                    left = self.unfinished()
                    if not left or left == before:
                        print(status_table(self.jobs), flush=True)
                        return EXIT_FAILED if left else EXIT_OK
                    pushed = False
                    continue
            except KaggleBusy as error:
                if str(error) != told:
                    told = str(error)
                    print(f"waiting: {told}", flush=True)
            time.sleep(self.asked.poll)


def main(asked: argparse.Namespace, request: Request) -> int:
    """One of push, status, pull, run; KaggleError and ValueError are sentences."""
    kernel = OneKernel(asked, request)
    if asked.action == "run":
        return kernel.run()
    if asked.action == "status":
        state = kernel.service.kernel_state(kernel.reference)
        print(f"{kernel.reference}: {state.status}  {state.message}".rstrip())
        print(status_table(kernel.jobs))
        return EXIT_OK
    print(kernel.push() if asked.action == "push" else kernel.pull())
    return EXIT_OK
