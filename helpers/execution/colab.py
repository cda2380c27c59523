"""Colab: Drive and the secrets, which only the notebook that a person has open can reach, not one run below it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from helpers.environment import where_am_i
from helpers.execution.carry import restore_runs, save_runs
from helpers.runs import HANDED_FOLDER

DRIVE = Path("/content/drive")
SECRETS = ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "HF_TOKEN")


def mount_drive(folder: Path = DRIVE) -> Path:
    """Mount Google Drive and return MyDrive; RuntimeError says where to do it instead.

    Does nothing where it is mounted already, so that a child of the runner may call it too.
    """
    mine = folder / "MyDrive"
    if mine.is_dir():
        return mine
    if os.environ.get(HANDED_FOLDER):
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


def take_secrets() -> list[str]:
    """Put Colab's secrets for Kaggle and Hugging Face into the environment, where notebooks run below find them."""
    if os.environ.get(HANDED_FOLDER) or "google.colab" not in sys.modules:
        return []
    from google.colab import userdata

    taken = []
    for name in SECRETS:
        if name not in os.environ:
            try:
                os.environ[name] = userdata.get(name)
            except (userdata.SecretNotFoundError, userdata.NotebookAccessError, userdata.TimeoutException):
                continue
            taken.append(name)
    return taken


def save_results(target: Path | None = None, runs_dir: Path | None = None) -> Path:
    """All run folders as one zip, by default MyDrive/runs.zip."""
    return save_runs(target or mount_drive() / "runs.zip", runs_dir or where_am_i().folders.runs)


def load_results(archive: Path, runs_dir: Path | None = None) -> list[str]:
    """The way back: take the run folders of such a zip, so that finished runs are skipped and others resume."""
    return restore_runs(Path(archive), runs_dir or where_am_i().folders.runs)
