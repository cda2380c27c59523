"""Augmentation of training batches, drawn from one generator: the same seed, epoch and step give the same batch.

Feature augmentations act on what the cache holds; wave augmentations on 16 kHz audio before features are computed.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional as F


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
            changed = WAVES[names[which]](waves[i].numpy(), np.random.default_rng(seed))
            out[i] = torch.from_numpy(np.ascontiguousarray(changed, dtype=np.float32))
    return out


def wave_noise(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Coloured noise (white to brown) at 10 to 40 dB below the speech."""
    spectrum = np.fft.rfft(rng.standard_normal(len(wave)))
    spectrum /= np.maximum(np.arange(len(spectrum)), 1.0) ** rng.uniform(0.0, 1.0)
    return wave + _at_snr(np.fft.irfft(spectrum, len(wave)), wave, rng.uniform(10.0, 40.0))


def _at_snr(noise: np.ndarray, wave: np.ndarray, decibels: float) -> np.ndarray:
    """Noise scaled to lie `decibels` below the wave's root mean square."""
    ratio = np.sqrt(np.mean(wave**2) / max(float(np.mean(noise**2)), 1e-20))
    return noise * ratio * 10 ** (-decibels / 20)


def wave_gain(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Up to 10 dB softer or louder, clipped at full scale as a recorder clips."""
    return np.clip(wave * 10 ** (rng.uniform(-10, 10) / 20), -1.0, 1.0)


def reverb(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A room: exponentially decaying noise of 0.1 to 0.6 s (T60) behind the direct sound, level kept."""
    from scipy.signal import fftconvolve

    t60 = rng.uniform(0.1, 0.6)
    time = np.arange(int(t60 * 16000)) / 16000
    tail = rng.standard_normal(len(time)) * 10 ** (-3 * time / t60)
    response = np.concatenate([[1.0], tail * rng.uniform(0.05, 0.3) / np.sqrt(np.sum(tail**2)) * 2])
    wet = fftconvolve(wave, response)[: len(wave)]
    return wet * np.sqrt(np.mean(wave**2) / max(float(np.mean(wet**2)), 1e-20))


def telephone(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """300 to 3,400 Hz and 8-bit mu-law, as a fixed line carries speech (ITU-T G.711)."""
    from scipy.signal import butter, sosfiltfilt

    narrow = sosfiltfilt(butter(4, [300, 3400], "bandpass", fs=16000, output="sos"), wave)
    peak = max(float(np.abs(narrow).max()), 1e-9)
    compressed = np.sign(narrow) * np.log1p(255 * np.abs(narrow) / peak) / np.log(256)
    rounded = np.round(compressed * 127) / 127
    return np.sign(rounded) * (256 ** np.abs(rounded) - 1) / 255 * peak


def codec(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Through MP3, Vorbis or Opus and back, at a drawn quality."""
    import soundfile

    container, subtype = [("MP3", "MPEG_LAYER_III"), ("OGG", "VORBIS"), ("OGG", "OPUS")][rng.integers(3)]
    buffer = io.BytesIO()
    level = float(rng.uniform(0.2, 0.95))
    with soundfile.SoundFile(
        buffer, "w", 16000, 1, format=container, subtype=subtype, compression_level=level
    ) as file:
        file.write(wave.astype(np.float32))
    buffer.seek(0)
    decoded, _ = soundfile.read(buffer, dtype="float32")
    return np.resize(decoded, len(wave)) if len(decoded) < len(wave) else decoded[: len(wave)]


def rawboost(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Notch filters with a little harmonic distortion, then impulsive and stationary noise.

    After Tak et al. 2022 (RawBoost), sections 2.1 to 2.3, with ranges for speech at 16 kHz.
    """
    from scipy.signal import fftconvolve, firwin2

    out = np.zeros(len(wave))
    for power in (1, 2, 3):
        grid = np.linspace(0, 8000, 65)
        gains = np.ones(65)
        for _ in range(rng.integers(1, 5)):
            centre, width = rng.uniform(20, 8000), rng.uniform(100, 1000)
            gains[np.abs(grid - centre) < width / 2] *= 10 ** (-rng.uniform(5, 30) / 20)
        shaped = fftconvolve(wave**power, firwin2(129, grid, gains, fs=16000), "same")
        out += shaped * 10 ** (-(power - 1) * rng.uniform(5, 20) / 20)
    hit = rng.random(len(out)) < rng.uniform(0, 0.005)
    out = out + hit * rng.uniform(-1, 1, len(out)) * np.abs(out) * 2
    return out + _at_snr(rng.standard_normal(len(out)), out, rng.uniform(15, 40))


WAVES = {
    "noise": wave_noise,
    "gain": wave_gain,
    "reverb": reverb,
    "telephone": telephone,
    "codec": codec,
    "rawboost": rawboost,
}
