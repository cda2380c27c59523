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
from helpers.training.batches import SCORED, input_shape, split_rows
from helpers.training.classical import classical_file
from helpers.training.loop import Trained, build_network
from helpers.training.settings import TrainSettings, check_settings


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
    shape, options = input_shape(feature_shape(setting), settings.crop_frames), settings.options
    classical = is_classical(settings.model)
    file = classical_file(settings.model) if classical else "best.safetensors"
    path = run.folder / file
    if not path.is_file():
        raise ValueError(f"{run.name} holds no {file}: run {run.notebook} again")
    if classical:
        return build_model(settings.model, shape, **options).load(path), setting
    if "weights" in model_options(settings.model):  # they are the run's own: nothing is downloaded
        options["weights"] = "none"
    try:
        state = load_file(path)
        network = build_network(settings.model_copy(update=options), shape)
        model = Standardised(network, state.get("mean", 0.0), state.get("std", 1.0))
        load_exactly(model, state, path.name)
    except (ValueError, RuntimeError, SafetensorError) as error:
        why = str(error).splitlines()[0]
        raise ValueError(
            f"the weights of {run.name} do not fit {settings.model} ({why}): run it again"
        ) from None
    # Convolutions on a CPU are up to five times faster so (LCNN), none is slower; scores agree to rounding.
    return model.to(memory_format=torch.channels_last).eval(), setting  # type: ignore[call-overload]


def describe(trained: Trained, cache: Cache, settings: TrainSettings) -> dict[str, Any]:
    """Sections model, features, data, model_info, timing, environment and notes of metrics.json."""
    rows, labels, model = split_rows(cache.table, settings), cache.table["label"].to_numpy(), trained.model
    counts = {
        split: {label: int((labels[rows[split]] == label).sum()) for label in ("bonafide", "spoof")}
        for split in ("train", "dev", "eval")
    }
    network = isinstance(model, torch.nn.Module)
    device = next(model.parameters()).device if network else torch.device("cpu")
    shape = tuple(cache.shape) if network else tuple(model.shape)
    milliseconds = milliseconds_per_clip(model.cpu() if network else model, shape)
    if network:
        model.to(device)
    notes = []
    all_train = int((cache.table["split"] == "train").sum())
    if settings.train_clips and settings.train_clips < all_train:
        notes.append(f"undertrained: {len(rows['train'])} of {all_train} clips")
    if settings.leave_out:
        notes.append(f"{settings.leave_out} left out of training")
    if not trained.complete:
        notes.append(f"ended early: {len(trained.history)} of {settings.epochs} epochs")
    return {
        "model": settings.model,
        "features": settings.features,
        "data": {"counts": counts, "rejected": len(cache.rejected), "cache": cache.folder.name},
        "model_info": {
            "parameters": count_parameters(model),
            "ms_per_clip": round(milliseconds, 3),
            "input_shape": list(shape),
            "started_from": started_from(settings.model, settings.options),
        },
        "timing": {
            "train_seconds": round(trained.train_seconds, 1),
            "epochs": len(trained.history),
            "busy": round(trained.busy, 4),
        },
        "environment": {
            "torch": torch.__version__,
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
            "processor": processor_name(),
            "precision": trained.precision,
        },
        "notes": notes,
    }


def started_from(model: str, options: dict[str, Any]) -> str:
    """What a training began with: the weights or the front end that it was given, else random numbers."""
    given = {**model_options(model), **options}
    origin = str(given.get("front_end") or given.get("weights") or "none")
    return "random numbers" if origin == "none" else origin


def processor_name() -> str:
    """The CPU's model: another one changes scores in their last digits, and the epoch that is chosen."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


@torch.inference_mode()
def score_cache(model: Any, cache: Cache, size: int = 32) -> pd.DataFrame:
    """Scores of every clip of a cache by a loaded model: `utterance, attack, label, split, speaker, score`."""
    values = []
    for start in range(0, len(cache.table), size):
        clips = cache.read(np.arange(start, min(start + size, len(cache.table)))).astype(np.float32)
        network = isinstance(model, torch.nn.Module)
        values.append(model(torch.from_numpy(clips)).float().numpy() if network else model.score(clips))
    return cache.table[SCORED].assign(score=np.concatenate(values))
