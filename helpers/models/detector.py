"""What every network of the suite has in common: clips in, an embedding, bona fide log-odds out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import nn


class Detector(nn.Module):
    """(batch, *shape) -> (batch,) bona fide log-odds. A family writes `embed` and sets its last layer, `head`, which
    has one output, or two (spoof, bona fide) whose difference is the answer.

    `cam_layer` names the module whose output Grad-CAM looks at, empty where there is no picture to explain.
    """

    cam_layer: str = ""
    head_name: str = "head"  # a published state dict may call it otherwise

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        """(batch, *shape) -> (batch, embedding_size): what the last layer, and one-class losses, look at."""
        raise NotImplementedError

    @property
    def embedding_size(self) -> int:
        """Columns of `embed`'s answer."""
        return int(self.get_submodule(self.head_name).in_features)  # type: ignore[arg-type]

    def replace_head(self, head: nn.Module) -> None:
        """Put `head`, (batch, embedding_size) -> (batch, 1 or 2), in the place of the last layer."""
        setattr(self, self.head_name, head)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """(batch, *shape) -> (batch,), higher = more likely bona fide."""
        answer = self.get_submodule(self.head_name)(self.embed(batch))
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


SMALLEST_STD = 1e-3


class Standardised(nn.Module):
    """`network` on `(batch - mean) / std`. Both are buffers, so a state dict carries the normalisation.

    mean, std: anything that broadcasts against one clip, such as (rows, 1) from `row_statistics`; raw waves pass
    unchanged. What never changes (a digital zero) is not blown up.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, network: Detector, mean: Any = 0.0, std: Any = 1.0) -> None:
        super().__init__()
        self.network: Detector = network
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float32).clone())
        self.register_buffer("std", torch.as_tensor(std, dtype=torch.float32).clamp_min(SMALLEST_STD))

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """(batch, *shape), any float type -> (batch,) bona fide log-odds, float32 but under autocast."""
        return self.network((batch.to(self.mean.dtype) - self.mean) / self.std)

    @property
    def cam_layer(self) -> str:
        """Name of the layer for Grad-CAM, seen from here; empty where the network has none."""
        return f"network.{self.network.cam_layer}" if self.network.cam_layer else ""


def row_statistics(clips: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of training clips, float32, shaped to broadcast against one clip.

    clips: arrays (n, *shape), read one after another, so that a cache need not fit into memory.
    (rows, frames) -> (rows, 1) each; (1, height, width) -> (1, 1, 1); a vector (d,) -> (d,).
    """
    count, total, squares = 0, np.zeros(1), np.zeros(1)
    for block in clips:
        values = np.asarray(block, dtype=np.float64)
        axes = {2: (0,), 3: (0, 2), 4: (0, 1, 2, 3)}[values.ndim]
        count += int(np.prod([values.shape[axis] for axis in axes]))
        total = total + values.sum(axis=axes, keepdims=True)[0]
        squares = squares + np.square(values).sum(axis=axes, keepdims=True)[0]
    mean = total / count
    return mean.astype(np.float32), np.sqrt(np.maximum(squares / count - mean**2, 0.0)).astype(np.float32)
