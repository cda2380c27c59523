"""Data whose classes are told by folders (Fake-or-Real, a user's own real/ and fake/, faces) -> the utterance table."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pandas as pd

from helpers.data.audio import AUDIO_ENDINGS as AUDIO
from helpers.data.errors import DataError
from helpers.data.layouts import (
    CLASS_FOLDERS,
    FACE_FOLDERS,
    SPLIT_FOLDERS,
    find_parts,
    require_root,
)
from helpers.data.manifest import Entry
from helpers.data.tree import is_hidden, subfolders, walk

UNREAD = {
    ".m4a",
    ".aac",
    ".mp4",
    ".wma",
    ".amr",
    ".webm",
    ".caf",
}  # audio all the same: not passed over in silence
IMAGES = {".jpg", ".jpeg", ".png"}
FACE_NAME = re.compile(r"(easy|mid|hard)_(\d+)_([01]{4})", re.IGNORECASE)
FACE_PARTS = ("left_eye", "right_eye", "nose", "mouth")  # what the four digits of a face's name stand for


def _files(folder: Path, endings: set[str]) -> list[str]:
    """All files below `folder` with these endings, relative to it, sorted; hidden ones left out."""
    found = []
    for place, names in walk(folder):
        relative = os.path.relpath(place, folder)
        found += [
            os.path.normpath(os.path.join(relative, name))
            for name in names
            if not is_hidden(name) and os.path.splitext(name)[1].lower() in endings
        ]
    return sorted(path.replace(os.sep, "/") for path in found)


def two_class_rows(
    root: Path, names: dict[str, str], endings: set[str], prefix: str = ""
) -> list[dict[str, str]]:
    """utterance, path, label, group (the folder inside the class's own) of every file in the class folders."""
    rows = []
    for name, folder in sorted(subfolders(root).items()):
        if name not in names:
            continue
        for relative in _files(folder, endings):
            # A name that is not UTF-8 can be opened but not written into a table: b\xf6se -> b\\udcf6se.
            shown = relative.encode("utf-8", "backslashreplace").decode()
            rows.append(
                {
                    "utterance": prefix + folder.name + "/" + os.path.splitext(shown)[0],
                    "path": str(folder / relative),
                    "label": names[name],
                    "group": shown.rpartition("/")[0] or folder.name,
                }
            )
    return rows


def only_readable(rows: list[dict[str, str]], root: Path) -> tuple[list[dict[str, str]], list[str]]:
    """The rows whose audio we read, and a note on the others; DataError where none is left."""
    endings = [os.path.splitext(row["path"])[1].lower() for row in rows]
    kept = [row for row, ending in zip(rows, endings) if ending not in UNREAD]
    kinds = sorted({ending[1:] for ending in endings if ending in UNREAD})
    n_left = len(rows) - len(kept)
    files = "1 file" if n_left == 1 else f"{n_left:,} files"
    note = f"{files} not read ({', '.join(kinds)}): convert to WAV, e.g. ffmpeg -i x.m4a x.wav"
    if not kept:
        more = f"; {note}" if kinds else ""
        raise DataError(
            f"{root} has folders for both classes but no audio in them ({', '.join(sorted(AUDIO))}){more}"
        )
    return kept, [note] if kinds else []


def _has_classes(folder: Path) -> bool:
    return any(name in CLASS_FOLDERS for name in subfolders(folder))


def _one_part(root: Path, part: str) -> tuple[pd.DataFrame, bool, list[str]]:
    """Rows of one real/fake tree, whether it came with its own splits, and notes."""
    prefix = f"{part}/" if part else ""
    rows = []
    with_splits = [
        (name, path)
        for name, path in sorted(subfolders(root).items())
        if name in SPLIT_FOLDERS and _has_classes(path)
    ]
    for name, path in with_splits:
        for row in two_class_rows(path, CLASS_FOLDERS, AUDIO | UNREAD, f"{prefix}{path.name}/"):
            rows.append({**row, "split": SPLIT_FOLDERS[name]})
    if not with_splits:
        rows = two_class_rows(root, CLASS_FOLDERS, AUDIO | UNREAD, prefix)
    rows, notes = only_readable(rows, root)
    table = pd.DataFrame(rows)
    if part:
        table["part"] = part
    # The name of two files that differ only in their ending would be one: keep the ending there.
    twice = table["utterance"].duplicated(keep=False)
    endings = table["path"].str.rpartition(".")[2]
    table["utterance"] = table["utterance"].where(~twice, table["utterance"] + "." + endings)
    return table, bool(with_splits), notes


def read_real_fake(folder: Path, entry: Entry) -> tuple[pd.DataFrame, list[str]]:
    """real/ and fake/, directly or inside training/ validation/ testing/; `parts` makes the union of several such
    trees, each keeping its own split (`part` remembers which)."""
    parts = [str(part) for part in entry.options.get("parts", [])]
    if not parts:
        root = require_root(folder, entry)
        table, _, notes = _one_part(root, str(entry.options.get("part", "")))
    else:
        tables, notes = [], []
        for part in parts:
            roots = find_parts(folder, entry.with_options(part=part))
            if not roots:
                raise DataError(f"{entry.name}: the part {part} was not found below {folder}")
            one, with_splits, more = _one_part(roots[0], part)
            if not with_splits:
                raise DataError(
                    f"{entry.name}: the part {part} has no training, validation and testing folders"
                )
            tables.append(one)
            notes += more
        table = pd.concat(tables, ignore_index=True)
    table["attack"] = table["label"].map({"bonafide": "-", "spoof": "unknown"})
    table["speaker"] = "unknown"
    return table, notes


def read_faces(folder: Path, entry: Entry) -> tuple[pd.DataFrame, list[str]]:
    """Pictures in real/ and fake/ (or training_real/, training_fake/): the same columns, `path` an image.

    In the names of Real and Fake Face Detection stand the difficulty and what was pasted in:
    easy_1_1110.jpg has both eyes and the nose of others.
    """
    root = require_root(folder, entry)
    table = pd.DataFrame(two_class_rows(root, FACE_FOLDERS, IMAGES))
    if table.empty:
        raise DataError(f"{root} has folders for both classes but no pictures in them")
    names = table["path"].map(lambda path: FACE_NAME.search(os.path.basename(path)))
    spoof = table["label"] == "spoof"
    table["group"] = [
        "-" if not fake else m[1].lower() if m else "unknown" for m, fake in zip(names, spoof, strict=True)
    ]
    table["pasted"] = [
        " ".join(part for part, digit in zip(FACE_PARTS, m[3], strict=True) if digit == "1") if m else ""
        for m in names
    ]
    table["attack"] = table["group"]
    table["speaker"] = "unknown"
    return table, []
