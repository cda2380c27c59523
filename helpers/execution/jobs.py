"""From what was asked (notebooks, models, seeds, parameters) to a checked list of jobs, before anything is started."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
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
    nearest,
)
from helpers.execution.plan import Notebook, Row
from helpers.runs import run_name


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
    needed_caches: bool = (
        False  # cache only what the chosen trainings read: the disk of a hosted machine is small
    )
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


def choose(pattern: str, notebooks: list[Notebook]) -> list[Notebook]:
    """`01-03,16,90_compare` -> notebooks in their order; ValueError for a part that matches none."""
    chosen: set[str] = set()
    for part in _split(pattern):
        span = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        if span:
            low, high = int(span[1]), int(span[2] or span[1])
            found = {n.stem for n in notebooks if low <= int(n.stem[:2]) <= high}
        else:
            found = {n.stem for n in notebooks if n.stem == part.removesuffix(".ipynb")}
        if not found:
            raise ValueError(f"no notebook {part}{nearest(part, [n.stem for n in notebooks])}")
        chosen |= found
    return [notebook for notebook in notebooks if notebook.stem in chosen]


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def selected_rows(request: Request, there: list[Notebook]) -> list[tuple[Notebook, Row]]:
    """The notebooks and variants that were asked for, without what they need. A name of --models is that of a variant,
    or else of all variants with that model."""
    models = _split(request.models)
    ids = {row.id for n in there for row in n.rows}
    known = ids | {row.model for n in there for row in n.rows}
    for model in models:
        if model not in known:
            raise ValueError(f"no notebook trains {model}{nearest(model, sorted(known))}")
    if request.notebooks:
        notebooks = choose(request.notebooks, there)
    else:
        notebooks = [n for n in there if request.everything or n.core or (models and n.rows)]
    plain = not (request.notebooks or request.everything or models)
    pairs = []
    for notebook in notebooks:
        rows = notebook.all_rows()
        if models and notebook.rows:
            rows = tuple(row for row in rows if row.id in models or row.model in set(models) - ids)
        pairs += [(notebook, row) for row in (rows[:1] if plain else rows)]
    return pairs


def data_fingerprint(dataset: str, source: str = "") -> str:
    """The fingerprint of a manifest entry or of a union of them, "" without a data set; ValueError for an unknown name."""
    if not dataset:
        return ""
    from helpers.data.errors import DataError
    from helpers.data.manifest import fingerprint, get_entry

    own = Path(source).expanduser() if source else None
    own = own if own is not None and own.exists() else None
    try:
        return fingerprint(get_entry(dataset), own)
    except DataError as error:
        raise ValueError(str(error)) from error


class Expansion:
    """Turns a request into jobs: each notebook's parameters are read and checked once."""

    def __init__(self, request: Request) -> None:
        if request.profile not in plans.PROFILES:
            raise ValueError(f"no profile {request.profile}{nearest(request.profile, plans.PROFILES)}")
        self.request = request
        there = [entry for entry in request.plan if notebook_file(request.project, entry).is_file()]
        self.there = {notebook.stem: notebook for notebook in there}
        self.jobs: dict[str, Job] = {}  # by name: -p can make two variants the same
        self.declared: dict[str, dict[str, Parameter]] = {}
        self.fingerprints: dict[tuple[str, str], str] = {}
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
        checked = check_overrides(declared, wanted, f"{notebook.stem} (as plan.py runs it)")
        own = {name: value for name, value in self.request.parameters.items() if name in declared}
        self.used |= own.keys()
        checked |= check_overrides(declared, own, notebook.stem)
        if not 0 <= checked.get("seed", 0) < 2**32:
            raise ParameterError(
                f"{notebook.stem}: seed lies between 0 and 4294967295, {checked['seed']} does not"
            )
        return checked

    def add(self, notebook: Notebook, row: Row, dataset: str, seed: int | None, asked: bool) -> Job:
        """The job of these values, made once, after the jobs it needs."""
        declared = self.parameters_of(notebook)
        needs = tuple(
            self.add(self.there[stem], self.there[stem].all_rows()[0], dataset, seed, asked=False)
            for stem in notebook.needs
            if stem in self.there
        )
        checked = self.checked(notebook, row, dataset, seed)
        parameters = full_parameters(declared, checked)
        overrides = {name: value for name, value in checked.items() if value != declared[name].default}
        data = str(parameters.get("dataset", "")), str(parameters.get("source", ""))
        if data not in self.fingerprints:
            self.fingerprints[data] = data_fingerprint(*data)
        folder = self.request.runs_dir / run_name(notebook.stem, parameters)
        job = Job(notebook, row, parameters, overrides, folder, self.fingerprints[data], self.request.project)
        job.forced, job.needs = asked and self.request.again, needs
        return self.jobs.setdefault(job.name, job)

    def run(self) -> list[Job]:
        """All jobs, each after those it needs."""
        request = self.request
        for name, option in (("seed", "seeds"), ("dataset", "dataset")):
            own, given = str(request.parameters.get(name, "")), str(getattr(request, option))
            if own and given and own != given:
                raise ParameterError(
                    f"--{option} {given} and -p {name} {own} contradict each other: give one of them"
                )
        pairs = selected_rows(request, list(self.there.values()))
        if not pairs:
            raise ValueError("no notebook to run: python -m helpers status lists them")
        for text in _split(request.seeds):
            if not re.fullmatch("[0-9]+", text):
                raise ParameterError(f"--seeds takes whole numbers as in 0,1,2: {text!r} is none")
        seeds: list[int | None] = [int(text) for text in _split(request.seeds)]
        if request.needed_caches and any(notebook.caches for notebook in self.there.values()):
            self.features = needed_features(self, pairs)
        for notebook, row in pairs:
            declared = self.parameters_of(notebook)
            default = declared["dataset"].default if "dataset" in declared else ""
            for seed in seeds or [None]:
                self.add(notebook, row, notebook.dataset or request.dataset or default, seed, asked=True)
        unused = [name for name in request.parameters if name not in self.used]
        if unused:
            names = sorted({name for declared in self.declared.values() for name in declared})
            raise ParameterError(f"no chosen notebook has a parameter {unused[0]}{nearest(unused[0], names)}")
        return list(self.jobs.values())


