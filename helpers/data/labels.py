"""The words that people write for the two classes, the splits, and what is not known: one table for every reader."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pandas as pd

from helpers.data.errors import DataError

UNKNOWN = "unknown"
_WORDS = {
    "bonafide": "bonafide,bona fide,genuine,human,human speech,human voice,real,real speech,real audio,real voice,"
    "original,authentic,natural,organic,live,target,nontarget",
    "spoof": "spoof,spoofed,fake,fake speech,fake audio,fake voice,synthetic,synthesized,synthesised,deepfake,deep fake,"
    "deepfaked,generated,ai,ai generated,ai voice,artificial,cloned,tts,converted,vocoded,replay,replayed",
}
LABEL_WORDS = {word.replace(" ", ""): label for label, words in _WORDS.items() for word in words.split(",")}
CLASS_FOLDERS = {
    word.replace(" ", joint): label
    for label, words in _WORDS.items()
    for word in words.split(",")
    for joint in ("", " ", "-", "_")
}
SPLIT_WORDS = {
    **dict.fromkeys(["train", "training", "trn"], "train"),
    **dict.fromkeys(["dev", "development", "validation", "valid", "val"], "dev"),
    **dict.fromkeys(["eval", "evaluation", "test", "testing"], "eval"),
}
SUBSET_WORDS = {**SPLIT_WORDS, "progress": "progress", "hidden": "hidden"}  # the keys of ASVspoof 2021
NOT_TOLD = ("", "-", UNKNOWN)
WHOLE = re.compile(r"\.0+$")  # the label 1.0 is the label 1


def plain(word: str) -> str:
    """`Bona-Fide`, `bona fide` and `bona_fide` are one word; 1.0 is 1."""
    return re.sub(r"[\s_\-]+", "", WHOLE.sub("", str(word).strip().strip("\"'").lower()))


def label_words(own: Mapping[str, str] | None = None) -> dict[str, str]:
    """The table with a user's own words laid over it; DataError where they lead to no class."""
    own = {plain(key): value for key, value in (own or {}).items()}
    wrong = sorted(set(own.values()) - {"bonafide", "spoof"})
    if wrong:
        raise DataError(f"`labels` in the options leads to {wrong}; only bonafide and spoof exist")
    return {**LABEL_WORDS, **own}


def read_labels_in_words(labels: pd.Series, own: Mapping[str, str] | None, name: str, say: str) -> pd.Series:
    """real, fake, genuine, … -> bonafide | spoof. DataError names the first line (the index) with an unknown word.

    Numbers are refused until `own` says what they mean: half of the public code has 1 for fake. `say` is how to.
    """
    found = labels.map(plain).map(label_words(own))
    if found.isna().any():
        line = first_line(found.isna())
        word = labels[line]
        hint = f"say {say}"
        if plain(word) in ("0", "1"):
            hint = f"numbers mean different things in different data: {hint}"
        raise DataError(f"{name}, line {line}: label {word!r} is neither bonafide nor spoof; {hint}")
    return found


def read_splits_in_words(splits: pd.Series, name: str) -> pd.Series:
    """training, Test, … -> train | dev | eval; DataError names the first line (the index) with an unknown word."""
    found = splits.map(plain).map(SPLIT_WORDS)
    if found.isna().any():
        line = first_line(found.isna())
        raise DataError(f"{name}, line {line}: split {splits[line]!r} is none of train, dev, eval")
    return found


def fill_attack_and_speaker(table: pd.DataFrame) -> pd.DataFrame:
    """Bona fide speech gets the attack "-"; what is not told is "unknown"."""
    for column in ("attack", "speaker"):
        told = table[column] if column in table else pd.Series(UNKNOWN, index=table.index)
        table[column] = told.where(~told.isin(NOT_TOLD), UNKNOWN)
    table["attack"] = table["attack"].where(table["label"] == "spoof", "-")
    return table


def first_line(wrong: pd.Series) -> int:
    """The line in the file of the first row for which `wrong` is true."""
    return int(wrong.index[wrong][0])
