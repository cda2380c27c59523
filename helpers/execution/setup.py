"""The set-up cell that all notebooks share, and what it does: install what a hosted machine lacks, take up earlier runs,
reach Drive and the secrets of Colab."""

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

from helpers.environment import where_am_i
from helpers.execution.carry import import_runs
from helpers.execution.parameters import read_parameters
from helpers.runs import HANDED_FOLDER

__all__ = ["add_missing", "get_ready", "mount_drive", "read_parameters", "set_up_source"]

SET_UP = """\
# Set-up, the same in every notebook: find the project, add what Kaggle or Colab lacks, read the parameters.
import subprocess
import sys
from pathlib import Path

repository = "OWN"  # on GitHub; `python -m tools notebooks --write` fills it in
depths = ("*", "*/*", "*/*/*", "*/*/*/*")  # of what is attached on Kaggle: the helpers, by either form of mount
attached = [found.parent for depth in depths for found in Path("/kaggle/input").glob(f"{depth}/helpers")]
fetched = Path("/content" if Path("/content").is_dir() else "/kaggle/temp") / "audio-deepfake-detection"
places = [place for place in (Path.cwd(), *Path.cwd().parents, *attached) if (place / "helpers").is_dir()]
project = (places or [fetched])[0]
if not (project / "helpers").is_dir():  # a notebook on its own, with internet: fetch the rest
    if not repository:
        raise FileNotFoundError("no helpers here: open this notebook inside the whole project, or from your fork")
    subprocess.run(["git", "clone", "--depth=1", f"https://github.com/{repository}", project], check=True)
sys.path.insert(0, str(project))
from helpers.execution.setup import get_ready, read_parameters  # noqa: E402
get_ready(project)
parameters = read_parameters(globals())"""
# Needed by `python -m helpers export` alone, which asks for them itself.
FOR_EXPORT = ("onnx", "onnxscript")
# An attached kernel, by both forms of mount; no deeper, since a corpus below has 100,000 files.
MOUNTS = ("*", "*/*", "*/*/*")
DRIVE = Path("/content/drive")
SECRETS = ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "HF_TOKEN")


def set_up_source(repository: str = "") -> str:
    """The set-up cell, byte for byte the same in every notebook of one repository."""
    return SET_UP.replace('"OWN"', f'"{repository}"')


def installed() -> dict[str, str]:
    """Every package that is here, by its canonical name, with its version."""
    there = [(one.metadata["Name"], one.version) for one in importlib.metadata.distributions()]
    return {canonicalize_name(name): version for name, version in there if name and version}


def compare(wanted: str, there: Mapping[str, str], export: bool = False) -> tuple[list[str], list[str]]:
    """Lines of a requirements file whose package is not here at all; and `kaggle 1.7 (needs >=2.0)` for one too old."""
    missing, old = [], []
    for text in filter(None, (line.split("#")[0].strip() for line in wanted.splitlines())):
        line = Requirement(text)
        version = there.get(name := canonicalize_name(line.name))
        if version is None and (export or name not in FOR_EXPORT):
            missing.append(text)
        if version is not None and not line.specifier.contains(version, prereleases=True):
            old.append(f"{name} {version} (needs {line.specifier})")
    return missing, old


def install(missing: list[str], there: Mapping[str, str], wheels: Path) -> list[str]:
    """Install each package by itself and replace nothing that is here; a sentence for each one that cannot be had.

    Where the folder `wheels` is there, from it alone: on Kaggle the internet is off.
    """
    problems = []
    with tempfile.TemporaryDirectory() as folder:
        held = Path(folder) / "constraints.txt"
        held.write_text("".join(f"{name}=={version}\n" for name, version in sorted(there.items())))
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-color",
            "--retries",
            "1",
            "-c",
            str(held),
        ]
        if wheels.is_dir():
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


def add_missing(project: Path, export: bool = False) -> None:
    """Install what this hosted machine lacks, and say what it has too old; a machine of one's own is left alone."""
    if where_am_i().name == "local":
        return
    there = installed()
    missing, old = compare((project / "requirements.txt").read_text(encoding="utf-8"), there, export)
    if missing:
        print(f"installing {', '.join(missing)}")
        for problem in install(missing, there, project / "wheels"):
            print(problem)
    if old:
        print(f"older than tested, and left as they are: {', '.join(old)}")


def get_ready(project: Path) -> None:
    """Prepare this machine for a notebook and say where it is."""
    place = where_am_i()
    add_missing(project)
    if place.name == "kaggle":
        given = place.root / "kaggle" / "input"
        for folder in sorted({path for mount in MOUNTS for path in given.glob(f"{mount}/runs")}):
            for name in import_runs(folder, place.folders.runs):
                print(f"from an earlier kernel: runs/{name}")
    if "google.colab" in sys.modules and not os.environ.get(HANDED_FOLDER):
        take_secrets()
    warnings.filterwarnings("ignore", message="IProgress not found")  # of tqdm, which nothing here shows
    print(f"{place.name} · project {project} · runs in {place.folders.runs}")


def mount_drive(folder: Path = DRIVE) -> Path:
    """Mount Google Drive and return MyDrive; RuntimeError where only the notebook that a person has open can do it."""
    mine = folder / "MyDrive"
    if mine.is_dir():
        return mine
    if os.environ.get(HANDED_FOLDER):
        raise RuntimeError(
            "Drive is not mounted, and a notebook run headless cannot do it: in the notebook that you have open "
            "call helpers.execution.setup.mount_drive() first, then start the run again"
        )
    from google.colab import drive

    drive.mount(str(folder))
    return mine


def take_secrets() -> None:
    """Put Colab's secrets for Kaggle and Hugging Face into the environment, where notebooks run below find them."""
    from google.colab import userdata

    for name in SECRETS:
        if name not in os.environ:
            try:
                os.environ[name] = userdata.get(name)
            except (userdata.SecretNotFoundError, userdata.NotebookAccessError, userdata.TimeoutException):
                continue
