"""The matrices that features are made of: filter banks, the cosine transform, the window. Rows are filters.

Each is small and worth looking at: `plt.imshow(mel_filters(setting))`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import librosa
import numpy as np
import torch
from torchaudio.functional import create_dct, linear_fbanks, melscale_fbanks

from helpers.features.settings import FeatureSetting


def frequencies(setting: FeatureSetting) -> np.ndarray:
    """(n_frequencies,) Hz of the bins of one spectrum."""
    return np.linspace(0.0, setting.sample_rate / 2, setting.n_frequencies)


@lru_cache(maxsize=32)
def filter_bank(setting: FeatureSetting) -> torch.Tensor:
    """(n_bands, n_frequencies) triangles: the bank that `setting` names, mel or linear."""
    shape = (
        setting.n_frequencies,
        setting.f_min,
        setting.top_frequency,
        setting.n_bands,
        setting.sample_rate,
    )
    if setting.filters == "linear":
        return linear_fbanks(*shape).T
    norm = "slaney" if setting.mel_scale == "slaney" else None  # filters of equal area, as librosa's
    return melscale_fbanks(*shape, norm, setting.mel_scale).T


def band_centres(setting: FeatureSetting) -> np.ndarray:
    """(n_bands,) Hz: where each triangle of filter_bank has its peak."""
    low, high = setting.f_min, setting.top_frequency
    if setting.filters == "linear":
        return np.linspace(low, high, setting.n_bands + 2)[1:-1]
    htk = setting.mel_scale == "htk"
    return librosa.mel_frequencies(setting.n_bands + 2, fmin=low, fmax=high, htk=htk)[1:-1]


def mel_filters(setting: FeatureSetting) -> torch.Tensor:
    """(n_bands, n_frequencies) triangles evenly spaced in mel, whatever `setting.filters` says."""
    return filter_bank(replace(setting, filters="mel"))


def linear_filters(setting: FeatureSetting) -> torch.Tensor:
    """(n_bands, n_frequencies) triangles evenly spaced in Hz, whatever `setting.filters` says."""
    return filter_bank(replace(setting, filters="linear"))


@lru_cache(maxsize=32)
def dct_matrix(n_coefficients: int, n_bands: int) -> torch.Tensor:
    """(n_coefficients, n_bands), the orthonormal cosine transform of type II: its rows are cosines of rising speed."""
    return create_dct(n_coefficients, n_bands, "ortho").T


@lru_cache(maxsize=32)
def window(setting: FeatureSetting) -> torch.Tensor:
    """(n_fft,) periodic Hann window of win_length, zeros on both sides."""
    hann = torch.hann_window(setting.window_samples, periodic=True, dtype=torch.float64)
    left = (setting.n_fft - setting.window_samples) // 2
    right = setting.n_fft - setting.window_samples - left
    return torch.nn.functional.pad(hann, (left, right)).float()


@lru_cache(maxsize=256)
def chroma_filters(setting: FeatureSetting, tuning: float = 0.0) -> torch.Tensor:
    """(n_bands, n_frequencies): how much each bin belongs to each pitch class, C first (Ellis, chroma features, 2007).

    `tuning` is the deviation from A4 = 440 Hz in pitch classes.
    """
    rate, n_fft = setting.sample_rate, setting.n_fft
    bank = librosa.filters.chroma(sr=rate, n_fft=n_fft, n_chroma=setting.n_bands, tuning=tuning)
    return torch.from_numpy(bank.astype(np.float32))


def contrast_edges(setting: FeatureSetting) -> np.ndarray:
    """(8,) Hz: 0, f_min and its octaves, the six of librosa's default (`n_bands` of a contrast setting, else 6)."""
    n_octaves = setting.n_bands if setting.kind == "contrast" else 6
    lowest = setting.f_min or 200.0
    return np.concatenate([[0.0], lowest * 2.0 ** np.arange(n_octaves + 1)])
