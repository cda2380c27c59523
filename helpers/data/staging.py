"""From an archive on a slow mount to a folder on the local disk: one sequential copy, one unpacking, one mark.

Many small files over a network mount cost one round trip each; one archive costs its bytes. Nothing half done
ever carries a final name: copies and folders are built under `.part` and renamed.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from helpers.data.errors import SourceError, StagingError, disk_errors
from helpers.data.manifest import Entry
from helpers.files import hash_file

if TYPE_CHECKING:
    from helpers.data.sources import Source

MARK = ".staged.json"
SPARE = 64 * 2**20  # bytes left free on the disk beside what is written


def stage(source: Source, entry: Entry, folder: Path) -> Path:
    """The folder with the unpacked data: the source itself where it is unpacked, else `folder/<name>`.

    A second call returns at once. Raises StagingError for a damaged archive, a checksum that differs or a disk
    without room; then only `.part` files are left, and the next call begins anew.
    """
    if source.path is None:
        raise SourceError(f"{entry.name} is not here yet: download it first")
    if source.kind == "folder":
        return source.path
    target = folder / entry.name
    with disk_errors(entry.name):
        # Perhaps by somebody else, where we may not write, not even a lock.
        if _is_staged(target, source.path, entry):
            return target
        folder.mkdir(parents=True, exist_ok=True)
        with only_one(folder / f"{entry.name}.lock"):
            if _is_staged(target, source.path, entry):
                return target
            started = time.monotonic()
            mark = _unpack_beside(source.path, entry, target)
    print(
        f"staged {entry.name}: {mark['files']:,} files, {in_units(mark['unpacked_bytes'])} "
        f"in {time.monotonic() - started:.1f} s at {target}"
    )
    return target


def _unpack_beside(archive: Path, entry: Entry, target: Path) -> dict[str, Any]:
    part, copy = target.with_name(target.name + ".part"), target.with_name(target.name + ".zip.part")
    for old in (part, copy):
        _remove(old)
    files = files_of(archive)
    members = {file: list_members(file, entry) for file in files}
    unpacked = sum(info.file_size for infos in members.values() for info in infos)
    elsewhere = archive.stat().st_dev != target.parent.stat().st_dev
    copied = max(file.stat().st_size for file in files) if elsewhere else 0
    check_room(target.parent, copied + unpacked, entry.name)
    for file, infos in members.items():
        local = Path(shutil.copyfile(file, copy)) if elsewhere else file
        sha256 = hash_file(local) if entry.sha256 else ""
        if sha256 != entry.sha256:
            _remove(copy)
            raise StagingError(
                f"{file.name} has sha256 {sha256[:8]}…, the manifest says {entry.sha256[:8]}…: download it again"
            )
        unpack(local, file.name, infos, part)
    mark = {
        **_facts(archive),
        "sha256": entry.sha256,
        "files": sum(map(len, members.values())),
        "unpacked_bytes": unpacked,
        "options": entry.options.get("members", []),
    }
    # Written before the rename: folder and mark appear in one step.
    (part / MARK).write_text(json.dumps(mark, indent=1), encoding="utf-8")
    (target / MARK).unlink(missing_ok=True)  # first: an outdated folder half removed must not look whole
    _remove(target)
    os.rename(part, target)
    _remove(copy)
    return mark


def files_of(archive: Path) -> list[Path]:
    """`x-001.zip`, `x-002.zip`, as Drive packs a large folder, each a zip of its own; [archive] for any other.

    StagingError names the one that is missing, and what to do with one zip that was cut into pieces.
    """
    pieces = sorted(archive.parent.glob(f"{archive.name.removesuffix('.zip')}.z01"))
    if pieces or re.search(r"\.zip\.\d+$", archive.name):
        whole = re.sub(r"\.zip(\.\d+)?$", "", archive.name) + "-whole.zip"
        how = f"zip -s 0 {archive.name} --out {whole}" if pieces else f"cat {archive.stem}.* > {whole}"
        raise StagingError(f"{archive.name} is one piece of a zip: join all pieces first with `{how}`")
    name = re.fullmatch(r"(.+-)\d{3}\.zip", archive.name)
    if not name:
        return [archive]
    found = {int(path.name[-7:-4]): path for path in archive.parent.glob(f"{name[1]}[0-9][0-9][0-9].zip")}
    for number in range(1, max(found)):
        if number not in found:
            raise StagingError(
                f"{archive.name} is part of a split download and {name[1]}{number:03d}.zip is missing beside it: "
                "download or copy all parts into one folder"
            )
    return [found[number] for number in sorted(found)]


def list_members(archive: Path, entry: Entry) -> list[zipfile.ZipInfo]:
    """The files to unpack: all, or those below one of the option's `members`."""
    try:
        with zipfile.ZipFile(archive) as opened:
            infos = opened.infolist()
    except (zipfile.BadZipFile, EOFError):
        raise StagingError(
            f"{archive.name} is cut off or not a zip: download or copy it again, or unpack it and give the folder"
        ) from None
    for info in infos:
        if not info.flag_bits & 0x800:  # read as cp437, though a Mac wrote UTF-8 without saying so
            with contextlib.suppress(UnicodeError):
                info.filename = info.filename.encode("cp437").decode("utf-8")
        info.filename = info.filename.replace("\\", "/")  # Windows programs
    infos = [info for info in infos if not info.filename.endswith("/")]  # folders
    wanted = tuple(name.lower() for name in entry.options.get("members", []))
    # Some uploads put one more folder around everything.
    names = [(info.filename.lower(), info.filename.lower().partition("/")[2]) for info in infos]
    chosen = [info for info, both in zip(infos, names) if any(name.startswith(wanted) for name in both)]
    infos = chosen if wanted and chosen else infos
    if not infos:
        raise StagingError(f"{archive.name} is an empty zip")
    return infos


