"""Which clips an epoch sees, in which order, and the batches themselves, one read ahead of the network."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import torch

from helpers.data import read_audio
from helpers.features import Cache, FeatureSetting, compute, fit_length
from helpers.models import is_classical
from helpers.training.augment import augment_features, augment_waves
from helpers.training.settings import TrainSettings, split_names

SCORED = ["utterance", "attack", "label", "split", "speaker"]  # of the table, beside each score


def subset(table: pd.DataFrame, n: int) -> np.ndarray:
    """Row numbers of `n` clips with the classes in their proportion (at least one each), the same at every call; all for 0."""
    rows = np.arange(len(table))
    if n <= 0 or n >= len(table):
        return rows
    order = np.argsort([hashlib.sha1(name.encode()).hexdigest() for name in table["utterance"]])
    labels = table["label"].to_numpy()[order]
    chosen: list[np.ndarray] = []
    for label in ("bonafide", "spoof"):
        of_class = order[labels == label]
        chosen.append(of_class[: max(1, round(n * len(of_class) / len(table)))])
    return np.sort(np.concatenate(chosen))


def split_rows(table: pd.DataFrame, settings: TrainSettings) -> dict[str, np.ndarray]:
    """Rows of the cache for `train`, `select` (the epoch is chosen on these), and of each other split to score.

    With `leave_out`, that attack is taken out of train, and `select` is it against dev's bona fide speech.
    Raises ValueError where train lacks a class, or dev where an epoch is chosen on it.
    """
    split, attack = table["split"].to_numpy(), table["attack"].to_numpy()
    rows: dict[str, np.ndarray] = {}
    for name in ("train", "dev", "eval"):
        of_split = np.flatnonzero(split == name)
        limit = settings.train_clips if name == "train" else settings.eval_clips
        rows[name] = of_split[subset(table.iloc[of_split], limit)]
    rows["select"] = rows["dev"]
    if settings.leave_out:
        left = np.flatnonzero((attack == settings.leave_out) & (split != "eval"))
        if not len(left):
            known = sorted(set(attack[split != "eval"]) - {"-"})
            raise ValueError(
                f"leave_out={settings.leave_out!r} is no attack of train or dev: {', '.join(known)}"
            )
        bonafide = rows["dev"][table["label"].to_numpy()[rows["dev"]] == "bonafide"]
        rows["train"] = np.setdiff1d(rows["train"], left)
        rows["select"] = np.sort(np.concatenate([bonafide, left]))
    for name in ("train",) if is_classical(settings.model) else ("train", "select"):
        counts = table["label"].iloc[rows[name]].value_counts()
        if len(counts) < 2:
            found = ", ".join(f"{n} {label}" for label, n in counts.items()) or "no clips"
            raise ValueError(f"{name} needs both classes, got {found}: check the data set's split column")
    return rows


def epoch_order(labels: np.ndarray, settings: TrainSettings, epoch: int) -> np.ndarray:
    """Positions within the training rows in the order of this epoch; over- and under-sampling are drawn here."""
    rng = np.random.default_rng([settings.seed, epoch])
    classes = [np.flatnonzero(labels == value) for value in (0, 1)]
    if settings.balance == "oversample":
        most = max(map(len, classes))
        parts = [np.concatenate([c, rng.choice(c, most - len(c))]) for c in classes]
    elif settings.balance == "undersample":
        least = min(map(len, classes))
        parts = [rng.choice(c, least, replace=False) for c in classes]
    else:
        parts = classes
    return rng.permutation(np.concatenate(parts))


def clip_weights(table: pd.DataFrame, balance: str) -> torch.Tensor:
    """(n,) weight of each clip, mean 1. "weights": both classes together weigh the same; "group": within each class
    every group does as well (column `group`, else the data sets where there are several, else attacks)."""
    classes = table["label"].to_numpy()
    if balance == "weights":
        cells = pd.Series(classes)
    elif balance == "group":
        several = table["dataset"].nunique() > 1
        column = "group" if "group" in table else "dataset" if several else "attack"
        cells = pd.Series(classes) + "/" + table[column].astype(str).to_numpy()
    else:
        return torch.ones(len(table))
    counts = cells.map(cells.value_counts()).to_numpy()
    n_groups = cells.groupby(classes).transform("nunique").to_numpy()
    return torch.tensor(len(table) / (2.0 * n_groups * counts), dtype=torch.float32)


def input_shape(shape: Sequence[int], crop_frames: int = 0) -> tuple[int, ...]:
    """Shape of one clip as the network sees it: that of the feature, with the crop that the training makes."""
    if crop_frames and len(shape) == 2:
        return shape[0], min(shape[1], crop_frames)
    return tuple(shape)


def step_seed(*parts: int) -> int:
    """One seed below 2**32 for a seed, an epoch and a step: the same on every machine."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


