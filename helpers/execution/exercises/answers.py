"""What every checker says with: right, not yet, and whether an answer is a number at all."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import Any

AS_PERCENT = "Right, but as a percentage: give it as a share, between 0 and 1."


def right(words: str) -> bool:
    print(f"Right. {words}")
    return True


def not_yet(words: str) -> bool:
    print(f"Not yet. {words}")
    return False


def plain(answer: Any) -> Any:
    """A scalar of numpy, torch or pandas, or their array of one element, as python's own; all else as it came."""
    try:
        return answer.item()
    except (AttributeError, TypeError, ValueError, RuntimeError):
        return answer


def takes_number(asks: str = "Give one number.") -> Callable[[Callable[..., bool]], Callable[..., bool]]:
    """A checker whose answer is one finite number; what is none is told `asks` and never reaches it."""

    def decorate(check: Callable[..., bool]) -> Callable[..., bool]:
        @wraps(check)
        def checked(answer: Any, *more: Any) -> bool:
            number = plain(answer)
            if isinstance(number, bool) or not isinstance(number, (int, float)) or not math.isfinite(number):
                return not_yet(asks)
            return check(number, *more)

        return checked

    return decorate


def is_percent_of(answer: float, share: float) -> bool:
    """The right share, given as a percentage: right in all but the unit."""
    return abs(answer - 100 * share) <= 0.6
