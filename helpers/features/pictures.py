"""Pictures of sound as a plotting library would draw them, by array operations: 0 is paper, 1 is ink."""

from __future__ import annotations

from functools import lru_cache

import torch

from helpers.features.settings import FeatureSetting
from helpers.features.spectral import decibels, stft_power


def waveform_picture(waves: torch.Tensor, setting: FeatureSetting) -> torch.Tensor:
    """(batch, samples) -> (batch, 1, size, size): each column inked from the lowest to the highest sample in it.

    The vertical axis is stretched to each clip's own peak, as plotting libraries do. A column begins with the last
    sample of the one before, so that the line never breaks; it is at least one pixel thick.
    """
    n, size = len(waves), setting.size
    low, high = envelope(waves, size)
    peak = torch.maximum(high.amax(1), -low.amin(1)).clamp_min(1e-9)[:, None]
    top = (1.0 - high / peak) * 0.5 * (size - 1)  # rows count downwards
    bottom = (1.0 - low / peak) * 0.5 * (size - 1) + 1.0
    row = torch.arange(size, dtype=waves.dtype, device=waves.device)[:, None]
    # Part of the pixel row..row+1 that lies between top and bottom.
    ink = torch.minimum(bottom[:, None], row + 1.0) - torch.maximum(top[:, None], row)
    return ink.clamp_(0.0, 1.0).view(n, 1, size, size)


def envelope(waves: torch.Tensor, columns: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(batch, samples) -> lowest and highest sample of each column, both (batch, columns); as many samples or more."""
    n, samples = waves.shape
    if samples < columns:
        raise ValueError(f"a picture {columns} pixels wide needs as many samples, got {samples}")
    width = -(-samples // columns)  # the same for all columns: they overlap where it does not divide
    starts = torch.linspace(0, samples - width, columns, device=waves.device).round().long()
    joined = torch.cat([waves[:, :1], waves], dim=1)  # column i then starts one sample early
    pieces = joined[:, starts[:, None] + torch.arange(width + 1, device=waves.device)]
    return pieces.amin(-1), pieces.amax(-1)


def spectrogram_picture(waves: torch.Tensor, setting: FeatureSetting) -> torch.Tensor:
    """(batch, samples) -> (batch, 1, size, size): decibels below the clip's loudest, top_db as 0 and 0 dB as 1.

    Time runs to the right, frequency from 0 Hz in the bottom row to half of the sample rate in the top one.
    """
    level = decibels(stft_power(waves, setting), setting)  # (batch, frames, frequencies)
    loudest = level.amax((1, 2), keepdim=True)
    ink = 1.0 + (level - loudest) / (setting.top_db or 80.0)
    across = resize_matrix(level.shape[1], setting.size).to(waves.device)
    upwards = resize_matrix(level.shape[2], setting.size).flip(0).to(waves.device)
    return (upwards @ ink.clamp_(0.0, 1.0).transpose(1, 2) @ across.T)[:, None]


@lru_cache(maxsize=32)
def resize_matrix(n_from: int, n_to: int) -> torch.Tensor:
    """(n_to, n_from) linear interpolation between pixel centres; each row sums to 1. Averages where it shrinks."""
    scale = n_from / n_to
    centres = (torch.arange(n_to, dtype=torch.float64) + 0.5) * scale - 0.5
    reach = max(scale, 1.0)
    distance = (torch.arange(n_from, dtype=torch.float64) - centres[:, None]).abs() / reach
    weights = (1.0 - distance).clamp_min(0.0)
    return (weights / weights.sum(1, keepdim=True)).float()
