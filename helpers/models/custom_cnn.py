"""The FoR repository's own CNN."""

from __future__ import annotations

import torch
from torch import nn

from helpers.models.detector import Detector, as_image, check_clip, rows_and_frames


class CustomCnn(Detector):
    """Four 3x3 convolutions (32, 64, 128, 128 maps: the source names three widths and four layers), each with
    ReLU and a 2x2 pool that keeps the odd last row, then 512 units, dropout 0.5 and one output.

    (rows, frames) of one fixed length. 64 mels x 188 frames end as 128 x 4 x 12.
    """

    cam_layer = "convolutions.9"

    def __init__(self, shape: tuple[int, ...], dropout: float = 0.5) -> None:
        super().__init__()
        rows, frames = rows_and_frames(shape, "custom_cnn")
        self.shape = shape
        layers: list[nn.Module] = []
        for n_in, n_out in ((1, 32), (32, 64), (64, 128), (128, 128)):
            layers += [nn.Conv2d(n_in, n_out, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)]
        self.convolutions = nn.Sequential(*layers)
        size = 128 * -(-rows // 16) * -(-frames // 16)  # halved four times, rounded up each time
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(size, 512), nn.ReLU(), nn.Dropout(dropout))
        self.head = nn.Linear(512, 1)

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        check_clip(batch, self.shape, "custom_cnn")
        return self.body(self.convolutions(as_image(batch)))
