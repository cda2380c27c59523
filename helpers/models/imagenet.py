"""Networks that start from ImageNet: timm's ResNets with one input channel and one output, and a frozen VGG16."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from helpers.models.detector import Detector, as_image, rows_and_frames
from helpers.models.weights import load_into, published, read_weights


def timm_backbone(name: str, weights: str, frozen: int = 0) -> Any:
    """A timm network without its classifier, pooled: (batch, 1, height, width) -> (batch, features).

    weights: "imagenet" (needs the internet or the hub's local cache), the path of a file, or "none", which is the only
    way to random numbers. frozen: how many of the first parameter tensors are not trained (their batch norms still
    follow the data); frozen random layers learn nothing, so pair weights="none" with frozen=0.
    """
    import timm

    network = timm.create_model(name, pretrained=False, in_chans=1, num_classes=0)
    if weights != "none":
        path = published(name) if weights == "imagenet" else weights
        load_into(network, read_weights(path), path)
    for parameter in list(network.parameters())[:frozen]:
        parameter.requires_grad = False
    return network


class _Resnet(Detector):
    """(rows, frames) or (1, height, width), any length: global average pooling before the last layer."""

    timm_name = ""
    cam_layer = "backbone.layer4"

    def __init__(
        self, shape: tuple[int, ...], weights: str = "imagenet", frozen: int = 0, dropout: float = 0.0
    ) -> None:
        super().__init__()
        rows_and_frames(shape, self.timm_name)
        self.backbone = timm_backbone(self.timm_name, weights, frozen)
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

    def __init__(
        self, shape: tuple[int, ...], weights: str = "imagenet", frozen: int = 0, hidden: int = 128
    ) -> None:
        super().__init__()
        rows_and_frames(shape, "resnet50_lstm")
        self.backbone = timm_backbone("resnet50", weights, frozen)
        self.lstm = nn.LSTM(self.backbone.num_features, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        maps = self.backbone.forward_features(as_image(batch))  # (batch, 2048, rows / 32, frames / 32)
        columns = maps.mean(dim=2).transpose(1, 2)
        return self.lstm(columns)[0][:, -1]


class Vgg16Features(nn.Module):
    """VGG16 (Simonyan & Zisserman 2015, configuration D) without its classifier, frozen.

    Pictures in 0..1, (batch, 1 or 3, height, width) from 32 pixels on; one channel is shown as grey. Answer:
    (batch, 25088), the last maps brought to 7x7 and flattened, or with pooled=True their mean, (batch, 512).
    weights: "imagenet" (torchvision's), the path of a file, or "none" for random numbers.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, weights: str = "imagenet", pooled: bool = False) -> None:
        from torchvision.models import vgg16

        super().__init__()
        self.features, self.pooled = vgg16(weights=None).features, pooled
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406])[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225])[:, None, None], persistent=False)
        if weights != "none":
            path = published("vgg16") if weights == "imagenet" else weights
            load_into(self, read_weights(path), path)
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Vgg16Features:
        """Stays in evaluation mode: nothing in it is ever trained."""
        return super().train(False)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        maps = self.features((as_image(batch).expand(-1, 3, -1, -1) - self.mean) / self.std)
        return maps.mean(dim=(2, 3)) if self.pooled else nn.functional.adaptive_avg_pool2d(maps, 7).flatten(1)