class BatchReader:
    """Reads, augments and crops training batches; `setting` is what the network sees, the cache may hold waves."""

    def __init__(self, cache: Cache, setting: FeatureSetting, settings: TrainSettings):
        self.cache, self.setting = cache, setting
        self.on_waves, self.on_features = split_names(settings.augment_wave), split_names(settings.augment)
        self.crop, self.seed, self.batch_size = settings.crop_frames, settings.seed, settings.batch_size
        if setting.kind == "wave" and (self.on_features or self.crop):
            raise ValueError(
                "augment and crop_frames change features, and this network reads the wave: say augment_wave"
            )
        if "gain" in self.on_features and setting.kind not in ("logmel", "logspec"):
            raise ValueError(
                f"augment=gain adds to the logarithm of power, which {setting.kind} is not: take it out of augment"
            )
        self.from_waves = cache.setting.kind == "wave" and setting.kind != "wave"
        self.waited = 0.0

    def waves(self, rows: np.ndarray) -> torch.Tensor:
        """(n, samples) float32: from a cache of waves, else from the clips' own files."""
        if self.cache.setting.kind == "wave":
            return torch.from_numpy(self.cache.read(rows).astype(np.float32))
        paths = self.cache.table["path"].iloc[rows]
        n_samples = self.setting.n_samples
        waves = [fit_length(read_audio(path, n_samples=n_samples), n_samples) for path in paths]
        return torch.from_numpy(np.stack(waves))

    def features(self, rows: np.ndarray) -> torch.Tensor:
        """(n, *shape) float32, unchanged: what scoring sees."""
        batch = torch.from_numpy(self.cache.read(rows).astype(np.float32))
        return compute(batch, self.setting) if self.from_waves else batch

    def training_batch(self, rows: np.ndarray, epoch: int, step: int) -> torch.Tensor:
        """(n, *shape) float32, augmented by a generator that seed, epoch and step determine."""
        generator = torch.Generator().manual_seed(step_seed(self.seed, epoch, step))
        if self.on_waves:
            batch = augment_waves(self.waves(rows), self.on_waves, generator)
            batch = compute(batch, self.setting)
        else:
            batch = self.features(rows)
        if self.crop and batch.shape[-1] > self.crop:
            start = int(torch.randint(0, batch.shape[-1] - self.crop + 1, (1,), generator=generator))
            batch = batch[..., start : start + self.crop]
        return augment_features(batch, self.on_features, generator) if self.on_features else batch

    def ahead(
        self, read: Callable[..., torch.Tensor], jobs: Sequence[tuple[Any, ...]]
    ) -> Iterator[torch.Tensor]:
        """`read(*job)` of each job in order, two ahead by one thread; `waited` grows by the seconds that a batch was
        not there when it was asked for."""
        with ThreadPoolExecutor(1) as thread:
            waiting = [thread.submit(read, *job) for job in jobs[:2]]
            for i in range(len(jobs)):
                asked = time.perf_counter()
                batch = waiting.pop(0).result()
                self.waited += time.perf_counter() - asked
                waiting += [thread.submit(read, *job) for job in jobs[i + 2 : i + 3]]
                yield batch
