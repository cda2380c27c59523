"""Checkers of the notebooks' **Build** exercises: a check says what is wrong, `.hint()` helps, `.solution()` tells.

A wrong answer prints a sentence and never raises, so an unsolved exercise does not stop a notebook. Where a function
is asked for, it is called on cases that the notebook does not show.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from helpers import metrics
from helpers.exercises.exercise import Exercise, called, exact, function, number, show_source


def _two_numbers(given: Any) -> tuple[float, float]:
    first, second = given
    return float(first), float(second)


def _letters(given: Any) -> tuple[str, ...]:
    if isinstance(given, str):
        given = re.findall(r"\w+", given) if re.search(r"\W", given) else list(given)
    return tuple(sorted({str(name).strip().upper() for name in given}))


def _scores(n_bonafide: int, n_spoof: int, distance: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.normal(distance, 1, n_bonafide), generator.normal(0, 1, n_spoof)


def _triangles(n_filters: int, n_bins: int) -> np.ndarray:
    edges, bins = np.linspace(0, n_bins - 1, n_filters + 2)[:, None], np.arange(n_bins)
    rise = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rise, fall))


def _threshold(given: Any) -> tuple[bool, str]:
    for n, share in ((400, 0.05), (150, 0.02), (900, 0.2), (40, 0.0)):
        spoof = _scores(1, n, 0, n)[1]
        got, said = called(given, spoof, share)
        if got is None or got.size != 1:
            return False, said or "Return one number: the threshold."
        passed, may_pass = int((spoof >= got.item()).sum()), math.floor(share * n)
        said = f"Of {n} spoofs {passed} pass at your threshold, {may_pass} may."
        if passed > may_pass:
            return False, f"{said} Raise it."
        if passed < may_pass:
            return False, f"{said} A lower one keeps the promise as well and refuses fewer recordings."
    return True, check_threshold.answer


def _split(given: Any) -> tuple[bool, str]:
    generator = np.random.default_rng(0)
    speakers = generator.permutation(
        np.repeat([f"s{k:02d}" for k in range(20)], generator.integers(5, 40, 20))
    )
    found = []
    for seed in (0, 1, 0):
        got, said = called(given, speakers.copy(), 0.25, seed)
        if got is None or got.shape != speakers.shape or not np.isin(got, (0, 1)).all():
            return False, said or "Return one True (test) or False (training) for each row."
        test = got.astype(bool)
        both = set(speakers[test]) & set(speakers[~test])
        if both:
            return (
                False,
                f"{len(both)} of 20 speakers are in training and in test: choose speakers, not rows.",
            )
        if not 0.1 <= test.mean() <= 0.4:
            return False, f"{100 * test.mean():.0f} % of the rows are test rows where 25 % were asked for."
        found.append(test)
    if (found[0] != found[2]).any():
        return False, "The same seed gives another split: use np.random.default_rng(seed)."
    if (found[0] == found[1]).all():
        return False, "Every seed gives the same split: draw the speakers with np.random.default_rng(seed)."
    return True, check_split.answer


check_layout = exact(
    "real_fake_folders",
    str,
    '"real_fake_folders": labels come from the names of the folders, and splits too where there are any.',
    "Which row of the manifest's table reads the label from the name of the folder? Give its column `layout`.",
    [("asvspoof", "That layout reads labels from protocol files; a folder of yours has none.")],
)
check_filter_bank = function(
    _triangles,
    lambda: [(4, 33), (20, 257), (64, 513)],
    "n_filters + 2 edges from np.linspace; between its edges a filter is the smaller of a rising and a falling line.",
    "A filter is 0 at its first edge, 1 at the next, 0 at the one after: n_filters triangles need n_filters + 2 edges.",
    [
        (lambda n, bins: _triangles(n, bins) / _triangles(n, bins).sum(1, keepdims=True),
         "These triangles have one area. Give each the height 1."),
        (lambda n, bins: _triangles(n, bins) > 0, "These are boxes: let each filter rise to 1 and fall again."),
    ],
    within=0.02,
)  # fmt: skip
check_eer = function(
    lambda bonafide, spoof: metrics.eer(bonafide, spoof)[0],
    lambda: [_scores(400, 400, 2, 0), _scores(150, 900, 1, 1), _scores(80, 60, 9, 2), _scores(300, 200, -0.5, 3)],
    "For each score as a threshold, the share of bona fide below it and of spoofs from it on; take the point where "
    "both are closest, and their mean.",
    "Try each score as a threshold. Which share of bona fide clips lies below it, which share of spoofs not?",
    [
        (lambda bonafide, spoof: 100 * metrics.eer(bonafide, spoof)[0], "That is a percentage: return a share."),
        (lambda bonafide, spoof: 1 - metrics.eer(bonafide, spoof)[0], "Upside down: high scores mean bona fide."),
        (lambda bonafide, spoof: metrics.eer(bonafide, spoof)[1], "That is the threshold: return the error rate."),
    ],
    within=0.012,
)  # fmt: skip
check_threshold = Exercise(
    _threshold,
    "Sort the spoof scores; with k = floor(share · n) allowed to pass, any threshold above the (k+1)-th highest and "
    "up to the k-th highest will do.",
    "How many spoofs may pass? Sort their scores and put the threshold just below so many of them.",
)
check_residual = exact(
    (1.5, 0.0),
    _two_numbers,
    "[1 + 0.5, 2 - 2] = [1.5, 0.0]: the input passes by the convolutions and is added to what they found.",
    "A residual block adds its input to its output, element by element. Give a list of two numbers.",
    [((0.5, -2.0), "That is f(x) alone, a plain network without the shortcut.")],
)
check_max_feature_map = function(
    lambda maps: np.maximum(*np.split(np.asarray(maps), 2, axis=1)),
    lambda: [(torch.randn(size, generator=torch.Generator().manual_seed(0)),) for size in ((2, 4, 3, 5), (1, 16, 7, 7))],
    "first, second = maps.chunk(2, dim=1); torch.maximum(first, second)",
    "Cut the channels into a first and a second half, and take the larger value at each point.",
    [
        (lambda maps: np.maximum(maps[:, ::2], maps[:, 1::2]),
         "You compare neighbouring channels: compare channel k of the first half with channel k of the second."),
        (lambda maps: np.asarray(maps[:, : maps.shape[1] // 2]).clip(0),
         "That is a ReLU, which compares with zero: compare two channels with each other."),
    ],
)  # fmt: skip
check_frontier = exact(
    ("A", "C"),
    _letters,
    "A and C. B is slower and worse than A, D slower and worse than C; between A and C the task decides.",
    'Cross out each detector for which another one is faster and better. Give a list of letters, as in ["A", "B"].',
    [
        (("A", "B", "C"), "A is faster than B and makes fewer errors: nobody would choose B."),
        (("A", "C", "D"), "C is faster than D and makes fewer errors: nobody would choose D."),
        (("A",), "C makes the fewest errors: A does not beat it in both."),
        (("C",), "A is the fastest: C does not beat it in both."),
    ],
)
check_split = Exercise(
    _split,
    "Draw from np.unique(speakers) with np.random.default_rng(seed), then return np.isin(speakers, drawn).",
    "First draw speakers, a share of them. Then ask of each row whether its speaker was drawn.",
)

_numbers = yaml.safe_load(Path(__file__).with_name("numbers.yaml").read_text(encoding="utf-8"))
globals().update({name: number(**given) for name, given in _numbers.items()})
__all__ = sorted(name for name in globals() if name.startswith("check_")) + ["show_source"]
