"""What every checker says with: right, not yet, and whether an answer is a number at all."""

from __future__ import annotations

import math
from typing import Any


def right(words: str) -> bool:
    print(f"Right. {words}")
    return True


def not_yet(words: str) -> bool:
    print(f"Not yet. {words}")
    return False


def is_number(answer: Any) -> bool:
    return isinstance(answer, (int, float)) and not isinstance(answer, bool) and math.isfinite(answer)
