"""The suite as one Kaggle kernel that runs the runner itself, on both cards; the next push goes on from its output."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from helpers.environment import EXIT_FAILED, EXIT_OK, PROJECT, where_am_i
from helpers.execution.carry import import_runs
from helpers.execution.jobs import PATHS, Job, Request, expand, needed_room, room_table
from helpers.execution.kaggle_service import ENDED, KaggleBusy, KaggleError, Service
from helpers.execution.plan import split_names
from helpers.execution.setup import set_up_source
from helpers.execution.states import FINISHED, epochs_done, state_of, status_table
from helpers.files import digest, hash_file, write_json
from helpers.runs import WORKING

PREFIX = "adf"  # of the names of data set and kernel
ACCELERATOR = "NvidiaTeslaT4"  # two T4 cards
SESSION_MINUTES = 690  # Kaggle ends a session after 720
LAST_MINUTES = 30  # of a session: for what the runner and Kaggle do after the notebooks
POLL_SECONDS = 30.0
KAGGLE_INPUT = "/kaggle/input/"  # where a kernel finds what is attached to it
UPLOAD = f"upload it as a data set, name that with --attach owner/name, and give its path as {KAGGLE_INPUT}…"
SAVED_BY_SKOPS = ("vgg16_svm", "xgboost", "svm", "random_forest", "logistic")
RUN = """\
command = [sys.executable, "-u", "-m", "helpers", "run", *arguments]
runner = subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
for line in runner.stdout:
    print(line, end="", flush=True)
assert runner.wait() in (0, 1, 3), "the runner did not start: see its lines above"
"""


def pack_project(project: Path, folder: Path, reference: str) -> str:
    """Copy what travels (code, notebooks, starter corpus, wheels) into `folder`, with the metadata of a private data set.

    The digest of all that was packed.
    """
    shutil.rmtree(folder, ignore_errors=True)
    ignore = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "solutions")
    for name in ("helpers", "notebooks", "wheels"):
        if (project / name).is_dir():
            shutil.copytree(project / name, folder / name, ignore=ignore)
    for name in ("requirements.txt", "data_manifest.yaml", "LICENSE"):
        if (project / name).is_file():
            shutil.copy(project / name, folder)
    packed = sorted(path for path in folder.rglob("*") if path.is_file())
    title = reference.split("/")[1].replace("-", " ")
    record = {"id": reference, "title": title, "licenses": [{"name": "apache-2.0"}]}
    write_json(folder / "dataset-metadata.json", record)
    return digest({path.relative_to(folder).as_posix(): hash_file(path) for path in packed})


def driver(arguments: list[str]) -> nbformat.NotebookNode:
    """The notebook that Kaggle executes: set-up, then the runner with its arguments."""
    cells = {
        "parameters": "seed: int = 0  # unused",
        "set-up": set_up_source(),
        "run": f"arguments = {json.dumps(arguments)}\n{RUN}",
    }
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    made = [new_code_cell(source, metadata={"tags": [name]}) for name, source in cells.items()]
    return new_notebook(cells=made, metadata={"kernelspec": kernel})


def refuse_what_kaggle_lacks(jobs: list[Job], internet: bool, project: Path = PROJECT) -> None:
    """ValueError for files of this machine, and for what must come from the internet while that is off."""
    for job in jobs:
        given = {name: str(job.parameters.get(name, "")) for name in PATHS}
        for name, value in given.items():
            if Path(value).is_absolute() and not value.startswith(KAGGLE_INPUT):
                raise ValueError(f"{value} (-p {name}) is a path of this machine, not of Kaggle: {UPLOAD}")
        if internet:
            continue
        hub = "/" in given["front_end"] and not given["front_end"].startswith(KAGGLE_INPUT)
        for name in ["front_end"] * hub + ["weights"] * (given["weights"] == "imagenet"):
            raise ValueError(
                f"{job.label} needs weights from the internet (-p {name} {given[name]}), which is off: "
                "switch it on with --internet, or choose weights that are in the project"
            )
        if job.row.model in SAVED_BY_SKOPS and not list(project.glob("wheels/skops-*.whl")):
            raise ValueError(
                f"{job.label} is saved with skops, which Kaggle lacks, and the internet is off: "
                "python -m pip download --no-deps -d wheels skops prettytable, or add --internet"
            )


def attached_data(jobs: list[Job], extra: str, source: str = "") -> list[str]:
    """The Kaggle data sets of the chosen manifest entries, and those the user adds. `source` wins over an entry's path."""
    from helpers.data.manifest import MANIFEST, read_manifest

    found, travelling = [], read_manifest(MANIFEST)
    for name in dict.fromkeys(one for job in jobs for one in split_names(job.dataset)):
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


