"""Voice conversion: (samples,) of anyone + the claimed speaker's Voice -> (samples,) at 16 kHz."""

from __future__ import annotations

import librosa
import numpy as np
import scipy.fft
import scipy.signal
from scipy.cluster.vq import kmeans2

from .dsp import HOP, SAMPLE_RATE, mean_log_f0
from .vocoders import (
    F0_CEIL_HZ,
    F0_FLOOR_HZ,
    cepstrum,
    envelope_of,
    hifigan,
    log_mel,
    pitch,
    pitch_and_envelope,
    world_analysis,
    world_synthesis,
)
from .voices import Voice, speech_rows


def convert_f0(f0: np.ndarray, target: Voice) -> np.ndarray:
    """Mean and variance of ln F0 moved to the target's; unvoiced frames (0) stay."""
    source_mean, source_deviation = mean_log_f0(f0)
    target_mean, target_deviation = target.log_f0
    voiced = f0 > 0
    out = np.zeros_like(f0)
    normal = (np.log(f0[voiced]) - source_mean) / max(source_deviation, 0.05)
    out[voiced] = np.clip(np.exp(normal * target_deviation + target_mean), F0_FLOOR_HZ, F0_CEIL_HZ)
    return out


def _converted_cepstra(cepstra: np.ndarray, target: Voice, n_classes: int) -> np.ndarray:
    """(frames, 40) -> (frames, 40): mean and variance of the target, and with n_classes > 0 a soft shift for
    each class of frames (a small joint-density mapping without parallel data). The energy contour stays."""
    speech = speech_rows(cepstra, cepstra[:, 0])
    mean, deviation = speech.mean(axis=0), speech.std(axis=0) + 1e-6
    target_mean, target_deviation = target.cepstra.mean(axis=0), target.cepstra.std(axis=0) + 1e-6
    normal = (cepstra - mean) / deviation
    shift = np.zeros_like(normal)
    if n_classes:
        described = normal[:, 1:20]
        centres, _ = kmeans2((speech - mean)[:, 1:20] / deviation[1:20], n_classes, seed=0, minit="++")
        distance = ((described[:, None] - centres[None]) ** 2).sum(axis=2)
        weight = np.exp(-0.5 * distance / max(distance.min(axis=1).mean(), 0.5))
        weight /= weight.sum(axis=1, keepdims=True)
        target_normal = (target.cepstra - target_mean) / target_deviation
        for k, centre in enumerate(centres):
            nearest = np.argsort(((target_normal[:, 1:20] - centre) ** 2).sum(axis=1))[:60]
            step = target_normal[nearest].mean(axis=0)
            step[1:20] -= centre
            shift += 0.8 * weight[:, k : k + 1] * step
    out = normal * 0.5 * (deviation + target_deviation) + shift * target_deviation + target_mean
    out[:, 0] = cepstra[:, 0] - mean[0] + target_mean[0]
    return out


def world_conversion(wave: np.ndarray, target: Voice, n_classes: int = 0) -> np.ndarray:
    """F0 and spectral envelope converted, resynthesised by WORLD."""
    f0, envelope, aperiodicity = world_analysis(wave)
    converted = envelope_of(_converted_cepstra(cepstrum(envelope), target, n_classes))
    return world_synthesis(convert_f0(f0, target), converted, aperiodicity)


def shift_pitch(wave: np.ndarray, target: Voice, formants: float | None = None) -> np.ndarray:
    """PSOLA (Praat's "Change gender") to the target's median F0; formants follow a third of the way if
    None."""
    import parselmouth
    from parselmouth.praat import call

    f0 = pitch(wave)
    target_hz = float(np.exp(target.log_f0[0]))
    if formants is None:
        ratio = target_hz / float(np.exp(mean_log_f0(f0)[0]))
        formants = float(np.clip(ratio**0.33, 0.82, 1.22))
    sound = parselmouth.Sound(wave.astype(np.float64), SAMPLE_RATE)
    changed = call(sound, "Change gender", F0_FLOOR_HZ, F0_CEIL_HZ, formants, target_hz, 1.0, 1.0)
    return changed.values[0].astype(np.float32)


def differential_filter(wave: np.ndarray, target: Voice, n_classes: int = 8) -> np.ndarray:
    """PSOLA for the pitch, then a time-varying filter: the difference between converted and own envelope
    (Kobayashi et al. 2014). No vocoder: the phases are those of the recording."""
    wave = shift_pitch(wave, target, formants=1.0)
    _, envelope = pitch_and_envelope(wave)
    own = cepstrum(envelope)
    converted = _converted_cepstra(own, target, n_classes)
    gain = np.sqrt(envelope_of(converted) / envelope_of(own))
    gain = np.clip(scipy.signal.savgol_filter(np.log(gain + 1e-9), 7, 1, axis=0), -3.0, 3.0)
    spectrum = librosa.stft(wave, n_fft=1024, hop_length=80)
    n_frames = min(len(gain), spectrum.shape[1])
    filtered = spectrum[:, :n_frames] * np.exp(gain[:n_frames].T)
    return librosa.istft(filtered, hop_length=80).astype(np.float32)


