"""From an archive on a slow mount to a folder on the local disk: one sequential copy, one unpacking, one mark.

Many small files over a network mount cost one round trip each; one archive costs its bytes. Nothing half done
ever carries a final name: copies and folders are built under `.part` and renamed.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from helpers.data.archives import BLOCK, files_of, join_parts, list_members, unpack, wanted_members
from helpers.data.errors import ROOM, WORDS_OF_ERRNO, SourceError, StagingError, say
from helpers.data.manifest import Entry

if TYPE_CHECKING:
    from helpers.data.sources import Source

MARK = ".staged.json"
SPARE = 64 * 2**20  # bytes left free on the disk beside what is written


def stage(source: Source, entry: Entry, folder: Path) -> Path:
    """The folder with the unpacked data: the source itself where it is unpacked, else `folder/<name>`.

    A second call returns at once. Raises StagingError for a damaged or unsafe archive, a checksum that differs
    or a disk without room; then only `.part` files are left, and the next call begins anew.
    """
    if source.kind == "folder":
        assert source.path is not None
        return source.path
    if source.path is None:
        raise SourceError(f"{entry.name} is not here yet: download it first")
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
    part = target.with_name(target.name + ".part")
    copy = target.with_name(target.name + ".zip.part")
    _remove(part)
    _remove(copy)
    files = files_of(archive)
    joined = not files[0].name.endswith(
        ".zip"
    )  # split in the middle of a file: no part can be read by itself
    copied = joined or os.stat(archive).st_dev != os.stat(target.parent).st_dev
    size = sum(file.stat().st_size for file in files)
    if joined:
        check_room(target.parent, 2 * size, entry.name)
        members = [(copy, join_parts(files, copy, entry))]
    else:
        members = [(file, list_members(file, entry)) for file in files]
    infos = [info for _, some in members for info in some]
    unpacked = sum(info.file_size for info in infos)
    check_room(target.parent, (size if copied else 0) + unpacked, entry.name)
    facts = _facts(archive)
    sha256 = ""
    if copied and len(files) == 1:
        sha256 = copy_sequentially(archive, copy)
        members = [(copy, infos)]
    elif entry.sha256:
        sha256 = hash_file(archive)
    if entry.sha256 and sha256 != entry.sha256:
        _remove(copy)
        raise StagingError(
            f"{archive.name} has sha256 {sha256[:8]}…, the manifest says {entry.sha256[:8]}…: download it again"
        )
    for file, some in members:
        unpack(file, archive.name, some, part)
    mark = {
        **facts,
        "sha256": sha256,
        "files": len(infos),
        "unpacked_bytes": unpacked,
        "options": wanted_members(entry),
    }
    # Written before the rename: folder and mark appear in one step.
    (part / MARK).write_text(json.dumps(mark, indent=1), encoding="utf-8")
    (target / MARK).unlink(missing_ok=True)  # first: an outdated folder half removed must not look whole
    _remove(target)
    os.rename(part, target)
    _remove(copy)
    return mark


def _facts(archive: Path) -> dict[str, Any]:
    size = sum(file.stat().st_size for file in files_of(archive))
    return {"archive": archive.name, "bytes": size, "mtime_ns": archive.stat().st_mtime_ns}


def _is_staged(target: Path, archive: Path, entry: Entry) -> bool:
    """A complete folder made from this very archive. A known checksum outweighs the file's time."""
    mark = staged_mark(target, entry)
    if mark.get("bytes") != _facts(archive)["bytes"]:
        return False
    return bool(entry.sha256) or mark.get("mtime_ns") == archive.stat().st_mtime_ns


def staged_mark(target: Path, entry: Entry) -> dict[str, Any]:
    """What a complete folder says of the archive that it was made from; {} where it is not what the entry wants."""
    try:
        mark = json.loads((target / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    wanted = mark.get("options") == wanted_members(entry) and mark.get("sha256") == (
        entry.sha256 or mark.get("sha256")
    )
    return mark if wanted else {}


def copy_sequentially(source: Path, target: Path) -> str:
    """Copy in 16 MB blocks from start to end, and return the sha256 of what was copied."""
    digest = hashlib.sha256()
    with open(source, "rb") as reader, open(target, "wb") as writer:
        while block := reader.read(BLOCK):
            digest.update(block)
            writer.write(block)
    return digest.hexdigest()


def hash_file(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as reader:
        while block := reader.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def check_room(folder: Path, needed: int, name: str) -> None:
    """Raise StagingError unless `needed` bytes, and a little, are free where `folder` lies."""
    free = shutil.disk_usage(folder).free
    if needed + min(SPARE, needed // 20) > free:
        raise StagingError(
            f"{name} needs {in_units(needed)} at {folder}, where {in_units(free)} are free: "
            "make room, or set HELPERS_WORK to a larger disk"
        )


@contextlib.contextmanager
def disk_errors(name: str, doing: str = "staged", then: str = "the next call begins anew") -> Iterator[None]:
    """A full disk, a broken mount, a name too long: StagingError in words."""
    try:
        yield
    except OSError as error:
        if isinstance(error, FileNotFoundError) or error.errno not in WORDS_OF_ERRNO:
            raise
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            said = f"the disk filled up while {name} was {doing}: {ROOM}"
        else:
            said = f"{name} could not be {doing}: {say(error)}"
        raise StagingError(f"{said}; {then}") from error


@contextlib.contextmanager
def only_one(path: Path, waiting: str = "") -> Iterator[bool]:
    """Two notebooks may make the same thing at once: the second says `waiting`, waits and finds it done.

    True with the lock, which ends with its process, killed or not; False where the file system knows no such lock:
    one process at a time there.
    """
    lock = FileLock(path, thread_local=False)
    locked = True
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if waiting:
                print(waiting, flush=True)
            lock.acquire()
    except (NotImplementedError, OSError):
        locked = False
    try:
        yield locked
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
