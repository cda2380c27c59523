"""One suspicious recording: the detector, the command line, the web page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from helpers.demo.detector import Detector, load_detector

__all__ = ["Detector", "load_detector"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from helpers.demo import detector

        return getattr(detector, name)
    raise AttributeError(f"helpers.demo has no {name!r}")
