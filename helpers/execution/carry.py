"""Run folders carried from one machine to another: pulled from Kaggle, saved on Drive, taken up in a fresh session."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

from filelock import Timeout

from helpers.execution.states import epochs_done, read_metrics, read_record
from helpers.runs import LOCKS, WORKING, code_digest, lock_of, move_aside, write_whole


def run_folders(runs_dir: Path) -> list[Path]:
    """Finished runs, then those that are to be resumed."""
    places = [*runs_dir.glob("*/params.json"), *runs_dir.glob(f"{WORKING}/*/params.json")]
    return [path.parent for path in sorted(places)]


def import_runs(source: Path, runs_dir: Path) -> list[str]:
    """Copy run folders into runs/, each by rename, never over a further state of the same run; names of those taken."""
    taken = []
    (runs_dir / LOCKS).mkdir(parents=True, exist_ok=True)
    for folder in run_folders(source):
        if not read_record(folder / "params.json"):
            continue  # half a file: the next copy brings it whole
        done = bool(read_metrics(folder).get("complete"))
        target = runs_dir / ("" if done else WORKING) / folder.name.partition("~")[0]
        if not _is_further(folder, runs_dir / target.name, target):
            continue
        part = runs_dir / WORKING / f".{target.name}.part"
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(folder, part)
        for path in (part, *part.rglob("*")):
            path.chmod(path.stat().st_mode | 0o200)  # /kaggle/input is read-only, and copies its modes
        lock = lock_of(runs_dir, target.name)
        try:
            with lock:
                if target.exists():
                    move_aside(target)
                part.rename(target)
        except Timeout:
            continue  # somebody works in it
        taken.append(target.name)
    return taken


def _is_further(source: Path, finished: Path, target: Path) -> bool:
    """Complete goes before unfinished, then more epochs; of two that are complete, today's code, then the later one."""
    here, there = read_metrics(finished), read_metrics(source)
    if here.get("complete"):
        notebook = read_record(source / "params.json").get("notebook", "")
        if here.get("code") == there.get("code"):
            return bool(there.get("complete")) and there.get("ended", 0) > here.get("ended", 0)
        return bool(there.get("complete")) and here.get("code") != code_digest(notebook)
    return bool(there.get("complete")) or not target.exists() or epochs_done(source) > epochs_done(target)


def save_runs(target: Path, runs_dir: Path) -> Path:
    """All run folders, finished and unfinished, as one uncompressed zip; into a folder where `target` is one.

    One file, written beside the old and renamed: Drive is slow for each file, not for each byte.
    """
    if target.suffix != ".zip":
        target = target / "runs.zip"
    folders = run_folders(runs_dir)
    if not folders:
        raise FileNotFoundError(f"no run folders in {runs_dir}: run some notebooks first")

    def write(file):  # type: ignore[no-untyped-def]
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for folder in folders:
                for path in sorted(folder.rglob("*")):
                    # Files of a run at work are replaced by rename: one that is gone has a newer one in its place.
                    if path.is_file() and path.suffix != ".part":
                        archive.write(path, f"runs/{path.relative_to(runs_dir).as_posix()}")

    write_whole(target, write)
    return target


def restore_runs(target: Path, runs_dir: Path) -> list[str]:
    """The way back, [] where nothing has been saved yet: finished runs are skipped and others resume."""
    if target.suffix != ".zip":
        target = target / "runs.zip"
    if not target.is_file():
        return []
    unpacked = runs_dir / WORKING / ".restored"
    shutil.rmtree(unpacked, ignore_errors=True)
    try:
        with zipfile.ZipFile(target) as archive:
            for name in archive.namelist():
                if not name.startswith("runs/") or ".." in Path(name).parts:
                    raise ValueError(f"{target.name} holds {name}, which is no file of a run: not unpacked")
            archive.extractall(unpacked)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{target} is damaged ({error}): name another file with --save") from error
    taken = import_runs(unpacked / "runs", runs_dir)
    shutil.rmtree(unpacked, ignore_errors=True)
    return taken
