"""The suite's own detector, made for one slow core."""

from __future__ import annotations

import itertools

import torch
from torch import nn

from helpers.models.detector import Detector, as_image, rows_and_frames


class Small(Detector):
    """Light detector of our own: (rows, frames) of a linear-frequency log-spectrogram.

    The first convolution takes `patch` rows and frames a step, so that all later ones work on a fraction of the
    picture: patches as in a vision transformer (Dosovitskiy et al. 2021, sec. 3.1), here overlapping. Two convolutions
    with pooling follow, of `width`, 3/2 and 2 times `width` maps. As in lcnn rows stay apart and frames are averaged.
    Needs 4 * `patch` rows and frames at least, any number of frames from there on.
    centre: subtract each row's mean over the clip, which removes a fixed channel or filter.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        width: int = 16,
        patch: int = 4,
        kernel: int = 7,
        centre: bool = False,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        rows, frames = rows_and_frames(shape, "small")
        if min(rows, frames) < 4 * patch:
            raise ValueError(f"small needs {4 * patch} rows and frames at least, got {rows} x {frames}")
        self.centre = centre
        widths = (width, 3 * width // 2, 2 * width)
        layers: list[nn.Module] = [
            nn.Conv2d(1, width, kernel, stride=patch, padding=kernel // 2), nn.ReLU(), nn.BatchNorm2d(width)
        ]  # fmt: skip
        for n_in, n_out in itertools.pairwise(widths):
            # Pooling and ReLU may change places: first the one that shrinks more.
            self.cam_layer = f"maps.{len(layers)}"
            layers += [
                nn.Conv2d(n_in, n_out, 3, padding=1),
                nn.MaxPool2d(2),
                nn.ReLU(),
                nn.BatchNorm2d(n_out),
            ]
        self.maps = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        stepped = (rows + 2 * (kernel // 2) - kernel) // patch + 1
        self.head = nn.Linear(widths[-1] * (stepped // 4), 1)

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        x = as_image(batch)
        if self.centre:
            x = x - x.mean(dim=3, keepdim=True)
        return self.dropout(self.maps(x).flatten(1, 2).mean(dim=2))  # (batch, maps * rows / 16)
