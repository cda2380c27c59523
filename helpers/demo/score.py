"""The shipped detector: a wave in, log odds out. Needs numpy and onnxruntime, no torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).with_name("shipped")
SAMPLE_RATE = 16_000  # Hz
SHORTEST = SAMPLE_RATE  # samples; what is shorter is repeated up to here


@dataclass(frozen=True)
class Window:
    """A stretch of a recording in seconds, and its log odds (higher: bona fide)."""

    start: float
    end: float
    score: float


class Shipped:
    """`Shipped().score(wave)`: features and network are inside `detector.onnx`; `card` is `card.json`.

    Offset, scale and sign of the wave change nothing: the network removes them from each window."""

    def __init__(self, folder: Path = FOLDER, n_threads: int = 1):
        self.folder, self.n_threads = folder, n_threads
        self.card = json.loads((folder / "card.json").read_text(encoding="utf-8"))

    @cached_property
    def session(self):
        """The network, opened at its first use."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.n_threads
        options.log_severity_level = 3
        path = str(self.folder / "detector.onnx")
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def windows(self, wave: np.ndarray, hop_seconds: float | None = None) -> list[Window]:
        """(samples,) float at 16 kHz -> windows of `seconds_per_window`, one after the other unless `hop_seconds`
        says how far apart they start. The last one ends where the recording ends."""
        wave = np.asarray(wave, np.float32)
        if wave.ndim != 1 or not len(wave):
            raise ValueError(
                f"a wave of one channel with samples is needed, got an array of shape {wave.shape}"
            )
        width = int(self.card["seconds_per_window"] * SAMPLE_RATE)
        hop = width if hop_seconds is None else max(1, int(hop_seconds * SAMPLE_RATE))
        last = max(0, len(wave) - width)
        starts = [*range(0, last, hop), last]
        found = []
        for start in starts:
            piece = wave[start : start + width]
            heard = np.resize(piece, max(len(piece), SHORTEST))  # repeats a piece that is too short
            score = self.session.run(["log_odds"], {"wave": heard[None]})[0][0]
            found.append(Window(start / SAMPLE_RATE, (start + len(piece)) / SAMPLE_RATE, float(score)))
        return found

    def score(self, wave: np.ndarray) -> float:
        """(samples,) float at 16 kHz -> log odds, the mean over the windows; higher: bona fide."""
        return float(np.mean([window.score for window in self.windows(wave)]))

    def answer(self, score: float) -> str:
        """`likely spoof`, `likely bona fide` or `cannot tell`, by the thresholds of the card."""
        thresholds = self.card["thresholds"]
        if thresholds["spoof"] is not None and score <= thresholds["spoof"]:
            return "likely spoof"
        if thresholds["bonafide"] is not None and score >= thresholds["bonafide"]:
            return "likely bona fide"
        return "cannot tell"

    def fake_share(self, score: float) -> float:
        """Share of fakes, 0..1, among left-out recordings with such a score, both classes being equally common."""
        calibration = self.card["calibration"]
        place = np.searchsorted(calibration["edges"][1:-1], score, side="right")
        return float(calibration["fake_share"][place])
