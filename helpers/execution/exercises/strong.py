"""Checkers of the notebooks with the field's reference systems: 20 to 24 and 26."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from helpers.execution.exercises.answers import not_yet, right, takes_number

if TYPE_CHECKING:
    import pandas as pd


@takes_number()
def check_likelihood_ratio(answer: float) -> bool:
    """20: mean log-likelihood ratio of two frames."""
    if math.isclose(answer, 0.25, abs_tol=1e-9):
        return right(
            "The first frame speaks for a recording (+2.5), the second against (-2.0); their mean decides."
        )
    if math.isclose(answer, -0.25, abs_tol=1e-9):
        return not_yet("Mind the sign: bona fide minus spoof, so that higher means more likely a recording.")
    if math.isclose(answer, 0.5, abs_tol=1e-9):
        return not_yet("That is the sum; a mean makes clips of different lengths comparable.")
    return not_yet("Subtract spoof from bona fide for each frame, then take the mean of the two.")


@takes_number("Give one number, on the scale of the scores.")
def check_equal_error_threshold(answer: float, scores: pd.DataFrame) -> bool:
    """21: a threshold at which misses and false alarms of this score table are equal, to half a percent point."""
    values, bonafide = scores["score"].to_numpy(), (scores["label"] == "bonafide").to_numpy()
    if not (bonafide.any() and (~bonafide).any()):
        return not_yet("These scores hold one class only: pass those of eval, bona fide and spoofs.")
    miss, alarm = float((values[bonafide] < answer).mean()), float((values[~bonafide] >= answer).mean())
    said = f"At {answer:.3f}, {100 * miss:.1f} % of the recordings are refused and {100 * alarm:.1f} % of the spoofs pass."
    if abs(miss - alarm) <= 0.005:
        return right(f"{said} That common value is the EER.")
    return not_yet(f"{said} {'Lower' if miss > alarm else 'Raise'} the threshold.")


@takes_number()
def check_rawnet_steps(answer: float) -> bool:
    """22: steps that reach the GRU from 64,600 samples."""
    if answer == 29:
        return right("One step every 2,187 samples, about a seventh of a second.")
    if answer in (88, 89):
        return not_yet(
            "One pooling by 3 follows the filters and one follows each of the six blocks: seven in all."
        )
    if answer in (64472, 64600):
        return not_yet("Those are samples; the poolings by 3 are still to come.")
    return not_yet(
        "Filters of 129 samples leave 64,472 points; divide by 3 seven times, rounding down each time."
    )


@takes_number()
def check_attention(answer: float) -> bool:
    """23: attention over nodes of value 4, 0, 8 with scores 1, 1, 1 + ln 2."""
    if math.isclose(answer, 5.0, abs_tol=1e-6):
        return right(
            "The weights are 1/4, 1/4 and 1/2: a difference of ln 2 in the score doubles the weight."
        )
    if math.isclose(answer, 4.0, abs_tol=1e-6):
        return not_yet("That is the plain mean: the third node has a higher score and must weigh more.")
    if math.isclose(answer, 8.0, abs_tol=1e-6):
        return not_yet("That is the node with the highest score alone; softmax leaves the others a part.")
    return not_yet("Weights are exp(score) divided by their sum; then add up weight times value.")


@takes_number()
def check_ssl_frames(answer: float) -> bool:
    """24: frames of wav2vec 2.0 for 64,600 samples: receptive field 400, hop 320."""
    if answer == 201:
        return right(
            "One vector every 20 ms, each from 25 ms of sound; the transformer then mixes all of them."
        )
    if answer in (200, 202):
        return not_yet("Nearly: the first frame needs 400 samples, every further one 320 more.")
    return not_yet(
        "How many hops of 320 fit behind the first 400 samples? Then count the first frame as well."
    )


FRONTIER = {"A", "C"}  # of A 2 ms 20 %, B 5 ms 22 %, C 8 ms 18 %, D 300 ms 18.5 %


def check_frontier(answer: Iterable[str]) -> bool:
    """26: the detectors that no other one beats in both milliseconds and EER."""
    if isinstance(answer, str):
        answer = re.findall(r"\w+", answer) if re.search(r"\W", answer) else list(answer)
    try:
        named = {str(name).strip().upper() for name in answer}
    except TypeError:
        return not_yet('Give a list of letters, as in ["A", "B"].')
    if named == FRONTIER:
        return right(
            "B is slower and worse than A, D slower and worse than C. Between A and C the task decides."
        )
    if named - set("ABCD"):
        return not_yet("Name the detectors by their letters, A to D.")
    for name, better in (("B", "A"), ("D", "C")):
        if name in named:
            return not_yet(
                f"{better} is faster than {name} and makes fewer errors: nobody would choose {name}."
            )
    return not_yet("A is the fastest, C makes the fewest errors: neither is beaten in both.")
