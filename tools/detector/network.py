"""Wave in, log odds out: the embedded speech encoder, statistics over time, a linear head."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from helpers.models.speech_encoder import WhisperFrontEnd

SAMPLE_RATE = 16_000
OPSET = 17
LEVEL = 0.05  # RMS, -26 dBFS


class Encoder(nn.Module):
    """(batch, samples) at 16 kHz -> (batch, 2 layers * 3 statistics * 384): over time the mean, the deviation, and
    the deviation of the differences of whisper-tiny.en's first two layers. Offset and level of the wave go first."""

    def __init__(self) -> None:
        super().__init__()
        self.front_end = WhisperFrontEnd()
        self.requires_grad_(False).eval()

    def forward(self, wave: torch.Tensor) -> torch.Tensor:
        wave = wave - wave.mean(1, keepdim=True)
        wave = wave * (LEVEL / (wave.square().mean(1, keepdim=True) + 1e-10).sqrt())
        pooled = []
        for x in self.front_end(wave)[1:]:  # the stem alone tells little
            pooled += [x.mean(1), deviation(x), deviation(x[:, 1:] - x[:, :-1])]
        return torch.cat(pooled, dim=1)


def deviation(x: torch.Tensor) -> torch.Tensor:
    """(batch, frames, width) -> (batch, width) standard deviation over the frames."""
    return ((x - x.mean(1, keepdim=True)).square().mean(1) + 1e-6).sqrt()


class Detector(nn.Module):
    """The encoder and a linear head: (batch, samples) -> (batch,) log odds, higher = bona fide."""

    def __init__(self, slope: np.ndarray, bias: float) -> None:
        super().__init__()
        self.encoder, self.head = Encoder(), nn.Linear(len(slope), 1)
        self.head.weight.data = torch.tensor(slope[None], dtype=torch.float32)
        self.head.bias.data = torch.tensor([bias], dtype=torch.float32)
        self.requires_grad_(False).eval()

    def forward(self, wave: torch.Tensor) -> torch.Tensor:
        return self.head(self.encoder(wave))[:, 0]


def write_onnx(detector: Detector, path: Path, at_least: int = 20_000) -> None:
    """Input `wave` (batch, samples), output `log_odds` (batch,), both dimensions free. Constants of `at_least` numbers
    are stored in 16 bits and widened when the file is opened; eight bits would move single scores by up to 2.6."""
    axes = {"wave": {0: "batch", 1: "samples"}, "log_odds": {0: "batch"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer's remarks on shapes that stay free
        torch.onnx.export(
            detector, (torch.randn(2, 3 * SAMPLE_RATE),), str(path), dynamo=False, input_names=["wave"],
            output_names=["log_odds"], dynamic_axes=axes, opset_version=OPSET,
        )  # fmt: skip
    model = onnx.load(str(path))
    for constant in list(model.graph.initializer):
        if constant.data_type != onnx.TensorProto.FLOAT or np.prod(constant.dims) < at_least:
            continue
        value = onnx.numpy_helper.to_array(constant)
        half = onnx.numpy_helper.from_array(value.astype(np.float16), constant.name + "_half")
        model.graph.initializer.remove(constant)
        model.graph.initializer.append(half)
        widen = onnx.helper.make_node("Cast", [half.name], [constant.name], to=onnx.TensorProto.FLOAT)
        model.graph.node.insert(0, widen)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
