"""Spectral features of a batch of waves, from one short-time Fourier transform, and the matrices they are made of.

Inside, arrays run (batch, frames, frequencies), as the transform leaves them; what is returned runs (batch, rows,
frames), as it is drawn. Waves are float (batch, samples) at `setting.sample_rate`, in memory of the CPU.
Values follow librosa's definitions. The matrices are small and worth a look: `plt.imshow(filter_bank(setting))`.
"""

from __future__ import annotations

import math
from functools import lru_cache

import librosa
import numpy as np
import torch
from torch.nn.functional import pad
from torchaudio.functional import compute_deltas, create_dct, linear_fbanks, melscale_fbanks

from helpers.features.settings import FeatureSetting

DECIBELS = 10.0 / math.log(10.0)
SMALLEST = 1.1754944e-38  # the smallest normal float32: a sum below it is no sum


def frequencies(setting: FeatureSetting) -> np.ndarray:
    """(n_frequencies,) Hz of the bins of one spectrum."""
    return np.linspace(0.0, setting.sample_rate / 2, setting.n_frequencies)


@lru_cache(maxsize=32)
def window(setting: FeatureSetting) -> torch.Tensor:
    """(n_fft,) periodic Hann window of win_length, zeros on both sides."""
    hann = torch.hann_window(setting.window_samples, periodic=True, dtype=torch.float64)
    left = (setting.n_fft - setting.window_samples) // 2
    return pad(hann, (left, setting.n_fft - setting.window_samples - left)).float()


@lru_cache(maxsize=32)
def filter_bank(setting: FeatureSetting) -> torch.Tensor:
    """(n_bands, n_frequencies) triangles: evenly spaced in mel, or in Hz where setting.filters is "linear"."""
    rate, top = setting.sample_rate, setting.sample_rate / 2
    if setting.filters == "linear":
        return linear_fbanks(setting.n_frequencies, setting.f_min, top, setting.n_bands, rate).T
    bank = melscale_fbanks(
        setting.n_frequencies, setting.f_min, top, setting.n_bands, rate, "slaney", "slaney"
    )
    return bank.T


def band_centres(setting: FeatureSetting) -> np.ndarray:
    """(n_bands,) Hz: where each triangle of filter_bank has its peak."""
    low, high, n_edges = setting.f_min, setting.sample_rate / 2, setting.n_bands + 2
    linear = setting.filters == "linear"
    edges = (
        np.linspace(low, high, n_edges) if linear else librosa.mel_frequencies(n_edges, fmin=low, fmax=high)
    )
    return edges[1:-1]


@lru_cache(maxsize=32)
def dct_matrix(n_coefficients: int, n_bands: int) -> torch.Tensor:
    """(n_coefficients, n_bands), the orthonormal cosine transform of type II: its rows are cosines of rising speed."""
    return create_dct(n_coefficients, n_bands, "ortho").T


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


def stft_power(waves: torch.Tensor, setting: FeatureSetting) -> torch.Tensor:
    """(batch, frames, n_frequencies) squared magnitudes; frame t is centred on sample t * hop_length.

    torchaudio's Spectrogram gives the same in twice the time.
    """
    half = setting.n_fft // 2
    frames = pad(waves, (half, half)).unfold(-1, setting.n_fft, setting.hop_length)
    spectrum = torch.fft.rfft(frames * window(setting))
    # Three times as fast as abs() ** 2, which takes a root to square it again.
    return spectrum.real.square().addcmul_(spectrum.imag, spectrum.imag)


def decibels(power: torch.Tensor, setting: FeatureSetting) -> torch.Tensor:
    """10 log10 of power, floored at log_floor and at top_db below the loudest value of each clip."""
    level = power.clamp_min(setting.log_floor).log_().mul_(DECIBELS)
    if setting.top_db:
        loudest = level.flatten(1).amax(1).view(-1, *[1] * (level.ndim - 1))
        level = torch.maximum(level, loudest - setting.top_db)
    return level


def log_spectrogram(power: torch.Tensor, setting: FeatureSetting) -> torch.Tensor:
    """Power (batch, frames, n_frequencies) -> (batch, n_frequencies, frames), natural log, not normalised."""
    return power.clamp_min(setting.log_floor).log_().transpose(1, 2)


