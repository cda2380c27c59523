"""Fixed band-pass filters on the raw wave, the first layer of RawNet2 and AASIST."""

from __future__ import annotations

import numpy as np
import torch


def sinc_filters(n_filters: int, length: int, sample_rate: int = 16000, spacing: str = "mel") -> torch.Tensor:
    """(n_filters, length) windowed ideal band passes that share out 0 Hz to half the sample rate.

    spacing of the band edges: "mel" or "linear". The difference of two low passes under a Hamming window
    (Ravanelli & Bengio 2018, "Speaker recognition from raw waveform with SincNet", sec. 2).
    """
    if length % 2 == 0:
        raise ValueError(f"a symmetric filter has an odd length, got {length}")
    nyquist = sample_rate / 2
    if spacing == "mel":
        top = 2595 * np.log10(1 + nyquist / 700)
        edges = 700 * (10 ** (np.linspace(0, top, n_filters + 1) / 2595) - 1)
    elif spacing == "linear":
        edges = np.linspace(0, nyquist, n_filters + 1)
    else:
        raise ValueError(f"filters are spaced 'mel' or 'linear', not {spacing!r}")
    times = np.arange(length) - (length - 1) / 2
    cutoffs = 2 * edges[:, None] / sample_rate
    low_passes = cutoffs * np.sinc(cutoffs * times)
    return torch.tensor(np.diff(low_passes, axis=0) * np.hamming(length), dtype=torch.float32)
