"""Logistic regression on dev: scores of one run, or of several together, -> log-likelihood ratios to believe or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.metrics import by_class, eer, measures, refuse_wrong_polarity
from helpers.runs import Run

KEYS = ["utterance", "split", "label", "attack"]
FIRMNESS = 1e4  # inverse strength of the penalty: keeps weights finite where dev is perfectly separated


@dataclass(frozen=True)
class Calibration:
    """llr = weights . scores + offset; the prior of the list it was fitted on is already taken out."""

    weights: tuple[float, ...]
    offset: float

    def __call__(self, scores) -> np.ndarray:
        """(n,) or (n, systems) scores -> (n,) natural-log likelihood ratios of bona fide against spoof."""
        scores = np.asarray(scores, dtype=float)
        columns = scores[:, None] if scores.ndim == 1 else scores
        return columns @ np.array(self.weights) + self.offset


def fit(scores, labels, names: tuple[str, ...] = ("these scores",)) -> Calibration:
    """Logistic regression on dev scores (n,) or (n, systems); labels `bonafide`/`spoof`.

    A regression returns posterior log odds: those of the list's own share of bona fide are subtracted, so that 0
    means "as likely one as the other" (Bruemmer, PAV and logistic calibration; ASVspoof 5 plan).
    """
    from sklearn.linear_model import LogisticRegression

    columns = np.asarray(scores, dtype=float)
    columns = columns[:, None] if columns.ndim == 1 else columns
    is_bonafide = np.asarray(labels) == "bonafide"
    for column, name in zip(columns.T, names, strict=False):
        refuse_wrong_polarity(eer(column[is_bonafide], column[~is_bonafide])[0], f"{name}, dev")
    mean, spread = columns.mean(axis=0), columns.std(axis=0)
    spread[spread == 0] = 1.0
    model = LogisticRegression(C=FIRMNESS, max_iter=1000).fit((columns - mean) / spread, is_bonafide)
    weights = model.coef_[0] / spread
    log_prior_odds = np.log(is_bonafide.sum() / (~is_bonafide).sum())
    offset = float(model.intercept_[0]) - float(weights @ mean) - float(log_prior_odds)
    return Calibration(tuple(float(w) for w in weights), offset)


def calibrate(scores: pd.DataFrame) -> tuple[pd.DataFrame, dict]:
    """A score table with a dev split -> (the table with log-likelihood ratios, what it changed on each split)."""
    dev = scores[scores["split"] == "dev"]
    if dev.empty:
        raise ValueError("calibration is fitted on dev, and these scores hold none")
    calibration = fit(dev["score"], dev["label"])
    calibrated = scores.assign(score=calibration(scores["score"]))
    changed = {}
    for split in [s for s in ("dev", "eval") if (scores["split"] == s).any()]:
        before, after = (measures(*by_class(t[t["split"] == split])) for t in (scores, calibrated))
        changed[split] = {
            "cllr_before": before["cllr"],
            "cllr_after": after["cllr"],
            "min_cllr": after["min_cllr"],
        }
    return calibrated, changed


def reliability(calibrated: pd.DataFrame, bins: int = 10) -> pd.DataFrame:
    """Claimed probability of bona fide against the share found, classes weighted equally.

    -> one row a bin of equal width that holds any utterance: claimed, found, n.
    """
    is_bonafide = (calibrated["label"] == "bonafide").to_numpy()
    claimed = 1 / (1 + np.exp(-np.clip(calibrated["score"].to_numpy(dtype=float), -50, 50)))
    table = pd.DataFrame(
        {
            "bin": np.minimum((claimed * bins).astype(int), bins - 1),
            "claimed": claimed,
            "found": is_bonafide,
            "weight": np.where(is_bonafide, 0.5 / is_bonafide.sum(), 0.5 / (~is_bonafide).sum()),
        }
    )
    table[["claimed", "found"]] = table[["claimed", "found"]].mul(table["weight"], axis=0)
    sums = table.groupby("bin")[["claimed", "found", "weight"]].sum()
    means = sums[["claimed", "found"]].div(sums["weight"], axis=0)
    return means.assign(n=table.groupby("bin").size()).reset_index(drop=True)


def join_scores(runs: Sequence[Run]) -> pd.DataFrame:
    """Score tables of runs on one data set -> one row an utterance, a column `score_<i>` for each run.

    ValueError where the runs did not score the same utterances.
    """
    if len(runs) < 2:
        raise ValueError(f"a fusion needs two runs or more, got {len(runs)}")
    tables = [run.read_scores() for run in runs]
    tables = [table[table["split"].isin(["dev", "eval"])] for table in tables]
    joined = tables[0].rename(columns={"score": "score_0"})
    for number, (run, table) in enumerate(zip(runs[1:], tables[1:], strict=True), start=1):
        added = table[KEYS + ["score"]].rename(columns={"score": f"score_{number}"})
        both = joined.merge(added, on=KEYS, how="inner", validate="one_to_one")
        if not len(both) == len(joined) == len(table):
            raise ValueError(
                f"{runs[0].name} and {run.name} did not score the same utterances: "
                f"{len(joined)} and {len(table)}, {len(both)} shared; run both on one data set"
            )
        joined = both
    return joined


def fuse(runs: Sequence[Run]) -> tuple[pd.DataFrame, dict[str, float]]:
    """(score table of log-likelihood ratios, weight of each run). Nothing of eval enters the fit."""
    joined = join_scores(runs)
    columns = [f"score_{number}" for number in range(len(runs))]
    dev = joined[joined["split"] == "dev"]
    if dev.empty:
        raise ValueError("a fusion is fitted on dev, and these runs hold no dev scores")
    fitted = fit(dev[columns].to_numpy(), dev["label"], tuple(run.name for run in runs))
    table = joined.drop(columns=columns).assign(score=fitted(joined[columns].to_numpy()))
    return table, {run.name: weight for run, weight in zip(runs, fitted.weights, strict=True)}
