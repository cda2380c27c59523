"""What is in an archive: its parts, its members under safe names, and their unpacking."""

from __future__ import annotations

import contextlib
import re
import shutil
import stat
import zipfile
import zlib
from pathlib import Path

from helpers.data.errors import StagingError
from helpers.data.manifest import Entry

BLOCK = 16 * 2**20  # bytes


def files_of(archive: Path) -> list[Path]:
    """The files of a split download: `x-001.zip`, `x-002.zip` of Drive, each a zip of its own; `x.z01`, `x.z02`,
    `x.zip` and `x.zip.001`, `x.zip.002`, one zip cut into pieces. [archive] for any other.

    StagingError names the one that is missing; whether more follow the last one no name tells.
    """
    name, folder = archive.name, archive.parent
    if found := re.fullmatch(r"(.+-)\d{3}(\.zip)", name, re.IGNORECASE) or re.fullmatch(
        r"(.+\.zip\.)\d{3}()", name, re.IGNORECASE
    ):
        before, after, digits, last = found[1], found[2], 3, []
    else:
        before, after, digits, last = name[:-3] + "z", "", 2, [archive]
    pattern = re.compile(re.escape(before) + rf"(\d{{{digits}}})" + re.escape(after), re.IGNORECASE)
    numbers = {int(m[1]): path for path in folder.iterdir() if (m := pattern.fullmatch(path.name))}
    for number in range(1, max(numbers, default=0)):
        if number not in numbers:
            raise StagingError(
                f"{name} is part of a split download and {before}{number:0{digits}d}{after} is missing beside it: "
                "download or copy all parts into one folder"
            )
    return [numbers[number] for number in sorted(numbers)] + last or [archive]


def join_parts(files: list[Path], copy: Path, entry: Entry) -> list[zipfile.ZipInfo]:
    """The pieces of one zip written to `copy`, and its members with places in the whole instead of in a piece."""
    starts = [0]
    with open(copy, "wb") as whole:
        for file in files:
            with open(file, "rb") as piece:
                shutil.copyfileobj(piece, whole, BLOCK)
            starts.append(whole.tell())
    infos = list_members(copy, entry, files[-1].name)
    if files[-1].suffix.lower() == ".zip":
        with zipfile.ZipFile(copy) as opened:
            shift = max(
                start for start in starts if start <= opened.start_dir
            )  # what zipfile added to each place
        for info in infos:
            info.header_offset += starts[info.volume] - shift
    return infos


def list_members(archive: Path, entry: Entry, name: str = "") -> list[zipfile.ZipInfo]:
    """The files to unpack, all names checked before the first byte is written."""
    name = name or archive.name
    try:
        with zipfile.ZipFile(archive) as opened:
            infos = opened.infolist()
    except (zipfile.BadZipFile, EOFError):
        raise StagingError(f"{name} is cut off or not a zip: download or copy it again") from None
    for info in infos:
        info.filename = _file_name(info)
    infos = [info for info in infos if not info.filename.endswith("/")]  # folders
    for info in infos:
        refuse_unsafe(info, name)
    wanted = tuple(name.lower() for name in wanted_members(entry))
    if wanted:
        infos = [info for info in infos if _is_wanted(info.filename.lower(), wanted)] or infos
    if not infos:
        raise StagingError(f"{name} is an empty zip")
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


def unpack(archive: Path, name: str, members: list[zipfile.ZipInfo], part: Path) -> None:
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
        raise StagingError(f"{name} is damaged ({error}): download or copy it again") from None
    except (RuntimeError, NotImplementedError) as error:
        raise StagingError(f"{name} cannot be unpacked ({error}): pack it again as a plain zip") from None


def wanted_members(entry: Entry) -> list[str]:
    return sorted(str(name) for name in entry.options.get("members", []))
