"""Folders as people leave them: links are followed, hidden things are not looked at, what is left out is counted."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path


def is_hidden(name: str) -> bool:
    return name[0] == "." or name == "__MACOSX"


def list_folders(folder: Path) -> list[Path]:
    """Every folder directly inside `folder`, sorted; hidden ones left out. A link that leads to itself is none."""
    with os.scandir(folder) as found:  # tells what is a folder without a look-up a file
        folders = [one for one in found if (os.path.isdir(one) if one.is_symlink() else one.is_dir())]
    return sorted(Path(one.path) for one in folders if not is_hidden(one.name))


def subfolders(folder: Path) -> dict[str, Path]:
    """Lower-case name -> path of the folders directly inside `folder`; `real` wins over `Real`."""
    return {path.name.lower(): path for path in list_folders(folder)}


def walk(folder: Path, closed: list[str] | None = None) -> Iterator[tuple[str, list[str]]]:
    """Every folder from `folder` downwards, links followed, with the names of its files.

    A folder that several links lead to is entered once, and none that lies around `folder`: links may form a loop.
    Folders that cannot be opened are added to `closed`.
    """
    entered = {str(parent) for parent in Path(os.path.realpath(folder)).parents}

    def note(error: OSError) -> None:
        if closed is not None:
            closed.append(str(error.filename))

    for place, inside, names in os.walk(folder, onerror=note, followlinks=True):
        real = os.path.realpath(place)
        if real in entered:
            inside.clear()
            continue
        entered.add(real)
        inside[:] = sorted(name for name in inside if not is_hidden(name))
        yield place, names


def find_files(folder: Path, endings: Collection[str]) -> tuple[list[str], Counter[str]]:
    """All files below `folder` with these endings, in any case, as sorted paths; and what was left out, counted by
    ending or reason. Hidden files are neither."""
    found, closed = [], list[str]()
    left_out = Counter[str]()
    for place, names in walk(folder, closed):
        for name in names:
            ending = os.path.splitext(name)[1].lower()
            if is_hidden(name):
                continue
            if ending in endings:
                found.append(os.path.join(place, name))
            else:
                left_out[ending or "without ending"] += 1
    if closed:
        left_out["folder that cannot be opened"] = len(closed)
    return sorted(found), left_out


def left_out_in_words(left_out: Counter[str]) -> str:
    """{".docx": 3} -> "3 left out, not of a kind that is read: 3 .docx"; "" where nothing was."""
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in sorted(left_out.items()))
    return f"{left_out.total():,} left out, not of a kind that is read: {kinds}" if kinds else ""
