"""One exercise: a check that says what is wrong, a hint, a solution; a wrong answer prints and never raises."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

AS_PERCENT = "Right, but as a percentage: give it as a share, between 0 and 1."


@dataclass(frozen=True, eq=False)
class Exercise:
    """One blank: `judge(answer, *more)` returns (is it right, what to print); call it to check an answer."""

    task: str
    first_hint: str
    answer: str
    judge: Callable[..., tuple[bool, str]]
    asks: str = ""  # what to give, where the answer must be one number

    def __call__(self, answer: Any, *more: Any) -> bool:
        if answer is ...:
            print(
                "Nothing to check yet: replace the ... by your answer. For help run the checker's .hint() or .solution()."
            )
            return False
        good, said = self._judged(answer, *more)
        print(f"{'Right' if good else 'Not yet'}. {said}")
        return good

    def _judged(self, answer: Any, *more: Any) -> tuple[bool, str]:
        if self.asks:
            answer = plain(answer)
            if isinstance(answer, str):
                text = answer.strip()
                if re.fullmatch(r"[-+]?[\d.,_]+(e[-+]?\d+)?\s*%?", text):
                    return False, f"{answer!r} is text: write the number without quotation marks. {self.asks}"
                return False, f"{answer!r} is text, not a number. {self.asks}"
            if isinstance(answer, bool) or not isinstance(answer, (int, float)) or not math.isfinite(answer):
                return False, self.asks
        return self.judge(answer, *more)

    def hint(self) -> None:
        print(f"Hint: {self.first_hint}")

    def solution(self) -> None:
        print(f"{self.task} Solution: {self.answer}")


def plain(answer: Any) -> Any:
    """A scalar of numpy, torch or pandas, or their array of one element, as Python's own; all else as it came."""
    try:
        return answer.item()
    except (AttributeError, TypeError, ValueError, RuntimeError):
        return answer


def number(
    task: str,
    value: float,
    answer: str,
    praise: str,
    mistakes: Iterable[tuple[float, str]],
    hint: str,
    asks: str = "Give one number.",
    within: float = 0.0,
    share: bool = False,
) -> Exercise:
    """An exercise whose answer is one number; `within` is the error allowed, `share` a value between 0 and 1."""

    def judge(given: float) -> tuple[bool, str]:
        if abs(given - value) <= within:
            return True, praise
        if share and abs(given - 100 * value) <= 100 * within + 0.1:
            return False, AS_PERCENT
        said = (words for wrong, words in mistakes if abs(given - wrong) <= max(within, 1e-9))
        return False, next(said, hint)

    return Exercise(task, hint, answer, judge, asks)
