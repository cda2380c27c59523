"""ResNets from timm, one input channel, one output."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from helpers.models.detector import Detector, as_image, freeze_first, rows_and_frames
from helpers.models.weights import timm_backbone


class _Resnet(Detector):
    """(rows, frames) or (1, height, width), any length: global average pooling before the last layer.

    weights: "imagenet", a path, or "none". frozen: how many of the first parameter tensors are not trained
    (their batch norms still follow the data); frozen random layers learn nothing, so pair weights="none"
    with frozen=0.
    """

    timm_name = ""
    cam_layer = "backbone.layer4"
    backbone: Any

    def __init__(
        self, shape: tuple[int, ...], weights: str = "imagenet", frozen: int = 0, dropout: float = 0.0
    ) -> None:
        super().__init__()
        rows_and_frames(shape, self.timm_name)
        self.backbone = timm_backbone(self.timm_name, weights)
        freeze_first(self.backbone, frozen)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.backbone.num_features, 1)

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        return self.dropout(self.backbone(as_image(batch)))


class Resnet50(_Resnet):
    """ResNet50 (He et al. 2016, "Deep residual learning", table 1): the thesis's best on log-mel, the slides'
    network for spectrogram and waveform pictures."""

    timm_name = "resnet50"


class Resnet101(_Resnet):
    """ResNet101 (He et al. 2016, table 1) as the features comparison uses it: ImageNet weights and the first
    39 parameter tensors (the stem, stage one and a part of stage two) frozen."""

    timm_name = "resnet101"

    def __init__(
        self, shape: tuple[int, ...], weights: str = "imagenet", frozen: int = 39, dropout: float = 0.0
    ) -> None:
        super().__init__(shape, weights, frozen, dropout)


class Resnet200d(_Resnet):
    """ResNet200-D (He et al. 2019, "Bag of tricks", sec. 4.2). The features comparison says "Resnet202",
    which does not exist; this is timm's nearest."""

    timm_name = "resnet200d"


class Resnet50Lstm(Detector):
    """ResNet50 over time, read by an LSTM (the thesis's third system).

    (rows, frames): the last feature maps, averaged over frequency, are one 2048-vector per 32 frames; an LSTM
    of `hidden` units reads them in order and its last state is judged. Any length.
    """

    cam_layer = "backbone.layer4"
    backbone: Any

    def __init__(
        self, shape: tuple[int, ...], weights: str = "imagenet", frozen: int = 0, hidden: int = 128
    ) -> None:
        super().__init__()
        rows_and_frames(shape, "resnet50_lstm")
        self.backbone = timm_backbone("resnet50", weights)
        freeze_first(self.backbone, frozen)
        self.lstm = nn.LSTM(self.backbone.num_features, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        maps = self.backbone.forward_features(as_image(batch))  # (batch, 2048, rows / 32, frames / 32)
        columns = maps.mean(dim=2).transpose(1, 2)
        return self.lstm(columns)[0][:, -1]
