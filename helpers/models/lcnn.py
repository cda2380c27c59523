"""Light CNN: convolutions whose activation is a competition between two feature maps."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import nn

from helpers.models.detector import Detector, as_image, rows_and_frames


class MaxFeatureMap(nn.Module):
    """(batch, 2n, ...) -> (batch, n, ...): the larger of each pair of maps, in place of a ReLU."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, second = x.chunk(2, dim=1)
        return torch.maximum(first, second)


def _block(n_in: int, n_out: int) -> nn.Sequential:
    # Pooling and max-feature-map are both maxima and may change places: first the one that shrinks more.
    return nn.Sequential(
        nn.Conv2d(n_in, 2 * n_out, 3, padding=1), nn.MaxPool2d(2), MaxFeatureMap(), nn.BatchNorm2d(n_out)
    )


class Lcnn(Detector):
    """Max-feature-map network (Wu et al. 2018, "A light CNN for deep face representation", sec. III-A; for
    spoofing Lavrentyeva et al. 2019), with the LSTM pooling of Wang & Yamagishi 2021 ("A comparative study on
    recent neural spoofing countermeasures") as an option.

    (rows, frames) of LFCC, log-mel or a linear-frequency log-spectrogram, any number of frames from 16 on.
    Four blocks halve both axes. Rows stay apart, because *where* in frequency a trace sits matters; frames
    are averaged (pooling="mean") or read by two residual bidirectional LSTMs and then averaged ("lstm").
    About 100,000 parameters with the default widths and "mean".
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        pooling: str = "mean",
        widths: Sequence[int] = (24, 32, 48, 64),
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        rows, _ = rows_and_frames(shape, "lcnn")
        if pooling not in ("mean", "lstm"):
            raise ValueError(f"lcnn pools by 'mean' or 'lstm', not {pooling!r}")
        shrink = 2 ** len(widths)
        channels = [1, *widths]
        self.blocks = nn.Sequential(*[_block(a, b) for a, b in itertools.pairwise(channels)])
        self.cam_layer = f"blocks.{len(widths) - 1}.0"
        size = widths[-1] * (rows // shrink)
        self.recurrent = nn.ModuleList()
        if pooling == "lstm":
            self.recurrent.extend(
                nn.LSTM(size, size // 2, batch_first=True, bidirectional=True) for _ in range(2)
            )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(size, 1)

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        maps = self.blocks(as_image(batch))
        columns = maps.flatten(1, 2).transpose(1, 2)  # (batch, frames / 16, maps * rows / 16)
        out = columns
        for layer in self.recurrent:
            out = layer(out)[0]
        if len(self.recurrent):
            out = out + columns
        return self.dropout(out.mean(dim=1))
