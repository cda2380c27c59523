"""Scores in, error rates out: the field's definitions, on numpy alone.

Every function takes the scores of bona fide and of spoofed utterances as two arrays and assumes that a higher
score means "more likely bona fide". Rates are fractions (0..1). Nothing is ever flipped: upside-down scores give
an EER above 0.5, which `refuse_wrong_polarity` turns into a sentence.

Sources: the ASVspoof 2019 evaluation plan (t-DCF v1), Kinnunen et al. 2020 "Tandem assessment" (t-DCF v2),
the ASVspoof 5 evaluation plan (minDCF, actDCF, Cllr), Bruemmer and du Preez 2006 (Cllr and its minimum).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

P_SPOOF, P_TARGET, P_NONTARGET = 0.05, 0.9405, 0.0095
# ASVspoof 5: a rejected bona fide costs 1, an accepted spoof 10.
MISS_WEIGHT, FALSE_ALARM_WEIGHT = 1 - P_SPOOF, 10 * P_SPOOF
# The threshold at which a log-likelihood ratio gives the least expected cost, -ln 1.9.
BAYES_THRESHOLD = -float(np.log(MISS_WEIGHT / FALSE_ALARM_WEIGHT))


@dataclass(frozen=True)
class AsvErrors:
    """Error rates of the speaker verification system that stands behind the detector in a t-DCF."""

    pfa: float  # other speakers accepted
    pmiss: float  # the right speaker rejected
    pmiss_spoof: float  # spoofs rejected


LA2019_EVAL = AsvErrors(0.024604674888, 0.024581005587, 0.239347547040)
LA2019_DEV = AsvErrors(0.0244452, 0.0242588, 0.2397291)


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
        """Cllr after the best monotone recalibration (pool adjacent violators): discrimination alone."""
        from scipy.optimize import isotonic_regression

        n = np.diff(self.kept)  # scores of each tie
        n_bonafide = np.diff(np.concatenate([[0], np.cumsum(self.is_bonafide)])[self.kept])
        share = isotonic_regression(n_bonafide / n, weights=n).x
        prior_odds = self.n_bonafide / self.n_spoof
        with np.errstate(divide="ignore", invalid="ignore"):
            against = (1 - share) / share * prior_odds  # one over the likelihood ratio
            missed = np.where(n_bonafide > 0, n_bonafide * np.log2(1 + against), 0.0)
            accepted = np.where(n > n_bonafide, (n - n_bonafide) * np.log2(1 + 1 / against), 0.0)
        return float(missed.sum() / self.n_bonafide + accepted.sum() / self.n_spoof) / 2


def eer(bonafide, spoof) -> tuple[float, float]:
    """(equal error rate, threshold). Tied scores share one threshold, so a constant score gives 0.5.

    `score >= threshold` accepts. The rate is above 0.5 where scores are upside down.
    """
    return ErrorCurve(bonafide, spoof).eer()


def tdcf_weights(asv: AsvErrors, version: int) -> tuple[float, float, float]:
    """(constant, weight of a miss, weight of a false alarm) of the tandem detection cost (t-DCF).

    Version 1 is ASVspoof 2019's, version 2 that of ASVspoof 2021 and 5. ValueError where the ASV system is so
    poor that a detector could not help it (a weight below zero).
    """
    if version not in (1, 2):
        raise ValueError(f"t-DCF has versions 1 and 2, not {version!r}")
    accepted = P_NONTARGET * 10 * asv.pfa
    constant = P_TARGET * asv.pmiss + accepted if version == 2 else 0.0
    miss = P_TARGET * (1 - asv.pmiss) - accepted
    false_alarm = 10 * P_SPOOF * (1 - asv.pmiss_spoof)
    if miss < 0 or false_alarm < 0:
        raise ValueError(
            f"t-DCF weights {miss:.4f} and {false_alarm:.4f} must not be negative: check the ASV error rates"
        )
    return constant, miss, false_alarm


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
    """Accuracy and its relatives of `score >= threshold` means bona fide; labels are bonafide or spoof.

    precision, recall and f1 are those of bona fide; a ratio with nothing to count is 0. confusion is {true: {predicted: n}}.
    """
    scores, truth = checked(scores), np.asarray(labels) == "bonafide"
    said = scores >= threshold
    hit, miss = int((truth & said).sum()), int((truth & ~said).sum())
    alarm, caught = int((~truth & said).sum()), int((~truth & ~said).sum())

    def share(part: float, whole: float) -> float:
        return part / whole if whole else 0.0

    f1, f1_spoof = share(2 * hit, 2 * hit + miss + alarm), share(2 * caught, 2 * caught + miss + alarm)
    recall, recall_spoof = share(hit, hit + miss), share(caught, caught + alarm)
    return {
        "accuracy": share(hit + caught, scores.size),
        "balanced_accuracy": (recall + recall_spoof) / 2,
        "precision": share(hit, hit + alarm),
        "recall": recall,
        "f1": f1,
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
