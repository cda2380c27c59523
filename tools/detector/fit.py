"""From embeddings to a detector: weights, logistic regression, scores of left-out projects, thresholds, calibration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_curve
from sklearn.preprocessing import StandardScaler

# Projects that are left out together: each fold but those of one class can be given an EER of its own.
FOLDS = (
    ("hifigan",),
    ("vits", "matthes-own-voice"),
    ("nii-nsf", "librispeech-resemblyzer"),
    ("r9y9",),
    ("wavefake", "styletts2"),
    ("speechresearch/adaspeech*",),
    ("speechresearch/denoispeech",),
    ("speechresearch/lj",),
    ("speechresearch/multispeech, seminas, speechtransducer",),
)
PROMISED = 0.10  # of a class, at most, is given the other one's answer
MOST_WRONG = 0.07  # on left-out projects, whose errors differ: a margin for the promise
BALANCES = (0.0, 0.5, 1.0)  # a project counts by its size, by the root of it, as any other


@dataclass
class Examples:
    """embedding (n, width), bona fide (n,) bool, project, group, kind and row (n,). kind: `plain`,
    `degraded` or `hifigan`. Windows and copies of one recording have one row."""

    embedding: np.ndarray
    bonafide: np.ndarray
    project: np.ndarray
    group: np.ndarray
    kind: np.ndarray
    row: np.ndarray

    def __getitem__(self, chosen) -> Examples:
        return Examples(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))

    def __len__(self) -> int:
        return len(self.bonafide)


def balanced_weights(examples: Examples, vocoded_share: float) -> np.ndarray:
    """(n,) with mean 1: both classes alike, in a class all projects alike, in a project all groups alike. Vocoder
    copies hold `vocoded_share` of the spoofs' weight."""
    copied = examples.kind == "hifigan"
    share = vocoded_share * copied.any()
    total = np.select([examples.bonafide, copied], [1.0, share], 1 - share)
    part = np.select([examples.bonafide, copied], [0, 1], 2)
    by = pd.DataFrame({"part": part, "project": examples.project, "group": examples.group})
    n_projects = by.groupby("part")["project"].transform("nunique")
    n_groups = by.groupby(["part", "project"])["group"].transform("nunique")
    n_examples = by.groupby(["part", "project", "group"])["group"].transform("size")
    weight = total / (n_projects * n_groups * n_examples).to_numpy()
    return weight / weight.mean()


