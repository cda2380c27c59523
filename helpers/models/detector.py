"""What every network of the suite has in common: clips in, an embedding, bona fide log-odds out."""

from __future__ import annotations

from typing import Any

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
