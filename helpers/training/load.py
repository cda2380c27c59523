"""What a training says of itself in metrics.json, and a finished run folder -> the model that it holds."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from helpers.features import FEATURES, Cache, FeatureSetting, feature_shape
from helpers.models import build_model, is_classical, model_options
from helpers.models.detector import Standardised
from helpers.models.layers import count_parameters, milliseconds_per_clip
from helpers.models.weights import load_exactly
from helpers.runs import Run
from helpers.training.batches import split_rows
from helpers.training.loop import Trained, prepare_network
from helpers.training.settings import TrainSettings, check_settings

CLASSICAL_FILES = {"lfcc_gmm": "model.npz"}  # all others: model.skops


def load_model(run: Run) -> tuple[Any, FeatureSetting]:
    """The trained model and the feature it reads: an nn.Module in evaluation mode, or a classical estimator with `score`.

    Raises ValueError, in a sentence, where the run did not train on audio, its weights are missing or belong to another
    network.
    """
    settings = check_settings(run.parameters, others=True)
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
        load_exactly(model, state, path.name)
    except (ValueError, RuntimeError, SafetensorError) as error:
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
    """The model's options, but its weights are the run's own: nothing is downloaded."""
    options = settings.options
    if "weights" in model_options(settings.model) and not is_classical(settings.model):
        options["weights"] = "none"
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


def describe(trained: Trained, cache: Cache, settings: TrainSettings) -> dict[str, Any]:
    """Sections model, features, data, model_info, timing, environment and notes of metrics.json."""
    rows = split_rows(cache.table, settings)
    counts: dict[str, dict[str, int]] = {}
    for split in ("train", "dev", "eval"):
        labels = cache.table["label"].iloc[rows[split]]
        counts[split] = {label: int((labels == label).sum()) for label in ("bonafide", "spoof")}
    epochs = 0 if is_classical(settings.model) else len(trained.history)
    return {
        "model": settings.model,
        "features": settings.features,
        "data": {"counts": counts, "rejected": len(cache.rejected), "cache": cache.folder.name},
        "model_info": _model_info(trained.model, cache, settings),
        "timing": {"train_seconds": round(trained.train_seconds, 1), "epochs": epochs},
        "environment": {
            "torch": torch.__version__,
            "device": _device_name(trained.model),
            "processor": processor_name(),
            "precision": trained.precision,
        },
        "notes": notes(trained, cache, settings, len(rows["train"])),
    }


def notes(trained: Trained, cache: Cache, settings: TrainSettings, n_train: int) -> list[str]:
    """What a reader of the comparison must know of this run, each a few words."""
    found = []
    all_train = int((cache.table["split"] == "train").sum())
    if settings.train_clips and settings.train_clips < all_train:
        found.append(f"undertrained: {n_train} of {all_train} clips")
    if settings.leave_out:
        found.append(f"{settings.leave_out} left out of training")
    if not trained.complete:
        found.append(f"ended early: {len(trained.history)} of {settings.epochs} epochs")
    return found


def _model_info(model: Any, cache: Cache, settings: TrainSettings) -> dict[str, Any]:
    shape = tuple(cache.shape)
    if isinstance(model, torch.nn.Module):
        device = next(model.parameters()).device
        info = {
            "parameters": count_parameters(model),
            "ms_per_clip": milliseconds_per_clip(model.cpu(), shape),
        }
        model.to(device)
    else:
        shape = tuple(model.shape)
        info = {
            "parameters": int(model.count_parameters()),
            "ms_per_clip": milliseconds_per_clip(model, shape),
        }
    return {**info, "ms_per_clip": round(info["ms_per_clip"], 3), "input_shape": list(shape)}


def _device_name(model: Any) -> str:
    if isinstance(model, torch.nn.Module):
        device = next(model.parameters()).device
        return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    return "cpu"


def processor_name() -> str:
    """The CPU's model: another one changes scores in their last digits, and the epoch that is chosen."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


@torch.inference_mode()
def score_cache(run: Run, model: Any, cache: Cache, size: int = 32) -> pd.DataFrame:
    """Scores of every clip of a cache by a loaded model: `utterance, attack, label, split, speaker, score`."""
    mean_over_time = (
        is_classical(check_settings(run.parameters, others=True).model)
        and len(input_shape(cache.setting)) == 2
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
