"""Partial fakes: 5 to 20 s of a fake inside one to five minutes of humans, judged as the demo page judges."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from helpers.demo.detector import load_detector
from helpers.demo.verdict import MIXED
from tools.detector.embed import read
from tools.detector.network import LEVEL, SAMPLE_RATE

FADE = 160  # samples on both sides of a cut


def concatenated(paths: list[str], seconds: float) -> np.ndarray:
    """Recordings at one level, one after the other, at most so long."""
    waves = [read(path) for path in paths]
    whole = np.concatenate([wave * (LEVEL / (np.sqrt(np.mean(wave**2)) + 1e-9)) for wave in waves])
    return whole[: int(seconds * SAMPLE_RATE)]


def spliced(host: np.ndarray, fake: np.ndarray, at: int) -> np.ndarray:
    """The fake put into the host at a sample, all four ends faded."""
    rise = np.linspace(0, 1, FADE, dtype=np.float32)
    pieces = [host[:at].copy(), fake.copy(), host[at:].copy()]
    for before, after in zip(pieces, pieces[1:], strict=False):
        before[-FADE:] *= rise[::-1]
        after[:FADE] *= rise
    return np.concatenate(pieces)


def measure(pool: pd.DataFrame, shipped: Path, n: int = 30, seed: int = 0) -> dict[str, int]:
    """Of `n` spliced recordings from pages that nothing was trained on: how many are called mixed, with a stretch that
    overlaps the fake; and of the hosts before the splice how many are called mixed."""
    rng = np.random.default_rng(seed)
    kept = pool[(pool["role"] == "test") & (pool["dataset"] != "starter")]
    humans, fakes = (kept[kept["label"] == label] for label in ("bonafide", "spoof"))
    names = [name for name, part in humans.groupby("group") if len(part) >= 8]
    detector, found = load_detector(shipped), dict.fromkeys(("mixed", "place_right", "whole_called_mixed"), 0)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "recording.flac"

        def judge(wave: np.ndarray):
            soundfile.write(file, wave, SAMPLE_RATE)
            return detector.detect(file)

        for number in range(n):
            seconds, inserted = np.exp(rng.uniform(np.log(60), np.log(300))), rng.uniform(5, 20)
            of_host = humans[humans["group"] == names[number % len(names)]]["path"]
            of_fake = fakes[fakes["group"] == rng.choice(fakes["group"].unique())]["path"]
            host = concatenated(list(rng.permutation(of_host)), seconds)
            fake = concatenated(list(rng.permutation(of_fake)), inserted)
            at = int(rng.uniform(0.15, 0.85) * len(host))
            start, end = at / SAMPLE_RATE, (at + len(fake)) / SAMPLE_RATE
            verdict = judge(spliced(host, fake, at))
            overlaps = any(part.start < end and part.end > start for part in verdict.stretches)
            found["mixed"] += verdict.answer == MIXED
            found["place_right"] += verdict.answer == MIXED and overlaps
            found["whole_called_mixed"] += judge(host).answer == MIXED
    return {"recordings": n, **found}
