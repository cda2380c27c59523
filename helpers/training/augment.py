"""Augmentation of training batches, drawn from one generator: the same seed, epoch and step give the same batch.

Feature augmentations act on what the cache holds; wave augmentations (`helpers.data.effects`) on 16 kHz
audio before features are computed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional as F

from helpers.data.effects import EFFECTS


def augment_features(batch: torch.Tensor, names: Sequence[str], generator: torch.Generator) -> torch.Tensor:
    """(batch, bands, frames) or (batch, 1, height, width) -> the same shape. Each clip draws its own change."""
    picture = batch[:, None] if batch.ndim == 3 else batch
    for name in names:
        picture = FEATURES[name](picture, generator)
    return picture[:, 0] if batch.ndim == 3 else picture


def _uniform(n: int, low: float, high: float, generator: torch.Generator) -> torch.Tensor:
    return low + (high - low) * torch.rand(n, generator=generator)


def spec_augment(batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """One band of frequencies and one stretch of time set to the clip's mean (Park et al. 2019, SpecAugment, 2.)."""
    n, _, bands, frames = batch.shape
    mean = batch.mean(dim=(1, 2, 3), keepdim=True)
    for axis, size in ((2, bands), (3, frames)):
        widest = size // 6
        width = (torch.rand(n, generator=generator) * (widest + 1)).long()
        start = (torch.rand(n, generator=generator) * (size - width + 1)).long()
        index = torch.arange(size)
        masked = (index >= start[:, None]) & (index < (start + width)[:, None])  # (batch, size)
        shape = [n, 1, 1, 1]
        shape[axis] = size
        batch = torch.where(masked.view(shape).to(batch.device), mean, batch)
    return batch


def feature_noise(batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """White noise of up to a tenth of the clip's own standard deviation."""
    amount = _uniform(len(batch), 0.0, 0.1, generator).view(-1, 1, 1, 1).to(batch.device)
    noise = torch.randn(batch.shape, generator=generator).to(batch.device)
    return batch + amount * batch.std(dim=(1, 2, 3), keepdim=True) * noise


def feature_gain(batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A constant added to log features: up to 6 dB louder or softer (natural log of power)."""
    decibels = _uniform(len(batch), -6.0, 6.0, generator).view(-1, 1, 1, 1).to(batch.device)
    return batch + decibels * math.log(10.0) / 10.0


def flip(batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Half of the clips mirrored left to right, as photographs are. A mirrored spectrogram is speech played backwards."""
    chosen = (torch.rand(len(batch), generator=generator) < 0.5).view(-1, 1, 1, 1).to(batch.device)
    return torch.where(chosen, batch.flip(3), batch)


def affine(batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Rotation by up to 10 degrees, shift by up to a twentieth, scale 0.9 to 1.1, as picture classifiers do."""
    n, aspect = len(batch), batch.shape[2] / batch.shape[3]  # the grid is a square, whatever the picture
    angle = _uniform(n, -math.pi / 18, math.pi / 18, generator)
    scale = _uniform(n, 0.9, 1.1, generator)
    shift = _uniform(2 * n, -0.1, 0.1, generator).view(n, 2)
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 0, 1] = scale * torch.cos(angle), -scale * torch.sin(angle) * aspect
    theta[:, 1, 0], theta[:, 1, 1] = scale * torch.sin(angle) / aspect, scale * torch.cos(angle)
    theta[:, :, 2] = shift
    grid = F.affine_grid(theta.to(batch.device), list(batch.shape), align_corners=False)
    return F.grid_sample(batch, grid, padding_mode="border", align_corners=False)


FEATURES = {
    "specaugment": spec_augment,
    "noise": feature_noise,
    "gain": feature_gain,
    "flip": flip,
    "affine": affine,
}


def augment_waves(waves: torch.Tensor, names: Sequence[str], generator: torch.Generator) -> torch.Tensor:
    """(batch, samples) at 16 kHz -> the same shape. Each clip is changed by one of `names`, or, as often, by none."""
    choice = torch.randint(0, len(names) + 1, (len(waves),), generator=generator)
    seeds = torch.randint(0, 2**31, (len(waves),), generator=generator)
    out = waves.clone()
    for i, (which, seed) in enumerate(zip(choice.tolist(), seeds.tolist(), strict=True)):
        if which < len(names):
            changed = EFFECTS[names[which]](waves[i].numpy(), np.random.default_rng(seed))
            out[i] = torch.from_numpy(np.ascontiguousarray(changed, dtype=np.float32))
    return out
