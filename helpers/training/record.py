"""What a finished training says of itself in metrics.json, beside its error rates."""

from __future__ import annotations

from typing import Any

import torch

from helpers.features import Cache
from helpers.models import is_classical
from helpers.models.layers import count_parameters, milliseconds_per_clip
from helpers.training.batches import split_rows
from helpers.training.loop import Trained
from helpers.training.settings import TrainSettings


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
        "environment": {"torch": torch.__version__, "device": _device_name(trained.model)},
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
