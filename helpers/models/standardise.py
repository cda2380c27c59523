"""Normalisation of features, kept with the weights of the network that was trained on them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import nn

from helpers.models.detector import Detector

SMALLEST_STD = 1e-3  # a row that never changes (a digital zero) must not be blown up


class Standardised(nn.Module):
    """`network` on `(batch - mean) / std`. Both are buffers, so a state dict carries the normalisation.

    mean, std: anything that broadcasts against one clip, such as (rows, 1) from `row_statistics`. Without
    them the clips pass through unchanged, as raw waves should.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self,
        network: Detector,
        mean: np.ndarray | torch.Tensor | None = None,
        std: np.ndarray | torch.Tensor | None = None,
    ) -> None:
        super().__init__()
        self.network: Detector = network
        self.register_buffer("mean", _buffer(mean, 0.0))
        self.register_buffer("std", _buffer(std, 1.0).clamp_min(SMALLEST_STD))

    def standardise(self, batch: torch.Tensor) -> torch.Tensor:
        """(batch, *shape), any float type -> the same shape, float32, as the network sees it."""
        return (batch.to(self.mean.dtype) - self.mean) / self.std

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """(batch, *shape) -> (batch,) bona fide log-odds."""
        return self.network(self.standardise(batch))

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        """(batch, *shape) -> (batch, embedding_size)."""
        return self.network.embed(self.standardise(batch))

    @property
    def embedding_size(self) -> int:
        """Columns of `embed`'s answer."""
        return self.network.embedding_size

    @property
    def cam_layer(self) -> str:
        """Name of the layer for Grad-CAM, seen from here; empty where the network has none."""
        return f"network.{self.network.cam_layer}" if self.network.cam_layer else ""


def row_statistics(clips: Iterable[np.ndarray], shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of training clips, float32, shaped to broadcast against one clip.

    clips: arrays (n, *shape), read one after another, so that a cache need not fit into memory.
    (rows, frames) -> (rows, 1) each; (1, height, width) -> (1, 1, 1); a vector (d,) -> (d,).
    """
    axes = {1: (0,), 2: (0, 2), 3: (0, 1, 2, 3)}[len(shape)]
    count, total, squares = 0, np.zeros(1), np.zeros(1)
    for block in clips:
        values = np.asarray(block, dtype=np.float64)
        count += int(np.prod([values.shape[axis] for axis in axes]))
        total = total + values.sum(axis=axes, keepdims=True)[0]
        squares = squares + np.square(values).sum(axis=axes, keepdims=True)[0]
    if count == 0:
        raise ValueError("no clips to take the mean and standard deviation of")
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
    return mean.astype(np.float32), np.maximum(std, SMALLEST_STD).astype(np.float32)


def _buffer(values: np.ndarray | torch.Tensor | None, default: float) -> torch.Tensor:
    return torch.as_tensor(default if values is None else values, dtype=torch.float32).clone()
