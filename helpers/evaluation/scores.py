"""Read the score files of the field into one table, and refuse those that no figure should be drawn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from helpers.data.layouts import SPLIT_FOLDERS
from helpers.metrics import AsvErrors, asv_errors, checked

COLUMNS = ["utterance", "attack", "label", "score"]
LABELS = {
    "bonafide": "bonafide",
    "bona-fide": "bonafide",
    "bona_fide": "bonafide",
    "genuine": "bonafide",
    "real": "bonafide",
    "human": "bonafide",
    "target": "bonafide",
    "1": "bonafide",
    "spoof": "spoof",
    "fake": "spoof",
    "0": "spoof",
}
NAMES = {
    "utterance": (
        "utterance",
        "utt",
        "utt_id",
        "utterance_id",
        "file",
        "file_name",
        "filename",
        "path",
        "name",
        "id",
        "trial",
    ),
    "attack": ("attack", "attack_id", "system", "system_id", "algorithm"),
    "label": ("label", "key", "class", "target", "truth", "y"),
    "score": ("score", "scores", "cm_score", "cm-score", "llr", "logit", "bonafide_score"),
    "split": ("split", "subset", "partition"),
    "speaker": ("speaker", "speaker_id", "spk"),
    "group": ("group",),
}


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
    refuse_duplicates(table, name, repeats)
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


def refuse_duplicates(table: pd.DataFrame, name: str, repeats: bool) -> None:
    """ValueError where an utterance is listed twice, always where its scores or labels differ."""
    twice = table[table["utterance"].duplicated(keep=False)]
    if twice.empty:
        return
    differ = twice.groupby("utterance")[["label", "score"]].nunique().max(axis=1)
    example = twice["utterance"].iloc[0]
    if (differ > 1).any():
        raise ValueError(
            f"{name}: {int((differ > 1).sum())} utterances are listed twice with different scores or "
            f"labels, such as {differ.index[differ > 1][0]}: keep one of each"
        )
    if not repeats:
        raise ValueError(
            f"{name}: {twice['utterance'].nunique()} utterances are listed more than once, such as "
            f"{example}: keep one of each, or say --repeats if this is a list of trials"
        )


def read_scores(path, labels=None, repeats: bool = False) -> pd.DataFrame:
    """Score file (+ label file) -> checked table `utterance, attack, label, score` (+ split, speaker where named).

    Understood: `utterance attack label score` and `utterance score` lines; ASVspoof 2019-style
    `speaker utterance - attack label score`; CSV or TSV with named columns. ValueError says what was found.
    """
    path = Path(path)
    table = read_table(path)
    if "score" not in table:
        raise ValueError(
            f"{path.name}: no scores found (columns {', '.join(table.columns)}); expected lines "
            "`utterance attack label score` or `utterance score`, or a CSV with a column `score`"
        )
    table["score"] = numeric(table["score"], path.name)
    if labels is not None:
        table = join_labels(table, read_labels(labels), path.name, Path(labels).name)
    elif "label" not in table:
        raise ValueError(f"{path.name}: lines of utterance and score have no labels: add --labels FILE")
    table["label"] = named_labels(table["label"], path.name)
    if "split" in table:
        words = table["split"].str.strip().str.lower()
        table["split"] = words.map(SPLIT_FOLDERS).fillna(words)
    return check_scores(table, path.name, repeats)


def read_labels(path) -> pd.DataFrame:
    """Label file -> `utterance, label` (+ attack, speaker, split): ASVspoof protocol lines or a CSV."""
    path = Path(path)
    table = read_table(path)
    if "label" not in table or "utterance" not in table:
        raise ValueError(
            f"{path.name}: no labels found (columns {', '.join(table.columns)}); expected protocol lines "
            "`speaker utterance - attack label` or a CSV with columns for utterance and label"
        )
    table["label"] = named_labels(table["label"], path.name)
    twice = table["utterance"].duplicated()
    if twice.any():
        raise ValueError(
            f"{path.name}: {int(twice.sum())} utterances have two labels, such as "
            f"{table.loc[twice, 'utterance'].iloc[0]}"
        )
    return table.drop(columns=["score"], errors="ignore")


def join_labels(table: pd.DataFrame, labels: pd.DataFrame, name: str, labels_name: str) -> pd.DataFrame:
    """Scores with the labels of their utterances; ValueError for utterances missing on either side."""
    for either in (table, labels):
        either["utterance"] = either["utterance"].astype(str)
    if not set(table["utterance"]) & set(labels["utterance"]):
        for either in (table, labels):  # `flac/LA_E_1.flac` in one file, `LA_E_1` in the other
            either["utterance"] = [Path(value).stem for value in either["utterance"]]
    unlabelled = sorted(set(table["utterance"]) - set(labels["utterance"]))
    unscored = sorted(set(labels["utterance"]) - set(table["utterance"]))
    if unlabelled:
        raise ValueError(
            f"{len(unlabelled)} of {len(table)} utterances in {name} have no label in {labels_name}, "
            f"such as {unlabelled[0]}"
        )
    if unscored:
        raise ValueError(
            f"{len(unscored)} of {len(labels)} utterances in {labels_name} have no score in {name}, "
            f"such as {unscored[0]}: a rate over part of a list cannot be compared"
        )
    kept = [c for c in table.columns if c not in labels.columns or c == "utterance"]
    return table[kept].merge(labels, on="utterance", how="left")


def read_asv(path) -> AsvErrors:
    """ASV score lines `... target|nontarget|spoof score` -> error rates at the EER point of target vs non-target."""
    table = split_lines(Path(path))
    key = next((c for c in table if set(table[c]) == {"target", "nontarget", "spoof"}), None)
    if key is None:
        raise ValueError(
            f"{Path(path).name}: no column of target, nontarget and spoof: is this an ASV score file?"
        )
    scores = numeric(table.iloc[:, -1], Path(path).name).to_numpy()
    return asv_errors(*(scores[(table[key] == kind).to_numpy()] for kind in ("target", "nontarget", "spoof")))


def read_table(path: Path) -> pd.DataFrame:
    """Any of the field's shapes -> columns named in the suite's words; text, except that scores are still text."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist")
    with path.open(encoding="utf-8-sig") as file:
        first = file.readline().strip()
    if not first:
        raise ValueError(f"{path.name} is empty")
    separator = next((s for s in (",", "\t", ";") if s in first), None)
    words = [w.strip().strip('"').lower() for w in (first.split(separator) if separator else first.split())]
    known = {alias: name for name, aliases in NAMES.items() for alias in aliases}
    header = [known.get(word) for word in words]
    if "utterance" in header and len(set(filter(None, header))) >= 2:
        table = pd.read_csv(
            path, sep=separator or r"\s+", dtype=str, keep_default_na=False, encoding="utf-8-sig"
        )
        columns: list[str] = []
        for place, (given, word, name) in enumerate(zip(table.columns, words, header, strict=True)):
            # Of two columns that mean the same, the one of that very name counts, else the first.
            counts = name not in columns and (word == name or name not in words)
            columns.append(name if name and counts else f"{given}_{place}" if name else given)
        return table.set_axis(columns, axis=1)
    table = split_lines(path, separator)
    return table.set_axis(names_of(table, path.name), axis=1).drop(columns=["_"], errors="ignore")


