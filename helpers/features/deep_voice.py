"""The 26 means of the DEEP-VOICE study (Bird & Lotfi 2023), one second at a time, from one transform a second.

What is known of the published tables (their code gives no sample rate; read from the numbers):
- `DATASET-balanced.csv`: audio in -1..1 (rms 0.04 in the mean), rolloff up to 21,130 Hz, so the recordings kept their
  own rate (40 to 48 kHz) instead of librosa's default of 22,050 Hz.
- `segments_by_recording.csv`: rms 2e-6 and mfcc1 down to -1131.36 = -100 dB * sqrt(128), librosa's floor: 16-bit audio
  divided by 32,768 twice. Rolloff stays below 5.7 kHz. Its values and the other table's cannot be mixed.
Values of one recording are comparable only at one rate and one scale: here 22,050 Hz and -1..1.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import librosa
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
    twelve = replace(setting, kind="chroma", n_bands=12)
    means = power.new_empty(len(power))
    for i, of_window in enumerate(power):
        pitch, strength = librosa.piptrack(S=of_window.T.numpy(), sr=setting.sample_rate, n_fft=setting.n_fft)
        found = pitch > 0
        loud = found & (strength >= np.median(strength[found])) if found.any() else found
        tuning = librosa.pitch_tuning(pitch[loud]) if loud.any() else 0.0  # as librosa.estimate_tuning
        means[i] = chroma(power[i : i + 1], twelve, float(tuning)).mean()
    return means