def needed_features(expansion: Expansion, pairs: list[tuple[Notebook, Row]]) -> list[str]:
    """Names of the cached features that the chosen trainings read, in order."""
    from helpers.features import FEATURES

    found = []
    for notebook, row in pairs:
        if not notebook.caches and "features" in (declared := expansion.parameters_of(notebook)):
            values = full_parameters(declared, expansion.checked(notebook, row, "", None))
            found += [name for name in re.split("[,+]", values["features"]) if name in FEATURES]
    return list(dict.fromkeys(found))


def expand(request: Request) -> list[Job]:
    """The jobs of a request in plan order; ParameterError or ValueError says in one sentence what cannot be run."""
    order = {notebook.stem: place for place, notebook in enumerate(request.plan)}
    return sorted(Expansion(request).run(), key=lambda job: order[job.notebook.stem])


def parse_assignments(pairs: Iterable[Iterable[str]]) -> dict[str, str]:
    """`-p name value` pairs from the command line; a name given twice is refused."""
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise ParameterError(f"-p {name} is given twice")
        found[name] = value
    return found


def arguments_of(job: Job, profile: str = "demo") -> str:
    """The command line that runs this one job: what a cluster's rule passes to `python -m helpers run`."""
    words = ["--notebooks", job.notebook.stem]
    if job.notebook.rows:
        words += ["--models", job.row.id]
    if profile != "demo":
        words += ["--profile", profile]
    for name, value in job.overrides.items():
        words += ["-p", name, str(value).lower() if isinstance(value, bool) else str(value)]
    return shlex.join(words)
