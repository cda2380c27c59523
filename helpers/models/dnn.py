"""The FoR repository's network of three branches."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from helpers.models.detector import Detector, rows_and_frames


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
            raise ValueError(
                f"dnn reads {' + '.join(map(str, rows))} stacked rows, got {n_rows}: use mfcc_contrast_zcr"
            )
        self.branches = nn.ModuleList(
            nn.Sequential(nn.Linear(2 * n, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
            for n in rows
        )
        self.body = nn.Sequential(nn.Linear(len(self.rows) * hidden, hidden), nn.ReLU())
        self.head = nn.Linear(hidden, 1)

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        parts = batch.split(self.rows, dim=1)
        summaries = [torch.cat([part.mean(2), part.std(2, correction=0)], dim=1) for part in parts]
        return self.body(
            torch.cat([branch(s) for branch, s in zip(self.branches, summaries, strict=True)], dim=1)
        )
