"""ASVspoof protocols and a user's own protocol CSV -> the utterance table. Never by globbing: the eval and dev
folders of ASVspoof hold enrolment recordings that belong to no trial."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from helpers.data.audio import AUDIO_ENDINGS
from helpers.data.errors import DataError
from helpers.data.folders import protocols_ending, require_root
from helpers.data.labels import (
    fill_attack_and_speaker,
    first_line,
    read_labels_in_words,
    read_splits_in_words,
)
from helpers.data.manifest import SPLITS, Entry
from helpers.data.tables import plain_name, read_named, read_rows, read_table
from helpers.data.tree import is_folder, is_hidden, subfolders, walk

COLUMNS = ["utterance", "path", "label", "attack", "speaker", "split", "dataset"]


def files_by_name(folder: Path, endings: Iterable[str] = AUDIO_ENDINGS) -> dict[str, str]:
    """Name without ending -> path, from one listing of the folder; endings in any case."""
    endings = set(endings)
    with os.scandir(folder) as entries:
        split = ((entry, *os.path.splitext(entry.name)) for entry in entries if entry.name[0] != ".")
        return {stem: entry.path for entry, stem, ending in split if ending.lower() in endings}


# ---------------------------------------------------------------- ASVspoof


def read_asvspoof_protocols(root: Path, ending: str = "_cm_protocols") -> pd.DataFrame:
    """All trials of the protocols inside `root` (in the folder with this ending), whether or not their audio is there.

    A line reads SPEAKER UTTERANCE ENVIRONMENT ATTACK LABEL (Wang et al. 2020, ASVspoof 2019): the attack is the
    fourth column; the third is `-` in LA and the room of a replay in PA (kept as `environment` and `replay`).
    """
    folder = _protocol_folder(root, ending)
    names = {path.name.lower(): path for path in folder.iterdir()}
    parts = []
    for split in SPLITS:
        pattern = re.compile(rf".*\.cm\.{split}\.tr[nl](\.txt)?$")
        found = [path for name, path in sorted(names.items()) if pattern.match(name)]
        if not found:
            raise DataError(
                f"{folder} has no protocol for {split} (a name like ASVspoof2019.LA.cm.{split}.trl.txt)"
            )
        parts.append(_read_trials(found[0]).assign(split=split))
    table = pd.concat(parts, ignore_index=True)
    refuse_twice(table["utterance"], folder.name)
    if (table["environment"] == "-").all():
        return table.drop(columns="environment")
    return table.assign(replay=table["attack"])


def _protocol_folder(root: Path, ending: str) -> Path:
    folders = [path for name, path in sorted(subfolders(root).items()) if name.endswith(ending)]
    if not folders:
        raise DataError(f"{root} has no folder ending in {ending}")
    if len(folders) > 1:
        both = " and ".join(path.name for path in folders)
        raise DataError(f"{root} has {both}: say which in the options, `access: LA` or `access: PA`")
    return folders[0]


def _read_trials(path: Path) -> pd.DataFrame:
    rows = read_rows(path)
    for number, row in rows.items():
        if len(row) != 5 and ("2021" in path.name or set(row[5:]) & {"bonafide", "spoof"}):
            raise DataError(
                f"{path.name} reads like ASVspoof 2021, whose lists have other columns and an evaluation alone: write its "
                "clips as eval, beside others for train and dev, into a protocol.csv (path,label,attack,speaker,split) "
                "and open that with `layout: protocol_csv`"
            )
        if len(row) != 5 or row[4].lower() not in ("bonafide", "spoof"):
            raise DataError(
                f"{path.name}, line {number}: {' '.join(row)[:80]!r} is not SPEAKER UTTERANCE - ATTACK bonafide|spoof"
            )
    columns = ["speaker", "utterance", "environment", "attack", "label"]
    table = pd.DataFrame.from_dict(rows, "index", columns=columns, dtype=str)
    table["label"] = table["label"].str.lower()
    wrong = (table["label"] == "bonafide") != (table["attack"] == "-")
    if wrong.any():
        first = first_line(wrong)
        raise DataError(
            f"{path.name}, line {first}: label {table['label'][first]} with attack {table['attack'][first]!r}; "
            "bona fide speech has the attack - and a spoof has a name"
        )
    return table


def read_asvspoof(folder: Path, entry: Entry) -> tuple[pd.DataFrame, list[str]]:
    """Every trial with the path of its audio, "" where the file is missing; notes."""
    root = require_root(folder, entry)
    table = read_asvspoof_protocols(root, protocols_ending(entry))
    prefix = _protocol_folder(root, protocols_ending(entry)).name[: -len("_cm_protocols")].lower()
    folders = subfolders(root)
    paths = pd.Series("", index=table.index, dtype=str)
    extras = 0
    for split in SPLITS:
        home = folders.get(f"{prefix}_{split}")
        if home is None:
            continue
        home = subfolders(home).get("flac", home)
        files = files_by_name(home)
        rows = table["split"] == split
        names = table.loc[rows, "utterance"].map(plain_name)
        found = names.map(files)
        if found.isna().all() and files:  # a copy through a case-blind disk
            found = names.str.lower().map({name.lower(): path for name, path in files.items()})
        paths[rows] = found.fillna("")
        extras += len(files) - int(found.notna().sum())
    table["path"] = paths
    table = _with_sources(table, root / "sources.csv")
    notes = [f"{extras:,} files beside the protocol (enrolment recordings) left out"] if extras else []
    return table, notes


def _with_sources(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """What sources.csv tells of each utterance (the starter corpus: language, licence, text), where there is one."""
    if not path.is_file():
        return table
    told = pd.read_csv(path, dtype=str, keep_default_na=False)
    if "utterance" not in told or told["utterance"].duplicated().any():
        raise DataError(f"{path.name} should have a column utterance that names each one once")
    more = told[["utterance", *(column for column in told.columns if column not in table)]]
    return table.merge(more, on="utterance", how="left")


def find_asv_scores(folder: Path, entry: Entry) -> dict[str, Path]:
    """The organisers' ASV score files by split ("dev", "eval"), for the t-DCF; empty where there are none."""
    root = require_root(folder, entry)
    prefix = _protocol_folder(root, protocols_ending(entry)).name[: -len("_cm_protocols")].lower()
    home = subfolders(root).get(f"{prefix}_asv_scores")
    if home is None:
        return {}
    return {
        split: path
        for path in sorted(home.iterdir())
        for split in ("dev", "eval")
        if f".asv.{split}." in path.name
    }


