"""From what was asked (notebooks, models, seeds, parameters) to a checked list of jobs and the disk that they take."""

from __future__ import annotations

import math
import re
import shlex
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers.environment import PROJECT, where_am_i
from helpers.execution import plan as plans
from helpers.execution.parameters import (
    Parameter,
    ParameterError,
    check_overrides,
    full_parameters,
    inspect_notebook,
)
from helpers.execution.plan import Notebook, Row, nearest, select, split_names
from helpers.runs import run_name

# Parameters that may name a file or folder; a notebook runs in its own folder, so theirs are made absolute.
PATHS = (
    "source", "beside_source", "weights", "front_end", "published", "recording", "recordings", "detector",
)  # fmt: skip
SMALL = 5000  # clips; the caches of fewer fit on every disk


@dataclass
class Request:
    """What a user asked for. Empty means: the core notebooks, their defaults."""

    notebooks: str = ""  # "01-03,16" or file stems
    models: str = ""  # "lcnn,aasist"
    dataset: str = ""
    profile: str = "demo"
    seeds: str = ""  # "0,1,2"
    parameters: dict[str, Any] = field(default_factory=dict)
    everything: bool = False
    again: bool = False
    needed_caches: bool = False  # only what the chosen trainings read: a hosted machine's disk is small
    project: Path = PROJECT
    runs_dir: Path = field(default_factory=lambda: where_am_i().folders.runs)
    plan: tuple[Notebook, ...] = plans.PLAN


@dataclass(eq=False)
class Job:
    """One notebook with all its parameters, and the run folder in which it will end."""

    notebook: Notebook
    row: Row
    parameters: dict[str, Any]  # all of them
    overrides: dict[str, Any]  # those that differ from the notebook's defaults
    folder: Path
    fingerprint: str = ""  # of the data set's entry in the manifest
    project: Path = PROJECT
    forced: bool = False  # run again although it is finished
    needs: tuple[Job, ...] = ()

    @property
    def name(self) -> str:
        """The run folder's name."""
        return self.folder.name

    @property
    def dataset(self) -> str:
        """The data set's name, "" for a notebook without one."""
        return str(self.parameters.get("dataset", ""))

    @property
    def source(self) -> Path:
        """The notebook's file."""
        return notebook_file(self.project, self.notebook)

    @property
    def label(self) -> str:
        """A short name for progress lines: notebook, variant, data set, seed."""
        parts = [self.notebook.stem]
        if len(self.notebook.all_rows()) > 1:
            parts.append(self.row.id)
        if "dataset" in self.overrides:
            parts.append(self.dataset)
        if self.overrides.get("seed"):
            parts.append(f"seed {self.overrides['seed']}")
        return " ".join(parts)


def notebook_file(project: Path, notebook: Notebook) -> Path:
    """The notebook's file."""
    return project / "notebooks" / f"{notebook.stem}.ipynb"


def data_fingerprint(dataset: str, source: str = "") -> str:
    """The fingerprint of a manifest entry or of a union of them, "" without a data set."""
    if not dataset:
        return ""
    from helpers.data.manifest import fingerprint, get_entry

    own = Path(source).expanduser()
    return fingerprint(get_entry(dataset), own if source and own.exists() else None)


