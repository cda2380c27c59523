"""How fast each network trains here: steps a second, how much of that time it computes, hours for ASVspoof 2019 LA."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch

from helpers.environment import (
    cpu_threads,
    keep_freed_memory,
    pick_device,
    seed_everything,
)
from helpers.features import FEATURES, Cache
from helpers.models.layers import count_parameters, milliseconds_per_clip
from helpers.training.batches import BatchReader, split_rows
from helpers.training.loop import Training, make_model
from helpers.training.settings import TrainSettings

LA_TRAIN_CLIPS = 25_380


class _OneBatch:
    """Hands out the same batch, already on the device, again and again: a reader that nobody waits for."""

    def __init__(self, reader: BatchReader, device: torch.device) -> None:
        self.reader, self.device = reader, device

    def training_batches(
        self, batches: list[np.ndarray], epoch: int
    ) -> Iterator[tuple[np.ndarray, torch.Tensor]]:
        batch = self.reader.training_batch(batches[0], epoch, 0).to(self.device)
        yield from ((batches[0], batch) for _ in batches)


def bench_training(settings: TrainSettings, cache: Cache, seconds: float = 10.0) -> dict[str, Any]:
    """One network in the real training loop, for about `seconds`, one step at least, after a warm-up.

    -> model, features, batch, parameters, steps_per_second, busy (share of that time in which the network would
    compute if it never waited for data, 0..1), la_epoch_minutes (25,380 clips), ms_per_clip (scoring, on one core).
    """
    keep_freed_memory()
    torch.set_num_threads(cpu_threads())
    device = pick_device(settings.device)
    seed_everything(settings.seed)
    reader = BatchReader(cache, FEATURES[settings.features], settings)
    all_rows = split_rows(cache.table, settings)
    labels = (cache.table["label"].to_numpy() == "bonafide").astype(np.int64)
    model = make_model(settings, reader, all_rows["train"]).to(device)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def epoch_seconds(steps: int, used: Any) -> float:
        # As many rows as the steps need, the training clips over and over.
        rows = {**all_rows, "train": np.resize(all_rows["train"], steps * settings.batch_size)}
        training = Training(settings, model, used, rows, labels, device, run=None)  # type: ignore[arg-type]  # saves nothing
        started = time.perf_counter()
        training.train_epoch()
        return time.perf_counter() - started

    epoch_seconds(1, reader)
    steps = int(np.clip(seconds / epoch_seconds(1, reader), 1, 500))
    read, computed = epoch_seconds(steps, reader), epoch_seconds(steps, _OneBatch(reader, device))
    rate = steps / read
    shape = tuple(reader.features(all_rows["train"][:1]).shape[1:])
    return {
        "model": settings.model, "features": settings.features, "batch": settings.batch_size,
        "parameters": count_parameters(model), "steps_per_second": rate, "busy": min(1.0, computed / read),
        "la_epoch_minutes": LA_TRAIN_CLIPS / (rate * settings.batch_size) / 60,
        "ms_per_clip": milliseconds_per_clip(model.cpu(), shape),
    }  # fmt: skip


def as_markdown(found: pd.DataFrame) -> str:
    """The rows of `bench_training`, for the README."""
    lines = [
        "| network | features | batch | steps/s | busy % | LA, one epoch | ms/clip, one core |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for row in found.sort_values("la_epoch_minutes").to_dict("records"):
        lines.append(
            f"| {row['model']} | {row['features']} | {row['batch']} | {row['steps_per_second']:.2f} | {100 * row['busy']:.0f} "
            f"| {_duration(row['la_epoch_minutes'])} | {row['ms_per_clip']:.1f} |"
        )
    return "\n".join(lines)


def _duration(minutes: float) -> str:
    return (
        f"{minutes / 60:.1f} h"
        if minutes >= 90
        else f"{minutes:.0f} min"
        if minutes >= 2
        else f"{60 * minutes:.0f} s"
    )
