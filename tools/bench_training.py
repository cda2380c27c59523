"""How fast each network trains here: steps a second, how much of that time it computes, hours for ASVspoof 2019 LA."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from helpers.data import open_dataset
from helpers.environment import (
    PROJECT,
    cpu_threads,
    keep_freed_memory,
    pick_device,
    seed_everything,
)
from helpers.execution.jobs import notebook_file
from helpers.execution.parameters import full_parameters, inspect_notebook
from helpers.execution.plan import PLAN
from helpers.features import FEATURES, Cache, build_cache
from helpers.models import MODELS, is_classical
from helpers.models.layers import count_parameters, milliseconds_per_clip
from helpers.training.batches import BatchReader, split_rows
from helpers.training.loop import FEW_STEPS, PRECISIONS, loss_of, make_model, pick_precision
from helpers.training.settings import TrainSettings, check_settings

LA_TRAIN_CLIPS = 25_380


def bench_training(settings: TrainSettings, cache: Cache, seconds: float = 10.0) -> dict[str, Any]:
    """One network trained by `fit` for about `seconds` (an epoch over clips repeated or cut to fill them).

    -> model, features, batch, precision, parameters, steps_per_second, busy (share of that time in which the network
    computes and does not wait for data, 0..1), la_epoch_minutes (25,380 clips), ms_per_clip (scoring, on one core).
    """
    keep_freed_memory()
    torch.set_num_threads(cpu_threads())
    device = pick_device(settings.device)
    reader, rows = (
        BatchReader(cache, FEATURES[settings.features], settings),
        split_rows(cache.table, settings),
    )
    seed_everything(settings.seed)
    model = make_model(settings, reader, rows["train"]).to(device)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    precision = pick_precision(settings.model_copy(update={"epochs": FEW_STEPS}), device, 1)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)

    def run(steps: int) -> tuple[float, float]:
        """(seconds in all, seconds waited for data) of so many steps, the training clips over and over."""
        order = np.resize(np.arange(len(rows["train"])), steps * settings.batch_size)
        waited, begin = 0.0, time.perf_counter()
        batches = reader.training_batches(rows["train"], np.split(order, steps), 0)
        model.train()
        for step in range(steps):
            asked = time.perf_counter()
            chosen, batch = next(batches)
            waited += (time.perf_counter() - asked) if step else 0.0
            with torch.autocast(device.type, precision, enabled=precision != torch.float32):
                scores = model(batch.to(device)).float()
            loss = loss_of(
                settings.loss, scores, (torch.arange(len(scores), device=device) % 2).float()
            ).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            float(loss.detach())  # a GPU has finished the step
        return time.perf_counter() - begin, waited

    run(1)
    steps = int(np.clip(seconds / run(1)[0], 2, 500))
    total, waited = run(steps)
    rate, shape = steps / total, tuple(reader.features(rows["train"][:1]).shape[1:])
    return {
        "model": settings.model, "features": settings.features, "batch": settings.batch_size,
        "precision": next(name for name, kind in PRECISIONS.items() if kind == precision),
        "parameters": count_parameters(model), "steps_per_second": rate, "busy": 1 - waited / total,
        "la_epoch_minutes": LA_TRAIN_CLIPS / (rate * settings.batch_size) / 60,
        "ms_per_clip": milliseconds_per_clip(model.cpu(), shape),
    }  # fmt: skip


def as_markdown(found: pd.DataFrame) -> str:
    """The rows of `bench_training`, for the README."""
    lines = [
        "| network | features | batch | precision | steps/s | busy % | LA, one epoch | ms/clip, one core |",
        "|---|---|--:|---|--:|--:|--:|--:|",
    ]
    for row in found.sort_values("la_epoch_minutes").to_dict("records"):
        lines.append(
            f"| {row['model']} | {row['features']} | {row['batch']} | {row['precision']} | {row['steps_per_second']:.2f} | {100 * row['busy']:.0f} "
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


def plan_settings(models: Sequence[str] = ()) -> list[TrainSettings]:
    """The settings with which the notebooks train each network, one for each model and feature, all clips."""
    found: dict[tuple[str, str], TrainSettings] = {}
    for notebook in PLAN:
        for row in notebook.rows:
            network = row.model in MODELS and not is_classical(row.model)  # a fusion is neither
            if not network or (models and row.model not in models):
                continue
            declared = inspect_notebook(notebook_file(PROJECT, notebook))
            given = full_parameters(declared, {**row.overrides, "train_clips": 0, "eval_clips": 0})
            settings = check_settings(given, others=True)
            found.setdefault((row.model, settings.features), settings)
    return list(found.values())


def main(argv: Sequence[str]) -> int:
    """`python -m tools bench training [--models lcnn,small] [--seconds 10]`: a Markdown table."""
    parser = argparse.ArgumentParser(prog="python -m tools bench training", description=main.__doc__)
    parser.add_argument("--dataset", default="starter", help="a name in data_manifest.yaml")
    parser.add_argument("--source", default="", help="a folder or zip that holds it")
    parser.add_argument(
        "--models", default="", help="names joined by commas; default: every network of the plan"
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="for each network")
    arguments = parser.parse_args(list(argv))
    chosen = plan_settings([name for name in arguments.models.split(",") if name])
    if not chosen:
        parser.error(f"no notebook trains a network called {arguments.models!r}")
    table = open_dataset(arguments.dataset, arguments.source).table
    rows = [
        bench_training(settings, build_cache(table, FEATURES[settings.features]), arguments.seconds)
        for settings in chosen
    ]
    device = pick_device()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{cpu_threads()} CPU threads"
    print(f"\n{name}, torch {torch.__version__}\n")
    print(as_markdown(pd.DataFrame(rows)))
    return 0
