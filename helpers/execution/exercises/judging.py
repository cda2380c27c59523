"""Checkers of the notebooks about choosing and judging: 19, 25, 27 and 90."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from helpers.execution.exercises.answers import AS_PERCENT, is_percent_of, not_yet, right, takes_number

if TYPE_CHECKING:
    import pandas as pd


@takes_number()
def check_number_of_fits(answer: float) -> bool:
    """19: 24 candidates, 5 folds, and the winner once more on everything."""
    if answer == 121:
        return right("Twenty-four looks at each fold, and none at the test set.")
    if answer == 120:
        return not_yet("Nearly: at the end the winner is fitted once more, on all training pictures.")
    if answer in (24, 25):
        return not_yet("Each candidate is fitted anew for each of the 5 folds.")
    return not_yet("Candidates times folds, then one fit of the winner.")


@takes_number("Give a probability between 0 and 1.")
def check_posterior(answer: float) -> bool:
    """25: probability of a spoof at a log-likelihood ratio of -ln 9.5 and a prior of 5 % spoofs."""
    if math.isclose(answer, 1 / 3, abs_tol=5e-3):
        return right(
            "The clip speaks 9.5 : 1 for a spoof, but recordings are 19 : 1 more frequent. 2 : 1 remain."
        )
    if is_percent_of(answer, 1 / 3):
        return not_yet(AS_PERCENT)
    if math.isclose(answer, 2 / 3, abs_tol=5e-3):
        return not_yet("That is the probability of a recording.")
    if math.isclose(answer, 9.5 / 10.5, abs_tol=5e-3):
        return not_yet("You left out that only one clip in twenty is a spoof.")
    if math.isclose(answer, 0.05, abs_tol=5e-3):
        return not_yet("That is the prior alone: what does the score add?")
    return not_yet(
        "Prior odds (19 : 1 for a recording) times the likelihood ratio (1 : 9.5) are the posterior odds."
    )


def check_groups(answer: Sequence[str], table: pd.DataFrame) -> bool:
    """27: one group for each row of the table so that pieces of one speaker are never on both sides."""
    speakers = [str(speaker) for speaker in table["speaker"]]
    groups = (
        []
        if isinstance(answer, str) or not isinstance(answer, Iterable)
        else [str(group) for group in answer]
    )
    if not groups:
        return not_yet(f"Give one group for each of the {len(speakers):,} rows, as a column of the table.")
    if len(groups) != len(speakers):
        return not_yet(
            f"One group for each of the {len(speakers):,} rows is needed, you gave {len(groups):,}."
        )
    pairs = set(zip(groups, speakers))
    if len(set(groups)) == len(groups) != len(set(speakers)):
        return not_yet("Every row is a group of its own: that is a random split.")
    if len(pairs) == len(set(groups)) == len(set(speakers)):
        return right(
            f"{len(set(speakers))} groups: who is heard in training is never heard again in testing."
        )
    if len(pairs) > len(set(speakers)):
        return not_yet("Some speakers are spread over several groups, and may stand on both sides.")
    return not_yet(
        f"Nothing leaks, but {len(set(groups))} groups are coarser than the {len(set(speakers))} speakers."
    )


@takes_number("Give a share between 0 and 1.")
def check_blind_accuracy(answer: float) -> bool:
    """90: accuracy of always saying spoof on ASVspoof 2019 LA eval, 7,355 bona fide and 63,882 spoofs."""
    if math.isclose(answer, 63_882 / 71_237, abs_tol=5e-4):
        return right(
            "Nearly 90 % accurate without listening; its macro-F1 is below one half and its EER is 50 %."
        )
    if math.isclose(answer, 7_355 / 71_237, abs_tol=5e-4):
        return not_yet("That is the accuracy of always saying bona fide.")
    if is_percent_of(answer, 63_882 / 71_237):
        return not_yet(AS_PERCENT)
    return not_yet("Right answers are the spoofs: divide their number by the number of all utterances.")
