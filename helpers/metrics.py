"""Scores in, error rates out: the field's definitions, on numpy alone.

Every function takes the scores of bona fide and of spoofed utterances as two arrays and assumes that a higher
score means "more likely bona fide". Rates are fractions (0..1). Nothing is ever flipped: upside-down scores give
an EER above 0.5, which `refuse_wrong_polarity` turns into a sentence.

Sources: the ASVspoof 2019 evaluation plan (t-DCF v1), Kinnunen et al. 2020 "Tandem assessment" (t-DCF v2),
the ASVspoof 5 evaluation plan (minDCF, actDCF, Cllr), Bruemmer and du Preez 2006 (Cllr and its minimum).
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.tandem import LA2019_DEV, LA2019_EVAL, P_SPOOF, AsvErrors, tdcf_weights

if TYPE_CHECKING:
    import pandas as pd

# ASVspoof 5: cost of rejecting a bona fide and of accepting a spoof.
COST_MISS, COST_FALSE_ALARM = 1.0, 10.0
MISS_WEIGHT = COST_MISS * (1 - P_SPOOF)  # 0.95
FALSE_ALARM_WEIGHT = COST_FALSE_ALARM * P_SPOOF  # 0.5
# The threshold at which a log-likelihood ratio gives the least expected cost, -ln 1.9.
BAYES_THRESHOLD = -float(np.log(MISS_WEIGHT / FALSE_ALARM_WEIGHT))


__all__ = [
    "LA2019_DEV",
    "LA2019_EVAL",
    "AsvErrors",
    "tdcf_weights",
]  # named here for those who compute a t-DCF


class PolarityError(ValueError):
    """Scores that rank spoofs above bona fide speech: refused, never flipped."""


def checked(scores, name: str = "scores") -> np.ndarray:
    """Any sequence of numbers -> float64 (n,). ValueError where one is NaN or infinite."""
    array = np.asarray(scores, dtype=np.float64).ravel()
    if not np.isfinite(array).all():
        n_nan, n_inf = int(np.isnan(array).sum()), int(np.isinf(array).sum())
        raise ValueError(
            f"{name}: {n_nan} NaN and {n_inf} infinite of {array.size} scores: "
            "find out which utterances they belong to before anything is evaluated"
        )
    return array


class ErrorCurve:
    """All error rates that a threshold can reach, from one sort.

    `order` holds the pooled scores ascending, bona fide before spoof on ties (as the official packages sort);
    `is_bonafide` says whose they are. `miss`, `false_alarm` have n+1 points: point k rejects the k lowest.
    `kept` are the points between different scores: the only ones that a real threshold can reach.
    """

    def __init__(self, bonafide, spoof):
        bonafide, spoof = checked(bonafide, "bona fide"), checked(spoof, "spoof")
        if not (bonafide.size and spoof.size):
            raise ValueError(f"need both classes, got {bonafide.size} bona fide and {spoof.size} spoof")
        self.n_bonafide, self.n_spoof = bonafide.size, spoof.size
        bonafide, spoof = np.sort(bonafide), np.sort(spoof)
        # Two fast sorts and a merge cost a third of one stable sort of everything.
        places = np.searchsorted(spoof, bonafide, side="left") + np.arange(bonafide.size)
        self.is_bonafide = np.zeros(bonafide.size + spoof.size, dtype=bool)
        self.is_bonafide[places] = True
        self.order = np.empty(self.is_bonafide.size)
        self.order[places] = bonafide
        self.order[~self.is_bonafide] = spoof
        rejected = np.concatenate([[0], np.cumsum(self.is_bonafide)])
        self.miss = rejected / self.n_bonafide
        self.false_alarm = (self.n_spoof - (np.arange(rejected.size) - rejected)) / self.n_spoof

    @cached_property
    def kept(self) -> np.ndarray:
        """Indices of the points that remain when tied scores share one threshold: the last of each tie."""
        return np.concatenate([[0], np.flatnonzero(np.diff(self.order) > 0) + 1, [self.order.size]])

    def threshold(self, point: int) -> float:
        """The score t for which `score >= t` accepts all but the `point` lowest scores."""
        if point == self.order.size:
            return float(np.nextafter(self.order[-1], np.inf))
        above = self.order[point]
        if point == 0:
            return float(above)
        middle = self.order[point - 1] + (above - self.order[point - 1]) / 2
        return float(middle if middle > self.order[point - 1] else above)

    def eer(self) -> tuple[float, float]:
        miss, false_alarm = self.miss[self.kept], self.false_alarm[self.kept]
        best = int(np.argmin(np.abs(miss - false_alarm)))
        return float(miss[best] + false_alarm[best]) / 2, self.threshold(int(self.kept[best]))

    def eer_official(self) -> float:
        best = int(np.argmin(np.abs(self.miss - self.false_alarm)))
        return float(self.miss[best] + self.false_alarm[best]) / 2

    def official_threshold(self) -> float:
        """The score at the official EER point (0.001 below the lowest where nothing is rejected)."""
        best = int(np.argmin(np.abs(self.miss - self.false_alarm)))
        return float(self.order[best - 1]) if best else float(self.order[0]) - 0.001

    def min_cost(self, constant: float, miss_weight: float, false_alarm_weight: float) -> tuple[float, float]:
        """(min over thresholds of constant + weights x rates, its threshold), over every sorted point."""
        cost = constant + miss_weight * self.miss + false_alarm_weight * self.false_alarm
        best = int(np.argmin(cost))
        return float(cost[best]), self.threshold(best)

    def min_tdcf(self, asv: AsvErrors = LA2019_EVAL, version: int = 1) -> float:
        constant, miss_weight, false_alarm_weight = tdcf_weights(asv, version)
        lowest = self.min_cost(constant, miss_weight, false_alarm_weight)[0]
        return lowest / (constant + min(miss_weight, false_alarm_weight))

    def min_dcf(self) -> float:
        return self.min_cost(0.0, MISS_WEIGHT, FALSE_ALARM_WEIGHT)[0] / min(MISS_WEIGHT, FALSE_ALARM_WEIGHT)

    def auc(self) -> float:
        miss, false_alarm = self.miss[self.kept], self.false_alarm[self.kept]
        hits = 1 - miss
        return float(np.sum((false_alarm[:-1] - false_alarm[1:]) * (hits[:-1] + hits[1:])) / 2)

    def min_cllr(self) -> float:
        n_bonafide, n_spoof = self._isotonic_blocks()
        # A block's log-likelihood ratio is log(n_bonafide / n_spoof) less the log prior odds.
        odds = n_bonafide / self.n_bonafide
        against = n_spoof / self.n_spoof
        total = odds + against
        with np.errstate(divide="ignore", invalid="ignore"):
            missed = np.where(n_bonafide > 0, odds * np.log2(total / odds), 0.0)
            accepted = np.where(n_spoof > 0, against * np.log2(total / against), 0.0)
        return float(missed.sum() + accepted.sum()) / 2

    def _isotonic_blocks(self) -> tuple[np.ndarray, np.ndarray]:
        """Pool adjacent violators -> (bona fide, spoof) counts of blocks with rising share of bona fide."""
        bonafide = np.diff(np.concatenate([[0], np.cumsum(self.is_bonafide)])[self.kept])
        spoof = np.diff(self.kept) - bonafide
        # Neighbours that are wholly of one class have the same share: merge them before the slow loop.
        kind = np.where(spoof == 0, 1, np.where(bonafide == 0, 0, -1))
        starts = np.flatnonzero(np.concatenate([[True], (np.diff(kind) != 0) | (kind[1:] == -1)]))
        blocks: list[tuple[int, int]] = []
        for good, bad in zip(
            np.add.reduceat(bonafide, starts).tolist(), np.add.reduceat(spoof, starts).tolist(), strict=True
        ):
            while blocks and blocks[-1][0] * (good + bad) >= good * (blocks[-1][0] + blocks[-1][1]):
                last = blocks.pop()
                good, bad = good + last[0], bad + last[1]
            blocks.append((good, bad))
        counts = np.array(blocks, dtype=np.float64)
        return counts[:, 0], counts[:, 1]


def eer(bonafide, spoof) -> tuple[float, float]:
    """(equal error rate, threshold). Tied scores share one threshold, so a constant score gives 0.5.

    `score >= threshold` accepts. The rate is above 0.5 where scores are upside down.
    """
    return ErrorCurve(bonafide, spoof).eer()


def eer_official(bonafide, spoof) -> float:
    """EER exactly as the ASVspoof packages compute it: bona fide sorts before spoof on ties."""
    return ErrorCurve(bonafide, spoof).eer_official()


def asv_errors(target, nontarget, spoof) -> AsvErrors:
    """Scores of a speaker verification system -> its error rates at the EER point of target vs non-target."""
    target, nontarget = checked(target, "ASV target"), checked(nontarget, "ASV nontarget")
    spoof = checked(spoof, "ASV spoof")
    if not spoof.size:
        raise ValueError("the ASV scores hold no spoof trials: t-DCF needs them")
    threshold = ErrorCurve(target, nontarget).official_threshold()
    return AsvErrors(
        pfa=float(np.mean(nontarget >= threshold)),
        pmiss=float(np.mean(target < threshold)),
        pmiss_spoof=float(np.mean(spoof < threshold)),
    )


def min_tdcf(bonafide, spoof, asv: AsvErrors = LA2019_EVAL, version: int = 1) -> float:
    """Least normalised tandem cost over thresholds; 1 is a detector of no use, v2 has a floor above 0."""
    return ErrorCurve(bonafide, spoof).min_tdcf(asv, version)


def min_dcf(bonafide, spoof) -> float:
    """ASVspoof 5 minDCF: min of (0.95 miss + 0.5 false alarm) / 0.5."""
    return ErrorCurve(bonafide, spoof).min_dcf()


def act_dcf(bonafide, spoof) -> float:
    """ASVspoof 5 actDCF: the same cost at the fixed threshold -ln 1.9; fair only to log-likelihood ratios."""
    miss = np.mean(checked(bonafide, "bona fide") < BAYES_THRESHOLD)
    false_alarm = np.mean(checked(spoof, "spoof") >= BAYES_THRESHOLD)
    cost = MISS_WEIGHT * miss + FALSE_ALARM_WEIGHT * false_alarm
    return float(cost / min(MISS_WEIGHT, FALSE_ALARM_WEIGHT))


def cllr(bonafide, spoof) -> float:
    """Cost of the log-likelihood ratios in bits; 1 for a detector that says nothing, more for one that misleads."""
    bonafide, spoof = checked(bonafide, "bona fide"), checked(spoof, "spoof")
    return float(np.mean(np.logaddexp(0, -bonafide)) + np.mean(np.logaddexp(0, spoof))) / (
        2 * float(np.log(2))
    )


def min_cllr(bonafide, spoof) -> float:
    """Cllr after the best monotone recalibration (pool adjacent violators): discrimination alone."""
    return ErrorCurve(bonafide, spoof).min_cllr()


def auc(bonafide, spoof) -> float:
    """Area under the ROC curve: the chance that a bona fide outscores a spoof, ties counting one half."""
    return ErrorCurve(bonafide, spoof).auc()


def measures(bonafide, spoof, asv: AsvErrors | None = LA2019_EVAL) -> dict[str, float]:
    """Every threshold-free measure from one sort; t-DCF only where the ASV system is known (asv not None)."""
    curve = ErrorCurve(bonafide, spoof)
    rate, threshold = curve.eer()
    found = {"eer": rate, "eer_official": curve.eer_official(), "eer_threshold": threshold}
    if asv is not None:
        found |= {"min_tdcf_v1": curve.min_tdcf(asv, 1), "min_tdcf_v2": curve.min_tdcf(asv, 2)}
    found |= {
        "min_dcf": curve.min_dcf(),
        "act_dcf": act_dcf(bonafide, spoof),
        "cllr": cllr(bonafide, spoof),
        "min_cllr": curve.min_cllr(),
        "auc": curve.auc(),
    }
    return found


def classification(scores, labels, threshold: float) -> dict:
    """Accuracy and its relatives of `score >= threshold` means bona fide; labels are the strings or 1 / 0.

    precision, recall and f1 are those of bona fide (label 1), the _spoof ones of the other class; a ratio with
    nothing to count is 0. confusion is {true: {predicted: n}}.
    """
    scores = checked(scores)
    labels = np.asarray(labels)
    known = np.isin(labels, ["bonafide", "spoof"] if labels.dtype.kind in "OUST" else [0, 1])
    if labels.shape != scores.shape or not known.all():
        raise ValueError("labels must be bonafide or spoof (1 or 0), one for each score")
    truth = (labels == "bonafide") if labels.dtype.kind in "OUST" else labels.astype(bool)
    said = scores >= threshold
    hit, miss = int((truth & said).sum()), int((truth & ~said).sum())
    alarm, caught = int((~truth & said).sum()), int((~truth & ~said).sum())

    def share(part: float, whole: float) -> float:
        return part / whole if whole else 0.0

    precision, recall = share(hit, hit + alarm), share(hit, hit + miss)
    precision_spoof, recall_spoof = share(caught, caught + miss), share(caught, caught + alarm)
    f1, f1_spoof = share(2 * hit, 2 * hit + miss + alarm), share(2 * caught, 2 * caught + miss + alarm)
    return {
        "accuracy": share(hit + caught, scores.size),
        "balanced_accuracy": (recall + recall_spoof) / 2,
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "precision_spoof": precision_spoof,
        "recall_spoof": recall_spoof,
        "f1_spoof": f1_spoof,
        "macro_f1": (f1 + f1_spoof) / 2,
        "miss": share(miss, hit + miss),
        "false_alarm": share(alarm, alarm + caught),
        "confusion": {
            "bonafide": {"bonafide": hit, "spoof": miss},
            "spoof": {"bonafide": alarm, "spoof": caught},
        },
    }


def refuse_wrong_polarity(rate: float, name: str = "these scores") -> None:
    """PolarityError where an EER lies above 0.5: scores upside down are the author's to mend, not ours."""
    if rate > 0.5:
        raise PolarityError(
            f"{name}: EER {100 * rate:.2f} % is above 50 %: the polarity is upside down (a higher score must mean "
            "more likely bona fide). Scores are never flipped here: negate them at their source, or train longer "
            "if the model has learnt nothing"
        )


def rows_of(table: pd.DataFrame) -> list[Any]:
    """The rows as named tuples, whose fields a type checker cannot know."""
    return list(table.itertuples())


def by_class(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """(bona fide scores, spoof scores) of a score table."""
    scores, bonafide = table["score"].to_numpy(dtype=float), (table["label"] == "bonafide").to_numpy()
    return scores[bonafide], scores[~bonafide]
