"""One fit for models without epochs: Gaussian mixtures and the scikit-learn family."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd

from helpers.features import Cache
from helpers.models import build_model, model_options
from helpers.runs import Run
from helpers.training.batches import split_rows
from helpers.training.loop import Trained
from helpers.training.settings import TrainSettings


def fit_classical(settings: TrainSettings, cache: Cache, run: Run) -> Trained:
    """Fit `settings.model` on the cache's train rows, score dev and eval, save the model into the run folder.

    Features of (rows, frames) go in as they are to the frame-wise `lfcc_gmm`, and as their mean over time to the others.
    """
    rows = split_rows(cache.table, settings)
    labels = (cache.table["label"].to_numpy() == "bonafide").astype(np.int64)
    options = dict(settings.options)
    if "seed" in model_options(settings.model):
        options["seed"] = settings.seed
    shape = cache.shape if settings.model == "lfcc_gmm" else cache.shape[:1]
    model = build_model(settings.model, shape, **options)
    started = time.monotonic()
    model.fit(_clips(cache, rows["train"], shape), labels[rows["train"]])
    seconds = time.monotonic() - started
    print(f"{settings.model}: fitted on {len(rows['train'])} clips in {seconds:.1f} s", flush=True)
    tables = []
    for name in ("dev", "eval"):
        if len(rows[name]):
            table = cache.table.iloc[rows[name]][["utterance", "attack", "label", "split", "speaker"]]
            tables.append(table.assign(score=model.score(_clips(cache, rows[name], shape))))
    scores = pd.concat(tables, ignore_index=True)
    run.write_scores(scores)
    model.save(run.path("model.npz" if settings.model == "lfcc_gmm" else "model.skops"))
    return Trained(model, pd.DataFrame(), True, seconds, scores)


def _clips(cache: Cache, rows: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(n, *cache.shape), or (n, rows) means over time where the model reads vectors."""
    values = cache.read(rows)
    if values.ndim == 3 and len(shape) == 1:
        return values.astype(np.float32).mean(axis=2)
    return values
