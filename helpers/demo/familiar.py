"""How far a recording lies from what a detector was trained on: a Mahalanobis distance of summarised features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from helpers.environment import where_am_i
from helpers.features import FEATURES, FeatureSetting, compute
from helpers.runs import Run, read_json, write_json

FILE = "familiar.json"
BANDS = 16  # rows of a feature are averaged into this many
FAR = 0.99  # of the development clips are nearer than the limit
SHRINK = 0.1  # of the covariance towards its diagonal


def summary(features: torch.Tensor) -> np.ndarray:
    """(n, *shape) features -> (n, d): mean and deviation over time of up to 16 bands; a vector is its own summary."""
    if features.ndim == 2:
        return features.numpy().astype(np.float64)
    values = features[:, 0] if features.ndim == 4 else features
    parts = torch.tensor_split(values, min(BANDS, values.shape[1]), dim=1)
    bands = torch.stack([part.mean(dim=1) for part in parts], dim=1)  # (n, bands, frames)
    return torch.cat([bands.mean(dim=2), bands.std(dim=2)], dim=1).numpy().astype(np.float64)


def summarised(features: torch.Tensor, setting: FeatureSetting) -> np.ndarray:
    """As `summary`; raw waves are first turned into a log-mel."""
    if setting.kind == "wave":
        mel = FEATURES["logmel"]
        features = compute(features[:, : mel.n_samples], mel)
    return summary(features)


class Familiar:
    """Centre and inverse covariance of the training clips, and the distance beyond which a clip is unlike them."""

    def __init__(self, centre: np.ndarray, precision: np.ndarray, limit: float) -> None:
        self.centre, self.precision, self.limit = centre, precision, limit

    @classmethod
    def fit(cls, training: np.ndarray, development: np.ndarray) -> Familiar:
        """(n, d) summaries of training clips, and (m, d) of clips not trained on, which set the limit."""
        covariance = np.cov(training, rowvar=False)
        covariance = (1 - SHRINK) * covariance + SHRINK * np.diag(np.diag(covariance) + 1e-6)
        found = cls(training.mean(axis=0), np.linalg.inv(covariance), np.inf)
        found.limit = float(np.quantile(found.distance(development), FAR))
        return found

    def distance(self, summaries: np.ndarray) -> np.ndarray:
        """(n, d) -> (n,) Mahalanobis distances."""
        away = summaries - self.centre
        return np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", away, self.precision, away), 0))

    def save(self, path: Path) -> None:
        """Write plain JSON."""
        write_json(
            path, {"centre": self.centre.round(6), "precision": self.precision.round(8), "limit": self.limit}
        )

    @classmethod
    def load(cls, path: Path) -> Familiar:
        """Read what `save` wrote; ValueError names a file that holds something else."""
        try:
            stored: dict[str, Any] = read_json(path)
            centre, precision = np.array(stored["centre"], float), np.array(stored["precision"], float)
            if precision.shape != (len(centre), len(centre)):
                raise ValueError("its parts do not fit together")
            return cls(centre, precision, float(stored["limit"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} cannot be used ({error}): remove it") from None


def familiar_of(run: Run, setting: FeatureSetting, n_clips: int = 1000) -> Familiar | None:
    """The run's own file, or one made from its feature cache (and kept); None where neither is there."""
    path = run.folder / FILE
    if path.is_file():
        return Familiar.load(path)
    folder = where_am_i().folders.cache / str(run.metrics.get("data", {}).get("cache") or "none")
    if not (folder / "table.csv").is_file():
        return None
    from helpers.features import open_cache

    cache = open_cache(folder)
    split = cache.table["split"].to_numpy()
    summaries = {}
    for name in ("train", "dev"):
        rows = np.flatnonzero(split == name)
        if len(rows) < 20:
            return None
        rows = rows[np.linspace(0, len(rows) - 1, min(n_clips, len(rows))).astype(int)]
        summaries[name] = np.concatenate(
            [_summaries(cache, part, setting) for part in np.array_split(rows, 1 + len(rows) // 64)]
        )
    found = Familiar.fit(summaries["train"], summaries["dev"])
    try:
        found.save(path)
    except OSError:  # a folder that is only read, such as an attached data set
        pass
    return found


def _summaries(cache: Any, rows: np.ndarray, setting: FeatureSetting) -> np.ndarray:
    batch = torch.from_numpy(cache.read(rows).astype(np.float32))
    if cache.setting.kind == "wave" and setting.kind != "wave":
        batch = compute(batch, setting)
    return summarised(batch, setting)
