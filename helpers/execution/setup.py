"""What the set-up cell does after it has found the project: install what is missing, take up earlier runs, say where."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from helpers.environment import Place, where_am_i
from helpers.execution.carry import import_runs
from helpers.execution.colab import take_secrets
from helpers.execution.parameters import read_parameters

__all__ = ["get_ready", "read_parameters"]

# Needed by `python -m helpers export` alone, which asks for them itself.
FOR_EXPORT = ("onnx", "onnxscript")
# An attached kernel, by both forms of mount; no deeper, since a corpus below has 100,000 files.
MOUNTS = ("*", "*/*", "*/*/*")


def installed() -> dict[str, str]:
    """Every package that is here, by its canonical name, with its version."""
    there = [(one.metadata["Name"], one.version) for one in importlib.metadata.distributions()]
    return {canonicalize_name(name): version for name, version in there if name and version}


def missing_packages(requirements: str, there: Mapping[str, str], export: bool = False) -> list[str]:
    """The lines of a requirements file whose package is not here at all. What is here stays, though it be too old."""
    lines = [line.split("#")[0].strip() for line in requirements.splitlines()]
    names = {line: canonicalize_name(Requirement(line).name) for line in lines if line}
    return [line for line, name in names.items() if name not in there and (export or name not in FOR_EXPORT)]


def too_old(requirements: str, there: Mapping[str, str]) -> list[str]:
    """`kaggle 1.7 (needs >=2.0)` for what is here in an older version than the requirements ask for."""
    found = []
    for line in filter(None, (line.split("#")[0].strip() for line in requirements.splitlines())):
        wanted = Requirement(line)
        version = there.get(canonicalize_name(wanted.name))
        if version and not wanted.specifier.contains(version, prereleases=True):
            found.append(f"{wanted.name} {version} (needs {wanted.specifier})")
    return found


def constraints(there: Mapping[str, str]) -> str:
    """A constraints file for pip that holds every package at the version that is here."""
    return "".join(f"{name}=={version}\n" for name, version in sorted(there.items()))


def install(missing: list[str], there: Mapping[str, str], wheels: Path | None = None) -> list[str]:
    """Install each package by itself and replace nothing that is here; a sentence for each one that cannot be had."""
    problems = []
    with tempfile.TemporaryDirectory() as folder:
        held = Path(folder) / "constraints.txt"
        held.write_text(constraints(there), encoding="utf-8")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--retries", "1", "-c", str(held)]
        if wheels is not None:
            command += ["--no-index", "--find-links", str(wheels)]
        for line in missing:
            done = subprocess.run([*command, line], capture_output=True, text=True)
            if done.returncode:
                said = (done.stderr or done.stdout).strip().splitlines() or ["nothing"]
                problems.append(
                    f"{line} is not installed: switch the internet on, or attach its wheel in a folder `wheels` "
                    f"beside helpers (pip said: {said[-1]})"
                )
    importlib.invalidate_caches()
    return problems


def attach_earlier_runs(place: Place) -> list[str]:
    """On Kaggle, copy the runs that earlier kernels left below /kaggle/input into this session's folder."""
    given, taken = place.root / "kaggle" / "input", []
    for folder in sorted({path for mount in MOUNTS for path in given.glob(f"{mount}/runs") if path.is_dir()}):
        taken += import_runs(folder, place.folders.runs)
    return taken


def get_ready(project: Path, root: Path = Path("/"), export: bool = False) -> None:
    """Prepare this machine for a notebook and say where it is."""
    place = where_am_i(root=root)
    if place.name != "local":
        there, wanted = installed(), (project / "requirements.txt").read_text(encoding="utf-8")
        missing = missing_packages(wanted, there, export)
        if missing:
            print(f"installing {', '.join(missing)}")
            wheels = project / "wheels"
            print(*install(missing, there, wheels if wheels.is_dir() else None), sep="\n", end="")
        if old := too_old(wanted, there):
            print(f"older than tested, and left as they are: {', '.join(old)}")
    if place.name == "kaggle":
        for name in attach_earlier_runs(place):
            print(f"from an earlier kernel: runs/{name}")
    if place.name == "colab":
        take_secrets()
    os.environ.setdefault("PYTHONPATH", str(project))  # child processes find helpers too
    warnings.filterwarnings("ignore", message="IProgress not found")  # of tqdm, which nothing here shows
    print(f"{place.name} · project {_short(project)} · runs in {_short(place.folders.runs)}")


def _short(path: Path) -> str:
    home, text = str(Path.home()), str(path)
    return "~" + text[len(home) :] if home != "/" and text.startswith(home + "/") else text
