"""A finished run folder -> the model that it holds, ready to score."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from helpers.features import FEATURES, Cache, FeatureSetting, feature_shape
from helpers.models import build_model, is_classical, model_options
from helpers.models.standardise import Standardised
from helpers.models.tiny_front_end import front_end_named
from helpers.runs import Run
from helpers.training.losses import prepare_network
from helpers.training.settings import TrainSettings, check_settings

CLASSICAL_FILES = {"lfcc_gmm": "model.npz"}  # all others: model.skops


def load_model(run: Run) -> tuple[Any, FeatureSetting]:
    """The trained model and the feature it reads: an nn.Module in evaluation mode, or a classical estimator with `score`.

    Raises ValueError, in a sentence, where the run did not train on audio, its weights are missing or belong to another
    network.
    """
    settings = check_settings(run.parameters)
    name = run.metrics.get("features", settings.features)
    if name not in FEATURES:
        raise ValueError(
            f"{run.name} was trained on {name!r}, which is not computed from audio: choose another run"
        )
    setting = FEATURES[name]
    if is_classical(settings.model):
        return _load_classical(run, settings, setting), setting
    path = run.folder / "best.safetensors"
    if not path.is_file():
        raise ValueError(f"{run.name} holds no best.safetensors: run {run.notebook} again")
    try:
        state = load_file(path)
        network = _network(settings, input_shape(setting, settings.crop_frames))
        model = Standardised(network, state.get("mean"), state.get("std"))
        model.load_state_dict(state)
    except (RuntimeError, SafetensorError) as error:
        why = str(error).splitlines()[0]
        raise ValueError(
            f"the weights of {run.name} do not fit {settings.model} ({why}): run it again"
        ) from None
    # Convolutions on a CPU are up to five times faster so (LCNN), none is slower; scores agree to rounding.
    return model.to(memory_format=torch.channels_last).eval(), setting  # type: ignore[call-overload]


def input_shape(setting: FeatureSetting, crop_frames: int = 0) -> tuple[int, ...]:
    """Shape of one clip of this feature, with the crop that the training made."""
    shape = list(feature_shape(setting))
    if crop_frames and len(shape) == 2:
        shape[-1] = min(shape[-1], crop_frames)
    return tuple(shape)


def _options(settings: TrainSettings) -> dict[str, Any]:
    """The model's own options among a notebook's parameters: what else it asked for (how many clips to probe) is past."""
    known = model_options(settings.model)
    options = {name: value for name, value in settings.options.items() if name in known}
    if "weights" in known and not is_classical(settings.model):
        options["weights"] = "none"  # the run's own follow: nothing is downloaded
    if "front_end" in options:
        options["front_end"] = front_end_named(options["front_end"], settings.seed)
    return options


def _network(settings: TrainSettings, shape: tuple[int, ...]) -> Any:
    return prepare_network(build_model(settings.model, shape, **_options(settings)), settings.loss)


def _load_classical(run: Run, settings: TrainSettings, setting: FeatureSetting) -> Any:
    path = run.folder / CLASSICAL_FILES.get(settings.model, "model.skops")
    if not path.is_file():
        raise ValueError(f"{run.name} holds no {path.name}: run {run.notebook} again")
    shape = input_shape(setting)
    model = build_model(
        settings.model, shape if settings.model == "lfcc_gmm" else shape[:1], **_options(settings)
    )
    return model.load(path)


@torch.inference_mode()
def score_cache(run: Run, model: Any, cache: Cache, size: int = 32) -> pd.DataFrame:
    """Scores of every clip of a cache by a loaded model: `utterance, attack, label, split, speaker, score`."""
    mean_over_time = (
        is_classical(check_settings(run.parameters).model) and len(input_shape(cache.setting)) == 2
    )
    values = []
    for start in range(0, len(cache.table), size):
        clips = cache.read(np.arange(start, min(start + size, len(cache.table)))).astype(np.float32)
        if isinstance(model, torch.nn.Module):
            values.append(model(torch.from_numpy(clips)).float().numpy())
        else:
            frame_wise = run.parameters.get("model") == "lfcc_gmm"
            values.append(model.score(clips.mean(axis=2) if mean_over_time and not frame_wise else clips))
    table = cache.table[["utterance", "attack", "label", "split", "speaker"]]
    return table.assign(score=np.concatenate(values))