def fit_head(examples: Examples, weight: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:
    """Logistic regression on standardised embeddings -> weights (width,) and bias on the raw ones. `penalty` stands
    before half the squared norm, against the mean loss of an example."""
    head = LogisticRegression(C=1 / (penalty * len(examples)), tol=1e-3, max_iter=200)
    scale = StandardScaler()
    inputs = scale.fit_transform(examples.embedding, sample_weight=weight)
    head.fit(inputs, examples.bonafide, sample_weight=weight)
    slope = head.coef_[0].astype(np.float64) / scale.scale_
    return slope, float(head.intercept_[0] - slope @ scale.mean_)


Fit = Callable[[Examples], tuple[np.ndarray, float]]


def left_out_heads(examples: Examples, fit: Fit) -> Callable[[Examples], np.ndarray]:
    """-> a function that scores examples (n,), each by a head that saw nothing of its fold's projects; NaN for those
    of no fold."""
    heads = [(fold, *fit(examples[~np.isin(examples.project, fold)])) for fold in FOLDS]

    def score(tested: Examples) -> np.ndarray:
        scores = np.full(len(tested), np.nan)
        for fold, slope, bias in heads:
            out = np.isin(tested.project, fold)
            scores[out] = tested.embedding[out] @ slope + bias
        return scores

    return score


def by_recording(scores: np.ndarray, tested: Examples) -> tuple[np.ndarray, Examples]:
    """The mean score of each recording's windows, as the demo page judges, and the recordings (their first windows)."""
    _, first, index = np.unique(tested.row, return_index=True, return_inverse=True)
    return np.bincount(index, scores) / np.bincount(index), tested[first]


def test_weights(tested: Examples, power: float = 0.5) -> np.ndarray:
    """(n,) both classes alike; in a class a project counts by its size to the power of 1 - `power`."""
    by = pd.DataFrame({"bonafide": tested.bonafide, "project": tested.project})
    part = by.groupby(["bonafide", "project"])["project"].transform("size") ** -float(power)
    return (part / part.groupby(by["bonafide"]).transform("sum")).to_numpy() * len(tested) / 2


def eer(scores: np.ndarray, bonafide: np.ndarray, weight: np.ndarray) -> float:
    """Weighted equal error rate, 0..1."""
    accepted_fakes, accepted, _ = roc_curve(bonafide, scores, sample_weight=weight, drop_intermediate=False)
    nearest = np.argmin(np.abs(1 - accepted - accepted_fakes))
    return float((1 - accepted[nearest] + accepted_fakes[nearest]) / 2)


def find_thresholds(scores: np.ndarray, tested: Examples, most_wrong: float = MOST_WRONG) -> dict[str, float]:
    """`spoof`: at and below it lie at most `most_wrong` of the humans; `bonafide`: at and above it at most as much of
    the fakes. Both hold however projects are balanced: one large page cannot carry an answer."""

    def end(wrong: np.ndarray, sign: int) -> float:
        weights = [test_weights(tested, power)[wrong] for power in BALANCES]
        own = sign * scores[wrong]
        ends = [np.quantile(own, most_wrong, weights=w, method="inverted_cdf") for w in weights]
        return sign * (float(min(ends)) - 1e-6)

    low, high = end(tested.bonafide, 1), end(~tested.bonafide, -1)
    return {"spoof": min(low, high), "bonafide": max(low, high)}


def thresholds_from_other_folds(scores: np.ndarray, tested: Examples) -> np.ndarray:
    """(n,) -1 likely spoof, 0 cannot tell, 1 likely bona fide: each fold answered by thresholds chosen on the others."""
    answers = np.zeros(len(scores))
    for fold in FOLDS:
        out = np.isin(tested.project, fold)
        chosen = find_thresholds(scores[~out], tested[~out])
        answers[out] = answered(scores[out], chosen)
    return answers


def answered(scores: np.ndarray, thresholds: dict[str, float]) -> np.ndarray:
    """(n,) -1 likely spoof, 0 cannot tell, 1 likely bona fide."""
    return (scores >= thresholds["bonafide"]).astype(int) - (scores <= thresholds["spoof"])


def drawn_weights(tested: Examples, weight: np.ndarray, n: int = 500) -> Iterator[np.ndarray]:
    """The weights of `n` bootstrap samples, groups drawn with replacement; each holds both classes."""
    rng = np.random.default_rng(0)
    groups, index = np.unique(tested.group, return_inverse=True)
    while n:
        times = np.bincount(rng.integers(len(groups), size=len(groups)), minlength=len(groups))[index]
        if times[tested.bonafide].any() and times[~tested.bonafide].any():
            n -= 1
            yield weight * times


def promise_kept(answers: np.ndarray, tested: Examples) -> float:
    """In how many of the bootstrap samples of each balance both classes' errors stay within the promise, 0..1."""
    kept = []
    for power in BALANCES:
        for weight in drawn_weights(tested, test_weights(tested, power)):
            found = verdicts(answers, tested.bonafide, weight)
            kept.append(max(found["humans_called_spoof"], found["spoofs_called_bonafide"]) <= PROMISED)
    return float(np.mean(kept))


def fakes_by_bin(
    scores: np.ndarray, bonafide: np.ndarray, weight: np.ndarray, edges: list[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Share of fakes (NaN in an empty bin) and number of recordings by score; the first and the last bin have no outer
    end, whatever their edge says."""
    place, n = np.searchsorted(edges[1:-1], scores, side="right"), len(edges) - 1
    mass = np.bincount(place, weight, n)
    fakes = np.bincount(place, weight * ~bonafide, n)
    return np.divide(fakes, mass, out=np.full(n, np.nan), where=mass > 0), np.bincount(place, minlength=n)


def calibrate(scores: np.ndarray, bonafide: np.ndarray, weight: np.ndarray, n_bins: int = 10) -> dict:
    """Share of fakes by score, never rising with it and never certain: `edges` (n + 1), `fake_share` (n), `count`."""
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, n_bins + 1))).round(4).tolist()
    share, count = fakes_by_bin(scores, bonafide, weight, edges)
    falling = IsotonicRegression(increasing=False, y_min=0.01, y_max=0.99)
    shares = falling.fit_transform(np.arange(len(share)), share, sample_weight=count)
    return {"edges": edges, "fake_share": shares.round(4).tolist(), "count": count.tolist()}


def verdicts(answers: np.ndarray, bonafide: np.ndarray, weight: np.ndarray) -> dict[str, float | None]:
    """Shares, 0..1: answered; of each class answered rightly and wrongly; of each answer what is wrong, None without
    answers."""
    spoof, human = answers < 0, answers > 0

    def share(of: np.ndarray, among: np.ndarray) -> float | None:
        return round(float(weight[of & among].sum() / weight[among].sum()), 4) if among.any() else None

    return {
        "answered": share(spoof | human, np.ones(len(answers), bool)),
        "spoofs_found": share(spoof, ~bonafide),
        "humans_found": share(human, bonafide),
        "humans_called_spoof": share(spoof, bonafide),
        "spoofs_called_bonafide": share(human, ~bonafide),
        "wrong_spoof": share(bonafide, spoof),  # of the answers "likely spoof"
        "wrong_bonafide": share(~bonafide, human),  # of the answers "likely bona fide"
    }
