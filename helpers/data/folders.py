"""Data whose classes are told by folders (Fake-or-Real, a user's own real/ and fake/, faces) -> the utterance table."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from helpers.data.audio import AUDIO_ENDINGS
from helpers.data.errors import DataError
from helpers.data.layouts import (
    CLASS_FOLDERS,
    FACE_FOLDERS,
    SPLIT_FOLDERS,
    class_folders,
    find_parts,
    require_root,
)
from helpers.data.manifest import Entry
from helpers.data.tree import find_files, left_out_in_words, list_folders

IMAGES = {".jpg", ".jpeg", ".png"}
FACE_NAME = re.compile(r"(easy|mid|hard)_(\d+)_([01]{4})", re.IGNORECASE)
FACE_PARTS = ("left_eye", "right_eye", "nose", "mouth")  # what the four digits of a face's name stand for


def class_rows(
    root: Path,
    names: dict[str, str] = CLASS_FOLDERS,
    endings: Collection[str] = AUDIO_ENDINGS,
    prefix: str = "",
    left_out: Counter[str] | None = None,
) -> list[dict[str, str]]:
    """utterance, path, label, group (the folder inside the class's own) of every file in the class folders; Real/
    beside real/ are both read. What is no such file is added to `left_out`."""
    rows = []
    for folder in list_folders(root):
        if folder.name.lower() not in names:
            continue
        found, more = find_files(folder, endings)
        if left_out is not None:
            left_out.update(more)
        for path in found:
            # A name that is not UTF-8 can be opened but not written into a table: b\xf6se -> b\\udcf6se.
            relative = os.path.relpath(path, folder).replace(os.sep, "/")
            shown = relative.encode("utf-8", "backslashreplace").decode()
            rows.append(
                {
                    "utterance": prefix + folder.name + "/" + os.path.splitext(shown)[0],
                    "path": path,
                    "label": names[folder.name.lower()],
                    "group": shown.rpartition("/")[0] or folder.name,
                }
            )
    return rows


def as_table(
    rows: list[dict[str, str]], root: Path, left_out: Counter[str]
) -> tuple[pd.DataFrame, list[str]]:
    """The rows under distinct names, and a note on what was left out; DataError where there is no row."""
    words = left_out_in_words(left_out)
    if not rows:
        raise DataError(
            f"{root} has folders for both classes but nothing in them to read{words and '; ' + words}"
        )
    table = pd.DataFrame(rows)
    # The name of two files that differ only in their ending would be one: keep the ending there.
    twice = table["utterance"].duplicated(keep=False)
    endings = table["path"].str.rpartition(".")[2]
    table["utterance"] = table["utterance"].where(~twice, table["utterance"] + "." + endings)
    return table, [words] if words else []


def _one_part(root: Path, part: str, names: dict[str, str]) -> tuple[pd.DataFrame, bool, list[str]]:
    """Rows of one real/fake tree, whether it came with its own splits, and notes.

    The splits may hold the classes, train/real, or the classes the splits, real/train.
    """
    prefix = f"{part}/" if part else ""
    rows, left_out = [], Counter[str]()
    splits = [
        path
        for path in list_folders(root)
        if path.name.lower() in SPLIT_FOLDERS and _has_classes(path, names)
    ]
    for path in splits:
        for row in class_rows(path, names, prefix=f"{prefix}{path.name}/", left_out=left_out):
            rows.append({**row, "split": SPLIT_FOLDERS[path.name.lower()]})
    if splits:
        aside = class_rows(root, names)
        if aside:
            left_out["beside the split folders"] += len(aside)
    else:
        rows = class_rows(root, names, prefix=prefix, left_out=left_out)
    table, notes = as_table(rows, root, left_out)
    if not splits:
        first = table["group"].str.partition("/")[0].str.lower()
        inner = first.map(SPLIT_FOLDERS)
        if inner.notna().all():
            table["split"] = inner
            rest = table["group"].str.partition("/")[2]
            table["group"] = rest.where(rest != "", table["group"])
        elif inner.notna().any():
            notes.append(
                f"folders called {', '.join(sorted(set(first[inner.notna()])))} inside the classes are taken for groups, "
                f"not splits: {int(inner.isna().sum()):,} clips lie outside of such"
            )
    if part:
        table["part"] = part
    return table, "split" in table, notes


def _has_classes(folder: Path, names: dict[str, str]) -> bool:
    return any(path.name.lower() in names for path in list_folders(folder))


def read_real_fake(folder: Path, entry: Entry) -> tuple[pd.DataFrame, list[str]]:
    """real/ and fake/, directly or inside training/ validation/ testing/; `parts` makes the union of several such
    trees, each keeping its own split (`part` remembers which); `labels` adds words of other languages."""
    parts = [str(part) for part in entry.options.get("parts", [])]
    if not parts:
        root = require_root(folder, entry)
        table, _, notes = _one_part(root, str(entry.options.get("part", "")), class_folders(entry))
    else:
        tables, notes = [], []
        for part in parts:
            roots = find_parts(folder, entry.with_options(part=part))
            if not roots:
                raise DataError(f"{entry.name}: the part {part} was not found below {folder}")
            one, with_splits, more = _one_part(roots[0], part, class_folders(entry))
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
    left_out = Counter[str]()
    table, notes = as_table(class_rows(root, FACE_FOLDERS, IMAGES, left_out=left_out), root, left_out)
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
    return table, notes
