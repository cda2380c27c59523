"""What a recording goes through on its way, as treatments: does the verdict survive them?"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import soundfile

from helpers.data import effects
from helpers.data.audio import SAMPLE_RATE

# What people meet -> the effect and its setting.
TREATMENTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "WhatsApp voice note": lambda wave: _treated(effects.codec, wave, name="opus", bit_rate=16_000),
    "Phone call": lambda wave: _treated(effects.telephone, wave),
    "MP3, 64 kbit/s": lambda wave: _treated(effects.codec, wave, name="mp3", bit_rate=64_000),
    "Café noise": lambda wave: _treated(effects.noise, wave, snr_db=10.0),
    "Room": lambda wave: _treated(effects.reverb, wave),
}


def _treated(effect: Callable[..., np.ndarray], wave: np.ndarray, **setting: Any) -> np.ndarray:
    """float32, the same each time, turned down where it would clip."""
    changed = effect(wave, np.random.default_rng(0), **setting)
    return np.asarray(changed / max(1.0, float(np.abs(changed).max()) / 0.99), dtype=np.float32)


@dataclass(frozen=True)
class Broken:
    """A treated recording and its score."""

    name: str
    wave: np.ndarray
    score: float


def break_it(score_of: Callable[[np.ndarray], float], wave: np.ndarray, names: list[str]) -> list[Broken]:
    """Treat mono 16 kHz and score anew. `score_of` gives the score of a whole recording."""
    broken = []
    for name in names:
        treated = TREATMENTS[name](wave)
        broken.append(Broken(name, treated, score_of(treated)))
    return broken


def as_data_uri(wave: np.ndarray) -> str:
    """Ogg Vorbis inside a data: address, for an <audio> element: nothing is written to disk."""
    buffer = io.BytesIO()
    soundfile.write(buffer, wave, SAMPLE_RATE, format="OGG", subtype="VORBIS")
    return "data:audio/ogg;base64," + base64.b64encode(buffer.getvalue()).decode()
