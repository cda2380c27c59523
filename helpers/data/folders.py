"""Where in a folder a data set begins, and data whose classes are told by folders -> the utterance table.

Uploads nest folders, so each layout is found by a marker: protocols, a table, or a folder for each class.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import pandas as pd

from helpers.data.audio import AUDIO_ENDINGS
from helpers.data.errors import DataError, SourceError
from helpers.data.labels import CLASS_FOLDERS, SPLIT_WORDS
from helpers.data.manifest import Entry
from helpers.data.tree import find_files, left_out_in_words, list_folders, subfolders

FACE_FOLDERS = {**CLASS_FOLDERS, "training_real": "bonafide", "training_fake": "spoof"}
IMAGES = {".jpg", ".jpeg", ".png"}
FACE_NAME = re.compile(r"(easy|mid|hard)_(\d+)_([01]{4})", re.IGNORECASE)
FACE_PARTS = ("left_eye", "right_eye", "nose", "mouth")  # what the four digits of a face's name stand for
MAX_DEPTH = 5
# Folders with thousands of files and nothing to find below them.
LEAVES = {"flac", "wav", "ogg", "wavs", *FACE_FOLDERS}


# ---------------------------------------------------------------- where the data begin


def protocols_ending(entry: Entry) -> str:
    """How the name of the folder with ASVspoof's protocols ends, in lower case."""
    access = entry.options.get("access", "").lower()
    return f"_{access}_cm_protocols" if access else "_cm_protocols"


def class_folders(entry: Entry) -> dict[str, str]:
    """Lower-case names of folders -> class, with the words that the options add: `labels: {echt: bonafide}`."""
    own = {word.lower(): label for word, label in entry.options.get("labels", {}).items()}
    return {**(FACE_FOLDERS if entry.layout == "faces" else CLASS_FOLDERS), **own}


def marker_in_words(entry: Entry) -> str:
    """What a student should look for in the folder."""
    if entry.layout == "asvspoof":
        return f"a folder ending in {protocols_ending(entry).replace('_la_', '_LA_').replace('_pa_', '_PA_')}"
    if entry.layout == "protocol_csv":
        return f"the file {entry.options.get('protocol', 'protocol.csv')}"
    if entry.layout == "features_csv":
        return f"the file {entry.options.get('table', 'DATASET-balanced.csv')}"
    if entry.layout == "faces":
        return "folders real/ and fake/, or training_real/ and training_fake/"
    return "folders real/ and fake/ (directly, or inside training/ validation/ testing/)"


def _marker(entry: Entry) -> Callable[[Path, dict[str, Path]], bool]:
    """Whether the data begin in a folder, asked with what folders are inside."""
    if entry.layout == "asvspoof":
        return lambda folder, inside: any(name.endswith(protocols_ending(entry)) for name in inside)
    if entry.layout in ("protocol_csv", "features_csv"):
        name = marker_in_words(entry).removeprefix("the file ")
        return lambda folder, inside: (folder / name).is_file()
    names = class_folders(entry)

    def two_classes(inside: dict[str, Path]) -> bool:
        return {names[name] for name in inside if name in names} == {"bonafide", "spoof"}

    def found(folder: Path, inside: dict[str, Path]) -> bool:
        splits = [path for name, path in inside.items() if name in SPLIT_WORDS]
        return two_classes(inside) or any(two_classes(subfolders(path)) for path in splits)

    return found


def _walk(folder: Path) -> Iterator[tuple[Path, dict[str, Path]]]:
    """Folders breadth first, so that the shallowest match wins; leaves with the audio are not entered."""
    level = [folder]
    for _ in range(MAX_DEPTH + 1):
        below: list[Path] = []
        for place in level:
            try:
                inside = subfolders(place)
            except OSError:
                continue
            yield place, inside
            below += [path for name, path in sorted(inside.items()) if name not in LEAVES]
        level = below


def find_root(folder: Path, entry: Entry) -> Path | None:
    """The shallowest folder in which the layout begins, or None; `part` in the options names one of several."""
    marker = _marker(entry)
    found = (place for place, inside in _walk(folder) if marker(place, inside))
    part = entry.options.get("part", "").lower()
    if not part:
        return next(found, None)
    # Parts may lie below a folder that is called like one of them: the one that is named deepest counts.
    roots, depths = list(found), []
    for place in roots:
        names = [folder.name.lower(), *map(str.lower, place.relative_to(folder).parts)]
        depths.append(max((number for number, name in enumerate(names) if name == part), default=-1))
    if depths and max(depths) >= 0:
        return roots[depths.index(max(depths))]
    # A folder named by hand may be the part itself under another name.
    return folder if folder in roots else None


def require_root(folder: Path, entry: Entry) -> Path:
    """find_root, or a SourceError that says what was looked for and what is there."""
    root = find_root(folder, entry)
    if root is not None:
        return root
    there = sorted(path.name for path in folder.iterdir())[:8] if folder.is_dir() else []
    part = f" for the part {entry.options['part']}" if "part" in entry.options else ""
    raise SourceError(
        f"{entry.name}: {folder} does not hold {marker_in_words(entry)}{part}; it holds {', '.join(there) or 'nothing'}"
    )


