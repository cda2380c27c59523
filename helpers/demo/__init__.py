"""One suspicious recording: the detector, the command line, the web page, the report."""

from __future__ import annotations

from helpers.demo.detector import Detector, load_detector
from helpers.demo.verdict import Verdict

__all__ = ["Detector", "Verdict", "load_detector"]
