"""DEEP-VOICE: recordings named SOURCE-to-TARGET.wav, and tables of features such as its published one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from helpers.data.errors import DataError
from helpers.data.folders import read_class_folders, require_root
from helpers.data.manifest import Entry
from helpers.data.protocols import COLUMNS, refuse_twice
from helpers.data.tables import (
    fill_attack_and_speaker,
    first_line,
    read_labels_in_words,
    read_splits_in_words,
    read_table,
)


def speakers_of(recording: str) -> tuple[str, str]:
    """`Obama-to-Biden` -> (obama, biden); `biden-original` -> (biden, biden)."""
    name = recording.lower().removesuffix(".wav").strip()
    source, _, target = name.removesuffix("-original").partition("-to-")
    return source.strip(), (target or source).strip()


def _name_speakers(table: pd.DataFrame) -> pd.DataFrame:
    """Source and target speaker from the names of DEEP-VOICE's recordings, SOURCE-to-TARGET.wav."""
    pairs = [speakers_of(name) for name in table["recording"]]
    table["source_speaker"] = [source for source, _ in pairs]
    table["target_speaker"] = [target for _, target in pairs]
    # Heard is the voice of the target; it is the real speaker's own in bona fide recordings.
    table["speaker"] = table["target_speaker"]
    table["attack"] = table["label"].map({"bonafide": "-", "spoof": "RVC"})
    return table


def read_deep_voice(folder: Path, entry: Entry) -> tuple[pd.DataFrame, list[str]]:
    """One row a recording (they last minutes; open_dataset cuts them), with source and target speaker."""
    table, notes = read_class_folders(folder, entry)
    table = table.drop(columns="group")
    table["utterance"] = table["recording"] = table["utterance"].str.rpartition("/")[2].str.lower()
    if table["utterance"].duplicated().any():
        raise DataError(f"{entry.name}: two recordings share the name {table['utterance'].mode()[0]}")
    return _name_speakers(table), notes


def read_features_csv(folder: Path, entry: Entry) -> tuple[pd.DataFrame, list[str]]:
    """A table of features, one row a clip, `path` empty. The published DEEP-VOICE rows are shuffled and do not tell
    their recording: only a random split is possible there. `recording_column` opens the honest ones."""
    root = require_root(folder, entry)
    name = entry.options.get("table", "DATASET-balanced.csv")
    table = read_table(root / name)
    label_column = next((column for column in map(str, table) if column.lower() == "label"), None)
    if label_column is None:
        raise DataError(f"{name} has no column LABEL (it has {', '.join(table.columns[:8])} …)")
    if table.empty:
        raise DataError(f"{name} has a heading but no lines")
    labels = read_labels_in_words(table.pop(label_column), entry.options.get("labels", {}), name)
    column = entry.options.get("recording_column", "")
    if column and column not in table:
        raise DataError(f"{name} has no column {column!r} to tell the recordings by")
    recordings = table.pop(column).str.lower() if column else None
    if "split" in table:
        table["split"] = read_splits_in_words(table["split"], name)
    table = _numbers(table, name).assign(path="", label=labels)
    if table.select_dtypes("number").empty:
        raise DataError(f"{name} has no column of numbers; decimals need a point, 0.5 and not 0,5")
    if "utterance" not in table:
        table["utterance"] = [f"row-{number:05d}" for number in range(len(table))]
    refuse_twice(table["utterance"], name)
    if "attack" not in table:
        table["attack"] = "RVC"
    table = fill_attack_and_speaker(table)
    if recordings is not None:
        table = _name_speakers(table.assign(recording=recordings))
    return table.reset_index(drop=True), []


def _numbers(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Columns of numbers made numbers; one in which most cells are words stays as it is."""
    for column in [column for column in table if column not in COLUMNS]:
        cells = table[column]
        numbers = pd.to_numeric(cells, errors="coerce")
        bad = ~np.isfinite(numbers)
        if (bad & (cells != "")).mean() > 0.5:
            continue
        if bad.any():
            line = first_line(bad)
            raise DataError(
                f"{name}, line {line}: {cells[line]!r} in column {column} is no number ({bad.sum()} such cells)"
            )
        table[column] = numbers
    return table
