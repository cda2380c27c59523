"""DEEP-VOICE: recordings named SOURCE-to-TARGET.wav, the published table of 26 means, and three ways to split them."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from helpers.data.errors import DataError
from helpers.data.folders import two_class_rows
from helpers.data.layouts import CLASS_FOLDERS, require_root
from helpers.data.manifest import Entry
from helpers.data.protocols import AUDIO, labels_in_words


def speakers_of(recording: str) -> tuple[str, str]:
    """`Obama-to-Biden` -> (obama, biden); `biden-original` -> (biden, biden)."""
    name = recording.lower().removesuffix(".wav").strip()
    source, to, target = name.partition("-to-")
    if to:
        return source.strip(), target.strip()
    source = name.removesuffix("-original").strip()
    return source, source


def _name_speakers(table: pd.DataFrame) -> pd.DataFrame:
    pairs = [speakers_of(name) for name in table["recording"]]
    table["source_speaker"] = [source for source, _ in pairs]
    table["target_speaker"] = [target for _, target in pairs]
    # Heard is the voice of the target; it is the real speaker's own in bona fide recordings.
    table["speaker"] = table["target_speaker"]
    table["attack"] = table["label"].map({"bonafide": "-", "spoof": "RVC"})
    return table


def read_deep_voice(folder: Path, entry: Entry) -> tuple[pd.DataFrame, list[str]]:
    """One row a recording (they last minutes; open_dataset cuts them), with source and target speaker."""
    root = require_root(folder, entry)
    table = pd.DataFrame(two_class_rows(root, CLASS_FOLDERS, AUDIO)).drop(columns="group")
    table["recording"] = [os.path.splitext(os.path.basename(path))[0].lower() for path in table["path"]]
    table["utterance"] = table["recording"]
    if table["utterance"].duplicated().any():
        raise DataError(f"{entry.name}: two recordings share the name {table['utterance'].mode()[0]}")
    return _name_speakers(table), []


def read_features_csv(folder: Path, entry: Entry) -> tuple[pd.DataFrame, list[str]]:
    """A table of features, one row a clip, `path` empty. The published DEEP-VOICE rows are shuffled and do not tell
    their recording: only a random split is possible there. `recording_column` opens the honest ones."""
    root = require_root(folder, entry)
    name = str(entry.options.get("table", "DATASET-balanced.csv"))
    table = pd.read_csv(root / name)
    label_column = str(entry.options.get("label_column", "LABEL"))
    if label_column not in table:
        raise DataError(f"{name} has no column {label_column!r} (it has {', '.join(table.columns[:8])} …)")
    labels = labels_in_words(table[label_column], entry.options.get("labels", {}), name)
    table = table.drop(columns=label_column)
    bad = table.select_dtypes("number").isna().any(axis=1)
    if bad.any():
        raise DataError(f"{name}, line {int(bad.to_numpy().argmax()) + 2}: a number is missing ({int(bad.sum())} such)")
    table.insert(0, "utterance", [f"row-{number:05d}" for number in range(len(table))])
    table.insert(1, "path", "")
    table.insert(2, "label", labels)
    table["attack"] = table["label"].map({"bonafide": "-", "spoof": "RVC"})
    table["speaker"] = "unknown"
    column = str(entry.options.get("recording_column", ""))
    if column:
        if column not in table:
            raise DataError(f"{name} has no column {column!r} to tell the recordings by")
        table = _name_speakers(table.assign(recording=table.pop(column).str.lower()))
    return table, []
