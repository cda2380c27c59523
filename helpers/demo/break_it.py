"""What a recording goes through on its way, as treatments: does the verdict survive them?"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.signal
import soundfile

from helpers.data.audio import SAMPLE_RATE

LOUDEST = 0.99


def add_noise(wave: np.ndarray, snr_db: float = 15.0, seed: int = 0) -> np.ndarray:
    """White noise at this signal-to-noise ratio, the same for the same seed."""
    noise = np.random.default_rng(seed).standard_normal(len(wave)).astype(np.float32)
    power = float(np.mean(wave**2)) * 10 ** (-snr_db / 10)
    return _safe(wave + noise * np.sqrt(power))


def telephone_band(wave: np.ndarray) -> np.ndarray:
    """300 to 3,400 Hz and eight-bit mu-law, as on a fixed line."""
    sections = scipy.signal.butter(6, [300, 3400], "bandpass", fs=SAMPLE_RATE, output="sos")
    narrow = _safe(scipy.signal.sosfilt(sections, wave))
    buffer = io.BytesIO()
    soundfile.write(buffer, scipy.signal.resample_poly(narrow, 1, 2), 8000, format="WAV", subtype="ULAW")
    buffer.seek(0)
    return _safe(scipy.signal.resample_poly(soundfile.read(buffer, dtype="float32")[0], 2, 1)[: len(wave)])


def mp3(wave: np.ndarray) -> np.ndarray:
    """MP3 at a low constant bitrate and back."""
    return _there_and_back(wave, "MP3", "MPEG_LAYER_III", 0.95)


def opus(wave: np.ndarray) -> np.ndarray:
    """Opus as a messenger would use it, and back."""
    return _there_and_back(wave, "OGG", "OPUS", 0.95)


def _there_and_back(wave: np.ndarray, form: str, subtype: str, compression: float) -> np.ndarray:
    buffer = io.BytesIO()
    soundfile.write(
        buffer, _safe(wave), SAMPLE_RATE, format=form, subtype=subtype, compression_level=compression
    )
    buffer.seek(0)
    decoded, rate = soundfile.read(buffer, dtype="float32")
    if rate != SAMPLE_RATE:
        decoded = scipy.signal.resample_poly(decoded, SAMPLE_RATE, rate)
    return _safe(np.resize(decoded, len(wave)) if len(decoded) < len(wave) else decoded[: len(wave)])


def _safe(wave: np.ndarray) -> np.ndarray:
    """float32, turned down where it would clip."""
    peak = float(np.abs(wave).max())
    return np.asarray(wave if peak <= LOUDEST else wave * (LOUDEST / peak), dtype=np.float32)


# What the page offers -> what is done.
TREATMENTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "Noise, 15 dB": add_noise,
    "MP3, low bitrate": mp3,
    "Opus, low bitrate": opus,
    "Telephone band": telephone_band,
}


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
