"""AASIST: spectral and temporal graphs on a raw-wave encoder."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from helpers.models.detector import Detector, require_wave
from helpers.models.rawnet2 import sinc_filters
from helpers.models.weights import load_exactly, read_weights

N_FILTERS = 70
# encoder widths, graph widths, share of nodes kept (spectral, temporal, after the first joint layer)
VARIANTS = {
    "aasist": ([32, 32, 64, 64, 64, 64], [64, 32], [0.5, 0.7, 0.5, 0.5]),
    "aasist_l": ([32, 32, 24, 24, 24, 24], [24, 32], [0.4, 0.5, 0.7, 0.5]),
}
GRAPH_TEMPERATURE, JOINT_TEMPERATURE = 2.0, 100.0


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
        of_time, across_time = first[:, :, :n_temporal], first[:, :, n_temporal:]
        across_bands, of_bands = second[:, :, :n_temporal], second[:, :, n_temporal:]
        top = torch.cat([of_time @ self.att_weight11, across_time @ self.att_weight12], dim=2)
        bottom = torch.cat([across_bands @ self.att_weight12, of_bands @ self.att_weight22], dim=2)
        return torch.cat([top, bottom], dim=1).squeeze(-1)

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


class EncoderBlock(nn.Module):
    """Residual block on (batch, maps, filters, time); time shrinks to a third.

    In the published network the first batch norm of a block does not reach its output: the first convolution
    reads the block's input. Its tensors exist and are kept, so that the weights load; they do nothing.
    """

    def __init__(self, n_in: int, n_out: int, first: bool) -> None:
        super().__init__()
        if not first:
            self.bn1 = nn.BatchNorm2d(n_in)
        self.conv1 = nn.Conv2d(n_in, n_out, (2, 3), padding=(1, 1))
        self.bn2 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, (2, 3), padding=(0, 1))
        if n_in != n_out:
            self.conv_downsample = nn.Conv2d(n_in, n_out, (1, 3), padding=(0, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = functional.selu(self.bn2(self.conv1(x)), inplace=True)  # a fifth less memory in training
        out = self.conv2(inner)
        identity = self.conv_downsample(x) if hasattr(self, "conv_downsample") else x
        return functional.max_pool2d(out + identity, (1, 3))


class Aasist(Detector):
    """AASIST (Jung et al. 2022, "AASIST: audio anti-spoofing using integrated spectro-temporal graph attention
    networks", sec. 3 and table 1); variant "aasist_l" is the paper's light version.

    Raw wave of 64,600 samples at 16 kHz, repeat-padded. 70 fixed sinc filters, six residual blocks, a graph of
    frequencies and one of times, two parallel branches of joint attention each with its stack node, and the
    maximum of both; two logits, of which the published scores are the second alone. 297,866 parameters (light: 85,306),
    none of them in the filters. weights: "none" or a path to a published state dict, which loads unchanged.
    """

    cam_layer = "encoder.5.0.conv2"
    head_name = "out_layer"
    filters: torch.Tensor

    def __init__(self, shape: tuple[int, ...], variant: str = "aasist", weights: str = "none") -> None:
        super().__init__()
        require_wave(shape, "aasist")
        if variant not in VARIANTS:
            raise ValueError(f"aasist comes as {' or '.join(VARIANTS)}, not {variant!r}")
        widths, (wide, narrow), ratios = VARIANTS[variant]
        self.register_buffer("filters", sinc_filters(N_FILTERS, 129)[:, None], persistent=False)
        self.first_bn = nn.BatchNorm2d(1)
        channels = [1, *widths]
        self.encoder = nn.Sequential(
            *[nn.Sequential(EncoderBlock(channels[i], channels[i + 1], i == 0)) for i in range(len(widths))]
        )
        self.pos_S = nn.Parameter(torch.randn(1, N_FILTERS // 3, wide))
        self.master1 = nn.Parameter(torch.randn(1, 1, wide))
        self.master2 = nn.Parameter(torch.randn(1, 1, wide))
        self.GAT_layer_S = GraphAttention(wide, wide, GRAPH_TEMPERATURE)
        self.GAT_layer_T = GraphAttention(wide, wide, GRAPH_TEMPERATURE)
        self.pool_S, self.pool_T = GraphPool(ratios[0], wide), GraphPool(ratios[1], wide)
        for branch in "12":
            for place, n_in in (("1", wide), ("2", narrow)):
                layer = HeterogeneousAttention(n_in, narrow, JOINT_TEMPERATURE)
                self.add_module(f"HtrgGAT_layer_ST{branch}{place}", layer)
        self.pool_hS1, self.pool_hT1 = GraphPool(ratios[2], narrow), GraphPool(ratios[2], narrow)
        self.pool_hS2, self.pool_hT2 = GraphPool(ratios[2], narrow), GraphPool(ratios[2], narrow)
        self.out_layer = nn.Linear(5 * narrow, 2)
        self.drop, self.drop_way = nn.Dropout(0.5), nn.Dropout(0.2)
        if weights != "none":
            load_exactly(self, read_weights(Path(weights)), weights)

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        """(batch, samples) -> (batch, embedding_size): maximum and mean over times, over frequencies, and the stack node."""
        bands = functional.conv1d(batch[:, None], self.filters).abs()
        maps = self.encoder(torch.selu(self.first_bn(functional.max_pool2d(bands[:, None], 3))))
        spectral = maps.abs().amax(dim=3).transpose(1, 2) + self.pos_S
        temporal = maps.abs().amax(dim=2).transpose(1, 2)
        spectral = self.pool_S(self.GAT_layer_S(spectral))
        temporal = self.pool_T(self.GAT_layer_T(temporal))
        first = self._branch(temporal, spectral, 1)
        second = self._branch(temporal, spectral, 2)
        temporal, spectral, stack = [torch.maximum(a, b) for a, b in zip(first, second, strict=True)]
        parts = [part for nodes in (temporal, spectral) for part in (nodes.abs().amax(1), nodes.mean(1))]
        return self.drop(torch.cat([*parts, stack[:, 0]], dim=1))

    def _branch(self, temporal: torch.Tensor, spectral: torch.Tensor, number: int) -> list[torch.Tensor]:
        """One branch of joint attention: pooled temporal and spectral nodes and the stack node."""
        stack = getattr(self, f"master{number}").expand(temporal.shape[0], -1, -1)
        layers = getattr(self, f"HtrgGAT_layer_ST{number}1"), getattr(self, f"HtrgGAT_layer_ST{number}2")
        temporal, spectral, stack = layers[0](temporal, spectral, stack)
        temporal = getattr(self, f"pool_hT{number}")(temporal)
        spectral = getattr(self, f"pool_hS{number}")(spectral)
        more = layers[1](temporal, spectral, stack)
        out = zip((temporal, spectral, stack), more, strict=True)
        return [self.drop_way(before + added) for before, added in out]
