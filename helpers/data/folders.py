"""Where in a folder a data set begins, and data whose classes are told by folders -> the utterance table.

Uploads nest folders, so each layout is found by a marker: protocols, a table, or a folder for each class.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

import pandas as pd

from helpers.data.audio import AUDIO_ENDINGS
from helpers.data.errors import DataError, SourceError
from helpers.data.manifest import SPLITS, Entry
from helpers.data.tables import CLASS_FOLDERS, SPLIT_WORDS
from helpers.data.tree import find_files, is_hidden, left_out_in_words, list_folders, subfolders

FACE_FOLDERS = {**CLASS_FOLDERS, "training_real": "bonafide", "training_fake": "spoof"}
IMAGES = {".jpg", ".jpeg", ".png"}
TABLES = {".csv", ".tsv", ".txt"}
FACE_NAME = re.compile(r"(easy|mid|hard)_(\d+)_([01]{4})", re.IGNORECASE)
FACE_PARTS = ("left_eye", "right_eye", "nose", "mouth")  # what the four digits of a face's name stand for
MAX_DEPTH = 5
LEAVES = ("flac", "wav", "wavs")  # thousands of files and nothing to find below them


# ---------------------------------------------------------------- where the data begin


def protocols_ending(entry: Entry) -> str:
    """How the name of the folder with ASVspoof's protocols ends, in lower case."""
    access = entry.options.get("access", "").lower()
    return f"_{access}_cm_protocols" if access else "_cm_protocols"


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


def _walk(folder: Path) -> Iterator[tuple[Path, dict[str, Path]]]:
    """Folders breadth first, so that the shallowest match comes first, with the folders inside them."""
    level = [folder]
    for _ in range(MAX_DEPTH + 1):
        below: list[Path] = []
        for place in level:
            with contextlib.suppress(OSError):
                inside = subfolders(place)
                yield place, inside
                below += [path for name, path in sorted(inside.items()) if name not in LEAVES]
        level = below


def find_root(folder: Path, entry: Entry) -> Path | None:
    """The shallowest folder in which the layout begins, or None."""
    if entry.layout in ("real_fake_folders", "faces", "deep_voice"):
        found = find_classes(folder, entry)
        return Path(os.path.commonpath([path.parent for path, _ in found])) if found else None
    ending, name = protocols_ending(entry), marker_in_words(entry).removeprefix("the file ")
    for place, inside in _walk(folder):
        if entry.layout == "asvspoof":
            if any(one.endswith(ending) for one in inside):
                return place
        elif (place / name).is_file():
            return place
    return None


def require_root(folder: Path, entry: Entry) -> Path:
    """find_root, or a SourceError that says what was looked for, what is there, and what to do."""
    root = find_root(folder, entry)
    if root is not None:
        return root
    there = sorted(path.name for path in folder.iterdir() if not is_hidden(path.name))
    more = f" and {len(there) - 8:,} more" if len(there) > 8 else ""
    part = f" for the part {entry.options['part']}" if "part" in entry.options else ""
    raise SourceError(
        f"{entry.name}: {folder} does not hold {marker_in_words(entry)}{part}; "
        f"it holds {', '.join(there[:8]) or 'nothing'}{more}{'' if part else _advice(folder, entry)}"
    )


def _advice(folder: Path, entry: Entry) -> str:
    """What to do with a folder of one's own that was not understood."""
    inside = [path.name for path in list_folders(folder)]
    other = [name for name in inside if name.lower() not in CLASS_FOLDERS]
    below = [path for depth in ("*", "*/*") for path in folder.glob(depth)]
    tables = sorted(path.name for path in below if path.suffix.lower() in TABLES)
    if entry.layout in ("real_fake_folders", "protocol_csv") and tables:
        return f". If {tables[0]} names files and labels: `layout: protocol_csv`, `options: {{protocol: {tables[0]}}}`"
    if entry.layout != "real_fake_folders":
        return ""
    if other:
        return f". If its folders have other names, say in the options what they mean: `labels: {{{other[0]}: spoof}}`"
    if inside:
        return ". The folder for the other class is not there"
    return ". Sort the files into such folders, or list them in a table protocol.csv with columns path,label"


# ---------------------------------------------------------------- class folders -> rows


def find_classes(folder: Path, entry: Entry) -> list[tuple[Path, str]]:
    """Every folder below `folder` that is named for a class, with that class; [] unless both classes are there.

    Real/ beside real/ are two; fakes/ is fake/; `labels: {echt: bonafide}` in the options adds words. A folder named
    for a class that has both classes inside, deepfake/real and deepfake/fake, is a mere name. `part` in the options
    names one of several trees.
    """
    words = {word.lower(): label for word, label in entry.options.get("labels", {}).items()}
    words = {**(FACE_FOLDERS if entry.layout == "faces" else CLASS_FOLDERS), **words}

    def classes_in(place: Path) -> list[tuple[Path, str]]:
        try:
            names = [(path, path.name.lower()) for path in list_folders(place)]
        except PermissionError:  # counted by find_files
            return []
        return [(path, words.get(name, words.get(name.removesuffix("s"), ""))) for path, name in names]

    found, level = [], [folder]
    for _ in range(MAX_DEPTH + 1):
        below = []
        for path, label in (one for place in level for one in classes_in(place)):
            if label and len({inner for _, inner in classes_in(path)} - {""}) < 2:
                found.append((path, label))
            else:
                below.append(path)
        if found and entry.layout != "real_fake_folders":
            break  # published once more further down
        level = below
    if entry.options.get("part"):
        found = _of_part(found, folder, entry.options["part"].lower())
    return found if len({label for _, label in found}) == 2 else []


