"""Leave-groups-out: each clip is scored by a model that met nothing of its group (attack, data set, speaker …)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from helpers.data.tables import NOT_TOLD
from helpers.features import Cache
from helpers.files import write_text
from helpers.models import build_model, is_classical, model_options
from helpers.runs import Run
from helpers.training.classical import fit_classical
from helpers.training.loop import eer_of, fit
from helpers.training.settings import TrainSettings

# Each keeps together what its column names the same; "random" keeps nothing together.
SCHEMES = ("random", "recording", "source speaker", "speaker", "attack", "dataset", "group")


def groups_of(table: pd.DataFrame, scheme: str) -> np.ndarray:
    """One name a row; rows of one name are never divided. `attack` keeps the spoofs of one attack together and the
    recorded clips of one speaker. ValueError for a scheme that these data cannot follow."""
    if scheme not in SCHEMES:
        raise ValueError(f"there is no scheme {scheme!r}: {', '.join(SCHEMES)}")
    if scheme not in schemes_of(table, 2):
        raise ValueError(f"these data do not tell each clip's {scheme}")
    own = table["utterance"].to_numpy(dtype=str)
    if scheme == "random":
        return own
    groups = table[scheme.replace(" ", "_")].to_numpy(dtype=str)
    if scheme == "attack":
        bonafide = (table["label"] == "bonafide").to_numpy()
        groups = np.where(bonafide, table["speaker"].to_numpy(dtype=str), groups)
    # What is not known keeps nothing together: such a clip is a group of its own.
    return np.where(np.isin(groups, NOT_TOLD), own, groups)


def schemes_of(table: pd.DataFrame, fewest: int = 3) -> list[str]:
    """The schemes that a table can follow: those whose column tells at least `fewest` things apart."""
    found = ["random"]
    for scheme in SCHEMES[1:]:
        column = scheme.replace(" ", "_")
        if column in table:
            rows = table["label"] == "spoof" if scheme == "attack" else slice(None)
            if len(set(table.loc[rows, column].astype(str)) - set(NOT_TOLD)) >= fewest:
                found.append(scheme)
    return found


def parts_of(
    table: pd.DataFrame, scheme: str, folds: int = 5, seed: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(rows to train on, rows left out) of each fold; both classes in every training part, else ValueError."""
    labels, groups = (table["label"] == "bonafide").to_numpy().astype(int), groups_of(table, scheme)
    if scheme == "random":
        return StratifiedKFold(folds, shuffle=True, random_state=seed).split(labels, labels)
    n_folds = min(folds, len(np.unique(groups)))
    for draw in range(20):  # groups are few and uneven: some draws leave a fold's training without a class
        splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed + draw)
        drawn = list(splitter.split(labels, labels, groups))
        if all(len(np.unique(labels[train])) == 2 for train, _ in drawn):
            return iter(drawn)
    raise ValueError(f"no division by {scheme} leaves both classes in every training part: fewer folds")


def out_of_fold(
    model: str,
    vectors: np.ndarray,
    table: pd.DataFrame,
    scheme: str,
    folds: int = 5,
    seed: int = 0,
    **options: Any,
) -> pd.DataFrame:
    """Score of each row's vector by a classical model fitted on the other folds: utterance, attack, label, split
    ("eval"), score, speaker. `speaker` holds the row's group, which is what an interval should resample."""
    labels = (table["label"] == "bonafide").to_numpy().astype(int)
    if "seed" in model_options(model):
        options = {"seed": seed, **options}
    scores = np.empty(len(table))
    for train, left in parts_of(table, scheme, folds, seed):
        fitted = build_model(model, vectors.shape[1:], **options)
        if model == "xgboost":  # on so little data its threads wait for each other longer than they work
            fitted.pipeline.set_params(n_jobs=1)
        fitted.fit(vectors[train], labels[train])
        scores[left] = fitted.score(vectors[left])
    found = table[["utterance", "attack", "label"]].assign(split="eval", score=scores)
    return found.assign(speaker="unknown" if scheme == "random" else groups_of(table, scheme))


def fit_folds(
    settings: TrainSettings, cache: Cache, run: Run, scheme: str = "attack", folds: int = 5
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train `settings.model` once a fold without the fold's groups; eval is never touched.

    -> (a row a fold: fold, groups, clips, eer; scores of the left-out clips, with fold and group), also written to
    folds.csv and folds_scores.csv of the run. Each fold is a run of its own in `folds/`, so an interrupted one resumes.
    """
    pool = np.flatnonzero((cache.table["split"] != "eval").to_numpy())
    table = cache.table.iloc[pool].reset_index(drop=True)
    groups, scores, rows = groups_of(table, scheme), [], []
    fitting = fit_classical if is_classical(settings.model) else fit
    for number, (_, left) in enumerate(parts_of(table, scheme, folds, settings.seed), 1):
        split = np.full(len(cache.table), "unused", dtype=object)
        split[pool] = table["split"]
        split[pool[left]] = "eval"
        fold_run = replace(run, folder=run.folder / "folds" / str(number))
        fold_run.folder.mkdir(parents=True, exist_ok=True)
        found = fitting(settings, replace(cache, table=cache.table.assign(split=split)), fold_run).scores
        found = found[found["split"] == "eval"].reset_index(drop=True)
        scores.append(found.assign(fold=number, group=groups[left], split="left_out"))
        both = found["label"].nunique() == 2
        names = "+".join(sorted(set(groups[left])))
        rows.append((number, names, len(left), eer_of(found) if both else np.nan))
    told = pd.DataFrame(rows, columns=["fold", "groups", "clips", "eer"])
    all_scores = pd.concat(scores, ignore_index=True)
    for name, written in (("folds.csv", told), ("folds_scores.csv", all_scores)):
        write_text(run.folder / name, written.to_csv(index=False, float_format="%.8g"))
    return told, all_scores
