"""What each network of the plan costs without being trained: parameters, speed, memory, minutes an epoch."""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import torch

from helpers.data import open_dataset
from helpers.environment import PROJECT, cpu_threads, keep_freed_memory, pick_device
from helpers.execution.jobs import notebook_file
from helpers.execution.parameters import full_parameters, inspect_notebook
from helpers.execution.plan import PLAN
from helpers.features import FEATURES, Cache, build_cache
from helpers.models import MODELS, is_classical
from helpers.models.layers import count_parameters, milliseconds_per_clip
from helpers.training.batches import BatchReader, split_rows
from helpers.training.load import processor_name
from helpers.training.loop import FEW_STEPS, PRECISIONS, loss_of, make_model, pick_precision
from helpers.training.settings import TrainSettings, check_settings

LA_TRAIN_CLIPS = 25_380


def bench_training(
    settings: TrainSettings, cache: Cache, clips: int, seconds: float = 10.0
) -> dict[str, Any]:
    """One network taken through the steps of `fit` for about `seconds`, then forgotten.

    -> model, features, batch, precision, parameters, steps_per_second, busy (share of that time in which the network
    computes and does not wait for data, 0..1), epoch_minutes (so many `clips`) and la_epoch_minutes
    (25,380 clips; on a CPU minutes of one core, by its own clock, which other programs hardly change), ms_per_clip
    (scoring, on one core), memory_gb (the most that the process, or the GPU, held).
    """
    keep_freed_memory()
    device = pick_device(settings.device)
    reader, rows = (
        BatchReader(cache, FEATURES[settings.features], settings),
        split_rows(cache.table, settings),
    )
    torch.manual_seed(settings.seed)
    model = make_model(settings, reader, rows["train"]).to(device, memory_format=torch.channels_last)
    precision = pick_precision(settings.model_copy(update={"epochs": FEW_STEPS}), device, 1)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)

    def run(steps: int) -> tuple[float, float, float]:
        """Seconds in all, waited for data, and of the processor, of so many steps, the training clips over and over."""
        order = np.resize(np.arange(len(rows["train"])), steps * settings.batch_size)
        jobs = [(rows["train"][part], 0, step) for step, part in enumerate(np.split(order, steps))]
        begin, begin_cpu, reader.waited = time.perf_counter(), time.process_time(), 0.0
        model.train()
        for batch in reader.ahead(reader.training_batch, jobs):
            with torch.autocast(device.type, precision, enabled=precision != torch.float32):
                scores = model(batch.to(device)).float()
            targets = (torch.arange(len(scores), device=device) % 2).float()
            optimizer.zero_grad(set_to_none=True)
            loss_of(settings.loss, scores, targets).mean().backward()
            optimizer.step()
            float(scores.detach().sum())  # a GPU has finished the step
        return time.perf_counter() - begin, reader.waited, time.process_time() - begin_cpu

    run(1)
    steps = int(np.clip(seconds / run(1)[0], 2, 500))
    total, waited, of_processor = run(steps)
    gpu = device.type == "cuda"
    clips_per_minute = 60 * steps * settings.batch_size / (total if gpu else of_processor)
    memory = (
        torch.cuda.max_memory_allocated()
        if gpu
        else 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    )
    return {
        "model": settings.model, "features": settings.features, "batch": settings.batch_size,
        "precision": next(name for name, kind in PRECISIONS.items() if kind == precision),
        "parameters": count_parameters(model), "steps_per_second": steps / total, "busy": 1 - waited / total,
        "epoch_minutes": clips / clips_per_minute,
        "la_epoch_minutes": LA_TRAIN_CLIPS / clips_per_minute, "memory_gb": memory / 1e9,
        "ms_per_clip": milliseconds_per_clip(model.cpu(), tuple(reader.features(rows["train"][:1]).shape[1:])),
    }  # fmt: skip


def as_markdown(found: pd.DataFrame) -> str:
    """The price list: the rows of `bench_training`, the cheapest first."""
    lines = [
        "| network | features | parameters | ms/clip, one core | batch | precision | busy % | memory, GB "
        "| one epoch, one core | LA, one epoch, one core |",
        "|---|---|--:|--:|--:|---|--:|--:|--:|--:|",
    ]
    for row in found.sort_values("la_epoch_minutes").to_dict("records"):
        lines.append(
            f"| {row['model']} | {row['features']} | {row['parameters']:,} | {row['ms_per_clip']:.1f} | {row['batch']} "
            f"| {row['precision']} | {100 * row['busy']:.0f} | {row['memory_gb']:.1f} "
            f"| {_duration(row['epoch_minutes'])} | {_duration(row['la_epoch_minutes'])} |"
        )
    return "\n".join(lines)


def _duration(minutes: float) -> str:
    if minutes >= 90:
        return f"{minutes / 60:.1f} h"
    return f"{minutes:.0f} min" if minutes >= 2 else f"{60 * minutes:.0f} s"


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
    """`python -m tools bench training [--models lcnn,small] [--seconds 10]`: the price list as a Markdown table."""
    parser = argparse.ArgumentParser(prog="python -m tools bench training", description=main.__doc__)
    parser.add_argument("--dataset", default="starter", help="a name in data_manifest.yaml")
    parser.add_argument(
        "--models", default="", help="names joined by commas; default: every network of the plan"
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="for each network")
    asked = parser.parse_args(list(argv))
    chosen = plan_settings([name for name in asked.models.split(",") if name])
    if not chosen:
        parser.error(f"no notebook trains a network called {asked.models!r}")
    table, rows = open_dataset(asked.dataset, "").table, []
    clips, few = int((table["split"] == "train").sum()), table.groupby(["split", "label"]).head(64)
    # A process for each: what one has held must not count for the next.
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh, max_tasks_per_child=1) as pool:
        for settings in chosen:
            cache = build_cache(few, FEATURES[settings.features])
            rows.append(pool.submit(bench_training, settings, cache, clips, asked.seconds).result())
            print(rows[-1], flush=True)
    device = pick_device()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{cpu_threads()} threads of"
    print(f"\n{name} {processor_name()}, torch {torch.__version__}\n\n{as_markdown(pd.DataFrame(rows))}")
    return 0
