"""What the set-up cell does after it has found the project: install what is missing, take up earlier stages, say where."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from helpers.environment import Place, where_am_i
from helpers.execution.parameters import read_parameters

__all__ = ["get_ready", "read_parameters"]

# Hosted machines bring these in the build that fits their driver: never install another one over it.
NEVER_INSTALL = {"torch", "torchvision", "torchaudio", "numpy"}


def missing_packages(requirements: Path) -> list[str]:
    """The lines of a requirements file whose package is not installed, without the ones never to be replaced."""
    lines = []
    for line in requirements.read_text(encoding="utf-8").splitlines():
        requirement = line.split("#")[0].strip()
        match = re.match(r"[A-Za-z0-9._-]+", requirement)
        if not match or match[0].lower() in NEVER_INSTALL:
            continue
        try:
            importlib.metadata.version(match[0])
        except importlib.metadata.PackageNotFoundError:
            lines.append(requirement)
    return lines


def install(requirements: list[str]) -> None:
    """pip install, with torch held at what is there; RuntimeError says what to do where the machine is offline."""
    held = []
    for name in sorted(NEVER_INSTALL):
        try:
            held.append(f"{name}=={importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            pass
    # Naming the installed versions keeps pip from choosing others to please a new package.
    command = [sys.executable, "-m", "pip", "install", "--quiet", *requirements, *held]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise RuntimeError(
            f"could not install {', '.join(requirements)}: switch the notebook's internet on, "
            f"or attach these packages as a data set\n{tail}"
        )
    importlib.invalidate_caches()


def attach_earlier_stages(place: Place) -> list[str]:
    """On Kaggle, bring what earlier kernels left below /kaggle/input into this session's folders.

    Run folders are copied (they are small and a training may go on in them), feature caches are linked (they are large
    and only read). Returns the names taken up.
    """
    given = place.root / "kaggle" / "input"
    taken = []
    for metrics in sorted(given.glob("**/runs/*/params.json")):
        source, target = metrics.parent, place.folders.runs / metrics.parent.name
        if not target.exists():
            part = target.with_name(f".{target.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            shutil.copytree(source, part)
            part.rename(target)
            taken.append(f"runs/{target.name}")
    for index in sorted(given.glob("**/cache/*/index.json")):
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
            install(missing)
    if place.name == "kaggle":
        for name in attach_earlier_stages(place):
            print(f"from an earlier kernel: {name}")
    os.environ.setdefault("PYTHONPATH", str(project))  # child processes find helpers too
    print(f"{place.name} · project {_short(project)} · runs in {_short(place.folders.runs)}")


def _short(path: Path) -> str:
    home = str(Path.home())
    text = str(path)
    return "~" + text[len(home) :] if home != "/" and text.startswith(home + "/") else text
