"""Classical models on a table of vectors: the 26 DEEP-VOICE means, and what the way of splitting does to a result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from helpers.data import Dataset
from helpers.features import FEATURES, Cache, build_cache
from helpers.features.deep_voice import COLUMNS
from helpers.models import build_model, model_options

# How a scheme calls itself, and the column whose values it keeps together.
SCHEMES = {
    "random": "",
    "recording": "recording",
    "source speaker": "source_speaker",
    "speaker": "speaker",
    "attack": "attack",
}
FEWEST_GROUPS = 3


def open_vectors(data: Dataset, features: str = "deep_voice_26") -> tuple[Cache, np.ndarray]:
    """A cache of vectors and their float32 values (n, d): the data set's own table where it is one of features,
    else computed from its audio. ValueError names a column that the table lacks."""
    if data.entry.layout != "features_csv":
        cache = build_cache(data.table, FEATURES[features])
        return cache, cache.read(np.arange(len(cache))).astype(np.float32)
    missing = [name for name in COLUMNS if name not in data.table]
    if missing:
        raise ValueError(
            f"{data.name} has no column {missing[0]!r}: its 26 features should be named {', '.join(COLUMNS)}"
        )
    values = data.table[list(COLUMNS)].to_numpy(dtype=np.float32)
    table = data.table.drop(columns=list(COLUMNS)).reset_index(drop=True)
    rejected = pd.DataFrame(columns=["utterance", "reason"])
    cache = Cache(
        Path(data.name),
        FEATURES["deep_voice_26"],
        table,
        rejected,
        values.shape[1:],
        [values],
        np.zeros(1, int),
    )
    return cache, values


def groups_of(table: pd.DataFrame, scheme: str) -> np.ndarray:
    """One name a row; rows of one name are never divided. `attack` keeps the spoofs of one attack together and the
    recorded clips of one speaker. ValueError for a scheme that these data cannot follow."""
    if scheme not in SCHEMES:
        raise ValueError(f"there is no scheme {scheme!r}: {', '.join(SCHEMES)}")
    if scheme not in schemes_of(table):
        raise ValueError(f"these data do not tell each clip's {SCHEMES[scheme].replace('_', ' ')}")
    if scheme == "random":
        return table["utterance"].to_numpy(dtype=str)
    groups = table[SCHEMES[scheme]].to_numpy(dtype=str)
    if scheme == "attack":
        bonafide = (table["label"] == "bonafide").to_numpy()
        groups = np.where(bonafide, table["speaker"].to_numpy(dtype=str), groups)
    # What is not known keeps nothing together: such a clip is a group of its own.
    return np.where(_unknown(groups), table["utterance"].to_numpy(dtype=str), groups)


def _unknown(names: np.ndarray) -> np.ndarray:
    return np.isin(names, ["unknown", "-", ""])


def schemes_of(table: pd.DataFrame) -> list[str]:
    """The schemes that a table can follow: those whose column tells at least three things apart."""
    found = ["random"]
    for scheme, column in SCHEMES.items():
        if column in table:
            rows = table["label"] == "spoof" if scheme == "attack" else slice(None)
            names = table.loc[rows, column].to_numpy(dtype=str)
            if len(set(names[~_unknown(names)])) >= FEWEST_GROUPS:
                found.append(scheme)
    return found


def out_of_fold(
    model: str,
    vectors: np.ndarray,
    table: pd.DataFrame,
    scheme: str,
    folds: int = 5,
    seed: int = 0,
    **options: Any,
) -> pd.DataFrame:
    """Score of each row by a model fitted on the other folds: utterance, attack, label, split ("eval"), score,
    speaker. In `speaker` stands the row's group, which is what an interval should resample."""
    labels = (table["label"] == "bonafide").to_numpy().astype(int)
    groups = groups_of(table, scheme)
    if "seed" in model_options(model):
        options = {"seed": seed, **options}
    if scheme == "random":
        parts = StratifiedKFold(folds, shuffle=True, random_state=seed).split(vectors, labels)
    else:
        n_folds = min(folds, len(np.unique(groups)))
        # Groups are few and uneven: some draws leave a fold's training without a class.
        parts = None
        for draw in range(20):
            drawn = list(
                StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed + draw).split(
                    vectors, labels, groups
                )
            )
            if all(len(np.unique(labels[train])) == 2 for train, _ in drawn):
                parts = drawn
                break
        if parts is None:
            raise ValueError(
                f"no division by {scheme} leaves both classes in every training part: fewer folds"
            )
    scores = np.empty(len(table))
    for train, test in parts:
        fitted = build_model(model, vectors.shape[1:], **options)
        if model == "xgboost":  # on so little data its threads wait for each other longer than they work
            fitted.pipeline.set_params(n_jobs=1)
        fitted.fit(vectors[train], labels[train])
        scores[test] = fitted.score(vectors[test])
    found = table[["utterance", "attack", "label"]].assign(split="eval", score=scores)
    return found.assign(speaker="unknown" if scheme == "random" else groups)