def unpack(archive: Path, name: str, members: list[zipfile.ZipInfo], part: Path) -> None:
    """Write the members below `part`; zipfile lets no name leave that folder. `name` is for the messages."""
    try:
        with zipfile.ZipFile(archive) as opened:
            for info in members:
                opened.extract(info, part)
    except (zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise StagingError(f"{name} is damaged ({error}): download or copy it again") from None
    except (RuntimeError, NotImplementedError) as error:  # a password, an unusual compression
        raise StagingError(f"{name} cannot be unpacked ({error}): pack it again as a plain zip") from None


def _facts(archive: Path) -> dict[str, Any]:
    size = sum(file.stat().st_size for file in files_of(archive))
    return {"archive": archive.name, "bytes": size, "mtime_ns": archive.stat().st_mtime_ns}


def _is_staged(target: Path, archive: Path, entry: Entry) -> bool:
    """A complete folder made from this very archive. A known checksum outweighs the file's time."""
    mark, facts = staged_mark(target, entry), _facts(archive)
    if entry.sha256:
        return mark.get("bytes") == facts["bytes"]
    return all(mark.get(key) == facts[key] for key in ("bytes", "mtime_ns"))


def staged_mark(target: Path, entry: Entry) -> dict[str, Any]:
    """What a complete folder says of the archive that it was made from; {} where it is not what the entry wants."""
    try:
        mark = json.loads((target / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    wanted = {"options": entry.options.get("members", []), "sha256": entry.sha256 or mark.get("sha256")}
    return mark if all(mark.get(key) == value for key, value in wanted.items()) else {}


def check_room(folder: Path, needed: int, name: str) -> None:
    """Raise StagingError unless `needed` bytes, and a little, are free where `folder` lies."""
    free = shutil.disk_usage(folder).free
    if needed + min(SPARE, needed // 20) > free:
        raise StagingError(
            f"{name} needs {in_units(needed)} at {folder}, where {in_units(free)} are free: "
            "make room, or set HELPERS_WORK to a larger disk"
        )


@contextlib.contextmanager
def only_one(path: Path, waiting: str = "") -> Iterator[None]:
    """Two notebooks may make the same thing at once: the second says `waiting`, waits and finds it done.

    The lock ends with its process, killed or not. A file system without locks has one process at a time.
    """
    lock = FileLock(path, thread_local=False)
    with contextlib.suppress(NotImplementedError, OSError):
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if waiting:
                print(waiting, flush=True)
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def in_units(n_bytes: float) -> str:
    """1536000 -> "2 MB"."""
    for unit in ("bytes", "kB", "MB"):
        if n_bytes < 1000:
            return f"{n_bytes:.0f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.1f} GB"
