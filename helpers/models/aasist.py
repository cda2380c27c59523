"""AASIST: spectral and temporal graphs on a raw-wave encoder."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from helpers.models.detector import Detector, require_wave
from helpers.models.graph import GraphAttention, GraphPool, HeterogeneousAttention
from helpers.models.sinc import sinc_filters
from helpers.models.weights import read_weights

N_FILTERS = 70
# encoder widths, graph widths, share of nodes kept (spectral, temporal, after the first joint layer)
VARIANTS = {
    "aasist": ([32, 32, 64, 64, 64, 64], [64, 32], [0.5, 0.7, 0.5, 0.5]),
    "aasist_l": ([32, 32, 24, 24, 24, 24], [24, 32], [0.4, 0.5, 0.7, 0.5]),
}
GRAPH_TEMPERATURE, JOINT_TEMPERATURE = 2.0, 100.0


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
        out = self.conv2(
            functional.selu(self.bn2(self.conv1(x)), inplace=True)
        )  # a fifth less memory in training
        identity = self.conv_downsample(x) if hasattr(self, "conv_downsample") else x
        return functional.max_pool2d(out + identity, (1, 3))


class Aasist(Detector):
    """AASIST (Jung et al. 2022, "AASIST: audio anti-spoofing using integrated spectro-temporal graph attention
    networks", sec. 3 and table 1); variant "aasist_l" is the paper's light version.

    Raw wave of 64,600 samples at 16 kHz, repeat-padded. 70 fixed sinc filters, six residual blocks, a graph of
    frequencies and one of times, two parallel branches of joint attention each with its stack node, and the
    maximum of both; two logits, of which the published scores are the second alone. 297,866 parameters (light: 85,306), none of them in the filters. weights: "none" or a
    path to a published state dict, which loads unchanged.
    """

    cam_layer = "encoder.5.0.conv2"
    head_name = "out_layer"
    filters: torch.Tensor

    def __init__(self, shape: tuple[int, ...], variant: str = "aasist", weights: str = "none") -> None:
        super().__init__()
        if require_wave(shape, "aasist") < 128 + 3**8:
            raise ValueError(f"aasist shrinks time by 3 seven times: {shape[0]} samples are too few")
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
        self.HtrgGAT_layer_ST11 = HeterogeneousAttention(wide, narrow, JOINT_TEMPERATURE)
        self.HtrgGAT_layer_ST12 = HeterogeneousAttention(narrow, narrow, JOINT_TEMPERATURE)
        self.HtrgGAT_layer_ST21 = HeterogeneousAttention(wide, narrow, JOINT_TEMPERATURE)
        self.HtrgGAT_layer_ST22 = HeterogeneousAttention(narrow, narrow, JOINT_TEMPERATURE)
        self.pool_hS1, self.pool_hT1 = GraphPool(ratios[2], narrow), GraphPool(ratios[2], narrow)
        self.pool_hS2, self.pool_hT2 = GraphPool(ratios[2], narrow), GraphPool(ratios[2], narrow)
        self.out_layer = nn.Linear(5 * narrow, 2)
        self.drop, self.drop_way = nn.Dropout(0.5), nn.Dropout(0.2)
        if weights != "none":
            self.load_state_dict(read_weights(Path(weights)), strict=True)

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
        parts = [
            temporal.abs().amax(1),
            temporal.mean(1),
            spectral.abs().amax(1),
            spectral.mean(1),
            stack[:, 0],
        ]
        return self.drop(torch.cat(parts, dim=1))

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
