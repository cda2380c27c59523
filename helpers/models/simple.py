"""The two plain networks of the features comparison: fully connected, and two convolutions in front of it."""

from __future__ import annotations

import itertools
import math

import torch
from torch import nn

from helpers.models.detector import Detector, as_image, check_clip, rows_and_frames


def _dense(*sizes: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for n_in, n_out in itertools.pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return layers


class SimpleAnn(Detector):
    """Feature comparison of a student system: flatten, then 1024, 512, 256 and one output, ReLU between.

    Any one shape; 64 mels x 188 frames flatten to 12,032. Fixed length: the first layer knows every frame.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape
        self.body = nn.Sequential(nn.Flatten(), *_dense(math.prod(shape), 1024, 512, 256))
        self.head = nn.Linear(256, 1)

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        check_clip(batch, self.shape, "simple_ann")
        return self.body(batch)


class SimpleCnn(Detector):
    """Same source: twice (5x5 convolution padded by 2, 32 then 64 maps, ReLU, 2x2 pooling), then SimpleAnn's
    layers. 64 mels x 188 frames flatten to 64 x 16 x 47. Fixed length.
    """

    cam_layer = "convolutions.3"

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        rows, frames = rows_and_frames(shape, "simple_cnn")
        if min(rows, frames) < 4:
            raise ValueError(f"simple_cnn halves its input twice: {rows} x {frames} is too small")
        self.shape = shape
        self.convolutions = nn.Sequential(
            nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        )  # fmt: skip
        self.body = nn.Sequential(nn.Flatten(), *_dense(64 * (rows // 4) * (frames // 4), 1024, 512, 256))
        self.head = nn.Linear(256, 1)

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        check_clip(batch, self.shape, "simple_cnn")
        return self.body(self.convolutions(as_image(batch)))
