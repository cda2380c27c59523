"""How sure a rate is: bootstrap intervals, the paired difference of two models, several seeds as mean and range."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.metrics import ErrorCurve, checked

ROUNDS = 1000
TAIL = 0.025  # on each side of a 95 % interval
UNKNOWN_SPEAKER = {"", "-", "nan", "none", "unknown"}


class Ranking:
    """The sorted order of some rows of a score table: the EER of a resample costs one cumulative sum."""

    def __init__(self, scores, is_bonafide, rows=None):
        scores, is_bonafide = checked(scores), np.asarray(is_bonafide, dtype=bool)
        rows = np.arange(scores.size) if rows is None else np.asarray(rows)
        mine, values = is_bonafide[rows], scores[rows]
        curve = ErrorCurve(values[mine], values[~mine])
        self.rate, self.rate_official = curve.eer()[0], curve.eer_official()
        self.rows = rows[np.lexsort((~mine, values))]  # bona fide first on ties, as in the curve
        self.bonafide = np.flatnonzero(curve.is_bonafide)
        self.is_bonafide = curve.is_bonafide
        # Points that a threshold can reach; None where no scores are tied.
        self.ends = curve.kept[1:] - 1 if curve.kept.size <= curve.order.size else None
        self.fewest = min(curve.n_bonafide, curve.n_spoof)

    def eer(self, weights: np.ndarray | None = None) -> float:
        """Tie-safe EER of the rows taken `weights` times each; NaN where a class has no weight left."""
        if weights is None:
            return self.rate
        weights = weights[self.rows]
        n_bonafide = weights[self.bonafide].sum()
        n_spoof = weights.sum() - n_bonafide
        if not (n_bonafide and n_spoof):
            return float("nan")
        # miss - false alarm + 1 after each score: rises from 0 to 2, the EER is where it passes 1.
        rising = np.cumsum(weights * np.where(self.is_bonafide, 1 / n_bonafide, 1 / n_spoof))
        if self.ends is not None:
            rising = rising[self.ends]
        after = min(int(np.searchsorted(rising, 1.0)), rising.size - 1)
        before = rising[after - 1] if after else 0.0
        point = after - 1 if 1 - before <= rising[after] - 1 else after
        if point < 0:
            return 0.5  # one tie holds everything: accept all or reject all
        end = (point if self.ends is None else int(self.ends[point])) + 1
        miss = weights[:end][self.is_bonafide[:end]].sum() / n_bonafide
        rate = float(miss + miss + 1 - rising[point]) / 2
        return min(max(rate, 0.0), 1.0)  # rounding may leave it a hair outside


def are_unknown(names: pd.Series) -> np.ndarray:
    """Whether each name says that nobody is known, (n,) bool."""
    names = names.astype("string").str.strip()
    return (names.isna() | names.str.lower().isin(UNKNOWN_SPEAKER)).to_numpy(dtype=bool)


def speaker_codes(table: pd.DataFrame) -> np.ndarray | None:
    """One number a speaker, each utterance of an unknown speaker its own; None where fewer than five are known."""
    if "speaker" not in table:
        return None
    names = table["speaker"].astype("string").str.strip()
    known = ~are_unknown(names)
    codes, found = pd.factorize(names.where(known))
    if len(found) < 5:
        return None
    codes = codes.copy()
    codes[~known] = len(found) + np.arange(int((~known).sum()))
    return codes


def resamples(is_bonafide, speakers=None, rounds: int = ROUNDS, seed: int = 0) -> Iterator[np.ndarray]:
    """Yield `rounds` arrays of weights (how often each row is drawn), the same for the same seed.

    Without speakers each class is resampled by itself; with them whole speakers are drawn, because utterances of
    one person succeed and fail together. A draw without both classes is drawn again.
    """
    is_bonafide = np.asarray(is_bonafide, dtype=bool)
    rng = np.random.default_rng(seed)
    bonafide, spoof = np.flatnonzero(is_bonafide), np.flatnonzero(~is_bonafide)
    n_speakers = 0 if speakers is None else int(np.max(speakers)) + 1
    done = 0
    while done < rounds:
        if speakers is None:
            weights = np.empty(is_bonafide.size, dtype=np.float64)
            for rows in (bonafide, spoof):
                weights[rows] = np.bincount(rng.integers(0, rows.size, rows.size), minlength=rows.size)
        else:
            drawn = np.bincount(rng.integers(0, n_speakers, n_speakers), minlength=n_speakers)
            weights = drawn[speakers].astype(np.float64)
            if not (weights[bonafide].any() and weights[spoof].any()):
                continue
        done += 1
        yield weights


def percentile_interval(values) -> list[float]:
    """The middle 95 % of the values that exist, [low, high]."""
    return [
        float(v) for v in np.nanpercentile(np.asarray(values, dtype=float), [100 * TAIL, 100 - 100 * TAIL])
    ]


def eer_interval_of(rate: float, values, fewest: int) -> list[float]:
    """Percentile interval; a rate of 0 still has the upper end that `fewest` trials without an error allow.

    No resample of a perfect separation holds an error, so the bootstrap alone would claim certainty.
    """
    low, high = percentile_interval(values)
    certain = 1 - TAIL ** (1 / fewest)
    if rate == 0:
        high = max(high, certain)
    if rate == 1:
        low = min(low, 1 - certain)
    return [low, high]


@dataclass(frozen=True)
class Difference:
    """EER of the first model less that of the second, on the same resamples of the same utterances."""

    difference: float  # below 0: the first is better
    interval: list[float]
    n: int  # utterances that both scored
    verdict: str  # a sentence


def paired_difference(
    first: pd.DataFrame | Sequence[pd.DataFrame],
    second: pd.DataFrame | Sequence[pd.DataFrame],
    names: Sequence[str] = ("A", "B"),
    rounds: int = ROUNDS,
    seed: int = 0,
) -> Difference:
    """Paired bootstrap of two score tables over the utterances that all hold.

    Several tables of one side are trainings with other seeds: their mean EER is compared, and each round draws
    among them too. With one table a side the luck of the training is not in the interval: two runs of one model
    may differ by a point of EER on the same list. ValueError where labels disagree or nothing is shared.
    """
    sides = [[given] if isinstance(given, pd.DataFrame) else list(given) for given in (first, second)]
    tables = [table.set_index("utterance") for side in sides for table in side]
    shared = sorted(set.intersection(*(set(table.index) for table in tables)))
    if not shared:
        raise ValueError(f"{names[0]} and {names[1]} share no utterance: they cannot be compared")
    tables = [table.loc[shared] for table in tables]
    wrong = sum(int((table["label"] != tables[0]["label"]).sum()) for table in tables)
    if wrong:
        raise ValueError(f"{names[0]} and {names[1]} disagree about the label of {wrong} utterances")
    is_bonafide = (tables[0]["label"] == "bonafide").to_numpy()
    ranked = [Ranking(table["score"], is_bonafide) for table in tables]
    one, other = ranked[: len(sides[0])], ranked[len(sides[0]) :]
    luck, values = np.random.default_rng(seed + 1), []
    for weights in resamples(is_bonafide, speaker_codes(tables[0]), rounds, seed):
        drawn = [[side[k] for k in luck.integers(0, len(side), len(side))] for side in (one, other)]
        values.append(np.subtract(*(np.mean([ranking.eer(weights) for ranking in side]) for side in drawn)))
    difference = float(np.mean([r.rate for r in one]) - np.mean([r.rate for r in other]))
    # Two rates that are equal as fractions may differ in their last bits: that is no difference.
    low, high = (round(end, 12) + 0.0 for end in percentile_interval(values))
    if high < 0:
        verdict = f"{names[0]} is better than {names[1]}"
    elif low > 0:
        verdict = f"{names[1]} is better than {names[0]}"
    else:
        verdict = f"cannot tell {names[0]} from {names[1]}"
    return Difference(difference, [low, high], len(shared), verdict)
