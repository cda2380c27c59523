"""ImageNet's VGG16 as a fixed feature extractor."""

from __future__ import annotations

import torch
from torch import nn

from helpers.models.detector import as_image
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
