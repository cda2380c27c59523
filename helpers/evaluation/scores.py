"""Read the score files of the field into one table, and refuse those that no figure should be drawn from."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from helpers.data.errors import DataError
from helpers.data.tables import (
    SUBSET_WORDS,
    as_numbers,
    in_words,
    plain,
    plain_name,
    read_cells,
    read_labels_in_words,
    read_named,
)
from helpers.metrics import AsvErrors, asv_errors, checked


def check_scores(table: pd.DataFrame, name: str = "scores", repeats: bool = False) -> pd.DataFrame:
    """The table with float scores and checked labels; ValueError with a sentence for what makes figures meaningless.

    Refused: NaN and infinite scores, labels other than bonafide and spoof, one class, all scores equal, an
    utterance that is listed twice. `repeats` lets a trial list name an utterance again with the same score.
    """
    missing = [column for column in ("utterance", "label", "score") if column not in table]
    if missing:
        raise ValueError(
            f"{name}: no column {', '.join(missing)}; found {', '.join(map(str, table.columns))}"
        )
    table = table.reset_index(drop=True)
    if "attack" not in table:
        table["attack"] = "-"
    table["attack"] = table["attack"].fillna("-").astype(str).replace("", "-")
    table["score"] = checked(pd.to_numeric(table["score"], errors="raise"), name)
    strange = sorted(set(table["label"]) - {"bonafide", "spoof"}, key=str)
    if strange:
        raise ValueError(
            f"{name}: labels must be bonafide or spoof, found {', '.join(map(str, strange[:5]))}"
        )
    counts = table["label"].value_counts()
    if len(counts) < 2:
        raise ValueError(
            f"{name}: need both classes, got {counts.get('bonafide', 0)} bona fide and "
            f"{counts.get('spoof', 0)} spoof"
        )
    if table["score"].min() == table["score"].max():
        raise ValueError(
            f"{name}: all {len(table)} scores equal {table['score'].iloc[0]:g}: "
            "the detector says nothing, look for a dead network or a wrong column"
        )
    twice = table[table["utterance"].duplicated(keep=False)]
    differ = twice.groupby("utterance")[["label", "score"]].nunique().max(axis=1) > 1
    if differ.any():
        raise ValueError(
            f"{name}: {int(differ.sum())} utterances are listed twice with different scores or labels, such as "
            f"{differ.index[differ][0]}: keep one of each"
        )
    if len(twice) and not repeats:
        raise ValueError(
            f"{name}: {twice['utterance'].nunique()} utterances are listed more than once, such as "
            f"{twice['utterance'].iloc[0]}: keep one of each, or say --repeats if this is a list of trials"
        )
    return table


def eval_rows(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of eval where the table has such, all of them where it tells no splits apart, else a ValueError."""
    if "split" not in table or table["split"].nunique() < 2:
        return table
    here = table["split"] == "eval"
    if not here.any():
        raise ValueError(
            f"the splits are {', '.join(sorted(set(table['split'])))}, and none of them is called eval or test: "
            "keep the lines of one, or name them so"
        )
    return table[here]


def read_scores(
    path, labels=None, repeats: bool = False, bonafide: str = "", higher: str = ""
) -> pd.DataFrame:
    """Score file (+ label file) -> checked table `utterance, attack, label, score` (+ split, speaker where named).

    Any table of `read_named` with an utterance and a score; two scores a line become bona fide minus spoof, noted in
    `.attrs["notes"]`. `bonafide` is the number or word that means bona fide ("0", "1", "echt"); `higher="spoof"` says that a high
    score means spoof. ValueError or DataError says what was found.
    """
    path = Path(path)
    table, notes = _named(path), []
    if labels is not None and not {"score", "score_bonafide"} & set(table) and "label" in table:
        table = table.rename(columns={"label": "score"})  # decisions, 0 or 1
    if {"score_bonafide", "score_spoof"} <= set(table) and "score" not in table:
        first, second = (_numeric(table[name], path.name) for name in ("score_bonafide", "score_spoof"))
        table["score"] = first - second
        notes.append("two scores a line: taken is bona fide minus spoof")
    for name in ("score_bonafide", "score_spoof"):
        if name in table and "score" not in table:
            if name == "score_spoof" and higher != "spoof":
                raise ValueError(
                    f"{path.name}: its scores are named as scores of spoof, and here higher means bona fide: "
                    "say --higher spoof"
                )
            table["score"] = table[name]
    missing = [column for column in ("utterance", "score") if column not in table]
    if missing:
        raise ValueError(
            f"{path.name}: no {' and no '.join(missing)} found (columns {', '.join(table.columns)}); expected lines "
            "`utterance attack label score` or `utterance score`, or headings such as file, label, score"
        )
    table = table.drop(columns=["score_bonafide", "score_spoof"], errors="ignore")
    table["score"] = _numeric(table["score"], path.name)
    if higher == "spoof":
        table["score"] = -table["score"]
        notes.append("scores turned round, as --higher spoof asks")
    if labels is not None:
        table = join_labels(table, read_labels(labels, bonafide), path.name, Path(labels).name)
    elif "label" not in table:
        raise ValueError(f"{path.name}: lines of utterance and score have no labels: add --labels FILE")
    else:
        table["label"] = _in_words(table["label"], path.name, bonafide)
    if "attack" in table:
        table["attack"] = table["attack"].where(table["label"] == "spoof", "-")
    if "split" in table:
        table["split"] = in_words(table["split"], SUBSET_WORDS).fillna(table["split"].str.lower())
    table = check_scores(table, path.name, repeats)
    table.attrs["notes"] = notes
    return table


