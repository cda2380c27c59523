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
import re
import shutil
import stat
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from helpers.data.errors import SourceError, StagingError
from helpers.data.manifest import Entry

if TYPE_CHECKING:
    from helpers.data.sources import Source

BLOCK = 16 * 2**20  # bytes
MARK = ".staged.json"
SPARE = 64 * 2**20  # bytes left free on the disk beside what is written
LOST_MOUNT = (errno.EIO, errno.ENOTCONN, errno.ESTALE, errno.ETIMEDOUT, errno.ECONNABORTED, errno.EHOSTDOWN)


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
    with disk_errors(entry.name):
        return _stage([source.path, *source.more], entry, folder)


def _stage(archives: list[Path], entry: Entry, folder: Path) -> Path:
    target = folder / entry.name
    if _is_staged(
        target, archives, entry
    ):  # perhaps by somebody else, where we may not write, not even a lock
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with only_one(folder / f"{entry.name}.lock"):
        if _is_staged(target, archives, entry):
            return target
        started = time.monotonic()
        mark = _unpack_beside(archives, entry, target)
    print(
        f"staged {entry.name}: {mark['files']:,} files, {in_units(mark['unpacked_bytes'])} "
        f"in {time.monotonic() - started:.1f} s at {target}"
    )
    return target


def _unpack_beside(archives: list[Path], entry: Entry, target: Path) -> dict[str, Any]:
    part = target.with_name(target.name + ".part")
    copy = target.with_name(target.name + ".zip.part")
    _remove(part)
    _remove(copy)
    members = [_members(archive, entry) for archive in archives]
    unpacked = sum(info.file_size for infos in members for info in infos)
    copied = os.stat(archives[0]).st_dev != os.stat(target.parent).st_dev
    largest = max(archive.stat().st_size for archive in archives)
    check_room(target.parent, (largest if copied else 0) + unpacked, entry.name)
    facts = _facts(archives)
    sha256 = ""
    for archive, infos in zip(archives, members, strict=True):
        if copied:
            sha256 = copy_sequentially(archive, copy)
        elif entry.sha256:
            sha256 = hash_file(archive)
        if entry.sha256 and sha256 != entry.sha256:
            _remove(copy)
            raise StagingError(
                f"{archive.name} has sha256 {sha256[:8]}…, the manifest says {entry.sha256[:8]}…: download it again"
            )
        _unpack(copy if copied else archive, infos, part)
        _remove(copy)
    mark = {
        **facts,
        "sha256": sha256,
        "files": sum(map(len, members)),
        "unpacked_bytes": unpacked,
        "options": _choice(entry),
    }
    # Written before the rename: folder and mark appear in one step.
    (part / MARK).write_text(json.dumps(mark, indent=1), encoding="utf-8")
    (target / MARK).unlink(missing_ok=True)  # first: an outdated folder half removed must not look whole
    _remove(target)
    os.rename(part, target)
    return mark


def _choice(entry: Entry) -> list[str]:
    return sorted(str(name) for name in entry.options.get("members", []))


def _facts(archives: list[Path]) -> dict[str, Any]:
    found = [archive.stat() for archive in archives]
    return {
        "archive": archives[0].name,
        "bytes": sum(status.st_size for status in found),
        "mtime_ns": max(status.st_mtime_ns for status in found),
    }


def _is_staged(target: Path, archives: list[Path], entry: Entry) -> bool:
    """A complete folder made from these very archives. A known checksum outweighs the file's time."""
    mark, facts = staged_mark(target, entry), _facts(archives)
    if mark.get("bytes") != facts["bytes"]:
        return False
    return bool(entry.sha256) or mark.get("mtime_ns") == facts["mtime_ns"]


