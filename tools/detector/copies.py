"""Copies of recordings: resynthesised by vocoders (more fakes), and degraded (the same for both classes)."""

from __future__ import annotations

import io

import av
import numpy as np
import scipy.ndimage
import scipy.signal
import soundfile
import soxr

RATE = 16_000


def codec(wave: np.ndarray, name: str, kind: str, rate: int, bit_rate: int) -> np.ndarray:
    """Encoded and decoded in memory: (samples,) -> (samples,) at 16 kHz, the codec working at `rate`."""
    sent = soxr.resample(wave, RATE, rate) if rate != RATE else wave
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=kind) as container:
        stream = container.add_stream(name, rate=rate)
        stream.layout = "mono"
        stream.bit_rate = bit_rate
        frame = av.AudioFrame.from_ndarray(
            (np.clip(sent, -1, 1) * 32767).astype(np.int16)[None], "s16", "mono"
        )
        frame.sample_rate = rate
        resampler = av.AudioResampler(stream.format.name, "mono", rate, frame_size=stream.frame_size or 0)
        for ready in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(ready))
        container.mux(stream.encode(None))
    buffer.seek(0)
    with av.open(buffer) as container:
        reader = av.AudioResampler("flt", "mono", RATE)
        parts = [part for frame in container.decode(audio=0) for part in reader.resample(frame)]
        parts += reader.resample(None)
    heard = np.concatenate([part.to_ndarray().ravel() for part in parts]).astype(np.float32)
    return heard[: len(wave)]


CODECS = {  # name -> encoder, container, sample rates, bit rates
    "mp3": ("libmp3lame", "mp3", (16_000, 22_050, 44_100), (32_000, 48_000, 64_000, 96_000, 128_000)),
    "aac": ("aac", "adts", (16_000, 44_100), (24_000, 32_000, 64_000, 96_000)),
    "opus": ("libopus", "ogg", (16_000, 48_000), (8_000, 12_000, 16_000, 24_000, 32_000)),
    "amr-nb": ("libopencore_amrnb", "amr", (8_000,), (5_150, 7_950, 12_200)),
    "mu-law": ("pcm_mulaw", "wav", (8_000,), (64_000,)),
    "g722": ("g722", "wav", (16_000,), (64_000,)),
}
MUSIC = ("mp3", "aac", "opus", "vorbis")


def vorbis(wave: np.ndarray, quality: float) -> np.ndarray:
    """Through Ogg Vorbis: (samples,) -> (samples,) at 16 kHz; quality from 0 (best) to 1."""
    buffer = io.BytesIO()
    soundfile.write(buffer, wave, RATE, format="OGG", subtype="VORBIS", compression_level=quality)
    buffer.seek(0)
    return soundfile.read(buffer, dtype="float32")[0]


