"""One exercise, and its three kinds: the answer is a number, a name or a list, or a function; the source of a class."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from IPython.display import Markdown, display

BLANK = "Nothing to check: replace the ... by your answer. For help run the checker's .hint() or .solution()."


@dataclass(frozen=True, eq=False)
class Exercise:
    """`judge(given)` returns (is it right, what to print); call the exercise to check an answer."""

    judge: Callable[[Any], tuple[bool, str]]
    answer: str  # the worked answer, printed when it was found and when it is asked for
    help: str  # the hint

    def __call__(self, given: Any) -> bool:
        try:
            good, said = (False, BLANK) if given is ... else self.judge(given)
        except Exception as error:  # whatever a student hands in, the notebook goes on
            good, said = (
                False,
                f"Your answer, a {type(given).__name__}, cannot be read ({error}). {self.help}",
            )
        print(f"{'Right' if good else 'Not yet'}. {said}")
        return good

    def hint(self) -> None:
        print(f"Hint: {self.help}")

    def solution(self) -> None:
        print(f"Solution: {self.answer}")


def number(
    value: float,
    answer: str,
    hint: str,
    mistakes: Mapping[float, str],
    within: float = 0.0,
    share: bool = False,
) -> Exercise:
    """The answer is one number; `mistakes` are usual wrong ones and what to say, `share` is a value from 0 to 1."""

    def judge(given: Any) -> tuple[bool, str]:
        if hasattr(given, "item"):  # a scalar of numpy, torch or pandas, or their array of one element
            given = given.item()
        if isinstance(given, str):
            is_number = re.fullmatch(r"\s*[-+]?[\d.,_]+(e[-+]?\d+)?\s*%?\s*", given)
            advice = "write the number without quotation marks and %" if is_number else "give one number"
            return False, f"{given!r} is text: {advice}. {hint}"
        if isinstance(given, bool) or not isinstance(given, (int, float)) or not math.isfinite(given):
            return False, f"Give one number. {hint}"
        if abs(given - value) <= within:
            return True, answer
        if share and abs(given - 100 * value) <= 100 * within + 0.1:
            return False, "The number is right as a percentage: give it as a share, between 0 and 1."
        found = (words for wrong, words in mistakes.items() if abs(given - wrong) <= max(within, 1e-9))
        return False, next(found, hint)

    return Exercise(judge, answer, hint)


def exact(
    right: Any, clean: Callable, answer: str, hint: str, mistakes: Sequence[tuple[Any, str]]
) -> Exercise:
    """The answer is a name or a list: `clean` makes one form of all ways to write it."""

    def judge(given: Any) -> tuple[bool, str]:
        if isinstance(given, str) and given != given.strip():
            return False, f"{given!r} begins or ends with a space: remove it."
        cleaned = clean(given)
        if cleaned == right:
            return True, answer
        return False, next((words for wrong, words in mistakes if cleaned == wrong), hint)

    return Exercise(judge, answer, hint)


def function(
    reference: Callable,
    cases: Callable[[], Sequence[tuple]],
    answer: str,
    hint: str,
    mistakes: Sequence[tuple[Callable, str]],
    within: float = 1e-6,
) -> Exercise:
    """The answer is a function that must agree with `reference` on `cases()`; `mistakes` are usual wrong functions."""

    def judge(given: Any) -> tuple[bool, str]:
        for case in cases():
            got, said = called(given, *case)
            if got is None:
                return False, said
            wanted = np.asarray(reference(*case), dtype=float)
            if got.shape != wanted.shape:
                return False, f"The result has the shape {got.shape}, it must have {wanted.shape}. {hint}"
            if not np.allclose(got, wanted, atol=within):
                for wrong, words in mistakes:
                    if np.allclose(got, wrong(*case), atol=within):
                        return False, words
                off = np.unravel_index(np.argmax(np.abs(got - wanted)), got.shape)
                return False, f"A hidden case gives {got[off]:.4g} where {wanted[off]:.4g} is right. {hint}"
        return True, answer

    return Exercise(judge, answer, hint)


def called(given: Any, *case: Any) -> tuple[np.ndarray | None, str]:
    """(what the student's function returns as floats, "") or (None, what is wrong with it)."""
    if not callable(given):
        return (
            None,
            f"Give your function itself, by its name without brackets; this is a {type(given).__name__}.",
        )
    try:
        got = given(*case)
    except Exception as error:  # the message of the student's own function
        return None, f"Your function stops with {type(error).__name__}: {error}."
    if got is None or got is ...:
        return None, f"Your function returns nothing: end it with return. {BLANK}"
    try:
        return np.asarray(got, dtype=float), ""
    except (TypeError, ValueError):
        return None, f"Your function returns a {type(got).__name__}: return numbers."


def show_source(thing: Any) -> None:
    """Show the source of a class or function as coloured Python, in Jupyter, Colab and exported pages."""
    display(Markdown(f"```python\n{inspect.getsource(thing)}```"))
