"""Losses on a network's score. Higher scores mean bona fide; labels are 1 for bona fide, 0 for spoof."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from helpers.models.detector import Detector

SCALE = 20.0  # alpha of one-class softmax and s of additive margin, as in Zhang et al. 2021, section III
MARGIN_BONAFIDE, MARGIN_SPOOF = 0.9, 0.2  # Zhang, Jiang, Duan 2021 (One-class learning), section IV-B
ADDITIVE_MARGIN = 0.9  # the same paper's setting of AM-softmax


class CosineHead(nn.Module):
    """(batch, in_features) embedding -> (batch, 1) cosine with the bona fide direction."""

    def __init__(self, in_features: int):
        super().__init__()
        self.in_features = in_features
        self.direction = nn.Parameter(torch.randn(in_features) / in_features**0.5)

    def forward(self, embedding: torch.Tensor) -> torch.Tensor:
        return F.normalize(embedding, dim=1) @ F.normalize(self.direction, dim=0)[:, None]


class TwoCosinesHead(nn.Module):
    """(batch, in_features) embedding -> (batch, 1) scaled difference of its cosines with the two class directions."""

    def __init__(self, in_features: int):
        super().__init__()
        self.in_features = in_features
        self.directions = nn.Parameter(torch.randn(2, in_features) / in_features**0.5)

    def forward(self, embedding: torch.Tensor) -> torch.Tensor:
        cosines = (
            F.normalize(embedding, dim=1) @ F.normalize(self.directions, dim=1).T
        )  # (batch, 2): spoof, bona fide
        return SCALE * (cosines[:, 1:] - cosines[:, :1])


def prepare_network(network: Detector, loss: str) -> Detector:
    """Give the network the head that the loss needs: one that answers by angles for the two margin losses."""
    if loss == "one_class_softmax":
        network.replace_head(CosineHead(network.embedding_size))
    elif loss == "additive_margin":
        network.replace_head(TwoCosinesHead(network.embedding_size))
    return network


def loss_of(name: str, scores: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Mean weighted loss of a batch: (batch,) scores, (batch,) labels in {0, 1}, (2,) weights of spoof and bona fide."""
    sign = 2 * labels - 1
    if name == "cross_entropy":
        each = F.softplus(-sign * scores)
    elif name == "one_class_softmax":
        margin = torch.where(labels > 0.5, MARGIN_BONAFIDE, MARGIN_SPOOF)
        each = F.softplus(SCALE * sign * (margin - scores))
    elif name == "additive_margin":  # two classes: the softmax depends on the difference of the cosines alone
        each = F.softplus(SCALE * ADDITIVE_MARGIN - sign * scores)
    else:
        raise ValueError(f"loss {name!r} is none of cross_entropy, one_class_softmax, additive_margin")
    return (each * weights[labels.long()]).mean()
