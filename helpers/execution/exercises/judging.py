"""Checkers of the notebooks about choosing and judging: 19, 25, 27 and 90."""

from __future__ import annotations

import math
from collections.abc import Sequence

from helpers.execution.exercises.answers import is_number, not_yet, right


def check_number_of_fits(answer: float) -> bool:
    """19: 24 candidates, 5 folds, and the winner once more on everything."""
    if answer == 121:
        return right("Twenty-four looks at each fold, and none at the test set.")
    if answer == 120:
        return not_yet("Nearly: at the end the winner is fitted once more, on all training pictures.")
    if answer in (24, 25):
        return not_yet("Each candidate is fitted anew for each of the 5 folds.")
    return not_yet("Candidates times folds, then one fit of the winner.")


def check_posterior(answer: float) -> bool:
    """25: probability of a spoof at a log-likelihood ratio of -ln 9.5 and a prior of 5 % spoofs."""
    if not is_number(answer):
        return not_yet("Give a probability between 0 and 1.")
    if math.isclose(answer, 1 / 3, abs_tol=5e-3):
        return right("The clip speaks 9.5 : 1 for a spoof, but recordings are 19 : 1 more frequent. 2 : 1 remain.")
    if math.isclose(answer, 2 / 3, abs_tol=5e-3):
        return not_yet("That is the probability of a recording.")
    if math.isclose(answer, 9.5 / 10.5, abs_tol=5e-3):
        return not_yet("You left out that only one clip in twenty is a spoof.")
    if math.isclose(answer, 0.05, abs_tol=5e-3):
        return not_yet("That is the prior alone: what does the score add?")
    return not_yet("Prior odds (19 : 1 for a recording) times the likelihood ratio (1 : 9.5) are the posterior odds.")


def check_groups(answer: Sequence[str], recordings: Sequence[str]) -> bool:
    """27: one group a row so that pieces of one recording (or speaker) are never on both sides."""
    groups, known = [str(g) for g in answer], [str(r) for r in recordings]
    if len(groups) != len(known):
        return not_yet(f"One group for each of the {len(known):,} rows is needed, you gave {len(groups):,}.")
    pairs = set(zip(groups, known))
    if len(set(groups)) == len(groups):
        return not_yet("Every row is a group of its own: that is the random split again.")
    if len(pairs) == len(set(groups)) == len(set(known)):
        return right(f"{len(set(known))} groups: what is heard in training is never heard again in testing.")
    if len(pairs) > len(set(known)):
        return not_yet("Some recordings are spread over several groups, and may stand on both sides.")
    return not_yet(f"Nothing leaks, but {len(set(groups))} groups are coarser than the {len(set(known))} recordings.")


def check_blind_accuracy(answer: float) -> bool:
    """90: accuracy of always saying spoof on ASVspoof 2019 LA eval, 7,355 bona fide and 63,882 spoofs."""
    if not is_number(answer):
        return not_yet("Give a share between 0 and 1.")
    if math.isclose(answer, 63_882 / 71_237, abs_tol=5e-4):
        return right("Nearly 90 % accurate without listening; its macro-F1 is below one half and its EER is 50 %.")
    if math.isclose(answer, 7_355 / 71_237, abs_tol=5e-4):
        return not_yet("That is the accuracy of always saying bona fide.")
    if math.isclose(answer, 89.67, abs_tol=0.1):
        return not_yet("Give it as a share, between 0 and 1.")
    return not_yet("Right answers are the spoofs: divide their number by the number of all utterances.")
