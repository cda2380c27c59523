"""Networks leave torch through ONNX and answer the same elsewhere."""

import warnings

import numpy as np
import pytest
import torch

from helpers.models import build_model

pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

CASES = [
    ("lcnn", (60, 64), {}, 101),
    ("lcnn", (60, 64), {"pooling": "lstm"}, 101),
    ("small", (65, 64), {}, 101),
    ("small", (65, 64), {"centre": True}, 101),
    ("cnn", (64, 64), {}, 101),
    ("simple_cnn", (64, 40), {}, None),
    ("resnet50", (32, 64), {"weights": "none"}, 96),
    ("aasist", (7000,), {}, None),
]


@pytest.mark.parametrize("name, shape, options, other_frames", CASES, ids=lambda value: str(value))
def test_onnx_gives_the_same_scores(name, shape, options, other_frames, tmp_path):
    torch.manual_seed(0)
    network = build_model(name, shape, **options).eval()
    path = tmp_path / "model.onnx"
    dynamic = {"clip": {0: "batch"}} if other_frames is None else {"clip": {0: "batch", 2: "frames"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network, (torch.randn(2, *shape),), path, input_names=["clip"], output_names=["score"],
            dynamic_axes=dynamic, dynamo=False,
        )  # fmt: skip
    clips = torch.randn(3, *(shape if other_frames is None else (shape[0], other_frames)))
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (scores,) = session.run(["score"], {"clip": clips.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(scores, network(clips).numpy(), atol=2e-4)
