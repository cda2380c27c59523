"""What is wrong with a recording as evidence: too short, silent, clipped, narrow, no speech. Measured block by block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft

from helpers.data.audio import SAMPLE_RATE

SHORT_SECONDS = 1.0
LEAST_SOUND_SECONDS = 0.5
SILENT_SHARE = 0.6
CLIPPED_SHARE = 1e-3
NARROW_DB = -42.0  # level above 4.4 kHz against the speech band
FRAME, HOP, N_FFT = 640, 320, 1024  # 40 ms every 20 ms at 16 kHz
VOICE_BINS = 257  # of the spectrum, 0 to 4 kHz: what tells voiced sounds, at a fraction of the work
PITCH_LAGS = (20, 134)  # samples at 8 kHz: 400 Hz down to 60 Hz
VOICED = 0.6
# Logistic regression, speech against music, noise and tones. Fitted on read speech, clean and with noise, reverberation
# and a telephone band, against two games' music: 0.2 % of clean speech and 5 % of speech at 10 dB lie below SPEECH_LIMIT,
# two thirds of the music do. Columns: spread of the level in dB, share of voiced frames, change of the log spectrum from
# frame to frame, spread of the pitch in octaves, change of the level in dB.
SPEECH_WEIGHTS = np.array([0.44, 3.0, 2.8, -6.6, 2.1])
SPEECH_CEILINGS = np.array([15.0, 0.8, 1.5, 1.2, 2.5])
SPEECH_BIAS, SPEECH_LIMIT = -5.5, -1.5


@dataclass(frozen=True)
class Caveat:
    """One reason for care. `voids`: there is nothing here that a detector of speech could judge."""

    code: str
    sentence: str
    voids: bool = False


class Meter:
    """Measures a recording as it streams by: `raw` sees the blocks as stored, `block` mono at 16 kHz."""

    def __init__(self) -> None:
        self.n_raw = self.n_clipped = 0
        self.n_samples = 0
        self.window = np.hanning(FRAME).astype(np.float32)
        shape = scipy.fft.irfft(np.abs(scipy.fft.rfft(self.window, N_FFT))[:VOICE_BINS] ** 2)[: PITCH_LAGS[1]]
        self.taper = (1 / shape).astype(np.float32)
        self.rest = np.zeros(0, np.float32)
        self.spectrum = np.zeros(N_FFT // 2 + 1)
        self.last_bands: np.ndarray | None = None
        self.levels: list[np.ndarray] = []
        self.voicing: list[np.ndarray] = []
        self.lags: list[np.ndarray] = []
        self.change: list[np.ndarray] = []

    def raw(self, block: np.ndarray) -> None:
        """(frames, channels) as stored: counts the samples of flat tops, at full scale or below it."""
        wave = np.abs(block[:, 0])
        peak = float(wave.max())
        self.n_raw += len(wave)
        if peak < 0.05 or len(wave) < 4:
            return
        top = wave > 0.97 * peak
        flat = top[3:] & (wave[3:] == wave[2:-1]) & (wave[2:-1] == wave[1:-2]) & (wave[1:-2] == wave[:-3])
        over = wave >= 0.9995
        runs = over[2:] & over[1:-1] & over[:-2]
        self.n_clipped += 4 * int(flat.sum()) if flat.sum() > runs.sum() else 3 * int(runs.sum())

    def block(self, wave: np.ndarray) -> None:
        """(samples,) at 16 kHz, the next ones."""
        self.n_samples += len(wave)
        wave = np.concatenate([self.rest, wave])
        n_frames = max(0, (len(wave) - FRAME) // HOP + 1)
        for start in range(0, n_frames, 3000):  # a minute at a time bounds the memory
            self._frames(wave[start * HOP : (min(n_frames, start + 3000) - 1) * HOP + FRAME])
        self.rest = wave[n_frames * HOP :].copy()

    def _frames(self, wave: np.ndarray) -> None:
        frames = np.lib.stride_tricks.sliding_window_view(wave, FRAME)[::HOP]
        frames = frames - frames.mean(axis=1, keepdims=True)
        self.levels.append(10 * np.log10(np.einsum("ij,ij->i", frames, frames) / FRAME + 1e-12))
        spectrum = scipy.fft.rfft(frames * self.window, N_FFT)
        power = spectrum.real**2 + spectrum.imag**2
        self.spectrum += power.sum(axis=0)
        correlation = scipy.fft.irfft(power[:, :VOICE_BINS])[:, : PITCH_LAGS[1]]
        pitch = (correlation * self.taper)[:, PITCH_LAGS[0] :]
        best = pitch.argmax(axis=1)
        self.voicing.append(pitch[np.arange(len(pitch)), best] / (correlation[:, 0] * self.taper[0] + 1e-12))
        self.lags.append(best + PITCH_LAGS[0])
        bands = np.log(sum(power[:, first:512:4] for first in range(4, 8)) / 4 + 1e-8)
        before = bands[:1] if self.last_bands is None else self.last_bands
        self.change.append(np.abs(np.diff(bands, axis=0, prepend=before)).mean(axis=1))
        self.last_bands = bands[-1:]

    def caveats(self, own_rate: int = SAMPLE_RATE) -> list[Caveat]:
        """Everything to mind, the gravest first."""
        seconds = self.n_samples / SAMPLE_RATE
        found = []
        if seconds < SHORT_SECONDS:
            found.append(
                Caveat("short", f"The recording lasts {seconds:.2f} s: too short for a firm answer.")
            )
        if self.levels:
            found = self._silence(np.concatenate(self.levels)) + self._no_speech() + found
            found += self._narrow(own_rate)
        if self.n_clipped > CLIPPED_SHARE * max(1, self.n_raw):
            found.append(
                Caveat("clipped", "The recording is clipped: overdriven peaks look like a vocoder's errors.")
            )
        return sorted(found, key=lambda caveat: not caveat.voids)

    def _silence(self, levels: np.ndarray) -> list[Caveat]:
        loud = levels > np.percentile(levels, 95) - 40
        sound = float(loud.sum()) * HOP / SAMPLE_RATE
        if sound < LEAST_SOUND_SECONDS:
            return [
                Caveat(
                    "silent", f"Only {sound:.1f} s of it is more than silence: nothing to judge.", voids=True
                )
            ]
        if 1 - loud.mean() > SILENT_SHARE:
            return [
                Caveat(
                    "silent", f"{100 * (1 - loud.mean()):.0f} % of it is silence: the score rests on little."
                )
            ]
        return []

    def _no_speech(self) -> list[Caveat]:
        if sum(map(len, self.levels)) < 25:
            return []
        spread_db, voiced_share = self.speech_measures()[:2]
        if spread_db < 1 or voiced_share < 0.1 or self.speech_score() < SPEECH_LIMIT:
            return [
                Caveat(
                    "no_speech",
                    "No speech was recognised; music or noise, perhaps: nothing to judge.",
                    voids=True,
                )
            ]
        return []

    def speech_measures(self) -> np.ndarray:
        """(5,) what SPEECH_WEIGHTS weigh."""
        levels, voicing, lags, change = map(
            np.concatenate, (self.levels, self.voicing, self.lags, self.change)
        )
        active = levels > np.percentile(levels, 95) - 30
        voiced = active & (voicing > VOICED)
        pitch = float(np.log2(lags[voiced]).std()) if voiced.sum() > 3 else 0.0
        share = float((voicing[active] > VOICED).mean())
        steps = float(np.median(np.abs(np.diff(levels)))) if len(levels) > 1 else 0.0
        return np.array([levels.std(), share, float(np.median(change[active])), pitch, steps])

    def speech_score(self) -> float:
        """Log-odds of speech against music, noise and tones."""
        return float(SPEECH_WEIGHTS @ np.minimum(self.speech_measures(), SPEECH_CEILINGS) + SPEECH_BIAS)

    def upper_band_db(self) -> float:
        """Mean power between 4.4 and 7.6 kHz against that between 0.3 and 3.4 kHz."""
        hertz = np.arange(len(self.spectrum)) * SAMPLE_RATE / N_FFT
        upper = self.spectrum[(hertz > 4400) & (hertz < 7600)].mean()
        lower = self.spectrum[(hertz > 300) & (hertz < 3400)].mean()
        return 10 * float(np.log10((upper + 1e-15) / (lower + 1e-12)))

    def _narrow(self, own_rate: int) -> list[Caveat]:
        if own_rate < 12_000:
            what = f"It was stored at {own_rate:,} samples a second"
        elif self.upper_band_db() < NARROW_DB:
            what = "Nothing is left above about 4 kHz"
        else:
            return []
        return [
            Caveat(
                "narrow_band", f"{what}, as over a telephone: traces of synthesis in the upper band are gone."
            )
        ]
