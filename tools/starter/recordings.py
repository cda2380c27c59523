"""Recorded files -> units: stretches of one speaker's speech of about three to seven seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from .dsp import SAMPLE_RATE, active_frames, at_level, band_limit, join, resample, shorten_pauses, trim
from .seeds import generator
from .sources import Speaker, recordings

UNIT_SECONDS = 3.0  # a unit holds at least this much
LONGEST_SECONDS = 6.0  # longer recordings are cut at a pause
PAUSE_SECONDS = 0.2  # longer pauses are shortened to this
PIECE_PAD_SECONDS = 0.06  # of the room that stays on both sides of a recording


def _read_g722(path: Path) -> np.ndarray:
    """Raw G.722 (16 kHz, 64 kbit/s) -> (samples,)."""
    import av

    context = av.CodecContext.create("g722", "r")
    context.sample_rate = SAMPLE_RATE
    context.layout = "mono"
    frames = [frame.to_ndarray().reshape(-1) for frame in context.decode(av.Packet(path.read_bytes()))]
    return np.concatenate(frames).astype(np.float32) / 32768


def read(path: Path) -> np.ndarray:
    """Any of the packages' recordings -> (samples,) float32 at 16 kHz."""
    if path.suffix == ".g722":
        return _read_g722(path)
    wave, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return resample(wave.mean(axis=1), rate, SAMPLE_RATE)


def is_speech(wave: np.ndarray) -> bool:
    """False for silence, for clicks, and for beeps (most of the power within 30 Hz of one frequency)."""
    if len(wave) < 0.35 * SAMPLE_RATE or np.abs(wave).max() < 0.02:
        return False
    if active_frames(wave).sum() < 25:
        return False
    power = np.abs(np.fft.rfft(wave)) ** 2
    width = int(30 * len(wave) / SAMPLE_RATE)
    peak = int(power.argmax())
    return bool(power[max(0, peak - width) : peak + width + 1].sum() < 0.5 * power.sum())


def _cut_at_pauses(wave: np.ndarray) -> list[np.ndarray]:
    """Cut into stretches of 3 to 6 s at the quietest place of each window."""
    stretches = []
    start_of_search, end_of_search = int(UNIT_SECONDS * SAMPLE_RATE), int(LONGEST_SECONDS * SAMPLE_RATE)
    while len(wave) > end_of_search + start_of_search:
        window = wave[start_of_search:end_of_search] ** 2
        smooth = np.convolve(window, np.ones(800) / 800, "same")
        cut = start_of_search + int(smooth.argmin())
        stretches.append(wave[:cut])
        wave = wave[cut:]
    return [*stretches, wave]


def units(speaker: Speaker, packages: Path, n_most: int) -> list[np.ndarray]:
    """At most n_most units of a speaker, in an order drawn from the speaker's name. Short recordings are
    joined (with the room that stands around them as the pause), long ones cut; none is used twice."""
    paths = recordings(speaker, packages)
    generator("recordings", speaker.name).shuffle(paths)
    found: list[np.ndarray] = []
    waiting: list[np.ndarray] = []
    for path in paths:
        wave = read(path)
        if not is_speech(wave):
            continue
        wave = at_level(trim(band_limit(wave), PIECE_PAD_SECONDS))
        for stretch in _cut_at_pauses(wave):
            waiting.append(stretch)
            if sum(map(len, waiting)) >= UNIT_SECONDS * SAMPLE_RATE:
                unit = shorten_pauses(join(waiting), PAUSE_SECONDS)
                waiting = [] if len(unit) >= UNIT_SECONDS * SAMPLE_RATE else [unit]
                if not waiting:
                    found.append(at_level(unit))
        if len(found) >= n_most:
            break
    return found[:n_most]