class Expansion:
    """Turns a request into jobs: each notebook's parameters are read and checked once."""

    def __init__(self, request: Request) -> None:
        self.request = request
        there = [entry for entry in request.plan if notebook_file(request.project, entry).is_file()]
        self.there = {notebook.stem: notebook for notebook in there}
        self.declared: dict[str, dict[str, Parameter]] = {}
        self.fingerprints: dict[tuple[str, str], str] = {}
        self.jobs: dict[str, Job] = {}  # by name: -p can make two variants the same
        self.used: set[str] = set()
        self.features: list[str] = []  # what the chosen trainings read, where that limits the caches

    def parameters_of(self, notebook: Notebook) -> dict[str, Parameter]:
        """Declared parameters of a notebook, read once."""
        if notebook.stem not in self.declared:
            self.declared[notebook.stem] = inspect_notebook(notebook_file(self.request.project, notebook))
        return self.declared[notebook.stem]

    def checked(self, notebook: Notebook, row: Row, dataset: str, seed: int | None) -> dict[str, Any]:
        """All overrides of this notebook in this request, of the declared types."""
        declared = self.parameters_of(notebook)
        wanted: dict[str, Any] = {**notebook.profiles.get(self.request.profile, {}), **row.overrides}
        if notebook.caches and self.features:
            wanted["features"] = ",".join(self.features)
        if dataset and "dataset" in declared:
            wanted["dataset"] = dataset
        if seed is not None and "seed" in declared and notebook.rows:  # seeds repeat trainings only
            wanted["seed"] = seed
        own = {name: value for name, value in self.request.parameters.items() if name in declared}
        self.used |= own.keys()
        return check_overrides(declared, wanted | own, notebook.stem)

    def add(self, notebook: Notebook, row: Row, dataset: str, seed: int | None, asked: bool) -> Job:
        """The job of these values, made once, after the jobs it needs."""
        needed = [self.there[stem] for stem in notebook.needs if stem in self.there]
        needs = [self.add(one, one.all_rows()[0], dataset, seed, asked=False) for one in needed]
        declared, checked = self.parameters_of(notebook), self.checked(notebook, row, dataset, seed)
        parameters = full_parameters(declared, checked)
        overrides = {name: value for name, value in checked.items() if value != declared[name].default}
        data = str(parameters.get("dataset", "")), str(parameters.get("source", ""))
        if data not in self.fingerprints:
            self.fingerprints[data] = data_fingerprint(*data)
        folder = self.request.runs_dir / run_name(notebook.stem, parameters)
        job = Job(notebook, row, parameters, overrides, folder, self.fingerprints[data], self.request.project)
        job.forced, job.needs = asked and self.request.again, tuple(needs)
        return self.jobs.setdefault(job.name, job)

    def needed_features(self, pairs: list[tuple[Notebook, Row]]) -> list[str]:
        """Names of the cached features that the chosen trainings read, in order."""
        found: dict[str, None] = {}
        for notebook, row in pairs:
            declared = self.parameters_of(notebook)
            if "features" in declared and not notebook.caches:
                values = full_parameters(declared, self.checked(notebook, row, "", None))
                found |= dict.fromkeys(features_of(values))
        return list(found)


def expand(request: Request) -> list[Job]:
    """The jobs of a request in plan order; ParameterError or ValueError says in one sentence what cannot be run."""
    if request.profile not in plans.PROFILES:
        raise ValueError(f"no profile {request.profile}{nearest(request.profile, plans.PROFILES)}")
    for name, given in (("seed", request.seeds), ("dataset", request.dataset)):
        if given and str(request.parameters.get(name, given)) != given:
            raise ParameterError(f"-p {name} contradicts {name} {given}: give one of them")
    seeds = split_names(request.seeds)
    if not all(re.fullmatch("[0-9]+", text) for text in seeds):
        raise ParameterError(f"--seeds takes whole numbers as in 0,1,2, not {request.seeds!r}")
    work = Expansion(request)
    pairs = select(list(work.there.values()), request.notebooks, request.models, request.everything)
    if request.needed_caches:
        work.features = work.needed_features(pairs)
    for notebook, row in pairs:
        declared = work.parameters_of(notebook)
        default = declared["dataset"].default if "dataset" in declared else ""
        for seed in map(int, seeds) if seeds else [None]:
            work.add(notebook, row, notebook.dataset or request.dataset or default, seed, asked=True)
    for name in request.parameters:
        if name not in work.used:
            names = sorted({name for declared in work.declared.values() for name in declared})
            raise ParameterError(f"no chosen notebook has a parameter {name}{nearest(name, names)}")
    order = {notebook.stem: place for place, notebook in enumerate(request.plan)}
    return sorted(work.jobs.values(), key=lambda job: order[job.notebook.stem])


