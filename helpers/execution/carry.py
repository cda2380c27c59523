"""Run folders carried from one machine to another: pulled from Kaggle, saved on Drive, taken up in a fresh session."""

from __future__ import annotations

import shutil
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from filelock import Timeout

from helpers.execution.states import epochs_done
from helpers.files import write_whole
from helpers.runs import LOCKS, WORKING, code_digest, lock_of, move_aside, read_metrics, read_record


def run_folders(runs_dir: Path) -> list[Path]:
    """Finished runs, then those that are to be resumed."""
    places = [*runs_dir.glob("*/params.json"), *runs_dir.glob(f"{WORKING}/*/params.json")]
    return [path.parent for path in sorted(places)]


def import_runs(source: Path, runs_dir: Path) -> list[str]:
    """Copy run folders into runs/, each by rename, never over a further state of the same run; names of those taken."""
    taken = []
    (runs_dir / LOCKS).mkdir(parents=True, exist_ok=True)
    for folder in run_folders(source):
        name, done = folder.name.partition("~")[0], bool(read_metrics(folder).get("complete"))
        target = runs_dir / ("" if done else WORKING) / name
        # Half a params.json: the next copy brings it whole.
        if not read_record(folder, "params.json") or not _is_further(folder, runs_dir / name, target):
            continue
        part = runs_dir / WORKING / f".{name}.part"
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(folder, part)
        for path in (part, *part.rglob("*")):
            path.chmod(path.stat().st_mode | 0o200)  # /kaggle/input is read-only, and copies its modes
        try:
            with lock_of(runs_dir, name):
                if target.exists():
                    move_aside(target)
                part.rename(target)
        except Timeout:
            continue  # somebody works in it
        taken.append(name)
    return taken


def _is_further(source: Path, finished: Path, target: Path) -> bool:
    """Complete goes before unfinished, then more epochs; of two that are complete, today's code, then the later one."""
    here, there = read_metrics(finished), read_metrics(source)
    complete = bool(there.get("complete"))
    if not here.get("complete"):
        return complete or not target.exists() or epochs_done(source) > epochs_done(target)
    if here.get("code") == there.get("code"):
        return complete and there.get("ended", 0) > here.get("ended", 0)
    notebook = read_record(source, "params.json").get("notebook", "")
    return complete and here.get("code") != code_digest(notebook)


def archive_at(target: Path) -> Path:
    """The zip that --save names: itself, or runs.zip in a folder."""
    return target if target.suffix == ".zip" else target / "runs.zip"


def save_runs(target: Path, runs_dir: Path) -> None:
    """All run folders, finished and unfinished, as one uncompressed zip.

    One file, written beside the old and renamed: Drive is slow for each file, not for each byte.
    """

    def write(file: BinaryIO) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for path in (path for folder in run_folders(runs_dir) for path in sorted(folder.rglob("*"))):
                if path.is_file() and path.suffix != ".part":
                    with suppress(FileNotFoundError):  # of a run at work: a newer one has taken its place
                        archive.write(path, f"runs/{path.relative_to(runs_dir).as_posix()}")

    write_whole(archive_at(target), write)


def restore_runs(target: Path, runs_dir: Path) -> list[str]:
    """The way back, [] where nothing has been saved yet: finished runs are skipped and others resume."""
    archive = archive_at(target)
    if not archive.is_file():
        return []
    unpacked = runs_dir / WORKING / ".restored"
    shutil.rmtree(unpacked, ignore_errors=True)
    try:
        shutil.unpack_archive(archive, unpacked)
    except (zipfile.BadZipFile, shutil.ReadError) as error:
        raise ValueError(f"{archive} is damaged ({error}): name another file with --save") from error
    taken = import_runs(unpacked / "runs", runs_dir)
    shutil.rmtree(unpacked, ignore_errors=True)
    return taken
