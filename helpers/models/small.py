"""The suite's own detector, made for one slow core."""

from __future__ import annotations

import torch
from torch import nn

from helpers.models.detector import Detector, as_image, rows_and_frames
from helpers.models.pooling import AttentiveStatistics


class _TimeBlock(nn.Module):
    """Residual: each channel looks along time by itself, then the channels are mixed frame by frame."""

    def __init__(self, width: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.along = nn.Conv1d(
            width, width, kernel, padding=dilation * (kernel // 2), dilation=dilation, groups=width
        )
        self.norm = nn.BatchNorm1d(width)
        self.mix = nn.Conv1d(width, width, 1)
        self.norm_mix = nn.BatchNorm1d(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = torch.relu(self.norm(self.along(x)))
        return torch.relu(x + self.norm_mix(self.mix(out)))


class Small(Detector):
    """Light detector of our own: (rows, frames) of a linear-frequency log-spectrogram, any number of frames
    from 8 on; attentive statistics pooling (Okabe et al. 2018) over the frames.

    centre: subtract each row's mean over the clip, which removes a fixed channel or filter. stem "patches"
    sees frequency through two strided 2-D convolutions, so that a pattern may shift by a few bins, and halves
    time; "frames" hands every row of a frame to one matrix: faster, and blind to shifts. Then `blocks` dilated
    depthwise convolutions along time of `width` channels.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        width: int = 64,
        blocks: int = 4,
        kernel: int = 5,
        stem: str = "patches",
        maps: int = 16,
        centre: bool = False,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        rows, frames = rows_and_frames(shape, "small")
        if rows < 16 or frames < 8:
            raise ValueError(f"small needs 16 rows and 8 frames at least, got {rows} x {frames}")
        if stem not in ("patches", "frames"):
            raise ValueError(f"small has the stems 'patches' and 'frames', not {stem!r}")
        self.centre = centre
        self.patches = nn.Sequential()
        channels = rows
        if stem == "patches":
            self.patches = nn.Sequential(
                nn.Conv2d(1, maps, (5, 5), stride=(2, 2), padding=2), nn.BatchNorm2d(maps), nn.ReLU(),
                nn.Conv2d(maps, maps, (5, 3), stride=(2, 1), padding=(2, 1), groups=maps), nn.BatchNorm2d(maps),
                nn.Conv2d(maps, maps, 1), nn.BatchNorm2d(maps), nn.ReLU(),
                nn.MaxPool2d((2, 1)),
            )  # fmt: skip
            self.cam_layer = "patches.5"
            with torch.no_grad():
                channels = maps * self.patches.eval()(torch.zeros(1, 1, rows, 8)).shape[2]
            self.patches.train()
        self.narrow = nn.Sequential(nn.Conv1d(channels, width, 1), nn.BatchNorm1d(width), nn.ReLU())
        self.time = nn.Sequential(*[_TimeBlock(width, kernel, 1 + i) for i in range(blocks)])
        self.pool = AttentiveStatistics(width)
        self.end = nn.Sequential(nn.BatchNorm1d(2 * width), nn.Dropout(dropout))
        self.head = nn.Linear(2 * width, 1)

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        x = as_image(batch)
        if self.centre:
            x = x - x.mean(dim=3, keepdim=True)
        x = self.patches(x).flatten(1, 2)  # (batch, maps * rows / 8, frames / 2), or the rows themselves
        return self.end(self.pool(self.time(self.narrow(x))))
