"""Waves in, any feature out: the one function that caches, trainings on waves and the detector share."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

import numpy as np
import torch

from helpers.features import deep_voice, pictures, spectral
from helpers.features.settings import FeatureSetting

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


FUNCTIONS: dict[str, Callable[[torch.Tensor, FeatureSetting], torch.Tensor]] = {
    "wave": lambda waves, setting: waves,
    "logmel": spectral.log_mel,
    "logspec": spectral.log_spectrogram,
    "mfcc": spectral.cepstra,
    "lfcc": spectral.cepstra,
    "chroma": spectral.chroma,
    "contrast": spectral.spectral_contrast,
    "zcr": spectral.zero_crossing_rate,
    "mfcc_contrast_zcr": spectral.mfcc_contrast_zcr,
    "waveform_picture": pictures.waveform_picture,
    "spectrogram_picture": pictures.spectrogram_picture,
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
    with torch.set_grad_enabled(waves.requires_grad):
        features = FUNCTIONS[setting.kind](fit_length(waves.float(), setting.n_samples), setting)
    return features.contiguous()


@lru_cache(maxsize=64)
def feature_shape(setting: FeatureSetting) -> tuple[int, ...]:
    """The shape of one clip's feature."""
    return tuple(compute(torch.zeros(1, setting.n_samples), setting).shape[1:])
