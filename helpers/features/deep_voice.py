"""The 26 means of the DEEP-VOICE study (Bird & Lotfi 2023), one second at a time, from one transform a second.

What is known of the published tables (their code gives no sample rate; read from the numbers):
- `DATASET-balanced.csv`: audio in -1..1 (rms 0.04 in the mean), rolloff up to 21,130 Hz, so the recordings kept their
  own rate (40 to 48 kHz) instead of librosa's default of 22,050 Hz.
- `segments_by_recording.csv`: rms 2e-6 and mfcc1 down to -1131.36 = -100 dB * sqrt(128), librosa's floor: 16-bit audio
  divided by 32,768 twice. Rolloff stays below 5.7 kHz. Its values and the other table's cannot be mixed.
Values of one recording are comparable only at one rate and one scale: here 22,050 Hz and -1..1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from helpers.features.settings import FEATURES, FeatureSetting
from helpers.features.spectral import cepstrum, chroma, frequencies, stft_power, zero_crossing_rate

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = [
    *("chroma_stft", "rms", "spectral_centroid", "spectral_bandwidth", "rolloff", "zero_crossing_rate"),
    *(f"mfcc{i}" for i in range(1, 21)),
]
ROLLOFF = 0.85  # share of the magnitude that lies below the rolloff
PITCH_RANGE = (150.0, 4000.0)  # Hz, where the tuning is looked for
AT_ONCE = 32  # windows; their spectra take 6 MB


def one_second_means(wave: np.ndarray, setting: FeatureSetting | None = None) -> pd.DataFrame:
    """(samples,) at setting.sample_rate -> one row a whole second, the 26 columns under their published names.

    ValueError for less than a second; a shorter rest at the end is left out.
    """
    import pandas as pd

    setting = setting or FEATURES["deep_voice_26"]
    rate = setting.sample_rate
    n_windows = len(wave) // rate
    if n_windows == 0:
        raise ValueError(f"the recording lasts {len(wave) / rate:.2f} s, a window takes 1 s")
    windows = torch.from_numpy(np.ascontiguousarray(wave[: n_windows * rate], dtype=np.float32)).view(
        n_windows, rate
    )
    rows = torch.cat([means(part, setting) for part in windows.split(AT_ONCE)])
    return pd.DataFrame(rows.numpy(), columns=COLUMNS)


def deep_voice_26(waves: torch.Tensor, setting: FeatureSetting) -> torch.Tensor:
    """(batch, samples) -> (batch, 26): the means of each whole second, averaged over the clip's seconds."""
    rate = setting.sample_rate
    n_windows = waves.shape[1] // rate
    if n_windows < 2:
        return means(waves[:, :rate], setting)
    windows = waves[:, : n_windows * rate].reshape(-1, rate)
    rows = torch.cat([means(part, setting) for part in windows.split(AT_ONCE)])
    return rows.view(len(waves), n_windows, -1).mean(1)


def means(windows: torch.Tensor, setting: FeatureSetting) -> torch.Tensor:
    """(batch, samples) -> (batch, 26), each librosa's feature with its defaults, averaged over the frames."""
    power = stft_power(windows, setting)
    magnitude = power.sqrt()
    hertz = torch.from_numpy(frequencies(setting)).to(power)
    share = magnitude / magnitude.sum(-1, keepdim=True).clamp_min(1e-30)
    centroid = share @ hertz
    # Around the mean: sum p f^2 - c^2 would lose digits where the band is narrow.
    bandwidth = (share * (hertz - centroid[..., None]) ** 2).sum(-1).sqrt()
    total = magnitude.cumsum(-1)
    reached = (total >= ROLLOFF * total[..., -1:]).int().argmax(-1)
    columns = [
        _chroma_means(power, setting),
        _rms(windows, setting).mean(-1),
        centroid.mean(-1),
        bandwidth.mean(-1),
        hertz[reached].mean(-1),
        zero_crossing_rate(windows, setting)[:, 0].mean(-1),
    ]
    return torch.cat([torch.stack(columns, 1), cepstrum(power, setting).mean(-1)], dim=1)


def _rms(windows: torch.Tensor, setting: FeatureSetting) -> torch.Tensor:
    """(batch, frames): root mean square of the n_fft samples around each frame, zeros beyond the ends."""
    half = setting.n_fft // 2
    padded = torch.nn.functional.pad(windows, (half, half))
    return padded.unfold(-1, setting.n_fft, setting.hop_length).square().mean(-1).sqrt()


def _chroma_means(power: torch.Tensor, setting: FeatureSetting) -> torch.Tensor:
    """(batch,): mean over classes and frames of the chroma, each window tuned by itself as librosa does."""
    twelve = FeatureSetting(**{**setting.to_dict(), "kind": "chroma", "n_bands": 12})
    tunings = estimate_tuning(power, setting)
    means = power.new_empty(len(power))
    for tuning in np.unique(tunings):
        rows = torch.from_numpy(np.flatnonzero(tunings == tuning))
        means[rows] = chroma(power[rows], twelve, float(tuning)).mean((1, 2))
    return means


def estimate_tuning(power: torch.Tensor, setting: FeatureSetting, n_classes: int = 12) -> np.ndarray:
    """(batch, frames, n_frequencies) -> (batch,) deviation from A4 = 440 Hz in pitch classes, -0.5 to 0.49.

    Local maxima above a tenth of their frame's strongest, placed by a parabola through three bins; of the louder half
    the most frequent deviation in steps of a hundredth (librosa's estimate_tuning).
    """
    hertz = frequencies(setting)
    inside = np.flatnonzero((hertz >= PITCH_RANGE[0]) & (hertz < PITCH_RANGE[1]))
    low, high = inside[0], inside[-1] + 1
    left, mid, right = power[..., low - 1 : high - 1], power[..., low:high], power[..., low + 1 : high + 1]
    floor = 0.1 * power.amax(-1, keepdim=True)
    loud = mid > floor
    peaks = (
        loud & (mid > torch.where(left > floor, left, 0.0)) & (mid >= torch.where(right > floor, right, 0.0))
    )
    window_of, _, bin_of = (index.numpy() for index in peaks.nonzero(as_tuple=True))
    a, b = (left + right - 2 * mid)[peaks].numpy(), (0.5 * (right - left))[peaks].numpy()
    shift = np.where(np.abs(b) >= np.abs(a), 0.0, -b / np.where(a == 0, 1.0, a)).astype(np.float32)
    strength = mid[peaks].numpy() + 0.5 * b * shift
    pitch = (bin_of + low + shift) * (setting.sample_rate / setting.n_fft)
    deviation = np.mod(n_classes * np.log2(pitch / (440.0 / 16.0)), 1.0)
    deviation[deviation >= 0.5] -= 1.0
    steps = np.linspace(-0.5, 0.5, 101)
    tunings = np.zeros(len(power))
    ends = np.searchsorted(window_of, np.arange(len(power) + 1))
    for i, (start, end) in enumerate(zip(ends[:-1], ends[1:], strict=True)):
        if end > start:
            of_window = strength[start:end]
            kept = deviation[start:end][of_window >= np.median(of_window)]
            tunings[i] = steps[np.argmax(np.histogram(kept, steps)[0])]
    return tunings