# ---------------------------------------------------------------- class folders -> rows


def _class_rows(
    root: Path, names: dict[str, str], endings: Collection[str], prefix: str
) -> list[dict[str, str]]:
    """utterance, path, label, group (the folder inside the class's own) of every file in the class folders; Real/
    beside real/ are both read."""
    rows = []
    for folder in list_folders(root):
        if folder.name.lower() not in names:
            continue
        for path in find_files(folder, endings)[0]:
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


def read_class_folders(
    root: Path, entry: Entry, endings: Collection[str] = AUDIO_ENDINGS, prefix: str = ""
) -> tuple[pd.DataFrame, list[str]]:
    """The table of one tree with a folder for each class, and notes on what was left out.

    The user's own splits may hold the classes, train/real, or the classes the splits, real/train.
    """
    names = class_folders(entry)
    rows = []
    for path in list_folders(root):
        if path.name.lower() in SPLIT_WORDS:
            inside = _class_rows(path, names, endings, f"{prefix}{path.name}/")
            rows += [{**row, "split": SPLIT_WORDS[path.name.lower()]} for row in inside]
    rows = rows or _class_rows(root, names, endings, prefix)
    everything, others = find_files(root, endings)
    notes = [left_out_in_words(others)] if others else []
    if not rows:
        raise DataError(
            "; ".join([f"{root} has folders for both classes but nothing in them to read", *notes])
        )
    if len(everything) > len(rows):
        where = "the split folders" if "split" in rows[0] else "the class folders"
        notes.append(f"{len(everything) - len(rows):,} files outside of {where} are left out")
    table = pd.DataFrame(rows)
    # The name of two files that differ only in their ending would be one: keep the ending there.
    twice = table["utterance"].duplicated(keep=False)
    endings_of = table["path"].str.rpartition(".")[2]
    table["utterance"] = table["utterance"].where(~twice, table["utterance"] + "." + endings_of)
    if "split" not in table:
        notes += _splits_below_the_classes(table)
    table["attack"] = table["label"].map({"bonafide": "-", "spoof": "unknown"})
    table["speaker"] = "unknown"
    return table, notes


def _splits_below_the_classes(table: pd.DataFrame) -> list[str]:
    """real/train -> the column `split`, where every clip lies in such a folder; else a note."""
    parts = table["group"].str.partition("/")
    inner = parts[0].str.lower().map(SPLIT_WORDS)
    if inner.notna().all():
        table["split"] = inner
        table["group"] = parts[2].where(parts[2] != "", table["group"])
    elif inner.notna().any():
        folders = ", ".join(sorted(set(parts[0][inner.notna()])))
        return [
            f"folders called {folders} inside the classes are taken for groups, not splits: "
            f"{int(inner.isna().sum()):,} clips lie outside of such"
        ]
    return []


# ---------------------------------------------------------------- the layouts


def read_real_fake(folder: Path, entry: Entry) -> tuple[pd.DataFrame, list[str]]:
    """real/ and fake/, directly or inside training/ validation/ testing/; `parts` makes the union of several such
    trees, each keeping its own split (`part` remembers which); `labels` adds words of other languages."""
    parts = entry.options.get("parts", [])
    if not parts:
        part = entry.options.get("part", "")
        table, notes = read_class_folders(require_root(folder, entry), entry, prefix=part and f"{part}/")
        return (table.assign(part=part) if part else table), notes
    tables, notes = [], []
    for part in parts:
        root = require_root(folder, entry.with_options(part=part))
        table, more = read_class_folders(root, entry, prefix=f"{part}/")
        if "split" not in table:
            raise DataError(f"{entry.name}: the part {part} has no training, validation and testing folders")
        tables.append(table.assign(part=part))
        notes += more
    return pd.concat(tables, ignore_index=True), notes


def read_faces(folder: Path, entry: Entry) -> tuple[pd.DataFrame, list[str]]:
    """Pictures in real/ and fake/ (or training_real/, training_fake/): the same columns, `path` an image.

    In the names of Real and Fake Face Detection stand the difficulty and what was pasted in:
    easy_1_1110.jpg has both eyes and the nose of others.
    """
    table, notes = read_class_folders(require_root(folder, entry), entry, IMAGES)
    names = table["path"].map(lambda path: FACE_NAME.search(os.path.basename(path)))
    difficulty = names.map(lambda match: match[1].lower() if match else "unknown")
    table["group"] = table["attack"] = difficulty.where(table["label"] == "spoof", "-")
    table["pasted"] = [
        " ".join(part for part, digit in zip(FACE_PARTS, match[3], strict=True) if digit == "1")
        if match
        else ""
        for match in names
    ]
    return table, notes
