"""Spectral features of a batch of waves, from one short-time Fourier transform.

Inside, arrays run (batch, frames, frequencies), as the transform leaves them; what is returned runs (batch, rows,
frames), as it is drawn. Every function takes float (batch, samples) at `setting.sample_rate` and keeps its device.
Values follow librosa's definitions unless the setting says otherwise.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn.functional import pad
from torchaudio.functional import compute_deltas

from helpers.features.filters import (
    chroma_filters,
    contrast_edges,
    dct_matrix,
    filter_bank,
    frequencies,
    window,
)
from helpers.features.settings import FeatureSetting

DECIBELS = 10.0 / math.log(10.0)
SMALLEST = 1.1754944e-38  # the smallest normal float32: a sum below it is no sum


def stft_power(waves: torch.Tensor, setting: FeatureSetting) -> torch.Tensor:
    """(batch, frames, n_frequencies) squared magnitudes; frame t is centred on sample t * hop_length.

    torchaudio's Spectrogram gives the same in twice the time.
    """
    half = setting.n_fft // 2
    if setting.pad_mode == "reflect":
        padded = pad(waves[:, None], (half, half), mode="reflect")[:, 0]
    else:
        padded = pad(waves, (half, half))
    frames = padded.unfold(-1, setting.n_fft, setting.hop_length)
    spectrum = torch.fft.rfft(frames * window(setting).to(waves.device))
    # Three times as fast as abs() ** 2, which takes a root to square it again.
    return spectrum.real.square().addcmul_(spectrum.imag, spectrum.imag)


def decibels(power: torch.Tensor, setting: FeatureSetting) -> torch.Tensor:
    """10 log10 of power, floored at log_floor and at top_db below the loudest value of each clip."""
    level = power.clamp_min(setting.log_floor).log_().mul_(DECIBELS)
    if setting.top_db:
        loudest = level.flatten(1).amax(1).view(-1, *[1] * (level.ndim - 1))
        level = torch.maximum(level, loudest - setting.top_db)
    return level


def log_spectrogram(waves: torch.Tensor, setting: FeatureSetting) -> torch.Tensor:
    """(batch, n_frequencies, frames), natural log of power, not normalised."""
    return stft_power(waves, setting).clamp_min_(setting.log_floor).log_().transpose(1, 2)


def log_mel(waves: torch.Tensor, setting: FeatureSetting) -> torch.Tensor:
    """(batch, n_bands, frames), natural log of filtered power, not normalised."""
    bands = stft_power(waves, setting) @ filter_bank(setting).T.to(waves.device)
    return bands.clamp_min_(setting.log_floor).log_().transpose(1, 2)


def cepstrum(power: torch.Tensor, setting: FeatureSetting) -> torch.Tensor:
    """Power (batch, frames, n_frequencies) -> (batch, n_coefficients, frames): decibels of the bank, cosine transform."""
    level = decibels(power @ filter_bank(setting).T.to(power.device), setting)
    coefficients = level @ dct_matrix(setting.n_coefficients, setting.n_bands).T.to(power.device)
    return coefficients.transpose(1, 2)


def cepstra(waves: torch.Tensor, setting: FeatureSetting) -> torch.Tensor:
    """(batch, n_coefficients * (deltas + 1), frames): MFCC on mel filters, LFCC on linear ones, then their differences."""
    orders = [cepstrum(stft_power(waves, setting), setting)]
    for _ in range(setting.deltas):
        orders.append(compute_deltas(orders[-1], setting.delta_window))
    return torch.cat(orders, dim=1)


def chroma(waves: torch.Tensor, setting: FeatureSetting) -> torch.Tensor:
    """(batch, n_bands, frames) in 0..1: power by pitch class, C first, each frame's strongest class 1.

    Tuned to A4 = 440 Hz: librosa estimates the tuning of each clip unless told, speech has none.
    """
    return chroma_of(stft_power(waves, setting), setting)


def chroma_of(power: torch.Tensor, setting: FeatureSetting, tuning: float = 0.0) -> torch.Tensor:
    """Power (batch, frames, n_frequencies) -> (batch, n_bands, frames) in 0..1."""
    classes = (power @ chroma_filters(setting, tuning).T.to(power.device)).transpose(1, 2)
    strongest = classes.amax(1, keepdim=True)
    return classes / torch.where(strongest < SMALLEST, 1.0, strongest)


def spectral_contrast(waves: torch.Tensor, setting: FeatureSetting) -> torch.Tensor:
    """(batch, bands + 1, frames) dB between the loudest and the softest fiftieth of each octave band (Jiang 2002)."""
    return contrast_of(stft_power(waves, setting), setting)


def contrast_of(power: torch.Tensor, setting: FeatureSetting) -> torch.Tensor:
    """Power (batch, frames, n_frequencies) -> (batch, bands + 1, frames) dB.

    Decibels are taken of magnitudes as if they were power, as librosa does.
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
        ordered = sort_last(magnitude[..., first_bin : first_bin + kept])
        valleys.append(ordered[..., :n_extreme].mean(-1))
        peaks.append(ordered[..., -n_extreme:].mean(-1))
    return decibels(torch.stack(peaks, 1), setting) - decibels(torch.stack(valleys, 1), setting)


def sort_last(values: torch.Tensor) -> torch.Tensor:
    """Ascending along the last axis; on a CPU by numpy, whose vectorised sort is twenty times as fast as torch's."""
    if values.device.type == "cpu" and not values.requires_grad:
        return torch.from_numpy(np.sort(values.numpy(), axis=-1))
    return values.sort(dim=-1).values


def zero_crossing_rate(waves: torch.Tensor, setting: FeatureSetting) -> torch.Tensor:
    """(batch, 1, frames) in 0..1: the share of the n_fft samples around each frame at which the sign changes."""
    half = setting.n_fft // 2
    negative = pad(waves[:, None], (half, half), mode="replicate")[:, 0] < -1e-10
    changes = (negative[:, 1:] != negative[:, :-1]).to(torch.int32)
    before = pad(changes.cumsum(-1), (1, 0))  # before[i]: changes among the first i + 1 samples
    starts = torch.arange(0, negative.shape[1] - setting.n_fft + 1, setting.hop_length, device=waves.device)
    count = before[:, starts + setting.n_fft - 1] - before[:, starts]
    return (count.to(waves.dtype) / setting.n_fft)[:, None]


def mfcc_contrast_zcr(waves: torch.Tensor, setting: FeatureSetting) -> torch.Tensor:
    """(batch, n_coefficients + 7 + 1, frames): MFCC, spectral contrast and zero-crossing rate from one transform."""
    power = stft_power(waves, setting)
    parts = [cepstrum(power, setting), contrast_of(power, setting), zero_crossing_rate(waves, setting)]
    return torch.cat(parts, dim=1)