def random_codec(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One of the codecs at a drawn bit rate, three in four times one of those that music is sold in."""
    telephone = [name for name in CODECS if name not in MUSIC]
    chosen = str(rng.choice(MUSIC if rng.random() < 0.75 else telephone))
    if chosen == "vorbis":
        return vorbis(wave, rng.uniform(0.2, 1.0))
    name, kind, rates, bit_rates = CODECS[chosen]
    return codec(wave, name, kind, int(rng.choice(rates)), int(rng.choice(bit_rates)))


def resampled(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """To 8, 11.025, 12 or 14 kHz and back: the upper band is gone."""
    rate = int(rng.choice([8_000, 11_025, 12_000, 14_000]))
    return soxr.resample(soxr.resample(wave, RATE, rate), rate, RATE)


def tilted(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another microphone: two peaks or dips of up to 8 dB, and a high-pass."""
    for _ in range(2):
        centre, gain = rng.uniform(200, 6500), 10 ** (rng.uniform(-8, 8) / 20)
        b, a = scipy.signal.iirpeak(centre, max(rng.uniform(0.7, 2.0), centre / 4000), fs=RATE)
        wave = wave + (gain - 1) * scipy.signal.lfilter(b, a, wave)
    high_pass = scipy.signal.butter(2, rng.uniform(30, 200), "high", fs=RATE, output="sos")
    return scipy.signal.sosfilt(high_pass, wave).astype(np.float32)


def noisy(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """White to brown noise at 15 to 45 dB below the speech."""
    spectrum = np.fft.rfft(rng.standard_normal(len(wave)))
    spectrum /= np.maximum(np.arange(len(spectrum)), 1) ** rng.uniform(0, 1)
    noise = np.fft.irfft(spectrum, len(wave))
    noise *= np.sqrt(np.mean(wave**2) / np.mean(noise**2)) * 10 ** (-rng.uniform(15, 45) / 20)
    return (wave + noise).astype(np.float32)


def reverberant(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A small room: decaying noise of 0.1 to 0.4 s, 3 to 15 dB below the direct sound."""
    n = int(RATE * 0.4)
    tail = rng.standard_normal(n) * np.exp(-6.9 * np.arange(n) / (RATE * rng.uniform(0.1, 0.4)))
    tail *= 10 ** (-rng.uniform(3, 15) / 20) / np.sqrt(np.sum(tail**2))
    tail[0] += 1
    return scipy.signal.fftconvolve(wave, tail)[: len(wave)].astype(np.float32)


EFFECTS = (random_codec, resampled, tilted, noisy, reverberant)
SHARES = (0.55, 0.2, 0.35, 0.3, 0.15)  # how often each is applied


def cropped(wave: np.ndarray, rng: np.random.Generator, shortest: float = 1.5, longest: float = 4.0):
    """A random stretch of 1.5 to 4 s, or all of a shorter recording."""
    n = min(len(wave), int(RATE * rng.uniform(shortest, longest)))
    start = int(rng.integers(0, len(wave) - n + 1))
    return wave[start : start + n]


def degraded(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random stretch through a random chain of effects, in random order."""
    wave = cropped(wave, rng)
    wave = wave * (0.3 / max(np.abs(wave).max(), 1e-4))
    for i in rng.permutation(len(EFFECTS)):
        if rng.random() < SHARES[i]:
            wave = np.ascontiguousarray(EFFECTS[i](wave, rng), np.float32)
    return wave


def _hifigan(wave, rng):
    from tools.starter import vocoders

    return vocoders.hifigan(vocoders.log_mel(wave))


def _hifigan_smooth(wave, rng):
    """What an acoustic model predicts is smoother than what is measured."""
    from tools.starter import vocoders

    mel = vocoders.log_mel(wave)
    blurred = scipy.ndimage.gaussian_filter(mel, (rng.uniform(0.3, 1.2), rng.uniform(0.3, 1.5)))
    return vocoders.hifigan(blurred)


def _hifigan_shifted(wave, rng):
    """Played slower or faster before the vocoder and back after it: its traces lie at other frequencies."""
    from tools.starter import vocoders

    factor = float(rng.choice([0.8, 0.9, 1.1, 1.25]))
    slow = soxr.resample(wave, RATE, RATE * factor)
    return soxr.resample(vocoders.hifigan(vocoders.log_mel(slow)), RATE * factor, RATE)


# WORLD, linear prediction, Griffin-Lim and PSOLA were tried, too: with them left-out projects were scored no better.
VOCODERS = {"hifigan": _hifigan, "hifigan-smooth": _hifigan_smooth, "hifigan-shifted": _hifigan_shifted}


def vocoded(wave: np.ndarray, name: str, rng: np.random.Generator) -> np.ndarray:
    """At most 3.4 s of the recording, resynthesised."""
    wave = cropped(wave, rng, 2.0, 3.4)
    wave = wave * np.float32(0.3 / max(np.abs(wave).max(), 1e-4))
    return np.ascontiguousarray(VOCODERS[name](wave, rng), np.float32)
