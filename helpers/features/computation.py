"""Waves in, any feature out: the one function that caches, trainings on waves and the detector share.

Pictures of sound are made as a plotting library would draw them, by array operations: 0 is paper, 1 is ink.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeVar

import numpy as np
import torch
from torch.nn.functional import interpolate

from helpers.features import deep_voice, spectral
from helpers.features.settings import FeatureSetting
from helpers.features.spectral import decibels, stft_power

Samples = TypeVar("Samples", np.ndarray, torch.Tensor)
LEVEL = 10 ** (-26 / 20)
MOST_GAIN = 10 ** (60 / 20)  # near silence stays silent


def fit_length(wave: Samples, n_samples: int) -> Samples:
    """(..., samples) -> (..., n_samples): cut from the start, or repeated from the start until it is long enough.

    Zeros are never added: how long they last would tell the class where spoofs are shorter. ValueError when empty.
    """
    length = wave.shape[-1]
    if length == 0:
        raise ValueError("an empty wave cannot be repeated")
    if length >= n_samples:
        return wave[..., :n_samples]
    repeats = -(-n_samples // length)
    if isinstance(wave, torch.Tensor):
        return wave.repeat(*[1] * (wave.ndim - 1), repeats)[..., :n_samples]
    return np.tile(wave, repeats)[..., :n_samples]


def level(waves: torch.Tensor) -> torch.Tensor:
    """(batch, samples) -> the same without offset, root mean square at -26 dB of full scale, the gain at most 60 dB.

    What cannot be heard (offset, scale, whole numbers kept as floats) changes no feature. -26 dB as in ITU-T P.56.
    """
    waves = waves - waves.mean(-1, keepdim=True)
    rms = waves.square().mean(-1, keepdim=True).sqrt()
    return waves * (LEVEL / rms.clamp_min(1e-9)).clamp_max(MOST_GAIN)


def waveform_picture(waves: torch.Tensor, setting: FeatureSetting) -> torch.Tensor:
    """(batch, samples) -> (batch, 1, size, size): each column inked from the lowest to the highest sample in it.

    The vertical axis is stretched to each clip's own peak, as plotting libraries do. A column begins with the last
    sample of the one before, so that the line never breaks; it is at least one pixel thick.
    """
    (n, samples), size = waves.shape, setting.size
    if samples < size:
        raise ValueError(f"a picture {size} pixels wide needs as many samples, got {samples}")
    width = -(-samples // size)  # the same for all columns: they overlap where it does not divide
    starts = torch.linspace(0, samples - width, size).round().long()
    joined = torch.cat([waves[:, :1], waves], dim=1)  # column i then starts one sample early
    pieces = joined[:, starts[:, None] + torch.arange(width + 1)]
    low, high = pieces.amin(-1), pieces.amax(-1)
    peak = torch.maximum(high.amax(1), -low.amin(1)).clamp_min(1e-9)[:, None]
    top = (1.0 - high / peak) * 0.5 * (size - 1)  # rows count downwards
    bottom = (1.0 - low / peak) * 0.5 * (size - 1) + 1.0
    row = torch.arange(size, dtype=waves.dtype)[:, None]
    # Part of the pixel row..row+1 that lies between top and bottom.
    ink = torch.minimum(bottom[:, None], row + 1.0) - torch.maximum(top[:, None], row)
    return ink.clamp_(0.0, 1.0).view(n, 1, size, size)


def spectrogram_picture(waves: torch.Tensor, setting: FeatureSetting) -> torch.Tensor:
    """(batch, samples) -> (batch, 1, size, size): decibels below the clip's loudest, top_db as 0 and 0 dB as 1.

    Time runs to the right, frequency from 0 Hz in the bottom row to half of the sample rate in the top one.
    """
    level = decibels(stft_power(waves, setting), setting)  # (batch, frames, frequencies)
    loudest = level.amax((1, 2), keepdim=True)
    ink = 1.0 + (level - loudest) / (setting.top_db or 80.0)
    picture = ink.clamp_(0.0, 1.0).transpose(1, 2).flip(1)[:, None]
    return interpolate(picture, (setting.size, setting.size), mode="bilinear", antialias=True)


OF_POWER = {
    "logmel": spectral.log_mel,
    "logspec": spectral.log_spectrogram,
    "mfcc": spectral.cepstra,
    "lfcc": spectral.cepstra,
    "chroma": spectral.chroma,
    "contrast": spectral.contrast,
}
OF_WAVES = {
    "wave": lambda waves, setting: waves,
    "zcr": spectral.zero_crossing_rate,
    "mfcc_contrast_zcr": spectral.mfcc_contrast_zcr,
    "waveform_picture": waveform_picture,
    "spectrogram_picture": spectrogram_picture,
    "deep_voice_26": deep_voice.deep_voice_26,
}


def compute(waves: torch.Tensor, setting: FeatureSetting) -> torch.Tensor:
    """(batch, samples) at setting.sample_rate -> (batch, *feature), float32: what the cache holds of the same audio.

    Longer waves are cut to setting.n_samples, shorter ones repeated, then brought to one level; the 26 means of
    DEEP-VOICE are taken at the file's own level, as its table was. ValueError as `feature_of`.
    """
    if waves.ndim == 2 and waves.is_floating_point():
        waves = fit_length(waves.float(), setting.n_samples)
        waves = waves if setting.kind == "deep_voice_26" else level(waves)
    return feature_of(waves, setting)


def feature_of(waves: torch.Tensor, setting: FeatureSetting) -> torch.Tensor:
    """The feature by its definition, at the level that the waves have: (batch, samples) -> (batch, *feature), float32.

    ValueError for anything but (batch, samples) of real numbers.
    """
    if waves.ndim != 2 or not waves.is_floating_point():
        raise ValueError(f"features need floats (batch, samples), got {waves.dtype} {tuple(waves.shape)}")
    waves = fit_length(waves.float(), setting.n_samples)
    if setting.kind in OF_POWER:
        return OF_POWER[setting.kind](spectral.stft_power(waves, setting), setting).contiguous()
    return OF_WAVES[setting.kind](waves, setting).contiguous()


@lru_cache(maxsize=64)
def feature_shape(setting: FeatureSetting) -> tuple[int, ...]:
    """The shape of one clip's feature."""
    return tuple(compute(torch.zeros(1, setting.n_samples), setting).shape[1:])
