"""What every network of the suite has in common: clips in, an embedding, bona fide log-odds out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import nn


class Detector(nn.Module):
    """(batch, *shape) -> (batch,) bona fide log-odds. A family writes `embed` and sets its last layer.

    The last layer, `head`, has one output, or two (spoof, bona fide) whose difference is the answer.

    `cam_layer` names the module whose output Grad-CAM looks at (`model.get_submodule(model.cam_layer)`);
    it is empty where there is no picture to explain.
    """

    cam_layer: str = ""
    head_name: str = "head"  # a published state dict may call it otherwise

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        """(batch, *shape) -> (batch, embedding_size): what the last layer, and one-class losses, look at."""
        raise NotImplementedError

    @property
    def last_layer(self) -> Any:
        """The layer from the embedding to the answer: an nn.Linear unless somebody replaced it."""
        return self.get_submodule(self.head_name)

    @property
    def embedding_size(self) -> int:
        """Columns of `embed`'s answer."""
        return self.last_layer.in_features

    def replace_head(self, head: nn.Module) -> None:
        """Put `head`, (batch, embedding_size) -> (batch, 1 or 2), in the place of the last layer; a loss on
        angles needs a head of its own."""
        setattr(self, self.head_name, head)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """(batch, *shape) -> (batch,), higher = more likely bona fide."""
        answer = self.last_layer(self.embed(batch))
        return answer[:, 1] - answer[:, 0] if answer.shape[1] == 2 else answer[:, 0]


def as_image(batch: torch.Tensor) -> torch.Tensor:
    """(batch, rows, frames) -> (batch, 1, rows, frames); a picture (batch, 1, height, width) is left alone."""
    return batch.unsqueeze(1) if batch.dim() == 3 else batch


def rows_and_frames(shape: tuple[int, ...], name: str) -> tuple[int, int]:
    """Height and width of (rows, frames) or (1, height, width). ValueError for any other shape."""
    if len(shape) == 3 and shape[0] == 1:
        shape = shape[1:]
    if len(shape) != 2:
        raise ValueError(f"{name} reads (rows, frames) or (1, height, width), got a clip of shape {shape}")
    return shape[0], shape[1]


def require_wave(shape: tuple[int, ...], name: str) -> int:
    """Samples of a raw clip (samples,). ValueError for any other shape."""
    if len(shape) != 1:
        raise ValueError(
            f"{name} reads the raw wave (samples,), got a clip of shape {shape}: use features='wave'"
        )
    return shape[0]


def check_clip(batch: torch.Tensor, shape: tuple[int, ...], name: str) -> None:
    """ValueError unless the clips have exactly the shape that the network was built for."""
    if tuple(batch.shape[1:]) != shape:
        got = tuple(batch.shape[1:])
        raise ValueError(
            f"{name} was built for clips of shape {shape} and got {got}: cut or repeat them to one length"
        )


def freeze_first(module: nn.Module, n_tensors: int) -> None:
    """Take the first `n_tensors` parameter tensors, in order of definition, out of training."""
    for index, parameter in enumerate(module.parameters()):
        if index < n_tensors:
            parameter.requires_grad = False


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
