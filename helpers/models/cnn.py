"""The thesis's plain CNN."""

from __future__ import annotations

import torch
from torch import nn

from helpers.models.detector import Detector, as_image, rows_and_frames


class Cnn(Detector):
    """A plain CNN on mel spectrograms, the weakest of the thesis's three systems.

    (rows, frames), any length from 8 frames on: three times (3x3 convolution to 32, 64, 128 maps, ReLU, 2x2
    pooling), the mean over what is left, 128 units, one output.
    """

    cam_layer = "convolutions.6"

    def __init__(self, shape: tuple[int, ...], dropout: float = 0.3) -> None:
        super().__init__()
        rows, frames = rows_and_frames(shape, "cnn")
        if min(rows, frames) < 8:
            raise ValueError(f"cnn halves its input three times: {rows} x {frames} is too small")
        layers: list[nn.Module] = []
        for n_in, n_out in ((1, 32), (32, 64), (64, 128)):
            layers += [nn.Conv2d(n_in, n_out, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        self.convolutions = nn.Sequential(*layers)
        self.body = nn.Sequential(nn.Linear(128, 128), nn.ReLU(), nn.Dropout(dropout))
        self.head = nn.Linear(128, 1)

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        return self.body(self.convolutions(as_image(batch)).mean(dim=(2, 3)))
