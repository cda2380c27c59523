"""Checkers of notebook 91."""

from __future__ import annotations

import math

from helpers.execution.exercises.answers import AS_PERCENT, is_percent_of, not_yet, right, takes_number


@takes_number("Give a probability between 0 and 1.")
def check_alarm(answer: float) -> bool:
    """91: probability of a spoof after an alarm, at 1 % spoofs, 90 % of them found and 5 % false alarms."""
    if math.isclose(answer, 0.009 / 0.0585, abs_tol=5e-3):
        return right(
            "Of 10,000 calls, 90 spoofs and 495 honest calls set it off: 90 of 585. Five alarms in six are false."
        )
    if is_percent_of(answer, 0.009 / 0.0585):
        return not_yet(AS_PERCENT)
    if math.isclose(answer, 0.495 / 0.585, abs_tol=5e-3):
        return not_yet("That is the share of false alarms among the alarms. And the spoofs among them?")
    if math.isclose(answer, 0.9, abs_tol=5e-3):
        return not_yet("That is how often it finds a spoof. How often is an alarm a spoof?")
    if math.isclose(answer, 0.9 / 0.95, abs_tol=5e-3):
        return not_yet("You left out that only one call in a hundred is a spoof.")
    if math.isclose(answer, 0.01, abs_tol=1e-3):
        return not_yet("That is the share before the alarm: what does the alarm add?")
    return not_yet("Think of 10,000 calls: how many spoofs set off the alarm, and how many honest calls do?")
