"""What happens to sound on its way: the one set of effects, for training and for the page's *Break it*.

Each takes float (n,) at 16 kHz and a generator that draws what is not given, and returns (n,).
"""

from __future__ import annotations

import io

import av
import numpy as np
import soxr
from scipy.signal import butter, fftconvolve, firwin2, sosfiltfilt

RATE = 16_000
# Encoder, container and the bit rates that are drawn from: what messengers, players and web pages use.
CODECS = {
    "mp3": ("libmp3lame", "mp3", (32_000, 48_000, 64_000, 128_000)),
    "aac": ("aac", "adts", (32_000, 64_000, 96_000)),
    "opus": ("libopus", "ogg", (12_000, 16_000, 24_000, 48_000)),
}


def noise(wave: np.ndarray, rng: np.random.Generator, snr_db: float | None = None) -> np.ndarray:
    """Coloured noise (white to brown) at 10 to 40 dB below the speech."""
    spectrum = np.fft.rfft(rng.standard_normal(len(wave)))
    spectrum /= np.maximum(np.arange(len(spectrum)), 1.0) ** rng.uniform(0.0, 1.0)
    below = rng.uniform(10.0, 40.0)
    return wave + _at_snr(np.fft.irfft(spectrum, len(wave)), wave, below if snr_db is None else snr_db)


def _at_snr(noise: np.ndarray, wave: np.ndarray, decibels: float) -> np.ndarray:
    """Noise scaled to lie `decibels` below the wave's root mean square."""
    ratio = np.sqrt(np.mean(wave**2) / max(float(np.mean(noise**2)), 1e-20))
    return noise * ratio * 10 ** (-decibels / 20)


def gain(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
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


def codec(
    wave: np.ndarray, rng: np.random.Generator, name: str | None = None, bit_rate: int | None = None
) -> np.ndarray:
    """Through MP3, AAC or Opus at a drawn bit rate (bit/s), and back."""
    name = name or list(CODECS)[rng.integers(len(CODECS))]
    encoder, container, rates = CODECS[name]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as out:
        stream = out.add_stream(encoder, rate=RATE, layout="mono")
        stream.bit_rate = bit_rate or int(rng.choice(rates))
        whole = (np.clip(wave, -1, 1) * 32767).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(whole, "s16", "mono")
        frame.sample_rate = RATE
        resampler = av.AudioResampler(stream.format, stream.layout, stream.rate, stream.frame_size or None)
        for part in (*resampler.resample(frame), *resampler.resample(None), None):
            out.mux(stream.encode(part))
    buffer.seek(0)
    with av.open(buffer) as back:
        rate = back.streams.audio[0].rate
        parts = av.AudioResampler("fltp", "mono", rate)
        pieces = [part.to_ndarray()[0] for frame in back.decode(audio=0) for part in parts.resample(frame)]
    return _as_long(soxr.resample(np.concatenate(pieces), rate, RATE), wave)


def _as_long(changed: np.ndarray, wave: np.ndarray) -> np.ndarray:
    """`changed`, cut or continued with silence to the length of `wave`."""
    return np.pad(changed[: len(wave)], (0, max(0, len(wave) - len(changed))))


def resample(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Down to 8, 11.025 or 12 kHz and back: the band above is gone."""
    low = int(rng.choice([8_000, 11_025, 12_000]))
    return _as_long(soxr.resample(soxr.resample(wave, RATE, low), low, RATE), wave)


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


EFFECTS = {effect.__name__: effect for effect in (noise, gain, reverb, telephone, codec, resample, rawboost)}
