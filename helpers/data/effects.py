"""What happens to sound on its way, each as (float (n,) at 16 kHz, generator) -> (n,): training and the page use the same."""

from __future__ import annotations

import io

import numpy as np
import soundfile
from scipy.signal import butter, fftconvolve, firwin2, sosfiltfilt


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
    t60 = rng.uniform(0.1, 0.6)
    time = np.arange(int(t60 * 16000)) / 16000
    tail = rng.standard_normal(len(time)) * 10 ** (-3 * time / t60)
    response = np.concatenate([[1.0], tail * rng.uniform(0.05, 0.3) / np.sqrt(np.sum(tail**2)) * 2])
    wet = fftconvolve(wave, response)[: len(wave)]
    return wet * np.sqrt(np.mean(wave**2) / max(float(np.mean(wet**2)), 1e-20))


def telephone(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """300 to 3,400 Hz and 8-bit mu-law, as a fixed line carries speech (ITU-T G.711)."""
    narrow = sosfiltfilt(butter(4, [300, 3400], "bandpass", fs=16000, output="sos"), wave)
    peak = max(float(np.abs(narrow).max()), 1e-9)
    compressed = np.sign(narrow) * np.log1p(255 * np.abs(narrow) / peak) / np.log(256)
    rounded = np.round(compressed * 127) / 127
    return np.sign(rounded) * (256 ** np.abs(rounded) - 1) / 255 * peak


def codec(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Through MP3, Vorbis or Opus and back, at a drawn quality."""
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


EFFECTS = {
    "noise": wave_noise,
    "gain": wave_gain,
    "reverb": reverb,
    "telephone": telephone,
    "codec": codec,
    "rawboost": rawboost,
}
