"""One fit for models without epochs: Gaussian mixtures and the scikit-learn family."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from helpers.data import Dataset
from helpers.features import FEATURES, Cache, FeatureSetting, build_cache
from helpers.features.deep_voice import COLUMNS
from helpers.models import build_model, model_options
from helpers.runs import Run
from helpers.training.batches import SCORED, split_rows
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
    model = build_model(
        settings.model, cache.shape if settings.model == "lfcc_gmm" else cache.shape[:1], **options
    )
    started = time.monotonic()
    model.fit(cache.read(rows["train"]), labels[rows["train"]])
    seconds = time.monotonic() - started
    print(f"{settings.model}: fitted on {len(rows['train'])} clips in {seconds:.1f} s", flush=True)
    parts = [rows[name] for name in ("dev", "eval") if len(rows[name])]
    tables = [cache.table.iloc[part][SCORED].assign(score=model.score(cache.read(part))) for part in parts]
    scores = pd.concat(tables, ignore_index=True)
    run.write_scores(scores)
    model.save(run.folder / classical_file(settings.model))
    return Trained(model, pd.DataFrame(), True, seconds, scores)


def classical_file(model: str) -> str:
    """The file of a run folder that holds a classical model."""
    return "model.npz" if model == "lfcc_gmm" else "model.skops"


@dataclass
class Vectors:
    """A table's own vectors in the place of a cache."""

    folder: Path
    setting: FeatureSetting
    table: pd.DataFrame
    values: np.ndarray = field(repr=False)  # (n, d)
    rejected: Sequence[str] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape[1:]

    def read(self, indices: np.ndarray) -> np.ndarray:
        """(n, d) float32 of these rows."""
        return self.values[np.asarray(indices)]


def open_vectors(data: Dataset, features: str = "deep_voice_26") -> tuple[Cache | Vectors, np.ndarray]:
    """A cache of vectors and their float32 values (n, d): the data set's own table where it is one of features,
    else computed from its audio. ValueError names a column that the table lacks."""
    if data.entry.layout != "features_csv":
        cache = build_cache(data.table, FEATURES[features])
        return cache, cache.read(np.arange(len(cache))).astype(np.float32)
    missing = [name for name in COLUMNS if name not in data.table]
    if missing:
        raise ValueError(
            f"{data.name} has no column {missing[0]!r}: its 26 features are named {', '.join(COLUMNS)}"
        )
    values = data.table[list(COLUMNS)].to_numpy(dtype=np.float32)
    table = data.table.drop(columns=list(COLUMNS)).reset_index(drop=True)
    return Vectors(Path(data.name), FEATURES["deep_voice_26"], table, values), values


@torch.inference_mode()
def encode(front_end: Any, cache: Cache, settings: TrainSettings) -> Vectors:
    """What a frozen speech encoder makes of the clips that `settings` names, from a cache of waves: one vector a clip,
    the mean over time of each of its layers side by side."""
    chosen = split_rows(cache.table, settings)
    rows = np.sort(np.concatenate([chosen[split] for split in ("train", "dev", "eval")]))
    parts = []
    for part in np.array_split(rows, max(1, len(rows) // 8)):
        layers = front_end(
            torch.from_numpy(cache.read(part).astype(np.float32))
        )  # each (clips, frames, width)
        parts.append(torch.cat([layer.mean(dim=1) for layer in layers], dim=1).numpy())
    table = cache.table.iloc[rows].reset_index(drop=True)
    return Vectors(cache.folder, cache.setting, table, np.concatenate(parts))
