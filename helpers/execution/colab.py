"""Colab: Drive mounted by the notebook that a person has open, and the suite run headless below it.

How to run it headless there stands in README.md, "On Colab, headless": a notebook of your own mounts Drive, starts
`python -m helpers run` and saves the results.

Papermill's children see the mounted Drive, but none of them can mount it: the consent is a click in this browser tab.
Results come back as one zip, since Drive is slow for each file and not for each byte.
"""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

from helpers.environment import where_am_i
from helpers.execution.child import MARK

DRIVE = Path("/content/drive")


def mount_drive(folder: Path = DRIVE) -> Path:
    """Mount Google Drive and return MyDrive; RuntimeError says where to do it instead.

    Does nothing where it is mounted already, so that a child of the runner may call it too.
    """
    mine = folder / "MyDrive"
    if mine.is_dir():
        return mine
    if os.environ.get(MARK):
        raise RuntimeError(
            "Drive is not mounted, and a notebook run headless cannot do it: in the notebook that you have open "
            "call helpers.execution.colab.mount_drive() first, then start the run again"
        )
    try:
        from google.colab import drive
    except ImportError:
        raise RuntimeError(
            "there is no Google Drive to mount outside Colab: give the data's path as `source`"
        ) from None
    drive.mount(str(folder))
    return mine


def save_results(target: Path | None = None, runs_dir: Path | None = None) -> Path:
    """All run folders as one uncompressed zip, by default MyDrive/runs.zip: written beside it, then renamed."""
    target = mount_drive() / "runs.zip" if target is None else target
    runs_dir = where_am_i().folders.runs if runs_dir is None else runs_dir
    files = [path for path in sorted(runs_dir.rglob("*")) if path.is_file()]
    files = [path for path in files if not path.relative_to(runs_dir).parts[0].startswith(".")]
    if not files:
        raise FileNotFoundError(f"no run folders in {runs_dir}: run some notebooks first")
    part = target.with_name(target.name + ".part")
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
        for path in files:
            archive.write(path, f"runs/{path.relative_to(runs_dir).as_posix()}")
    shutil.move(part, target)
    return target


def load_results(archive: Path, runs_dir: Path | None = None) -> list[str]:
    """The way back: take the run folders of such a zip, so that finished runs are skipped and others go on."""
    from helpers.execution.kaggle_campaign import import_runs

    runs_dir = where_am_i().folders.runs if runs_dir is None else runs_dir
    unpacked = runs_dir / ".pulled" / "zip"
    shutil.rmtree(unpacked, ignore_errors=True)
    with zipfile.ZipFile(archive) as opened:
        for name in opened.namelist():
            if name.startswith(("/", "\\")) or ".." in Path(name).parts or not name.startswith("runs/"):
                raise ValueError(
                    f"{archive.name} holds {name}, which is no file of a run folder: not unpacked"
                )
        opened.extractall(unpacked)
    taken = import_runs(unpacked / "runs", runs_dir)
    shutil.rmtree(unpacked, ignore_errors=True)
    return taken