def _of_part(found: list[tuple[Path, str]], folder: Path, part: str) -> list[tuple[Path, str]]:
    """Parts may lie below a folder that is called like one of them: the one that is named deepest counts."""
    depths = []
    for path, _ in found:
        names = [folder.name.lower(), *map(str.lower, path.relative_to(folder).parts)]
        depths.append(max((number for number, name in enumerate(names) if name == part), default=-1))
    if max(depths, default=-1) >= 0:
        return [one for one, depth in zip(found, depths) if depth == max(depths)]
    # A folder named by hand may be the part itself under another name: then the classes or the splits begin there.
    return [one for one in found if split_of(one[0].relative_to(folder).parts[0]) or one[0].parent == folder]


@functools.cache
def split_of(name: str) -> str:
    """`Training`, `train_set`, `test-data` -> train, train, eval; "" for any other name."""
    return SPLIT_WORDS.get(re.sub(r"[\W_]*(set|data|split)$", "", name.lower()), "")


def _rows(root: Path, classes: list[tuple[Path, str]], endings: Collection[str]) -> list[dict[str, str]]:
    """utterance, path, label, split ("" where no folder tells) and group (the folders around it) of every file."""
    rows, home = [], os.path.join(root, "")
    for folder, label in classes:
        above = list(folder.parent.relative_to(root).parts)
        for path in find_files(folder, endings)[0]:
            # A name that is not UTF-8 can be opened but not written into a table: b\xf6se -> b\\udcf6se.
            name = path[len(home) :].replace(os.sep, "/").encode("utf-8", "backslashreplace").decode()
            inside = name.split("/")[len(above) + 1 : -1]
            splits = [part for part in [*above, *inside[:1]] if split_of(part)]
            group = "/".join(part for part in [*above, *inside] if part not in splits)
            rows.append(
                {
                    "utterance": os.path.splitext(name)[0],
                    "path": path,
                    "label": label,
                    "split": split_of(splits[0]) if splits else "",
                    "group": group or folder.name,
                }
            )
    return rows


def read_class_folders(
    folder: Path, entry: Entry, endings: Collection[str] = AUDIO_ENDINGS
) -> tuple[pd.DataFrame, list[str]]:
    """The table of a tree with folders for the classes, and notes on what was left out.

    The user's own splits may hold the classes, train/real, or the classes the splits, real/train; likewise speakers.
    """
    root = require_root(folder, entry)
    table = pd.DataFrame(_rows(root, find_classes(folder, entry), endings))
    around = root if "part" in entry.options else folder
    everything, others = find_files(around, endings)
    notes = [left_out_in_words(others)] if others else []
    if table.empty:
        nothing = f"{root} has folders for both classes but nothing in them to read"
        raise DataError("; ".join([nothing, *notes]))
    if len(everything) > len(table):
        outside = {
            os.path.relpath(path, around).split(os.sep)[0] for path in {*everything} - {*table["path"]}
        }
        notes.append(
            f"{len(everything) - len(table):,} files outside of the class folders are left out, in "
            f"{', '.join(sorted(outside)[:3])}"
        )
    inner = table["group"].str.rpartition("/")[2].str.lower().map(CLASS_FOLDERS)
    odd = table[inner.notna() & (inner != table["label"])]
    if len(odd):
        first = odd.iloc[0]
        notes.append(
            f"{len(odd):,} files lie between both classes, such as {first.utterance}: taken for {first.label}"
        )
    # The name of two files that differ only in their ending would be one: keep the ending there.
    twice = table["utterance"].duplicated(keep=False)
    table["utterance"] += ("." + table["path"].str.rpartition(".")[2]).where(twice, "")
    table["attack"] = table["label"].map({"bonafide": "-", "spoof": "unknown"})
    table["speaker"] = "unknown"
    table, note = _use_splits(table)
    return table, notes + note


def _use_splits(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The column `split` is kept where folders for all three are there, or all files lie in such folders."""
    untold = table["split"] == ""
    if not untold.any():
        return table, []
    told = sorted(set(table["split"]) - {""})
    if set(SPLITS) == set(told):
        left_out = [f"{untold.sum():,} files outside of the split folders are left out"]
        return table[~untold].reset_index(drop=True), left_out
    words = f"{untold.sum():,} files lie outside of the folders for {', '.join(told)}: these are groups, not splits"
    return table.drop(columns="split"), [words] if told else []


# ---------------------------------------------------------------- the layouts


def read_real_fake(folder: Path, entry: Entry) -> tuple[pd.DataFrame, list[str]]:
    """real/ and fake/, directly or inside training/ validation/ testing/; `parts` makes the union of several such
    trees, each keeping its own split (`part` remembers which); `labels` adds words of other languages."""
    parts = entry.options.get("parts") or [entry.options.get("part", "")]
    tables, notes = [], []
    for part in parts:
        table, more = read_class_folders(folder, entry.with_options(part=part) if part else entry)
        if len(parts) > 1 and "split" not in table:
            raise DataError(f"{entry.name}: the part {part} has no training, validation and testing folders")
        tables.append(table.assign(part=part, utterance=f"{part}/" + table["utterance"]) if part else table)
        notes += more
    return pd.concat(tables, ignore_index=True), notes


def read_faces(folder: Path, entry: Entry) -> tuple[pd.DataFrame, list[str]]:
    """Pictures in real/ and fake/ (or training_real/, training_fake/): the same columns, `path` an image.

    In the names of Real and Fake Face Detection stand the difficulty and what was pasted in:
    easy_1_1110.jpg has both eyes and the nose of others.
    """
    table, notes = read_class_folders(folder, entry, IMAGES)
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
