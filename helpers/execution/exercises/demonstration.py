"""Checkers of notebook 91."""

from __future__ import annotations

import math

from helpers.execution.exercises.answers import is_number, not_yet, right


def check_alarm(answer: float) -> bool:
    """91: probability of a spoof after an alarm, at 1 % spoofs, 90 % of them found and 5 % false alarms."""
    if not is_number(answer):
        return not_yet("Give a probability between 0 and 1.")
    if math.isclose(answer, 0.009 / 0.0585, abs_tol=5e-3):
        return right("Of 10,000 calls, 90 spoofs and 495 honest calls set it off: 90 of 585. Five alarms in six are false.")
    if math.isclose(answer, 0.9, abs_tol=5e-3):
        return not_yet("That is how often it finds a spoof. How often is an alarm a spoof?")
    if math.isclose(answer, 0.9 / 0.95, abs_tol=5e-3):
        return not_yet("You left out that only one call in a hundred is a spoof.")
    if math.isclose(answer, 0.01, abs_tol=1e-3):
        return not_yet("That is the share before the alarm: what does the alarm add?")
    return not_yet("Think of 10,000 calls: how many spoofs set off the alarm, and how many honest calls do?")
