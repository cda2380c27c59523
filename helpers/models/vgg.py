"""The slides' VGG-like network, and ImageNet's VGG16 as a fixed feature extractor."""

from __future__ import annotations

import torch
from torch import nn

from helpers.models.detector import Detector, as_image, check_clip
from helpers.models.weights import load_into, no_weights, read_weights

VGG16_WIDTHS = (
    64,
    64,
    "pool",
    128,
    128,
    "pool",
    *(256,) * 3,
    "pool",
    *(512,) * 3,
    "pool",
    *(512,) * 3,
    "pool",
)
WIDTHS = (16, 16, "pool", 32, 32, "pool", 64, "pool", 64, "pool", 128, "pool", 128)
SIDE = 224


class VggLike(Detector):
    """The slide deck's 31-layer table: eight 3x3 convolutions with batch norm and ReLU between five 2x2 pools,
    from 1x224x224 to 128x7x7, flattened to 6272 and read by a layer for two classes.

    A picture (1, 224, 224) only. The two classes are spoof and bona fide; the answer is their difference,
    which turns the softmax of the table into log-odds. 306,738 parameters.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        if shape != (1, SIDE, SIDE):
            raise ValueError(f"vgg_like reads pictures of shape (1, {SIDE}, {SIDE}), got {shape}")
        self.shape = shape
        layers: list[nn.Module] = []
        n_in = 1
        for width in WIDTHS:
            if isinstance(width, str):
                layers.append(nn.MaxPool2d(2))
            else:
                self.cam_layer = f"convolutions.{len(layers)}"
                layers += [nn.Conv2d(n_in, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
                n_in = width
        self.convolutions = nn.Sequential(*layers)
        self.head = nn.Linear(128 * 7 * 7, 2)

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        check_clip(batch, self.shape, "vgg_like")
        return self.convolutions(batch).flatten(1)


class Vgg16Features(nn.Module):
    """VGG16 (Simonyan & Zisserman 2015, configuration D) without its classifier, frozen.

    Pictures in 0..1, (batch, 1 or 3, height, width) from 32 pixels on; one channel is shown as grey. Answer:
    (batch, 25088), the last maps brought to 7x7 and flattened, or with pooled=True their mean, (batch, 512).
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, pooled: bool = False) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        n_in = 3
        for width in VGG16_WIDTHS:
            if isinstance(width, str):
                layers.append(nn.MaxPool2d(2))
            else:
                layers += [nn.Conv2d(n_in, width, 3, padding=1), nn.ReLU()]
                n_in = width
        self.features = nn.Sequential(*layers)  # named and numbered as in torchvision's state dict
        self.avgpool, self.pooled = nn.AdaptiveAvgPool2d(7), pooled
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406])[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225])[:, None, None], persistent=False)
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Vgg16Features:
        """Stays in evaluation mode: nothing in it is ever trained."""
        return super().train(False)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        maps = self.features((as_image(batch).expand(-1, 3, -1, -1) - self.mean) / self.std)
        return maps.mean(dim=(2, 3)) if self.pooled else self.avgpool(maps).flatten(1)


def vgg16_features(weights: str = "imagenet", pooled: bool = False) -> Vgg16Features:
    """A `Vgg16Features` with torchvision's ImageNet weights, those of a file, or ("none") random ones."""
    network = Vgg16Features(pooled)
    if weights == "imagenet":
        from torchvision.models import VGG16_Weights

        try:
            state = VGG16_Weights.IMAGENET1K_V1.get_state_dict(progress=False)
        except OSError as error:
            raise RuntimeError(no_weights("vgg16")) from error
        load_into(network, state, "torchvision")
    elif weights != "none":
        load_into(network, read_weights(weights), weights)
    return network