def split_lines(path: Path, separator: str | None = None) -> pd.DataFrame:
    """Lines without a header -> text columns 0, 1, …; ValueError where lines differ in length."""
    try:
        return pd.read_csv(
            path, sep=separator or r"\s+", header=None, dtype=str, keep_default_na=False, encoding="utf-8-sig"
        )
    except pd.errors.ParserError as error:
        raise ValueError(f"{path.name}: lines differ in their number of columns ({error})") from error


def names_of(table: pd.DataFrame, name: str) -> list[str]:
    """Column names of headerless lines, by what stands in them: labels are words, scores are numbers."""

    def of_labels(column: pd.Series) -> bool:
        return bool(column.str.lower().isin(set(LABELS) - {"0", "1"}).all())

    width = table.shape[1]
    label = next((place for place in range(width) if of_labels(table.iloc[:, place])), None)
    if label is None:
        if width == 2:
            return ["utterance", "score"]
        raise ValueError(f"{name}: {width} columns and none of them holds only bonafide and spoof")
    names = ["_"] * width
    names[label] = "label"
    if label + 1 < width and not pd.to_numeric(table.iloc[:, label + 1], errors="coerce").isna().all():
        names[label + 1] = "score"
    if label >= 4:  # ASVspoof 2019, and with more columns between them the keys of 2021 and 5
        names[0], names[1], names[label - 1] = "speaker", "utterance", "attack"
    elif label == 3:
        names[0], names[1], names[2] = "speaker", "utterance", "attack"
    elif label == 2:
        names[0], names[1] = "utterance", "attack"
    elif label == 1:
        names[0] = "utterance"
    else:
        raise ValueError(f"{name}: the label stands first and no utterance before it")
    return names


def named_labels(labels: pd.Series, name: str) -> pd.Series:
    """Any of the field's words for the two classes -> bonafide / spoof."""
    words = labels.astype(str).str.strip().str.lower()
    found = words.map(LABELS)
    if found.isna().any():
        raise ValueError(
            f"{name}: unknown labels {', '.join(sorted(set(words[found.isna()]))[:5])}: "
            "use bonafide and spoof"
        )
    return found


def numeric(values: pd.Series, name: str) -> pd.Series:
    """Text -> floats; ValueError names the first value that is no number."""
    numbers = pd.to_numeric(values, errors="coerce")
    words = values.astype(str).str.strip().str.lower()
    bad = numbers.isna() & ~words.isin({"nan", ""})
    if bad.any():
        raise ValueError(f"{name}: {int(bad.sum())} scores are no numbers, first {values[bad].iloc[0]!r}")
    return numbers.astype(np.float64)
