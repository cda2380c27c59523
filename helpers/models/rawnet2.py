"""RawNet2 for spoofing."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from helpers.models.detector import Detector, require_wave


def sinc_filters(n_filters: int, length: int, sample_rate: int = 16000, spacing: str = "mel") -> torch.Tensor:
    """(n_filters, length) windowed ideal band passes that share out 0 Hz to half the sample rate.

    spacing of the band edges: "mel" or "linear". The difference of two low passes under a Hamming window
    (Ravanelli & Bengio 2018, "Speaker recognition from raw waveform with SincNet", sec. 2).
    """
    nyquist = sample_rate / 2
    if spacing == "mel":
        top = 2595 * np.log10(1 + nyquist / 700)
        edges = 700 * (10 ** (np.linspace(0, top, n_filters + 1) / 2595) - 1)
    elif spacing == "linear":
        edges = np.linspace(0, nyquist, n_filters + 1)
    else:
        raise ValueError(f"spacing is {spacing!r}, must be mel or linear")
    times = np.arange(length) - (length - 1) / 2
    cutoffs = 2 * edges[:, None] / sample_rate
    low_passes = cutoffs * np.sinc(cutoffs * times)
    return torch.tensor(np.diff(low_passes, axis=0) * np.hamming(length), dtype=torch.float32)


class _RawBlock(nn.Module):
    """Residual block on (batch, maps, time), time shrunk to a third, each map then scaled and shifted by a gate
    that reads its mean (Jung et al. 2020, "Improved RawNet with feature map scaling")."""

    def __init__(self, n_in: int, n_out: int, first: bool) -> None:
        super().__init__()
        self.before = nn.Identity() if first else nn.Sequential(nn.BatchNorm1d(n_in), nn.LeakyReLU(0.3))
        self.conv1 = nn.Conv1d(n_in, n_out, 3, padding=1)
        self.between = nn.Sequential(nn.BatchNorm1d(n_out), nn.LeakyReLU(0.3))
        self.conv2 = nn.Conv1d(n_out, n_out, 3, padding=1)
        self.shortcut = nn.Identity() if n_in == n_out else nn.Conv1d(n_in, n_out, 1)
        self.gate = nn.Linear(n_out, n_out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.conv2(self.between(self.conv1(self.before(x)))) + self.shortcut(x)
        out = functional.max_pool1d(out, 3)
        gate = torch.sigmoid(self.gate(out.mean(dim=2))).unsqueeze(2)
        return out * gate + gate


class RawNet2(Detector):
    """RawNet2 (Tak et al. 2021, "End-to-end anti-spoofing with RawNet2", sec. 3 and table 1).

    Raw wave at 16 kHz, 64,600 samples in the paper, repeat-padded. 128 fixed sinc filters of 129 samples
    (spacing "mel" or "linear", the paper's systems S1 and S3), six residual blocks with feature map scaling (two
    of 128 maps, four of 512), a GRU of 1024 units whose last state goes through 1024 units to one output.
    """

    filters: torch.Tensor

    def __init__(
        self, shape: tuple[int, ...], spacing: str = "mel", gru_layers: int = 1, hidden: int = 1024
    ) -> None:
        super().__init__()
        require_wave(shape, "rawnet2")
        self.register_buffer("filters", sinc_filters(128, 129, spacing=spacing)[:, None], persistent=False)
        self.start = nn.Sequential(nn.BatchNorm1d(128), nn.LeakyReLU(0.3))
        widths = [128, 128, 128, 512, 512, 512, 512]
        self.blocks = nn.Sequential(*[_RawBlock(widths[i], widths[i + 1], i == 0) for i in range(6)])
        self.end = nn.Sequential(nn.BatchNorm1d(512), nn.LeakyReLU(0.3))
        self.gru = nn.GRU(512, hidden, num_layers=gru_layers, batch_first=True)
        self.body = nn.Linear(hidden, 1024)
        self.head = nn.Linear(1024, 1)

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        bands = functional.conv1d(batch[:, None], self.filters)
        maps = self.blocks(self.start(functional.max_pool1d(bands.abs(), 3)))
        states = self.gru(self.end(maps).transpose(1, 2))[0]
        return self.body(states[:, -1])
