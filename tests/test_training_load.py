"""A run folder gives back the very network that was saved into it."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from helpers.features import FEATURES, feature_shape
from helpers.models.detector import Standardised
from helpers.runs import open_run
from helpers.training.batches import input_shape
from helpers.training.load import load_model
from helpers.training.loop import build_network
from helpers.training.settings import check_settings


def save_network(tmp_path, **parameters):
    """(the model, a complete run that holds it)."""
    given = {"dataset": "none", "features": "logmel", **parameters}
    shape = input_shape(feature_shape(FEATURES[given["features"]]), given.get("crop_frames", 0))
    network = build_network(check_settings(given, others=True), shape)
    mean, std = np.full((shape[0], 1), -5.0), np.full((shape[0], 1), 2.0)
    model = Standardised(network, mean, std).eval()
    run = open_run("99_test", given, "", tmp_path)
    save_file(model.state_dict(), run.path("best.safetensors"))
    run.finish(model=given["model"], features=given["features"])
    return model, run


@pytest.mark.parametrize(
    "parameters",
    [
        {"model": "small", "width": 6},
        {"model": "small", "width": 6, "crop_frames": 100},
        {"model": "custom_cnn", "loss": "one_class_softmax"},
        {"model": "custom_cnn", "probe_clips": 240},  # a notebook's own, no option of the model
        {"model": "custom_cnn", "loss": "additive_margin"},
    ],
)
def test_loaded_network_scores_as_the_saved_one(tmp_path, parameters):
    model, run = save_network(tmp_path, **parameters)
    loaded, setting = load_model(run)
    clips = torch.randn(3, *input_shape(feature_shape(setting), parameters.get("crop_frames", 0)))
    with torch.inference_mode():
        torch.testing.assert_close(loaded(clips), model(clips))
    assert setting == FEATURES["logmel"] and not loaded.training


def test_runs_that_cannot_hear_are_refused_in_words(tmp_path):
    run = open_run("99_test", {"model": "small", "features": "logmel"}, "", tmp_path)
    run.finish(model="small", features="26 means of a table")
    with pytest.raises(ValueError, match="not computed from audio"):
        load_model(run)
    run.finish(model="small", features="logmel")
    with pytest.raises(ValueError, match="no best.safetensors"):
        load_model(run)
