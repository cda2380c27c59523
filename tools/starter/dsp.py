"""Signal measures and small operations. All audio is float32 mono at SAMPLE_RATE unless a name says
otherwise."""

from __future__ import annotations

import numpy as np
import scipy.ndimage
import scipy.signal
import soxr

SAMPLE_RATE = 16000
HOP = 160  # samples: frames of 10 ms
ACTIVE_DB = -35.0  # a frame is speech above this level relative to the 95th percentile of the frames
BAND_EDGES_HZ = (100.0, 500.0, 1000.0, 2000.0, 3300.0, 5000.0, 7500.0)


def resample(wave: np.ndarray, rate_in: int, rate_out: int) -> np.ndarray:
    """(samples,) at rate_in -> (samples,) at rate_out."""
    wave = np.asarray(wave, np.float32)
    return (
        wave
        if rate_in == rate_out
        else soxr.resample(wave, rate_in, rate_out, quality="HQ").astype(np.float32)
    )


def rms(wave: np.ndarray) -> float:
    """Root mean square over all samples."""
    return float(np.sqrt(np.mean(np.square(wave, dtype=np.float64)) + 1e-12))


def frame_energies(wave: np.ndarray) -> np.ndarray:
    """(samples,) -> (frames,) mean power of each 10 ms frame."""
    n_frames = len(wave) // HOP
    return np.square(wave[: n_frames * HOP].reshape(n_frames, HOP), dtype=np.float64).mean(axis=1) + 1e-12


def active_frames(wave: np.ndarray) -> np.ndarray:
    """(samples,) -> (frames,) bool: speech within ACTIVE_DB of the loud frames."""
    level_db = 10 * np.log10(frame_energies(wave))
    return level_db > np.percentile(level_db, 95) + ACTIVE_DB


def trim(wave: np.ndarray, pad_seconds: float = 0.0) -> np.ndarray:
    """Cut what stands before the first and after the last active frame, less `pad_seconds`."""
    if len(wave) < 2 * HOP:
        return wave
    active = np.flatnonzero(active_frames(wave))
    pad = int(pad_seconds * SAMPLE_RATE)
    return wave[max(0, active[0] * HOP - pad) : (active[-1] + 1) * HOP + pad]


def active_level(wave: np.ndarray) -> float:
    """RMS over the active frames only."""
    if len(wave) < 2 * HOP:
        return rms(wave)
    return float(np.sqrt(frame_energies(wave)[active_frames(wave)].mean()))


def at_level(wave: np.ndarray, level: float = 0.05) -> np.ndarray:
    """Scaled so that its active frames have this RMS."""
    return (wave * (level / active_level(wave))).astype(np.float32)


def join(pieces: list[np.ndarray], overlap: int = 320) -> np.ndarray:
    """Put pieces one after the other with a cross-fade of `overlap` samples (20 ms)."""
    out = pieces[0].astype(np.float32)
    for piece in pieces[1:]:
        n = min(overlap, len(out), len(piece))
        ramp = np.linspace(0, 1, n, dtype=np.float32)
        seam = out[len(out) - n :] * (1 - ramp) + piece[:n] * ramp
        out = np.concatenate([out[: len(out) - n], seam, piece[n:]])
    return out


def shorten_pauses(wave: np.ndarray, longest_seconds: float) -> np.ndarray:
    """Cut the middle out of every pause longer than this."""
    active = active_frames(wave)
    keep_frames = int(longest_seconds * SAMPLE_RATE / HOP) // 2
    edges = np.flatnonzero(np.diff(np.r_[1, active.astype(int), 1]))
    pieces, start = [], 0
    for pause_start, pause_end in zip(edges[::2], edges[1::2], strict=True):
        if pause_end - pause_start > 2 * keep_frames:
            pieces.append(wave[start : (pause_start + keep_frames) * HOP])
            start = (pause_end - keep_frames) * HOP
    pieces.append(wave[start:])
    return join([piece for piece in pieces if len(piece)], overlap=80)


_LOW_PASS = scipy.signal.firwin(257, 7500, fs=SAMPLE_RATE)
_HIGH_PASS = scipy.signal.butter(6, 100, "high", fs=SAMPLE_RATE, output="sos")


def band_limit(wave: np.ndarray) -> np.ndarray:
    """Keep 100 Hz ... 7.5 kHz."""
    low = scipy.signal.fftconvolve(wave, _LOW_PASS, "same")
    return scipy.signal.sosfilt(_HIGH_PASS, low).astype(np.float32)


def band_limit_steeply(wave: np.ndarray) -> np.ndarray:
    """`band_limit`, and once more below 100 Hz in both directions of time: hum and breath are gone."""
    return scipy.signal.sosfiltfilt(_HIGH_PASS, band_limit(wave)).astype(np.float32)


def compress(wave: np.ndarray, threshold_db: float = 4.0, ratio: float = 4.0) -> np.ndarray:
    """Frames louder than the RMS plus threshold_db are turned down to 1/ratio of their excess."""
    level_db = 10 * np.log10(frame_energies(wave)) - 20 * np.log10(rms(wave))
    excess = scipy.ndimage.maximum_filter1d(np.maximum(level_db - threshold_db, 0.0), 3)
    gain_db = -(1 - 1 / ratio) * scipy.ndimage.uniform_filter1d(excess, 3)
    centres = (np.arange(len(gain_db)) + 0.5) * HOP
    return (wave * 10 ** (np.interp(np.arange(len(wave)), centres, gain_db) / 20)).astype(np.float32)


def band_levels(wave: np.ndarray) -> np.ndarray:
    """(samples,) -> (6,) level of each band of BAND_EDGES_HZ in dB relative to the whole."""
    frequency, power = scipy.signal.welch(wave, SAMPLE_RATE, nperseg=512)
    edges = BAND_EDGES_HZ
    bands = [power[(frequency >= low) & (frequency < high)].sum() for low, high in zip(edges, edges[1:])]
    return 10 * np.log10(np.array(bands) / power.sum() + 1e-9)


def equalise(wave: np.ndarray, target_levels: np.ndarray, limit_db: float = 12.0) -> np.ndarray:
    """Move the six band levels towards `target_levels` by a smooth linear-phase filter of at most
    limit_db."""
    edges = np.array(BAND_EDGES_HZ)
    centres = np.sqrt(edges[:-1] * edges[1:])
    gains = np.zeros(len(centres))
    out = wave
    grid = np.linspace(0, SAMPLE_RATE / 2, 257)
    for _ in range(3):
        gains = np.clip(gains + target_levels - band_levels(out), -limit_db, limit_db)
        curve = np.interp(np.log(grid + 1), np.log(centres + 1), gains)
        taps = scipy.signal.firwin2(257, grid / (SAMPLE_RATE / 2), 10 ** (curve / 20))
        out = scipy.signal.fftconvolve(wave, taps, "same")
    return out.astype(np.float32)


def mean_log_f0(f0: np.ndarray) -> tuple[float, float]:
    """(frames,) F0 in Hz, 0 where unvoiced -> mean and standard deviation of ln F0; (5, 0.2) with no
    voice."""
    voiced = f0[f0 > 0]
    if len(voiced) < 5:
        return 5.0, 0.2
    return float(np.log(voiced).mean()), float(np.log(voiced).std())
