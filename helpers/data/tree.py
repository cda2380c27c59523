"""Folders as people leave them: links are followed, hidden things are not looked at."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def is_hidden(name: str) -> bool:
    return name[0] == "." or name == "__MACOSX"


def is_folder(found: os.DirEntry[str]) -> bool:
    """False, not an error, for a link that leads to itself."""
    return os.path.isdir(found.path) if found.is_symlink() else found.is_dir()


def subfolders(folder: Path) -> dict[str, Path]:
    """Lower-case name -> path of every folder directly inside `folder`; hidden ones left out."""
    with os.scandir(folder) as found:
        return {
            one.name.lower(): Path(one.path) for one in found if not is_hidden(one.name) and is_folder(one)
        }


def walk(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Every folder from `folder` downwards, links followed, with the names of its files.

    A folder that several links lead to is entered once, and none that lies around `folder`: links may form a loop.
    """
    entered = {str(parent) for parent in Path(os.path.realpath(folder)).parents}
    for place, inside, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in entered:
            inside.clear()
            continue
        entered.add(real)
        inside[:] = sorted(name for name in inside if not is_hidden(name))
        yield place, names
