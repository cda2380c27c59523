"""`python -m tools bench training`: every network of the plan, as its notebook trains it, timed on this machine."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from helpers.environment import PROJECT, cpu_threads, pick_device
from helpers.execution.jobs import notebook_file
from helpers.execution.parameters import full_parameters, inspect_notebook
from helpers.execution.plan import PLAN
from helpers.models import MODELS, is_classical, model_options
from helpers.training.settings import TrainSettings, check_settings


def plan_settings(models: Sequence[str] = ()) -> list[TrainSettings]:
    """The settings with which the notebooks train each network, one for each model and feature, all clips."""
    from helpers.models.tiny_front_end import front_end_named

    found: dict[tuple[str, str], TrainSettings] = {}
    for notebook in PLAN:
        for row in notebook.rows:
            network = row.model in MODELS and not is_classical(row.model)  # a fusion is neither
            if not network or (models and row.model not in models):
                continue
            declared = inspect_notebook(notebook_file(PROJECT, notebook))
            given = full_parameters(declared, {**row.overrides, "train_clips": 0, "eval_clips": 0})
            if "front_end" in given:
                given["front_end"] = front_end_named(given["front_end"])
            wanted = {*TrainSettings.model_fields, *model_options(row.model)}
            settings = check_settings({name: value for name, value in given.items() if name in wanted})
            found.setdefault((row.model, settings.features), settings)
    return list(found.values())


def main(argv: Sequence[str]) -> int:
    """`python -m tools bench training [--models lcnn,small] [--seconds 10]`: a Markdown table."""
    import pandas as pd
    import torch

    from helpers.data import open_dataset
    from helpers.features import FEATURES, build_cache
    from tools.bench_training import as_markdown, bench_training

    parser = argparse.ArgumentParser(prog="python -m tools bench training", description=__doc__)
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
