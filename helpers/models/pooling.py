"""From a sequence of any length to one vector."""

from __future__ import annotations

import torch
from torch import nn


class AttentiveStatistics(nn.Module):
    """(batch, channels, frames) -> (batch, 2 * channels): mean and deviation over time, each frame weighted by
    what a small network makes of it (Okabe et al. 2018, "Attentive statistics pooling", sec. 3.3).
    """

    def __init__(self, channels: int, hidden: int = 32) -> None:
        super().__init__()
        self.attention = nn.Sequential(
            nn.Conv1d(channels, hidden, 1), nn.Tanh(), nn.Conv1d(hidden, channels, 1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weights = torch.softmax(self.attention(x), dim=2)
        mean = (weights * x).sum(dim=2)
        variance = (weights * (x - mean.unsqueeze(2)).square()).sum(dim=2)
        return torch.cat([mean, torch.sqrt(variance + 1e-5)], dim=1)
