"""One fit for models without epochs: Gaussian mixtures and the scikit-learn family."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.data import Dataset
from helpers.features import FEATURES, Cache, FeatureSetting, build_cache
from helpers.features.deep_voice import COLUMNS
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


@dataclass
class Vectors:
    """A table's own vectors in the place of a cache."""

    folder: Path
    setting: FeatureSetting
    table: pd.DataFrame
    values: np.ndarray = field(repr=False)  # (n, d)
    rejected: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["utterance", "reason"]))

    def __len__(self) -> int:
        return len(self.table)

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
            f"{data.name} has no column {missing[0]!r}: its 26 features should be named {', '.join(COLUMNS)}"
        )
    values = data.table[list(COLUMNS)].to_numpy(dtype=np.float32)
    table = data.table.drop(columns=list(COLUMNS)).reset_index(drop=True)
    return Vectors(Path(data.name), FEATURES["deep_voice_26"], table, values), values
