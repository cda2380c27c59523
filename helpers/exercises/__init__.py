"""Checkers of the notebooks' **Build** exercises: a check says what is wrong, `.hint()` helps, `.solution()` tells.

A wrong answer prints a sentence and never raises, so that an unsolved exercise does not stop a notebook.
"""

from helpers.exercises import judged, numbers
from helpers.exercises.exercise import Exercise

_found = {
    name: value
    for module in (judged, numbers)
    for name, value in vars(module).items()
    if isinstance(value, Exercise)
}
globals().update(_found)
__all__ = sorted(_found)  # noqa: PLE0605
