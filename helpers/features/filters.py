"""The matrices that features are made of: filter banks, the cosine transform, the window. Rows are filters.

Each is small and worth looking at: `plt.imshow(mel_filters(setting))`.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch

from helpers.features.settings import FeatureSetting


def hz_to_mel(hz: np.ndarray, scale: str = "slaney") -> np.ndarray:
    """Slaney: linear to 1 kHz, then logarithmic (Auditory Toolbox, 1998); htk: 2595 log10(1 + f / 700)."""
    hz = np.asarray(hz, dtype=np.float64)
    if scale == "htk":
        return 2595.0 * np.log10(1.0 + hz / 700.0)
    above = 15.0 + 27.0 * np.log(np.maximum(hz, 1000.0) / 1000.0) / math.log(6.4)
    return np.where(hz < 1000.0, 3.0 * hz / 200.0, above)


def mel_to_hz(mel: np.ndarray, scale: str = "slaney") -> np.ndarray:
    """The way back of hz_to_mel."""
    mel = np.asarray(mel, dtype=np.float64)
    if scale == "htk":
        return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    above = 1000.0 * np.exp(math.log(6.4) * (np.maximum(mel, 15.0) - 15.0) / 27.0)
    return np.where(mel < 15.0, 200.0 * mel / 3.0, above)


def filter_edges(setting: FeatureSetting) -> np.ndarray:
    """(n_bands + 2,) Hz: filter i rises from edge i to edge i + 1, its centre, and falls to edge i + 2."""
    low, high = setting.f_min, setting.top_frequency
    if setting.filters == "linear":
        return np.linspace(low, high, setting.n_bands + 2)
    ends = hz_to_mel(np.array([low, high]), setting.mel_scale)
    return mel_to_hz(np.linspace(ends[0], ends[1], setting.n_bands + 2), setting.mel_scale)


def triangles(edges: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """Triangular filters of height 1 between `edges`, seen at `frequencies` -> (len(edges) - 2, len(frequencies))."""
    rise = (frequencies - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - frequencies) / (edges[2:] - edges[1:-1])[:, None]
    return np.clip(np.minimum(rise, fall), 0.0, None)


def frequencies(setting: FeatureSetting) -> np.ndarray:
    """(n_frequencies,) Hz of the bins of one spectrum."""
    return np.linspace(0.0, setting.sample_rate / 2, setting.n_frequencies)


@lru_cache(maxsize=32)
def filter_bank(setting: FeatureSetting) -> torch.Tensor:
    """(n_bands, n_frequencies): the bank that `setting` names, mel or linear."""
    edges = filter_edges(setting)
    bank = triangles(edges, frequencies(setting))
    if setting.filters == "mel" and setting.mel_scale == "slaney":
        bank *= (2.0 / (edges[2:] - edges[:-2]))[:, None]
    return torch.from_numpy(bank.astype(np.float32))


def mel_filters(setting: FeatureSetting) -> torch.Tensor:
    """(n_bands, n_frequencies) triangles evenly spaced in mel, whatever `setting.filters` says."""
    return filter_bank(_with_filters(setting, "mel"))


def linear_filters(setting: FeatureSetting) -> torch.Tensor:
    """(n_bands, n_frequencies) triangles evenly spaced in Hz, whatever `setting.filters` says."""
    return filter_bank(_with_filters(setting, "linear"))


def _with_filters(setting: FeatureSetting, name: str) -> FeatureSetting:
    return FeatureSetting(**{**setting.to_dict(), "filters": name})


@lru_cache(maxsize=32)
def dct_matrix(n_coefficients: int, n_bands: int) -> torch.Tensor:
    """(n_coefficients, n_bands), the orthonormal cosine transform of type II: its rows are cosines of rising speed."""
    k, n = np.arange(n_coefficients)[:, None], np.arange(n_bands)[None, :]
    matrix = np.cos(np.pi * k * (n + 0.5) / n_bands) * math.sqrt(2.0 / n_bands)
    matrix[0] /= math.sqrt(2.0)
    return torch.from_numpy(matrix.astype(np.float32))


@lru_cache(maxsize=32)
def window(setting: FeatureSetting) -> torch.Tensor:
    """(n_fft,) periodic Hann window of win_length, zeros on both sides."""
    hann = torch.hann_window(setting.window_samples, periodic=True, dtype=torch.float64)
    left = (setting.n_fft - setting.window_samples) // 2
    right = setting.n_fft - setting.window_samples - left
    return torch.nn.functional.pad(hann, (left, right)).float()


@lru_cache(maxsize=256)
def chroma_filters(setting: FeatureSetting, tuning: float = 0.0) -> torch.Tensor:
    """(n_bands, n_frequencies): how much each bin belongs to each pitch class, C first.

    `tuning` is the deviation from A4 = 440 Hz in pitch classes. Bumps of Gaussian shape around each pitch in every
    octave, each bin's weights of unit length, octaves far from the fifth damped (Ellis, chroma features, 2007).
    """
    n = setting.n_bands
    reference = 440.0 / 16.0 * 2.0 ** (tuning / n)
    bins = np.linspace(0, setting.sample_rate, setting.n_fft, endpoint=False)[1:]
    pitch = n * np.log2(bins / reference)
    pitch = np.concatenate([[pitch[0] - 1.5 * n], pitch])  # 0 Hz: one and a half octaves below the first bin
    width = np.concatenate([np.maximum(np.diff(pitch), 1.0), [1.0]])
    half = round(n / 2)
    distance = np.remainder(pitch - np.arange(n)[:, None] + half + 10 * n, n) - half
    weights = np.exp(-0.5 * (2.0 * distance / width) ** 2)
    weights /= np.linalg.norm(weights, axis=0, keepdims=True)
    weights *= np.exp(-0.5 * ((pitch / n - 5.0) / 2.0) ** 2)
    weights = np.roll(weights, -3 * (n // 12), axis=0)
    return torch.from_numpy(weights[:, : setting.n_frequencies].astype(np.float32))


def contrast_edges(setting: FeatureSetting) -> np.ndarray:
    """(8,) Hz: 0, f_min and its octaves, the six of librosa's default (`n_bands` of a contrast setting, else 6)."""
    n_octaves = setting.n_bands if setting.kind == "contrast" else 6
    lowest = setting.f_min or 200.0
    return np.concatenate([[0.0], lowest * 2.0 ** np.arange(n_octaves + 1)])
