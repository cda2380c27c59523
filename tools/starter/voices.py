"""What the conversions and the last stage know of a claimed speaker."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import scipy.signal

from .dsp import HOP, SAMPLE_RATE, at_level, band_levels, frame_energies, mean_log_f0
from .sources import SPEAKER_BY_NAME, Speaker
from .vocoders import cepstrum, log_mel, pitch_and_envelope

N_ANALYSED = 8  # units used for statistics


def speech_rows(features: np.ndarray, loudness: np.ndarray) -> np.ndarray:
    """The rows of `features` whose loudness is above the 35th percentile."""
    return features[loudness > np.percentile(loudness, 35)]


class Voice:
    """A speaker's units and, computed when first asked for, the statistics of the first eight."""

    def __init__(self, name: str, units: list[np.ndarray]) -> None:
        if len(units) < 3:
            raise ValueError(f"{name} has {len(units)} units, need 3: are its packages whole?")
        self.name = name
        self.units = units

    @property
    def speaker(self) -> Speaker:
        return SPEAKER_BY_NAME[self.name]

    @cached_property
    def _pitch_and_envelopes(self) -> list[tuple[np.ndarray, np.ndarray]]:
        return [pitch_and_envelope(unit) for unit in self.units[:N_ANALYSED]]

    @cached_property
    def log_f0(self) -> tuple[float, float]:
        """Mean and standard deviation of ln F0."""
        return mean_log_f0(np.concatenate([f0 for f0, _ in self._pitch_and_envelopes]))

    @cached_property
    def cepstra(self) -> np.ndarray:
        """(frames, 40) mel-cepstra of the speech frames."""
        all_frames = np.concatenate([cepstrum(envelope) for _, envelope in self._pitch_and_envelopes])
        return speech_rows(all_frames, all_frames[:, 0])

    @cached_property
    def mels(self) -> np.ndarray:
        """(frames, 80) log-mels of the speech frames."""
        all_frames = np.concatenate([log_mel(unit).T for unit in self.units[:N_ANALYSED]])
        return speech_rows(all_frames, all_frames.mean(axis=1))

    @cached_property
    def bands(self) -> np.ndarray:
        """(units, 6) band levels in dB."""
        return np.stack([band_levels(unit) for unit in self.units])

    @cached_property
    def room(self) -> tuple[np.ndarray, float]:
        """Amplitude response of the quietest tenth of the frames (81 bins, 0 ... 8 kHz) and its level
        relative to the speech, in dB."""
        frames, powers = [], []
        for unit in self.units[:N_ANALYSED]:
            unit = at_level(unit, 1.0)
            energies = frame_energies(unit)
            quiet = np.flatnonzero(energies <= np.percentile(energies, 10))
            frames.append(unit[: len(energies) * HOP].reshape(-1, HOP)[quiet])
            powers.append(energies[quiet])
        spectrum = np.abs(np.fft.rfft(np.concatenate(frames) * np.hanning(HOP), axis=1)) ** 2
        level_db = 10 * np.log10(np.median(np.concatenate(powers)) + 1e-12)
        return np.sqrt(spectrum.mean(axis=0) + 1e-12), float(level_db)

    def room_noise(self, n_samples: int, rng: np.random.Generator) -> np.ndarray:
        """(n_samples,) noise of unit RMS with the colour of this speaker's recordings."""
        response, _ = self.room
        frequency = np.linspace(0, SAMPLE_RATE / 2, len(response))
        taps = scipy.signal.firwin2(161, frequency, response / response.max(), fs=SAMPLE_RATE)
        noise = scipy.signal.fftconvolve(rng.standard_normal(n_samples), taps, "same")
        return (noise / np.sqrt(np.mean(noise**2) + 1e-12)).astype(np.float32)