def read_labels(path, bonafide: str = "") -> pd.DataFrame:
    """Label file -> `utterance, label` (+ attack, speaker, split): protocols, keys, or a table with headings."""
    path = Path(path)
    table = _named(path)
    if "label" not in table or "utterance" not in table:
        raise ValueError(
            f"{path.name}: no labels found (columns {', '.join(table.columns)}); expected protocol lines "
            "`speaker utterance - attack label` or a CSV with columns for utterance and label"
        )
    table["label"] = _in_words(table["label"], path.name, bonafide)
    twice = table.loc[table["utterance"].duplicated(), "utterance"]
    if len(twice):
        raise ValueError(f"{path.name}: {len(twice)} utterances have two labels, such as {twice.iloc[0]}")
    return table.drop(columns=["score", "score_bonafide", "score_spoof"], errors="ignore")


def join_labels(table: pd.DataFrame, labels: pd.DataFrame, name: str, labels_name: str) -> pd.DataFrame:
    """Scores with the labels of their utterances; ValueError for utterances missing on either side.

    Names are compared without folders and endings where they differ as they are. Subsets of the key without a
    single score are left out.
    """
    if not table["utterance"].isin(labels["utterance"]).all():
        short = labels["utterance"].map(plain_name)
        if short.nunique() == labels["utterance"].nunique():
            labels = labels.assign(utterance=short)
            table = table.assign(utterance=table["utterance"].map(plain_name))
    if "split" in labels:
        scored = labels.loc[labels["utterance"].isin(table["utterance"]), "split"].unique()
        labels = labels[labels["split"].isin(scored)] if len(scored) else labels
    for one, other, lacks in (
        (table, labels, f"no label in {labels_name}"),
        (labels, table, f"no score in {name}"),
    ):
        alone = one.loc[~one["utterance"].isin(other["utterance"]), "utterance"].unique()
        if len(alone):
            raise ValueError(
                f"{len(alone)} of {len(one)} utterances have {lacks}, such as {min(alone)}: "
                "a rate over part of a list cannot be compared"
            )
    kept = [c for c in table.columns if c not in labels.columns or c == "utterance"]
    return table[kept].merge(labels, on="utterance", how="left")


def read_asv(path) -> AsvErrors:
    """ASV score lines `... target|nontarget|spoof score` -> error rates at the EER point of target vs non-target."""
    path = Path(path)
    table = read_cells(path)
    key = next((c for c in table if {"target", "nontarget", "spoof"} == set(table[c])), None)
    if key is None:
        raise DataError(f"{path.name}: no column of target, nontarget and spoof: is this an ASV score file?")
    scores = _numeric(table.iloc[:, -1], path.name).to_numpy()
    return asv_errors(*(scores[(table[key] == kind).to_numpy()] for kind in ("target", "nontarget", "spoof")))


def _named(path: Path) -> pd.DataFrame:
    """The table of a file with the suite's names of columns; a path serves where no utterance is named."""
    table = read_named(path).rename_axis(None)
    return table if "utterance" in table else table.rename(columns={"path": "utterance"})


def _in_words(labels: pd.Series, name: str, bonafide: str) -> pd.Series:
    """`bonafide` is the number or the word for it in a file of two labels."""
    words = {plain(word) for word in labels.unique()}
    own = {plain(bonafide): "bonafide"} if bonafide else {}
    if len(words) == 2 and own and own.keys() < words:
        own |= {word: "spoof" for word in words - own.keys()}
    return read_labels_in_words(
        labels, own, name, "bonafide and spoof, or --bonafide 1 (or 0, or your word), whichever is bona fide"
    )


def _numeric(values: pd.Series, name: str) -> pd.Series:
    """Text -> floats; ValueError names the first value that is no number."""
    numbers = as_numbers(values)
    bad = numbers.isna() & ~values.astype(str).str.strip().str.lower().isin({"nan", ""})
    if bad.any():
        raise ValueError(f"{name}: {int(bad.sum())} scores are no numbers, first {values[bad].iloc[0]!r}")
    return numbers
