"""Any file that libsndfile reads (WAV, FLAC, OGG, Opus, MP3, AIFF) -> mono float32 at the asked rate, or the reason not."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import soundfile
import soxr

from helpers.data.containers import seconds_promised
from helpers.data.errors import BadAudio

SAMPLE_RATE = 16_000  # Hz, everywhere in the suite
SHORTEST = 0.1  # seconds
RATES = (4_000, 768_000)  # Hz; what lies outside is a header that lies, and resampling it would fill the memory
SILENT = 1e-4  # peak, -80 dBFS
COUNTED = ("FLAC", "WAV", "WAVEX", "RF64", "AIFF", "AU")  # formats whose header says how many samples follow


def read_audio(path: str | Path, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """The whole file -> float32 (samples,), channels averaged, resampled by soxr where its rate differs.

    Raises BadAudio with one sentence where it cannot be read, is cut off, empty, silent, shorter than 0.1 s, claims an
    impossible sample rate, or holds NaN or infinity.
    """
    name = os.path.basename(path)
    wave, own_rate = _decode(path, name)
    check_rate(name, own_rate)
    n_channels = wave.shape[1]
    wave = wave[:, 0] if n_channels == 1 else wave.mean(axis=1)
    if not np.isfinite(wave).all():
        raise BadAudio(f"{name} holds NaN or infinity")
    if len(wave) < SHORTEST * own_rate:
        raise BadAudio(f"{name} lasts {len(wave) / own_rate:.3f} s, less than {SHORTEST} s")
    if max(wave.max(), -wave.min()) < SILENT:
        mixed = f" once its {n_channels} channels are averaged" if n_channels > 1 else ""
        raise BadAudio(f"{name} is silent{mixed}")
    if own_rate != sample_rate:
        wave = soxr.resample(wave, own_rate, sample_rate)
    return np.ascontiguousarray(wave, dtype=np.float32)


def _decode(path: str | Path, name: str) -> tuple[np.ndarray, int]:
    """-> float32 (samples, channels), rate."""
    try:
        with soundfile.SoundFile(os.fspath(path)) as opened:
            promised = opened.frames
            wave = opened.read(dtype="float32", always_2d=True)
            own_rate, counted = opened.samplerate, opened.format in COUNTED
    except (soundfile.LibsndfileError, RuntimeError, MemoryError, ValueError) as error:
        raise BadAudio(_why(path, name, error)) from None
    if len(wave) == 0:
        raise BadAudio(f"{name} holds no samples")
    if counted:
        check_whole(path, name, len(wave) / own_rate, promised / own_rate)
    return wave, own_rate


def check_rate(name: str, rate: int) -> None:
    """BadAudio for a sample rate that no recording has."""
    if not RATES[0] <= rate <= RATES[1]:
        raise BadAudio(f"{name} claims a sample rate of {rate:,} Hz: no recording has that")


def check_whole(path: str | Path, name: str, seconds: float, opened_as: float) -> None:
    """BadAudio where less could be read than the file promised, to libsndfile (`opened_as`) or in its own header."""
    promised = max(opened_as, seconds_promised(path, seconds))
    if seconds < promised:
        raise BadAudio(f"{name} is cut off: {seconds:.2f} s of {promised:.2f} s can be read")


def _why(path: str | Path, name: str, error: Exception) -> str:
    if not os.path.isfile(path):
        return f"{name} is not there"
    if os.path.getsize(path) == 0:
        return f"{name} is empty (0 bytes)"
    reason = str(error).rpartition(": ")[2].rstrip(".").strip() or type(error).__name__
    return f"{name} cannot be read as audio ({reason})"


def audio_facts(path: str | Path) -> dict[str, float | int | str]:
    """duration_s, sample_rate, channels, format from the header alone (a fraction of a millisecond); BadAudio."""
    name = os.path.basename(path)
    try:
        info = soundfile.info(os.fspath(path))
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise BadAudio(_why(path, name, error)) from None
    return {
        "duration_s": info.frames / info.samplerate,
        "sample_rate": info.samplerate,
        "channels": info.channels,
        "format": info.format,
    }


def audio_duration(path: str | Path) -> float:
    """Seconds, from the header; BadAudio where there is no readable header."""
    return float(audio_facts(path)["duration_s"])
