"""From embeddings to a detector: weights, logistic regression, scores of left-out projects, thresholds, calibration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.isotonic import IsotonicRegression

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
MOST_WRONG = 0.10  # of the answers, in each class
MOST_WRONG_ACROSS = 0.15  # where the threshold was chosen on other projects
FEWEST = 25  # left-out recordings that an answer must rest on


@dataclass
class Examples:
    """embedding (n, 2304), bona fide (n,) bool, project, group and kind (n,); kind is "-" for a recording as it is
    published or degraded, else the vocoder that made the copy."""

    embedding: np.ndarray
    bonafide: np.ndarray
    project: np.ndarray
    group: np.ndarray
    kind: np.ndarray

    def __getitem__(self, chosen) -> Examples:
        return Examples(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))

    def __len__(self) -> int:
        return len(self.bonafide)


def balanced_weights(examples: Examples, vocoded_share: float, starter_share: float) -> np.ndarray:
    """(n,) with mean 1: both classes alike, in a class all projects alike, in a project all groups alike. Vocoder
    copies hold `vocoded_share` of the spoofs' weight; the starter's part of each is multiplied by `starter_share`."""
    weight = np.zeros(len(examples))
    copied = examples.kind != "-"
    has_copies = copied.any()
    for bonafide, copy in ((True, False), (False, False), (False, True)):
        chosen = np.flatnonzero((examples.bonafide == bonafide) & (copied == copy))
        if not len(chosen):
            continue
        project, group = examples.project[chosen], examples.group[chosen]
        if copy:
            group = np.array(
                [f"{name} by {kind}" for name, kind in zip(group, examples.kind[chosen], strict=True)]
            )
        part = np.zeros(len(chosen))
        for name in np.unique(project):
            of_project = project == name
            groups, index, sizes = np.unique(group[of_project], return_inverse=True, return_counts=True)
            part[of_project] = 1 / (len(groups) * sizes[index]) * (starter_share if name == "starter" else 1)
        spoof_share = vocoded_share if copy else 1 - vocoded_share * has_copies
        weight[chosen] = part / part.sum() * (1 if bonafide else spoof_share)
    return weight / weight.mean()


def fit_head(
    examples: Examples, weight: np.ndarray, penalty: float, n_steps: int = 60
) -> tuple[np.ndarray, float]:
    """Logistic regression on standardised embeddings by L-BFGS -> weights (width,) and bias on the raw ones.
    `penalty` stands before half the squared norm, against the mean loss of an example."""
    x = examples.embedding
    mean = np.average(x, axis=0, weights=weight)
    deviation = np.sqrt(np.average((x - mean) ** 2, axis=0, weights=weight)) + 1e-4
    inputs = torch.from_numpy(((x - mean) / deviation).astype(np.float32))
    wanted = torch.from_numpy(examples.bonafide.astype(np.float32))
    share = torch.from_numpy((weight / weight.sum()).astype(np.float32))
    theta = torch.zeros(x.shape[1] + 1, requires_grad=True)
    search = torch.optim.LBFGS([theta], max_iter=n_steps, history_size=20, line_search_fn="strong_wolfe")

    def loss():
        search.zero_grad()
        scores = inputs @ theta[:-1] + theta[-1]
        losses = torch.nn.functional.binary_cross_entropy_with_logits(scores, wanted, reduction="none")
        value = (share * losses).sum() + penalty * theta[:-1].square().sum() / 2
        value.backward()
        return value

    search.step(loss)
    found = theta.detach().numpy().astype(np.float64)
    slope = found[:-1] / deviation
    return slope, float(found[-1] - slope @ mean)


def left_out_scores(examples: Examples, tested: Examples, fit) -> np.ndarray:
    """Each tested recording scored by a head that saw nothing of its fold's projects; NaN for other projects.
    `fit(examples) -> weights, bias`."""
    scores = np.full(len(tested), np.nan)
    for fold in FOLDS:
        out = np.isin(tested.project, fold)
        slope, bias = fit(examples[~np.isin(examples.project, fold)])
        scores[out] = tested.embedding[out] @ slope + bias
    return scores


def test_weights(tested: Examples, power: float = 0.5) -> np.ndarray:
    """(n,) both classes alike; in a class a project counts by its size to the power of 1 - `power`."""
    weight = np.zeros(len(tested))
    for bonafide in (True, False):
        chosen = np.flatnonzero(tested.bonafide == bonafide)
        _, index, sizes = np.unique(tested.project[chosen], return_inverse=True, return_counts=True)
        part = sizes[index] ** -power
        weight[chosen] = part / part.sum()
    return weight * len(tested) / 2


def eer(scores: np.ndarray, bonafide: np.ndarray, weight: np.ndarray) -> float:
    """Weighted equal error rate, 0..1."""
    order = np.argsort(scores, kind="stable")
    bonafide, weight = bonafide[order], weight[order]
    misses = np.cumsum(weight * bonafide) / weight[bonafide].sum()
    false_alarms = 1 - np.cumsum(weight * ~bonafide) / weight[~bonafide].sum()
    nearest = np.argmin(np.abs(misses - false_alarms))
    return float((misses[nearest] + false_alarms[nearest]) / 2)


def find_thresholds(scores: np.ndarray, tested: Examples) -> dict[str, float | None]:
    """`spoof`: the highest score at and below which at most 10 % of the answers are wrong; `bonafide`: the lowest at
    and above which they are; None where there is none. Both must hold with projects counted by the square root of
    their size, and with all projects alike: one large page cannot carry an answer."""
    found: dict[str, float | None] = {}
    balances = [test_weights(tested, power) for power in (0.5, 1.0)]
    for answer, sign in (("spoof", -1), ("bonafide", 1)):
        wrong = tested.bonafide if answer == "spoof" else ~tested.bonafide
        order = np.argsort(-sign * scores, kind="stable")
        holds = np.arange(1, len(scores) + 1) >= FEWEST
        for balance in balances:
            holds &= np.cumsum((balance * wrong)[order]) <= MOST_WRONG * np.cumsum(balance[order])
        found[answer] = float(scores[order][holds][-1]) if holds.any() else None
    return found


def verdicts_across_folds(scores: np.ndarray, tested: Examples) -> dict[str, float | None]:
    """What thresholds are worth where they were not chosen: those of the other folds answer for each fold."""
    answer = np.zeros(len(scores))
    for fold in FOLDS:
        out = np.isin(tested.project, fold)
        chosen = find_thresholds(scores[~out], tested[~out])
        low = -np.inf if chosen["spoof"] is None else chosen["spoof"]
        high = np.inf if chosen["bonafide"] is None else chosen["bonafide"]
        answer[out] = np.where(scores[out] <= low, -1, np.where(scores[out] >= high, 1, 0))
    return verdicts(answer, tested.bonafide, test_weights(tested), {"spoof": -1, "bonafide": 1})


def offered(thresholds: dict[str, float | None], across: dict[str, float | None]) -> dict[str, float | None]:
    """An answer that breaks its promise on folds where its threshold was not chosen is not offered at all."""
    kept = {}
    for answer, at in thresholds.items():
        wrong = across[f"wrong_{answer}"]
        kept[answer] = at if wrong is not None and wrong <= MOST_WRONG_ACROSS else None
    return kept


def calibrate(
    scores: np.ndarray, bonafide: np.ndarray, weight: np.ndarray, n_bins: int = 10
) -> dict[str, list]:
    """Share of fakes by score, balanced classes, never rising with the score: `edges` (n + 1), `fake_share` (n),
    `count` (n). The first and the last bin have no outer end, whatever their edge says."""
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, n_bins + 1)))
    place = np.clip(np.searchsorted(edges, scores, side="right") - 1, 0, len(edges) - 2)
    count = np.bincount(place, minlength=len(edges) - 1)
    mass = np.bincount(place, weights=weight, minlength=len(edges) - 1)
    fake = np.bincount(place, weights=weight * ~bonafide, minlength=len(edges) - 1)
    # Two recordings of an even chance are added to each bin: no share is 0 or 1.
    share = (fake + weight.mean()) / (mass + 2 * weight.mean())
    falling = IsotonicRegression(increasing=False).fit(np.arange(len(share)), share, sample_weight=mass)
    monotone = falling.predict(np.arange(len(share)))
    return {
        "edges": edges.round(4).tolist(),
        "fake_share": monotone.round(4).tolist(),
        "count": count.tolist(),
    }


def verdicts(
    scores: np.ndarray, bonafide: np.ndarray, weight: np.ndarray, thresholds: dict
) -> dict[str, float | None]:
    """Shares, 0..1: answered; of each class answered wrongly; of each answer what is wrong, None without answers."""
    spoof = scores <= (-np.inf if thresholds["spoof"] is None else thresholds["spoof"])
    human = scores >= (np.inf if thresholds["bonafide"] is None else thresholds["bonafide"])

    def share(of: np.ndarray, among: np.ndarray) -> float | None:
        return round(float(weight[of & among].sum() / weight[among].sum()), 4) if among.any() else None

    return {
        "answered": share(spoof | human, np.ones(len(scores), bool)),
        "spoofs_found": share(spoof, ~bonafide),
        "wrong_spoof": share(bonafide, spoof),  # of the answers "likely spoof"
        "wrong_bonafide": share(~bonafide, human),  # of the answers "likely bona fide"
        "humans_called_spoof": share(spoof, bonafide),
        "spoofs_called_bonafide": share(human, ~bonafide),
    }
