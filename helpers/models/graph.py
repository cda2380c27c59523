"""Attention between the nodes of small complete graphs, and pooling of nodes: the parts of AASIST.

The names of layers and parameters are those of the published state dict, so that it loads unchanged.
"""

from __future__ import annotations

import torch
from torch import nn


def _weight(size: int) -> nn.Parameter:
    """(size, 1) vector that turns a pair's features into one attention logit."""
    return nn.Parameter(nn.init.xavier_normal_(torch.empty(size, 1)))


def _norm(bn: nn.BatchNorm1d, nodes: torch.Tensor) -> torch.Tensor:
    """Batch norm over every node of every graph: (batch, nodes, features) unchanged in shape."""
    return bn(nodes.flatten(0, 1)).view_as(nodes)


def _pairs(nodes: torch.Tensor) -> torch.Tensor:
    """(batch, n, d) -> (batch, n, n, d): the product of each node with each other."""
    return nodes.unsqueeze(2) * nodes.unsqueeze(1)


class GraphAttention(nn.Module):
    """Attention over one graph (Jung et al. 2022, sec. 2.2): (batch, nodes, n_in) -> (batch, nodes, n_out)."""

    def __init__(self, n_in: int, n_out: int, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.att_weight = _weight(n_out)
        self.att_proj = nn.Linear(n_in, n_out)
        self.proj_with_att = nn.Linear(n_in, n_out)
        self.proj_without_att = nn.Linear(n_in, n_out)
        self.bn = nn.BatchNorm1d(n_out)
        self.drop = nn.Dropout(0.2)

    def forward(self, nodes: torch.Tensor) -> torch.Tensor:
        nodes = self.drop(nodes)
        logits = (torch.tanh(self.att_proj(_pairs(nodes))) @ self.att_weight).squeeze(-1)
        attention = torch.softmax(logits / self.temperature, dim=2)
        out = self.proj_with_att(attention @ nodes) + self.proj_without_att(nodes)
        return torch.selu(_norm(self.bn, out))


class HeterogeneousAttention(nn.Module):
    """Attention over the joint graph of temporal and spectral nodes (sec. 3.1-3.2), with a stack node that reads
    all of them.

    temporal (batch, t, n_in), spectral (batch, s, n_in), stack (batch, 1, n_in) -> the three with n_out features.
    Pairs within time, within frequency and across have an attention vector each.
    """

    def __init__(self, n_in: int, n_out: int, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.proj_type1, self.proj_type2 = nn.Linear(n_in, n_in), nn.Linear(n_in, n_in)
        self.att_proj, self.att_projM = nn.Linear(n_in, n_out), nn.Linear(n_in, n_out)
        self.att_weight11, self.att_weight22 = _weight(n_out), _weight(n_out)
        self.att_weight12, self.att_weightM = _weight(n_out), _weight(n_out)
        self.proj_with_att, self.proj_without_att = nn.Linear(n_in, n_out), nn.Linear(n_in, n_out)
        self.proj_with_attM, self.proj_without_attM = nn.Linear(n_in, n_out), nn.Linear(n_in, n_out)
        self.bn = nn.BatchNorm1d(n_out)
        self.drop = nn.Dropout(0.2)

    def forward(
        self, temporal: torch.Tensor, spectral: torch.Tensor, stack: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        n_temporal = temporal.shape[1]
        nodes = self.drop(torch.cat([self.proj_type1(temporal), self.proj_type2(spectral)], dim=1))
        attention = torch.softmax(self._logits(nodes, n_temporal) / self.temperature, dim=2)
        stack = self._read(nodes, stack)
        out = self.proj_with_att(attention @ nodes) + self.proj_without_att(nodes)
        out = torch.selu(_norm(self.bn, out))
        return out[:, :n_temporal], out[:, n_temporal:], stack

    def _logits(self, nodes: torch.Tensor, n_temporal: int) -> torch.Tensor:
        """(batch, n, n): each pair under the attention vector of its kind."""
        pairs = torch.tanh(self.att_proj(_pairs(nodes)))
        first, second = pairs[:, :n_temporal], pairs[:, n_temporal:]
        top = [first[:, :, :n_temporal] @ self.att_weight11, first[:, :, n_temporal:] @ self.att_weight12]
        bottom = [
            second[:, :, :n_temporal] @ self.att_weight12,
            second[:, :, n_temporal:] @ self.att_weight22,
        ]
        return torch.cat([torch.cat(top, dim=2), torch.cat(bottom, dim=2)], dim=1).squeeze(-1)

    def _read(self, nodes: torch.Tensor, stack: torch.Tensor) -> torch.Tensor:
        """The stack node's new value: a weighted sum over the nodes and its own."""
        logits = torch.tanh(self.att_projM(nodes * stack)) @ self.att_weightM
        attention = torch.softmax(logits / self.temperature, dim=1).transpose(1, 2)
        return self.proj_with_attM(attention @ nodes) + self.proj_without_attM(stack)


class GraphPool(nn.Module):
    """Keep the share `ratio` of nodes with the highest score, each scaled by it (Gao & Ji 2019, sec. 3.1)."""

    def __init__(self, ratio: float, size: int) -> None:
        super().__init__()
        self.ratio = ratio
        self.proj = nn.Linear(size, 1)
        self.drop = nn.Dropout(0.3)

    def forward(self, nodes: torch.Tensor) -> torch.Tensor:
        scores = torch.sigmoid(self.proj(self.drop(nodes)))
        n_kept = max(int(nodes.shape[1] * self.ratio), 1)
        kept = scores.topk(n_kept, dim=1).indices
        return (nodes * scores).gather(1, kept.expand(-1, -1, nodes.shape[2]))
