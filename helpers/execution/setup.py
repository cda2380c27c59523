"""What the set-up cell does after it has found the project: install what is missing, take up earlier stages, say where."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

from packaging.requirements import Requirement

from helpers.environment import Place, where_am_i
from helpers.execution.parameters import read_parameters
from helpers.execution.states import epochs_done, read_metrics

__all__ = ["get_ready", "read_parameters"]

# Hosted machines bring these in the build that fits their driver, or are running them (the kernel of this very cell):
# never install another one over it.
NEVER_INSTALL = {"torch", "torchvision", "torchaudio", "numpy", "ipykernel"}


def missing_packages(requirements: Path) -> list[str]:
    """The lines of a requirements file whose package is not there or too old, without the ones never to be replaced."""
    lines = []
    for line in requirements.read_text(encoding="utf-8").splitlines():
        wanted = line.split("#")[0].strip()
        if not wanted or (requirement := Requirement(wanted)).name.lower() in NEVER_INSTALL:
            continue
        try:
            there = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            lines.append(wanted)
            continue
        if not requirement.specifier.contains(there, prereleases=True):
            lines.append(wanted)
    return lines


def install(requirements: list[str], wheels: Path | None = None) -> str:
    """pip install with torch held at what is there; "" or, where it cannot be done, a sentence on what to do."""
    held = []
    for name in sorted(NEVER_INSTALL):
        try:
            held.append(f"{name}=={importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            pass
    # Naming the installed versions keeps pip from choosing others to please a new package.
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--retries", "1", *requirements, *held]
    if wheels is not None:
        command += ["--no-index", "--find-links", str(wheels)]
    done = subprocess.run(command, capture_output=True, text=True)
    importlib.invalidate_caches()
    if not done.returncode:
        return ""
    tail = " ".join((done.stderr or done.stdout).strip().splitlines()[-1:])
    return (
        f"not installed: {', '.join(requirements)}. What needs them will say so: switch the internet on, "
        f"or attach their wheels as a folder `wheels` beside helpers. pip said: {tail}"
    )


# An attached kernel or data set, by both forms of mount; no deeper, since a corpus below has 100,000 files.
MOUNTS = ("*", "*/*", "*/*/*")


def _better(source: Path, target: Path) -> bool:
    """True when `source` is a further state of the same run: complete before not, then more epochs."""

    def rank(folder: Path) -> tuple[bool, int]:
        return bool(read_metrics(folder).get("complete")), epochs_done(folder)

    return not target.exists() or rank(source) > rank(target)


def attach_earlier_stages(place: Place) -> list[str]:
    """On Kaggle, bring what earlier kernels left below /kaggle/input into this session's folders.

    Run folders are copied (they are small and a training may go on in them), feature caches are linked (they are large
    and only read). Of two states of one run the further one is taken. Returns the names taken up.
    """
    given = place.root / "kaggle" / "input"
    taken = []
    for record in sorted(path for mount in MOUNTS for path in given.glob(f"{mount}/runs/*/params.json")):
        source, target = record.parent, place.folders.runs / record.parent.name
        if _better(source, target):
            part = target.with_name(f".{target.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            shutil.copytree(source, part)
            for path in (part, *part.rglob("*")):
                path.chmod(path.stat().st_mode | 0o200)  # /kaggle/input is read-only, and copies its modes
            shutil.rmtree(target, ignore_errors=True)
            part.rename(target)
            taken.append(f"runs/{target.name}")
    for index in sorted(path for mount in MOUNTS for path in given.glob(f"{mount}/cache/*/table.csv")):
        target = place.folders.cache / index.parent.name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(index.parent, target_is_directory=True)
            taken.append(f"cache/{target.name}")
    return taken


def get_ready(project: Path, root: Path = Path("/")) -> None:
    """Prepare this machine for a notebook and say where it is."""
    place = where_am_i(root=root)
    if place.name != "local":
        missing = missing_packages(project / "requirements.txt")
        if missing:
            print(f"installing {', '.join(missing)}")
            wheels = project / "wheels"
            problem = install(missing, wheels if wheels.is_dir() else None)
            if problem:
                print(problem)
    if place.name == "kaggle":
        for name in attach_earlier_stages(place):
            print(f"from an earlier kernel: {name}")
    os.environ.setdefault("PYTHONPATH", str(project))  # child processes find helpers too
    warnings.filterwarnings("ignore", message="IProgress not found")  # of tqdm, which nothing here shows
    print(f"{place.name} · project {_short(project)} · runs in {_short(place.folders.runs)}")


def _short(path: Path) -> str:
    home = str(Path.home())
    text = str(path)
    return "~" + text[len(home) :] if home != "/" and text.startswith(home + "/") else text


def tidy_outputs(root: Path = Path("/")) -> None:
    """The end of a Kaggle kernel: links to earlier caches go, so that they are not stored again as its output."""
    cache = where_am_i(root=root).folders.cache
    for path in cache.iterdir() if cache.is_dir() else ():
        if path.is_symlink():
            path.unlink()
