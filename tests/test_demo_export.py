"""ONNX: equal to torch, used where it fits the weights, and left aside where it does not."""

import shutil

import demo_toys as toys
import numpy as np
import pytest

from helpers.demo.detector import load_detector
from helpers.demo.export import export_onnx, main, random_clips


def test_the_exported_network_equals_torch_and_is_used_until_the_weights_change(tmp_path, capsys):
    pytest.importorskip("onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime")
    folder = tmp_path / "run"
    shutil.copytree(toys.toy_run().folder, folder)
    before = load_detector(folder)
    assert before.session is None and main([str(folder)]) == 0
    assert "equal to torch" in capsys.readouterr().out
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    clips = random_clips(before, 5, seed=9)
    np.testing.assert_allclose(
        session.run(None, {"clips": clips.numpy()})[0], before.score_features(clips), atol=1e-4
    )
    with_onnx = load_detector(folder)
    path = sorted(toys.toy_audio().glob("*eval*.wav"))[0]
    assert with_onnx.session is not None and with_onnx.detect(path).score == pytest.approx(
        before.detect(path).score, abs=1e-4
    )
    weights = folder / "best.safetensors"
    from safetensors.torch import load_file, save_file

    state = load_file(weights)
    save_file(
        {name: tensor * 1.01 if tensor.is_floating_point() else tensor for name, tensor in state.items()},
        weights,
    )
    assert load_detector(folder).session is None


@pytest.mark.parametrize("out", [".", "missing/model.onnx"])
def test_a_place_that_cannot_be_written_is_refused_before_the_work(out, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        "helpers.demo.export.load_detector", lambda run: pytest.fail("the detector was loaded")
    )
    assert main(["shipped", "--out", str(tmp_path / out)]) == 2
    assert "--out names a file" in capsys.readouterr().err


def test_a_classical_model_is_refused_in_words(tmp_path):
    run = toys.train(tmp_path / "audio", tmp_path / "runs", model="logistic_regression")
    detector = load_detector(run.folder)
    path = sorted((tmp_path / "audio").glob("*eval*.wav"))[0]
    assert detector.detect(path).answer  # it judges all the same
    with pytest.raises(ValueError, match="no network"):
        export_onnx(detector)
