"""Checkers for the notebooks' **Build** exercises: each says what is wrong and why, and returns whether it is right.

A wrong answer prints a hint and never raises, so that an unsolved exercise does not stop a notebook.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def _right(words: str) -> bool:
    print(f"Right. {words}")
    return True


def _not_yet(words: str) -> bool:
    print(f"Not yet. {words}")
    return False


def _is_number(answer: Any) -> bool:
    return isinstance(answer, (int, float)) and not isinstance(answer, bool) and math.isfinite(answer)


def check_layout(answer: str) -> bool:
    """01: the layout of a folder that holds `real` and `fake`."""
    if answer == "real_fake_folders":
        return _right("Labels come from the folders' names; splits too where there are training, validation, testing.")
    if answer == "asvspoof":
        return _not_yet("That layout reads labels from protocol files; a folder of yours has none.")
    return _not_yet(f"{answer!r} is not how labels are told here: look at the column `layout` of the table above.")


def check_staging_seconds(answer: float) -> bool:
    """02: 25,380 files at 4 ms each."""
    if not _is_number(answer):
        return _not_yet("Give a number of seconds.")
    if math.isclose(answer, 101.52, rel_tol=0.01):
        return _right("And that is the waiting alone: the reading comes on top, at every epoch.")
    if math.isclose(answer, 101_520, rel_tol=0.01):
        return _not_yet("That is milliseconds: divide by 1,000.")
    return _not_yet("Every file waits once: number of files times 4 ms.")


def check_n_frames(answer: float) -> bool:
    """03: frames of 48,000 samples, hop 256, centred."""
    if answer == 188:
        return _right("48,000 / 256 = 187.5, rounded down, and one more since the first frame is centred on sample 0.")
    if answer == 187:
        return _not_yet("Almost: with padding on both sides there is a frame at sample 0 as well.")
    return _not_yet("Count the hops of 256 that fit into 48,000 samples, then think of the frame at sample 0.")


def check_linear_parameters(answer: float) -> bool:
    """11: weights and biases of the layer behind 64 x 16 x 47 values."""
    inputs, neurons = 64 * 16 * 47, 1024
    if answer == inputs * neurons + neurons:
        return _right("49 million numbers in one layer, and the two convolutions before it hold 52 thousand.")
    if answer == inputs * neurons:
        return _not_yet("The weights are right. Each neuron has a bias as well.")
    return _not_yet("Every one of the 64 · 16 · 47 inputs is connected with every one of the 1,024 neurons.")


def check_residual(answer: Sequence[float]) -> bool:
    """12: x + f(x) for x = [1, 2] and f(x) = [0.5, -2]."""
    values = [float(value) for value in answer]
    if values == [1.5, 0.0]:
        return _right("The input passes by the convolutions and is added to what they found.")
    if values == [0.5, -2.0]:
        return _not_yet("That is f(x) alone, a plain network without the shortcut.")
    return _not_yet("Add x and f(x), element by element.")


def check_likelihood_ratio(answer: float) -> bool:
    """20: mean log-likelihood ratio of two frames."""
    if not _is_number(answer):
        return _not_yet("Give one number.")
    if math.isclose(answer, 0.25, abs_tol=1e-9):
        return _right("The first frame speaks for a recording (+2.5), the second against (-2.0); their mean decides.")
    if math.isclose(answer, -0.25, abs_tol=1e-9):
        return _not_yet("Mind the sign: bona fide minus spoof, so that higher means more likely a recording.")
    if math.isclose(answer, 0.5, abs_tol=1e-9):
        return _not_yet("That is the sum; a mean makes clips of different lengths comparable.")
    return _not_yet("Subtract spoof from bona fide for each frame, then take the mean of the two.")


def check_equal_error_threshold(answer: float, scores: pd.DataFrame) -> bool:
    """21: a threshold at which misses and false alarms of this score table are equal, to half a percent point."""
    if not _is_number(answer):
        return _not_yet("Give one number, on the scale of the scores.")
    values, bonafide = scores["score"].to_numpy(), (scores["label"] == "bonafide").to_numpy()
    miss, alarm = float((values[bonafide] < answer).mean()), float((values[~bonafide] >= answer).mean())
    said = f"At {answer:.3f}, {100 * miss:.1f} % of the recordings are refused and {100 * alarm:.1f} % of the spoofs pass."
    if abs(miss - alarm) <= 0.005:
        return _right(f"{said} That common value is the EER.")
    return _not_yet(f"{said} {'Lower' if miss > alarm else 'Raise'} the threshold.")


def check_blind_accuracy(answer: float) -> bool:
    """90: accuracy of always saying spoof on ASVspoof 2019 LA eval, 7,355 bona fide and 63,882 spoofs."""
    if not _is_number(answer):
        return _not_yet("Give a share between 0 and 1.")
    if math.isclose(answer, 63_882 / 71_237, abs_tol=5e-4):
        return _right("Nearly 90 % accurate without listening; its macro-F1 is below one half and its EER is 50 %.")
    if math.isclose(answer, 7_355 / 71_237, abs_tol=5e-4):
        return _not_yet("That is the accuracy of always saying bona fide.")
    if math.isclose(answer, 89.67, abs_tol=0.1):
        return _not_yet("Give it as a share, between 0 and 1.")
    return _not_yet("Right answers are the spoofs: divide their number by the number of all utterances.")