@dataclass
class OneKernel:
    """The kernel of one request: its name holds a hash of the choice, its state is Kaggle's own."""

    request: Request
    owner: str = ""  # "" is the token's
    attach: str = ""  # further data sets
    cpu: bool = False
    internet: bool = False
    service: Service = field(init=False)

    def __post_init__(self) -> None:
        request = self.request
        self.jobs = expand(request)
        refuse_what_kaggle_lacks(self.jobs, self.internet, request.project)
        self.data = attached_data(self.jobs, self.attach, request.parameters.get("source", ""))
        self.gpu = not self.cpu and any(job.notebook.device != "cpu" for job in self.jobs)
        self.service = Service()
        owner = self.owner or self.service.owner
        self.arguments = self.runner_arguments()
        self.project_reference = f"{owner}/{PREFIX}-project"
        self.reference = f"{owner}/{PREFIX}-{digest(self.arguments, 8)}"
        self.folder = where_am_i().folders.data.parent / "kaggle" / self.reference.split("/")[1]

    def runner_arguments(self) -> list[str]:
        """What the runner inside the kernel is told: the same choice, and when to stop."""
        words = ["--all"] if self.request.everything else []
        for name in ("notebooks", "models", "dataset", "profile", "seeds"):
            if getattr(self.request, name):
                words += [f"--{name}", getattr(self.request, name)]
        for name, value in self.request.parameters.items():
            words += ["-p", name, str(value)]
        return [*words, "--minutes", str(SESSION_MINUTES - LAST_MINUTES)]

    def push(self) -> str:
        """Bring the code up to date, then push the kernel; once it has output, that is attached and it resumes."""
        if needed := needed_room(self.jobs, attached=True):
            print(f"room needed at Kaggle: {room_table(needed)}", flush=True)
        state = self.service.kernel_state(self.reference)
        if state.status not in ("absent", *ENDED):
            return f"{self.reference} is {state.status} already"
        packed = self.folder / "project"
        code = (
            f"{self.project_reference} {pack_project(self.request.project, packed, self.project_reference)}"
        )
        note = self.folder.parent / f"{PREFIX}-project.txt"  # which code was sent last
        if not note.is_file() or note.read_text() != code:
            self.service.push_dataset(packed, self.project_reference, code)
            note.write_text(code)
        status = self.service.dataset_status(self.project_reference)
        if status in ("failed", "error"):
            note.unlink()
            raise KaggleError(f"Kaggle could not take in {self.project_reference}: push again")
        if status != "ready":
            raise KaggleBusy(f"Kaggle is still unpacking {self.project_reference} ({status})")
        earlier = [] if state.status == "absent" else [self.reference]
        self.pack(earlier)
        seconds = 60 * SESSION_MINUTES
        version = self.service.push_kernel(self.folder / "kernel", seconds, ACCELERATOR if self.gpu else "")
        return f"pushed {self.reference} version {version}" + (", which resumes" if earlier else "")

    def pack(self, earlier: list[str]) -> None:
        """Write kernel/: one notebook and kernel-metadata.json."""
        slug, folder = self.reference.split("/")[1], self.folder / "kernel"
        folder.mkdir(parents=True, exist_ok=True)
        nbformat.write(driver(self.arguments), folder / f"{slug}.ipynb")
        record = {
            "id": self.reference,
            "title": slug.replace("-", " "),
            "code_file": f"{slug}.ipynb",
            "language": "python",
            "kernel_type": "notebook",
            "is_private": True,
            "enable_gpu": self.gpu,
            "enable_tpu": False,
            "enable_internet": self.internet,
            "kernel_sources": earlier,
            "dataset_sources": [self.project_reference, *self.data],
            "competition_sources": [],
            "model_sources": [],
        }
        write_json(folder / "kernel-metadata.json", record)

    def status(self) -> str:
        """Kaggle's word on the kernel, and the table of what is complete here."""
        state = self.service.kernel_state(self.reference)
        return f"{self.reference}: {state.status}  {state.message}".rstrip() + "\n" + status_table(self.jobs)

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
        told, pushed, before = "", False, self.unfinished()
        while True:
            try:
                if not pushed:
                    print(self.push(), flush=True)
                    pushed = True
                if self.service.kernel_state(self.reference).status in ENDED:
                    print(self.pull(), flush=True)
                    left = self.unfinished()
                    if not left or left == before:
                        print(status_table(self.jobs), flush=True)
                        return EXIT_FAILED if left else EXIT_OK
                    pushed, before = False, left
                    continue
            except KaggleBusy as error:
                if str(error) != told:
                    told = str(error)
                    print(f"waiting: {told}", flush=True)
            time.sleep(POLL_SECONDS)