def warped_envelope(wave: np.ndarray, target: Voice) -> np.ndarray:
    """Vocal tract length: the WORLD envelope is stretched along frequency by the factor that brings its mean
    nearest to the target's, F0 converted."""
    f0, envelope, aperiodicity = world_analysis(wave)
    cepstra = cepstrum(envelope)
    speech = speech_rows(np.log(envelope + 1e-12), cepstra[:, 0]).mean(axis=0)
    wanted = np.log(envelope_of(target.cepstra.mean(axis=0, keepdims=True))[0] + 1e-12)
    bins = np.arange(envelope.shape[1])
    used = slice(8, 320)  # 125 Hz ... 5 kHz

    def distance(factor: float) -> float:
        warped = np.interp(bins * factor, bins, speech)[used]
        return float(np.std(warped - wanted[used]))

    factors = np.linspace(0.82, 1.22, 21)
    factor = min(factors, key=distance)
    if abs(factor - 1) < 0.05:
        factor = 1.08  # always a change that can be heard
    warped = np.stack([np.interp(bins * factor, bins, row) for row in envelope])
    return world_synthesis(convert_f0(f0, target), warped, aperiodicity)


def mel_transfer(wave: np.ndarray, target: Voice) -> np.ndarray:
    """Mean and half the variance of each mel band moved to the target's, HiFi-GAN."""
    mel = log_mel(wave)
    speech = speech_rows(mel.T, mel.mean(axis=0))
    mean, deviation = speech.mean(axis=0)[:, None], speech.std(axis=0)[:, None] + 1e-3
    target_mean, target_deviation = target.mels.mean(axis=0)[:, None], target.mels.std(axis=0)[:, None]
    converted = (mel - mean) / deviation * (0.5 * deviation + 0.5 * target_deviation) + target_mean
    return hifigan(np.clip(converted, -11.5, 2.5))


def neural_conversion(wave: np.ndarray, target: Voice) -> np.ndarray:
    """Pitch by PSOLA, timbre by `mel_transfer`."""
    return mel_transfer(shift_pitch(wave, target, formants=1.0), target)


def matching_features(wave: np.ndarray, hop: int, n_coefficients: int = 16) -> np.ndarray:
    """(samples,) -> (frames, n) MFCC 1 ... n, normalised per utterance, so that frames of two voices
    compare."""
    power = np.abs(librosa.stft(wave, n_fft=512, hop_length=hop, win_length=400)) ** 2
    filters = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=512, n_mels=40, fmax=7000)
    cepstra = scipy.fft.dct(np.log(filters @ power + 1e-6).T, axis=1, norm="ortho")[:, 1 : n_coefficients + 1]
    return ((cepstra - cepstra.mean(axis=0)) / (cepstra.std(axis=0) + 1e-3)).astype(np.float32)


def concatenated_units(
    wave: np.ndarray, target: Voice, n_units: int = 20, frames_each: int = 16
) -> np.ndarray:
    """The source is cut in pieces of 160 ms; each is replaced by the nearest piece of the target's own
    recordings, placed where it continues the waveform best, cross-faded over 10 ms."""
    pool = np.concatenate(target.units[:n_units])
    pool_features = matching_features(pool, HOP, 13)
    features = matching_features(wave, HOP, 13)
    windows = np.lib.stride_tricks.sliding_window_view(pool_features, (frames_each, 13))[::2, 0]
    windows = windows.reshape(len(windows), -1)
    overlap, slack = HOP, HOP // 2
    out = np.zeros(overlap, np.float32)
    for start in range(0, len(features) - frames_each, frames_each):
        piece = features[start : start + frames_each].reshape(-1)
        distance = ((windows - piece) ** 2).sum(axis=1)
        begin = int(distance.argmin()) * 2 * HOP
        first, last = max(0, begin - slack), begin + slack
        seams = np.lib.stride_tricks.sliding_window_view(pool[first : last + overlap], overlap)
        begin = first + int((seams @ out[-overlap:]).argmax())
        piece_wave = pool[begin : begin + frames_each * HOP + overlap]
        if len(piece_wave) < frames_each * HOP + overlap:
            continue
        ramp = np.linspace(0, 1, overlap, dtype=np.float32)
        seam = out[-overlap:] * (1 - ramp) + piece_wave[:overlap] * ramp
        out = np.concatenate([out[:-overlap], seam, piece_wave[overlap:]])
    return out