def arguments_of(job: Job, profile: str = "demo") -> str:
    """The command line that runs this one job: what a cluster's rule passes to `python -m helpers run`."""
    words = ["--notebooks", job.notebook.stem]
    if job.notebook.rows:
        words += ["--models", job.row.id]
    if profile != "demo":
        words += ["--profile", profile]
    for name, value in job.overrides.items():
        words += ["-p", name, str(value)]
    return shlex.join(words)


def features_of(parameters: dict[str, Any]) -> list[str]:
    """Names of cached features in the parameter `features`."""
    names = split_names(str(parameters.get("features", "")))
    if not names:
        return []
    from helpers.features import FEATURES

    return [name for name in names if name in FEATURES]


def cache_bytes(counts: dict[str, dict[str, int]], feature: str) -> int:
    """Clips × numbers a clip × 2 bytes.

    >>> la = {"train": {"bonafide": 2580, "spoof": 22800}, "dev": {"bonafide": 2548, "spoof": 22296},
    ...       "eval": {"bonafide": 7355, "spoof": 63882}}
    >>> [round(cache_bytes(la, name) / 1e9, 1) for name in ("logmel", "lfcc_gmm", "loglinear", "wave", "logspec")]
    [2.9, 5.8, 12.5, 15.7, 25.0]
    """
    from helpers.features import FEATURES, feature_shape

    return (
        sum(sum(split.values()) for split in counts.values())
        * math.prod(feature_shape(FEATURES[feature]))
        * 2
    )


def needed_room(jobs: list[Job], attached: bool = False) -> dict[str, int]:
    """Bytes of each stage of all jobs together: archives and audio (not where they are `attached`), then each cache.

    {} for data sets that are too small to matter.
    """
    from helpers.data.manifest import get_entry

    needed: dict[str, int] = {}
    for job in jobs:
        for entry in [get_entry(name) for name in split_names(job.dataset)]:
            counts = entry.counts or {}
            if sum(sum(split.values()) for split in counts.values()) <= SMALL:
                continue
            if not attached:
                needed[f"{entry.name} archive"] = int(entry.bytes or 0) if entry.source == "kaggle" else 0
                needed[f"{entry.name} audio"] = int(entry.unpacked_bytes or 0)
            for feature in features_of(job.parameters):
                needed[f"{entry.name} {feature}"] = cache_bytes(counts, feature)
    return {stage: size for stage, size in needed.items() if size}


def room_table(needed: dict[str, int]) -> str:
    """`21.2 GB: asvspoof2019_la logmel 2.9, asvspoof2019_la loglinear 12.5`."""
    parts = ", ".join(f"{stage} {size / 1e9:.1f}" for stage, size in needed.items() if size >= 5e7)
    return f"{sum(needed.values()) / 1e9:.1f} GB" + (f": {parts}" if parts else "")


def refuse_small_disk(jobs: list[Job], folder: Path, attached: bool = False) -> None:
    """Say what will be written; ValueError, before the first byte, where it does not fit beside what is there."""
    needed = needed_room(jobs, attached)
    if not needed:
        return
    while not folder.exists():
        folder = folder.parent
    made = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())  # by an earlier start
    free = shutil.disk_usage(folder).free + made
    print(f"room needed: {room_table(needed)}; free for it in {folder}: {free / 1e9:.1f} GB", flush=True)
    if sum(needed.values()) > free:
        raise ValueError(
            f"the chosen notebooks write {room_table(needed)}, and {folder} has room for {free / 1e9:.1f} GB: "
            "choose fewer with --models, or put HELPERS_WORK on a larger disk"
        )


def prepare(job: Job, folder: Path) -> Path:
    """The job's notebook with an injected-parameters cell, as papermill would run it, not executed."""
    from papermill import execute_notebook

    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{job.label.replace(' ', '-')}.ipynb"
    options = {"prepare_only": True, "kernel_name": "python3", "progress_bar": False}
    execute_notebook(job.source, target, job.overrides, **options)
    return target
