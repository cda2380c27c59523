"""The small networks of the seed systems and the suite's own light one; each names its source."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import nn

from helpers.models.detector import Detector, as_image, check_clip, rows_and_frames


def _dense(*sizes: int) -> list[nn.Module]:
    pairs = itertools.pairwise(sizes)
    return [layer for n_in, n_out in pairs for layer in (nn.Linear(n_in, n_out), nn.ReLU())]


def _convolutions(*widths: int, size: int = 3, ceil_mode: bool = False) -> nn.Sequential:
    """From one map to `widths`: convolution, ReLU and a 2x2 pool (ceil_mode: which keeps an odd last row) each."""
    layers: list[nn.Module] = []
    for n_in, n_out in itertools.pairwise((1, *widths)):
        layers += [
            nn.Conv2d(n_in, n_out, size, padding=size // 2),
            nn.ReLU(),
            nn.MaxPool2d(2, ceil_mode=ceil_mode),
        ]
    return nn.Sequential(*layers)


class SimpleAnn(Detector):
    """Feature comparison of a student system: flatten, then 1024, 512, 256 and one output, ReLU between.

    Any one shape; 64 mels x 188 frames flatten to 12,032. Fixed length: the first layer knows every frame.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape
        self.body = nn.Sequential(nn.Flatten(), *_dense(math.prod(shape), 1024, 512, 256))
        self.head = nn.Linear(256, 1)

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        check_clip(batch, self.shape, "simple_ann")
        return self.body(batch)


class SimpleCnn(Detector):
    """Same source: twice (5x5 convolution padded by 2, 32 then 64 maps, ReLU, 2x2 pooling), then SimpleAnn's
    layers. 64 mels x 188 frames flatten to 64 x 16 x 47. Fixed length.
    """

    cam_layer = "convolutions.3"

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        rows, frames = rows_and_frames(shape, "simple_cnn")
        self.shape = shape
        self.convolutions = _convolutions(32, 64, size=5)
        self.body = nn.Sequential(nn.Flatten(), *_dense(64 * (rows // 4) * (frames // 4), 1024, 512, 256))
        self.head = nn.Linear(256, 1)

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        check_clip(batch, self.shape, "simple_cnn")
        return self.body(self.convolutions(as_image(batch)))


class Cnn(Detector):
    """A plain CNN on mel spectrograms, the weakest of the thesis's three systems.

    (rows, frames), any length from 8 frames on: three times (3x3 convolution to 32, 64, 128 maps, ReLU, 2x2
    pooling), the mean over what is left, 128 units, one output.
    """

    cam_layer = "convolutions.6"

    def __init__(self, shape: tuple[int, ...], dropout: float = 0.3) -> None:
        super().__init__()
        rows_and_frames(shape, "cnn")
        self.convolutions = _convolutions(32, 64, 128)
        self.body = nn.Sequential(nn.Linear(128, 128), nn.ReLU(), nn.Dropout(dropout))
        self.head = nn.Linear(128, 1)

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        return self.body(self.convolutions(as_image(batch)).mean(dim=(2, 3)))


class CustomCnn(Detector):
    """Four 3x3 convolutions (32, 64, 128, 128 maps: the source names three widths and four layers), each with
    ReLU and a 2x2 pool that keeps the odd last row, then 512 units, dropout 0.5 and one output.

    (rows, frames) of one fixed length. 64 mels x 188 frames end as 128 x 4 x 12.
    """

    cam_layer = "convolutions.9"

    def __init__(self, shape: tuple[int, ...], dropout: float = 0.5) -> None:
        super().__init__()
        rows, frames = rows_and_frames(shape, "custom_cnn")
        self.shape = shape
        self.convolutions = _convolutions(32, 64, 128, 128, ceil_mode=True)
        size = 128 * -(-rows // 16) * -(-frames // 16)  # halved four times, rounded up each time
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(size, 512), nn.ReLU(), nn.Dropout(dropout))
        self.head = nn.Linear(512, 1)

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        check_clip(batch, self.shape, "custom_cnn")
        return self.body(self.convolutions(as_image(batch)))


class Dnn(Detector):
    """One input branch for MFCC, one for spectral contrast, one for the zero-crossing rate; hidden layers of
    128 ReLU; the branches are joined and judged.

    (sum(rows), frames): the three features stacked, `rows` of each; any number of frames. The source leaves
    open how a branch meets time: here it reads the mean and the deviation of each row over the clip.
    """

    def __init__(self, shape: tuple[int, ...], rows: Sequence[int] = (40, 7, 1), hidden: int = 128) -> None:
        super().__init__()
        n_rows, _ = rows_and_frames(shape, "dnn")
        self.rows = list(rows)
        if sum(self.rows) != n_rows:
            raise ValueError(f"dnn reads {sum(rows)} stacked rows, got {n_rows}: use mfcc_contrast_zcr")
        self.branches = nn.ModuleList(nn.Sequential(*_dense(2 * n, hidden, hidden)) for n in rows)
        self.body = nn.Sequential(*_dense(len(self.rows) * hidden, hidden))
        self.head = nn.Linear(hidden, 1)

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        parts = batch.split(self.rows, dim=1)
        summaries = [torch.cat([part.mean(2), part.std(2, correction=0)], dim=1) for part in parts]
        answers = [branch(summary) for branch, summary in zip(self.branches, summaries, strict=True)]
        return self.body(torch.cat(answers, dim=1))


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
        rows, _ = rows_and_frames(shape, "small")
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
