"""Scores -> log-likelihood ratios by logistic regression on dev, and whether they can be believed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.metrics import act_dcf, by_class, cllr, eer, min_cllr, refuse_wrong_polarity

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
        before, after = (by_class(t[t["split"] == split]) for t in (scores, calibrated))
        changed[split] = {
            "cllr_before": cllr(*before),
            "cllr_after": cllr(*after),
            "min_cllr": min_cllr(*after),
            "act_dcf_before": act_dcf(*before),
            "act_dcf_after": act_dcf(*after),
        }
    return calibrated, {"weight": calibration.weights[0], "offset": calibration.offset, **changed}


def reliability(calibrated: pd.DataFrame, bins: int = 10) -> pd.DataFrame:
    """Claimed probability of bona fide against the share found, classes weighted equally.

    -> one row a bin of equal width that holds any utterance: claimed, found, n.
    """
    is_bonafide = (calibrated["label"] == "bonafide").to_numpy()
    claimed = 1 / (1 + np.exp(-np.clip(calibrated["score"].to_numpy(dtype=float), -50, 50)))
    weights = np.where(is_bonafide, 0.5 / is_bonafide.sum(), 0.5 / (~is_bonafide).sum())
    which = np.minimum((claimed * bins).astype(int), bins - 1)
    rows = []
    for number in np.unique(which):
        here = which == number
        total = weights[here].sum()
        rows.append(
            {
                "claimed": float((weights[here] * claimed[here]).sum() / total),
                "found": float(weights[here & is_bonafide].sum() / total),
                "n": int(here.sum()),
            }
        )
    return pd.DataFrame(rows)
