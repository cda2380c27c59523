"""Copies of recordings: resynthesised by a vocoder (more fakes), and degraded (the same for both classes)."""

from __future__ import annotations

import numpy as np
import scipy.ndimage
import soxr

from helpers.data import effects

RATE = 16_000
# How often each effect is in the chain.
CHAIN = (
    (effects.codec, 0.55),
    (effects.resample, 0.2),
    (effects.noise, 0.3),
    (effects.reverb, 0.15),
    (effects.telephone, 0.1),
)


def cropped(wave: np.ndarray, rng: np.random.Generator, shortest: float, longest: float) -> np.ndarray:
    """A random stretch of `shortest` to `longest` seconds, or all of a shorter recording, its peak at 0.3."""
    n = min(len(wave), int(RATE * rng.uniform(shortest, longest)))
    start = int(rng.integers(0, len(wave) - n + 1))
    stretch = wave[start : start + n]
    return stretch * np.float32(0.3 / max(np.abs(stretch).max(), 1e-4))


def degraded(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """1.5 to 4 s through a random chain of effects in random order."""
    wave = cropped(wave, rng, 1.5, 4.0)
    for i in rng.permutation(len(CHAIN)):
        effect, share = CHAIN[i]
        if rng.random() < share:
            wave = effect(wave, rng)
    return np.asarray(wave, np.float32)


def hifigan(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """2 to 3.4 s through the starter builder's HiFi-GAN, in one of three ways: as they are; from a smoother mel, as an
    acoustic model predicts it; or played slower or faster meanwhile, which moves the vocoder's traces."""
    from tools.starter import vocoders

    wave = cropped(wave, rng, 2.0, 3.4)
    way = rng.integers(3)
    factor = float(rng.choice([0.8, 0.9, 1.1, 1.25])) if way == 2 else 1.0
    mel = vocoders.log_mel(soxr.resample(wave, RATE, RATE * factor))
    if way == 1:
        mel = scipy.ndimage.gaussian_filter(mel, (rng.uniform(0.3, 1.2), rng.uniform(0.3, 1.5)))
    return soxr.resample(vocoders.hifigan(mel), RATE * factor, RATE).astype(np.float32)
