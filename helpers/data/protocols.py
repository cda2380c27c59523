"""ASVspoof protocols and a user's own protocol CSV -> the utterance table. Never by globbing: the eval and dev
folders of ASVspoof hold enrolment recordings that belong to no trial."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

import pandas as pd

from helpers.data.audio import AUDIO_ENDINGS
from helpers.data.errors import DataError
from helpers.data.folders import protocols_ending, require_root, split_of
from helpers.data.manifest import SPLITS, Entry
from helpers.data.tables import (
    fill_attack_and_speaker,
    first_line,
    plain_name,
    read_cells,
    read_labels_in_words,
    read_named,
    read_splits_in_words,
    read_table,
)
from helpers.data.tree import find_files, subfolders

COLUMNS = ["utterance", "path", "label", "attack", "speaker", "split", "dataset"]


def refuse_twice(utterances: pd.Series, name: str) -> None:
    twice = utterances[utterances.duplicated()]
    if len(twice):
        raise DataError(
            f"{name} names {twice.iloc[0]!r} more than once ({len(twice)} such lines): names must differ"
        )


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
    table = read_cells(path)
    label = table[4].str.lower() if table.shape[1] == 5 else pd.Series("", index=table.index)
    wrong = ~label.isin(["bonafide", "spoof"])
    if wrong.any():
        row = table.loc[first_line(wrong)]
        if "2021" in path.name or row[5:].isin(["bonafide", "spoof"]).any():
            raise DataError(
                f"{path.name} reads like ASVspoof 2021, whose lists have other columns and an evaluation alone: write its "
                "clips as eval, beside others for train and dev, into a protocol.csv (path,label,attack,speaker,split) "
                "and open that with `layout: protocol_csv`"
            )
        raise DataError(
            f"{path.name}, line {row.name}: {' '.join(map(str, row)).strip()[:80]!r} is not SPEAKER UTTERANCE - ATTACK bonafide|spoof"
        )
    table = table.set_axis(["speaker", "utterance", "environment", "attack", "label"], axis=1)
    table["label"] = label
    wrong = (table["label"] == "bonafide") != (table["attack"] == "-")
    if wrong.any():
        first = first_line(wrong)
        raise DataError(
            f"{path.name}, line {first}: label {table['label'][first]} with attack {table['attack'][first]!r}; "
            "bona fide speech has the attack - and a spoof has a name"
        )
    return table


def _beside_protocols(root: Path, entry: Entry, ending: str) -> Path | None:
    """ASVspoof2019_LA_<ending> beside the folder ASVspoof2019_LA_cm_protocols."""
    prefix = _protocol_folder(root, protocols_ending(entry)).name[: -len("_cm_protocols")]
    return subfolders(root).get(f"{prefix}_{ending}".lower())


def read_asvspoof(folder: Path, entry: Entry) -> tuple[pd.DataFrame, list[str]]:
    """Every trial with the path of its audio, "" where the file is missing; notes."""
    root = require_root(folder, entry)
    table = read_asvspoof_protocols(root, protocols_ending(entry))
    paths = pd.Series("", index=table.index, dtype=str)
    extras = 0
    for split in SPLITS:
        home = _beside_protocols(root, entry, split)
        if home is None:
            continue
        files = find_files(subfolders(home).get("flac", home), AUDIO_ENDINGS)[0]
        by_name = {plain_name(path).lower(): path for path in files}
        rows = table["split"] == split
        found = table.loc[rows, "utterance"].map(plain_name).str.lower().map(by_name)
        paths[rows] = found.fillna("")
        extras += len(files) - int(found.notna().sum())
    table["path"] = paths
    more = root / "sources.csv"  # what the starter corpus tells of each utterance: language, licence, text
    if more.is_file():
        told = read_table(more)
        told = told[["utterance", *(column for column in told.columns if column not in table)]]
        table = table.merge(told, on="utterance", how="left", validate="many_to_one")
    notes = [f"{extras:,} files beside the protocol (enrolment recordings) left out"] if extras else []
    return table, notes


def find_asv_scores(folder: Path, entry: Entry) -> dict[str, Path]:
    """The organisers' ASV score files by split ("dev", "eval"), for the t-DCF; empty where there are none."""
    home = _beside_protocols(require_root(folder, entry), entry, "asv_scores")
    files = sorted(home.iterdir()) if home else []
    return {split: path for path in files for split in ("dev", "eval") if f".asv.{split}." in path.name}


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
    table["label"] = read_labels_in_words(table["label"], own, name)
    if (table["path"] == "").any():
        raise DataError(f"{name}, line {first_line(table['path'] == '')}: the path is empty")
    if "utterance" not in table:
        table["utterance"] = [os.path.splitext(path)[0].replace("\\", "/") for path in table["path"]]
    refuse_twice(table["utterance"], name)
    table = fill_attack_and_speaker(table)
    named, recordings = table["path"], find_files(root, AUDIO_ENDINGS)[0]
    table["path"] = _find(recordings, root, named)
    refuse_twice(table.loc[table["path"] != "", "path"], name)
    if "split" in table:
        table["split"] = read_splits_in_words(table["split"], name)
    notes = []
    beside = len({*recordings} - {*table["path"]})
    if beside:
        notes.append(f"{beside:,} recordings that {name} does not name are left out")
    folders = sorted({part for path in named for part in path.split("/")[:-1] if split_of(part)})
    if folders and "split" not in table:
        notes.append(
            f"the folders {', '.join(folders)} are no splits here: {name} needs a column split for that"
        )
    return table.reset_index(drop=True), notes


def _renamed(table: pd.DataFrame, columns: dict[str, str], name: str) -> pd.DataFrame:
    """`columns` says our name -> theirs; a column that had our name gives way."""
    for ours, given in columns.items():
        if given not in table:
            raise DataError(f"{name} has no column {given!r}, which `columns` in the options calls {ours}")
    renamed = {ours: table[given] for ours, given in columns.items()}
    return table.drop(columns=list(columns.values())).assign(**renamed)


def _find(found: list[str], root: Path, names: pd.Series) -> list[str]:
    """The path of each cell's recording among those found, "" where there is none: by the path from `root`, or, where
    no cell is such a path, by the name alone."""
    home = os.path.join(os.path.normpath(root), "")
    # A Mac may write ü in a name as u and two dots.
    files = {unicodedata.normalize("NFC", path): path for path in found}
    paths = []
    for name in names:
        path = os.path.normpath(os.path.join(home, name.replace("\\", "/")))
        outside = not path.startswith(home) and os.path.isfile(path)
        paths.append(path if outside else files.get(unicodedata.normalize("NFC", path), ""))
    if any(paths):
        return paths
    by_name: dict[str, str] = {}
    for path in found:
        # Two recordings of one name: neither is sure to be the one.
        by_name[plain_name(path)] = "" if plain_name(path) in by_name else path
    return [by_name.get(plain_name(name), "") for name in names]