# ---------------------------------------------------------------- a user's own protocol


def read_protocol_csv(folder: Path, entry: Entry) -> tuple[pd.DataFrame, list[str]]:
    """protocol.csv with `label` and `path` (or `utterance`, a file's name); attack, speaker and split where given.

    Any table of `read_named`. Further columns are kept. In the options `columns: {path: file}` renames, and
    `labels: {"1": bonafide}` translates.
    """
    root = require_root(folder, entry)
    name = str(entry.options.get("protocol", "protocol.csv"))
    own = entry.options.get("labels", {})
    if "columns" in entry.options:
        table = _renamed(read_table(root / name), entry.options["columns"], name)
    else:
        table = read_named(root / name, own)
    if "path" not in table and "utterance" in table:
        table["path"] = table["utterance"]
    for column in ("path", "label"):
        if column not in table:
            raise DataError(
                f"{name} has no column {column!r} (it has {', '.join(table.columns)}): "
                f"rename it, or say `columns: {{{column}: its_name}}` in the manifest's options"
            )
    if table.empty:
        raise DataError(f"{name} has a heading but no lines")
    say = '`labels: {"1": bonafide, "0": spoof}` in the options, or the other way round'
    table["label"] = read_labels_in_words(table["label"], own, name, say)
    if (table["path"] == "").any():
        raise DataError(f"{name}, line {first_line(table['path'] == '')}: the path is empty")
    if "utterance" not in table:
        table["utterance"] = [os.path.splitext(path)[0].replace("\\", "/") for path in table["path"]]
    refuse_twice(table["utterance"], name)
    table = fill_attack_and_speaker(table)
    found = _present(root, table["path"])
    table["path"] = found if any(found) else _by_name(root, table["path"])
    refuse_twice(table.loc[table["path"] != "", "path"], name)
    if "split" in table:
        table["split"] = read_splits_in_words(table["split"], name)
    return table.reset_index(drop=True), []


def _by_name(root: Path, names: pd.Series) -> list[str]:
    """Paths of the recordings below `root` whose name, without folders and ending, is that of the protocol's cell."""
    found: dict[str, str] = {}
    for place, files in walk(root):
        for file in files:
            if not is_hidden(file) and os.path.splitext(file)[1].lower() in AUDIO_ENDINGS:
                # Two recordings of one name: neither is sure to be the one.
                found[plain_name(file)] = "" if plain_name(file) in found else os.path.join(place, file)
    return [found.get(plain_name(name), "") for name in names]


def _renamed(table: pd.DataFrame, columns: dict[str, str], name: str) -> pd.DataFrame:
    """`columns` says our name -> theirs; a column that had our name gives way."""
    for ours, given in columns.items():
        if given not in table:
            raise DataError(f"{name} has no column {given!r}, which `columns` in the options calls {ours}")
    renamed = {ours: table[given] for ours, given in columns.items()}
    return table.drop(columns=list(columns.values())).assign(**renamed)


def _present(root: Path, paths: pd.Series) -> list[str]:
    """Absolute paths, "" where no file is; each folder is listed once (a look-up a file is slow over a mount).

    A Mac may write ü in a file's name as u and two dots: both spellings are tried.
    """
    inside: dict[str, set[str]] = {}
    found = []
    for path in paths:
        spellings = dict.fromkeys([path, *(unicodedata.normalize(form, path) for form in ("NFC", "NFD"))])
        fulls = [os.path.normpath(os.path.join(root, spelt.replace("\\", "/"))) for spelt in spellings]
        for folder in {os.path.dirname(full) for full in fulls} - inside.keys():
            inside[folder] = _file_names(folder)
        found.append(
            next((full for full in fulls if os.path.basename(full) in inside[os.path.dirname(full)]), "")
        )
    return found


def _file_names(folder: str) -> set[str]:
    if not os.path.isdir(folder):
        return set()
    with os.scandir(folder) as entries:
        return {entry.name for entry in entries if not is_folder(entry)}


def refuse_twice(utterances: pd.Series, name: str) -> None:
    twice = utterances[utterances.duplicated()]
    if len(twice):
        raise DataError(
            f"{name} names {twice.iloc[0]!r} more than once ({len(twice)} such lines): names must differ"
        )