def log_mel(power: torch.Tensor, setting: FeatureSetting) -> torch.Tensor:
    """Power -> (batch, n_bands, frames), natural log of filtered power, not normalised."""
    return (power @ filter_bank(setting).T).clamp_min_(setting.log_floor).log_().transpose(1, 2)


def cepstrum(power: torch.Tensor, setting: FeatureSetting) -> torch.Tensor:
    """Power -> (batch, n_coefficients, frames): decibels of the bank, cosine transform."""
    level = decibels(power @ filter_bank(setting).T, setting)
    return (level @ dct_matrix(setting.n_coefficients, setting.n_bands).T).transpose(1, 2)


def cepstra(power: torch.Tensor, setting: FeatureSetting) -> torch.Tensor:
    """Power -> (batch, n_coefficients * (deltas + 1), frames): MFCC on mel filters, LFCC on linear ones, then their
    differences over 7 frames."""
    orders = [cepstrum(power, setting)]
    for _ in range(setting.deltas):
        orders.append(compute_deltas(orders[-1], 7))
    return torch.cat(orders, dim=1)


def chroma(power: torch.Tensor, setting: FeatureSetting, tuning: float = 0.0) -> torch.Tensor:
    """Power -> (batch, n_bands, frames) in 0..1: power by pitch class, C first, each frame's strongest class 1.

    Tuned to A4 = 440 Hz: librosa estimates the tuning of each clip unless told, speech has none.
    """
    classes = (power @ chroma_filters(setting, tuning).T).transpose(1, 2)
    strongest = classes.amax(1, keepdim=True)
    return classes / torch.where(strongest < SMALLEST, 1.0, strongest)


def contrast(power: torch.Tensor, setting: FeatureSetting) -> torch.Tensor:
    """Power -> (batch, bands + 1, frames) dB between the loudest and the softest fiftieth of each octave band (Jiang
    2002). Decibels are taken of magnitudes as if they were power, as librosa does.
    """
    magnitude = power.sqrt()
    edges, bins = contrast_edges(setting), frequencies(setting)
    peaks, valleys = [], []
    for band, (low, high) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        inside = np.flatnonzero((bins >= low) & (bins <= high))
        last = band == len(edges) - 2
        first_bin = inside[0] - (band > 0)
        n_bins = (len(bins) if last else inside[-1] + 1) - first_bin
        n_extreme = max(int(np.rint(0.02 * n_bins)), 1)
        kept = n_bins if last else n_bins - 1
        # numpy's vectorised sort is twenty times as fast as torch's
        ordered = torch.from_numpy(np.sort(magnitude[..., first_bin : first_bin + kept].numpy(), axis=-1))
        valleys.append(ordered[..., :n_extreme].mean(-1))
        peaks.append(ordered[..., -n_extreme:].mean(-1))
    return decibels(torch.stack(peaks, 1), setting) - decibels(torch.stack(valleys, 1), setting)


def zero_crossing_rate(waves: torch.Tensor, setting: FeatureSetting) -> torch.Tensor:
    """(batch, 1, frames) in 0..1: the share of the n_fft samples around each frame at which the sign changes."""
    half = setting.n_fft // 2
    negative = pad(waves[:, None], (half, half), mode="replicate")[:, 0] < -1e-10
    changes = (negative[:, 1:] != negative[:, :-1]).to(torch.int32)
    before = pad(changes.cumsum(-1), (1, 0))  # before[i]: changes among the first i + 1 samples
    starts = torch.arange(0, negative.shape[1] - setting.n_fft + 1, setting.hop_length)
    count = before[:, starts + setting.n_fft - 1] - before[:, starts]
    return (count.to(waves.dtype) / setting.n_fft)[:, None]


def mfcc_contrast_zcr(waves: torch.Tensor, setting: FeatureSetting) -> torch.Tensor:
    """(batch, n_coefficients + 7 + 1, frames): MFCC, spectral contrast and zero-crossing rate from one transform."""
    power = stft_power(waves, setting)
    parts = [cepstrum(power, setting), contrast(power, setting), zero_crossing_rate(waves, setting)]
    return torch.cat(parts, dim=1)
