"""A fitted head becomes one ONNX file with the features inside. Constants are stored in 16 bits, computed in 32:
eight bits halve size and time but move single scores by up to 2.6."""

from __future__ import annotations

import time
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

from tools.detector.network import SAMPLE_RATE, Detector

OPSET = 17


def write_onnx(detector: Detector, path: Path) -> None:
    """Input `wave` (batch, samples), output `log_odds` (batch,); both dimensions free."""
    example = torch.randn(2, 3 * SAMPLE_RATE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer's remarks on shapes that stay free
        torch.onnx.export(
            detector,
            (example,),
            str(path),
            input_names=["wave"],
            output_names=["log_odds"],
            dynamic_axes={"wave": {0: "batch", 1: "samples"}, "log_odds": {0: "batch"}},
            opset_version=OPSET,
            dynamo=False,
        )
    onnx.checker.check_model(str(path))


def halve_constants(path: Path, at_least: int = 20_000) -> None:
    """Large 32-bit constants (convolutions, positions, filters) are stored in 16 bits and widened when the file is
    opened."""
    model = onnx.load(str(path))
    casts = []
    for constant in list(model.graph.initializer):
        if constant.data_type != onnx.TensorProto.FLOAT or np.prod(constant.dims) < at_least:
            continue
        value = onnx.numpy_helper.to_array(constant)
        half = onnx.numpy_helper.from_array(value.astype(np.float16), constant.name + "_half")
        model.graph.initializer.remove(constant)
        model.graph.initializer.append(half)
        casts.append(onnx.helper.make_node("Cast", [half.name], [constant.name], to=onnx.TensorProto.FLOAT))
    for node in reversed(casts):
        model.graph.node.insert(0, node)
    onnx.save(model, str(path))


def open_session(path: Path) -> onnxruntime.InferenceSession:
    """On one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def scores_of(path: Path, waves: list[np.ndarray]) -> np.ndarray:
    """One by one: (len(waves),) log odds."""
    session = open_session(path)
    return np.array([session.run(None, {"wave": wave[None].astype(np.float32)})[0][0] for wave in waves])


def milliseconds(path: Path, seconds: float = 4.0, n_runs: int = 30) -> float:
    """The quickest of many runs on one clip and one thread."""
    session = open_session(path)
    wave = np.random.default_rng(0).standard_normal((1, int(seconds * SAMPLE_RATE))).astype(np.float32)
    taken = []
    for _ in range(n_runs):
        begin = time.perf_counter()
        session.run(None, {"wave": wave})
        taken.append(time.perf_counter() - begin)
    return 1000 * min(taken)