def staged_mark(target: Path, entry: Entry) -> dict[str, Any]:
    """What a complete folder says of the archive that it was made from; {} where it is not what the entry wants."""
    try:
        mark = json.loads((target / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    wanted = mark.get("options") == _choice(entry) and mark.get("sha256") == (
        entry.sha256 or mark.get("sha256")
    )
    return mark if wanted else {}


def _members(archive: Path, entry: Entry) -> list[zipfile.ZipInfo]:
    """The files to unpack, all names checked before the first byte is written."""
    try:
        with zipfile.ZipFile(archive) as opened:
            infos = opened.infolist()
    except (zipfile.BadZipFile, EOFError):
        raise StagingError(f"{archive.name} is cut off or not a zip: download or copy it again") from None
    for info in infos:
        info.filename = _file_name(info)
    infos = [info for info in infos if not info.filename.endswith("/")]  # folders
    for info in infos:
        refuse_unsafe(info, archive.name)
    wanted = tuple(name.lower() for name in _choice(entry))
    if wanted:
        infos = [info for info in infos if _is_wanted(info.filename.lower(), wanted)] or infos
    if not infos:
        raise StagingError(f"{archive.name} is an empty zip")
    return infos


def _file_name(info: zipfile.ZipInfo) -> str:
    """With / between folders, though Windows programs write \\; and in UTF-8, though a Mac does not say so."""
    name = info.filename
    if not info.flag_bits & 0x800:  # read as cp437, in which text in UTF-8 is gibberish
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")


def _is_wanted(name: str, wanted: tuple[str, ...]) -> bool:
    """Some uploads put one more folder around everything."""
    return name.startswith(wanted) or name.partition("/")[2].startswith(wanted)


def refuse_unsafe(info: zipfile.ZipInfo, archive: str) -> None:
    """Raise StagingError for a member that would be written outside its folder, or is a link."""
    name = info.filename.replace("\\", "/")
    if name.startswith("/") or re.match(r"[A-Za-z]:", name) or ".." in name.split("/"):
        raise StagingError(
            f"{archive} holds {info.filename!r}, which leaves its folder: do not use this archive"
        )
    if stat.S_ISLNK(info.external_attr >> 16):
        raise StagingError(f"{archive} holds {info.filename!r}, a link: pack the files themselves")


def _unpack(archive: Path, members: list[zipfile.ZipInfo], part: Path) -> None:
    made = set()
    try:
        with zipfile.ZipFile(archive) as opened:
            for info in members:
                path = part / info.filename
                if path.parent not in made:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    made.add(path.parent)
                with opened.open(info) as packed, open(path, "wb") as plain:
                    shutil.copyfileobj(packed, plain, 2**20)
    except (zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise StagingError(f"{archive.name} is damaged ({error}): download or copy it again") from None
    except (RuntimeError, NotImplementedError) as error:
        raise StagingError(
            f"{archive.name} cannot be unpacked ({error}): pack it again as a plain zip"
        ) from None


def copy_sequentially(source: Path, target: Path) -> str:
    """Copy in 16 MB blocks from start to end, and return the sha256 of what was copied."""
    digest = hashlib.sha256()
    with open(source, "rb") as reader, open(target, "wb") as writer:
        while block := reader.read(BLOCK):
            digest.update(block)
            writer.write(block)
    return digest.hexdigest()


def hash_file(path: Path) -> str:
    with open(path, "rb") as reader:
        return hashlib.file_digest(reader, "sha256").hexdigest()


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
    """What a disk or a drive refuses, as a StagingError: one sentence with what to do."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # of the network, whose callers explain it
            raise
        raise StagingError(_advice(error, name, doing, then)) from error


def _advice(error: OSError, name: str, doing: str, then: str) -> str:
    at = str(error.filename or name)
    at = at if len(at) <= 80 else "…" + at[-79:]
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk filled up while {name} was {doing}: make room, or set HELPERS_WORK to a larger disk; {then}"
    if error.errno in LOST_MOUNT:
        return (
            f"the drive broke off while {name} was {doing} ({error.strerror}): mount it again, or, where it is over its "
            f"quota, copy the file to a drive of your own; {then}"
        )
    if error.errno == errno.ENAMETOOLONG:
        return f"{name} holds a name too long for this disk ({at}): shorten the names, pack it again and call again"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{at} may not be read or written while {name} is {doing}: change its rights, or set HELPERS_WORK; {then}"
    if error.errno in (errno.EEXIST, errno.EISDIR, errno.ENOTDIR):
        return f"in {name} a file and a folder have one name ({at}): rename one, pack it again and call again"
    return f"{name} could not be {doing} ({error.strerror}: {at}): put that right; {then}"


@contextlib.contextmanager
def only_one(path: Path, waiting: str = "") -> Iterator[bool]:
    """Two notebooks may make the same thing at once: the second says `waiting`, waits and finds it done.

    True with the lock, which ends with its process, killed or not; False where the file system knows no such lock:
    one process at a time there.
    """
    lock = FileLock(path)
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if waiting:
                print(waiting, flush=True)
            lock.acquire()
    except (NotImplementedError, OSError):
        pass
    try:
        yield lock.is_locked
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
