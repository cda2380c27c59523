"""Pictures for a classifier that was made for photographs: image files, or pictures of speech from the cache."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.base import clone
from sklearn.metrics import balanced_accuracy_score, precision_recall_fscore_support
from sklearn.model_selection import ParameterGrid, StratifiedKFold, cross_val_predict, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch.nn import functional

from helpers.data import BadAudio, Dataset
from helpers.environment import where_am_i
from helpers.features import FEATURES, Cache, build_cache
from helpers.features.cache import table_digest
from helpers.files import digest, write_whole
from helpers.models.classical import SVC_GRID, Vgg16Svm
from helpers.models.layers import count_parameters, milliseconds_per_clip
from helpers.training.batches import SCORED, subset
from helpers.training.load import started_from


@dataclass
class Pictures:
    """Rows of `table` and of the pictures are the same; `read` gives some of them."""

    table: pd.DataFrame
    side: int  # pixels
    cache: Cache | None = None  # None where `path` in the table is an image file

    def read(self, rows: np.ndarray) -> np.ndarray:
        """float32 (n, 3 or 1, side, side) in 0..1."""
        if self.cache is None:
            return np.stack([read_picture(Path(path), self.side) for path in self.table["path"].iloc[rows]])
        batch = torch.from_numpy(self.cache.read(rows).astype(np.float32))
        if batch.shape[-1] != self.side:
            batch = functional.interpolate(batch, (self.side, self.side), mode="area")
        return batch.numpy()


def read_picture(path: Path, side: int) -> np.ndarray:
    """An image file -> float32 (3, side, side) in 0..1, its longer side cut around the middle. BadAudio's sentence
    for a file that is no picture."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            square = ImageOps.fit(image.convert("RGB"), (side, side), Image.Resampling.BILINEAR)
    except (OSError, UnidentifiedImageError) as error:
        raise BadAudio(f"{path.name} cannot be read as a picture: {error}") from error
    return np.asarray(square, dtype=np.float32).transpose(2, 0, 1) / 255.0


def open_pictures(
    data: Dataset, features: str, side: int, test_share: float = 0.25, seed: int = 0
) -> Pictures:
    """The data set's image files, divided at random into train and eval; or its speech as pictures, in its own splits."""
    if data.entry.layout == "faces":
        return Pictures(divide(data.table, test_share, seed), side)
    cache = build_cache(data.table, FEATURES[features])
    if len(cache.shape) != 3:
        raise ValueError(f"{features} is no picture: features is spectrogram_picture or waveform_picture")
    return Pictures(cache.table, side, cache)


def divide(table: pd.DataFrame, test_share: float, seed: int) -> pd.DataFrame:
    """The table with split "train" and "eval", each class in the same proportion. ValueError for a share that leaves
    either part empty."""
    if not 0 < test_share < 1:
        raise ValueError(f"test_share is {test_share}, must lie between 0 and 1")
    rows, labels = np.arange(len(table)), table["label"]
    train, _ = train_test_split(rows, test_size=test_share, random_state=seed, stratify=labels)
    return table.assign(split=np.where(np.isin(rows, train), "train", "eval"))


def chosen_rows(table: pd.DataFrame, train_clips: int = 0, eval_clips: int = 0) -> dict[str, np.ndarray]:
    """Rows of each split that the table has, at most so many of train and of each other one (0 means all)."""
    rows = {}
    for split in ("train", "dev", "eval"):
        here = np.flatnonzero((table["split"] == split).to_numpy())
        if len(here):
            rows[split] = here[subset(table.iloc[here], train_clips if split == "train" else eval_clips)]
    return rows


def read_vectors(pictures: Pictures, rows: np.ndarray, model: Vgg16Svm, name: str) -> np.ndarray:
    """`model.vectors` of these rows, float32 (n, d), kept in the cache folder under `name`: the slow part, done once."""
    table = pictures.table.iloc[rows]
    seen = pictures.cache.folder.name if pictures.cache is not None else table_digest(pictures.table)
    identity = digest([name, seen, pictures.side, table[["utterance", "label"]].to_csv(index=False)], 12)
    file = where_am_i().folders.cache / f"{table['dataset'].iloc[0]}-vgg16-{identity}.npy"
    if file.is_file():
        return np.load(file)
    parts = [model.vectors(pictures.read(part)) for part in np.array_split(rows, max(1, len(rows) // 32))]
    values = np.concatenate(parts)
    write_whole(file, lambda out: np.save(out, values))  # two seeds may make the same vectors at once
    return values


def score_rows(
    model: Vgg16Svm,
    pictures: Pictures,
    rows: dict[str, np.ndarray],
    vectors: dict[str, np.ndarray],
    labels: dict[str, np.ndarray],
    seed: int = 0,
) -> pd.DataFrame:
    """Score table of dev and eval. Without a dev part the training pictures stand in, each scored out of fold."""
    if "eval" not in rows:
        raise ValueError(
            "these data have no eval split, so nothing can be said of clips that were not trained on"
        )
    tables = []
    for split in ("dev", "eval"):
        index = rows.get(split, rows["train"])
        if split in rows:
            scores = model.score(vectors[split])
        else:
            estimator = clone(getattr(model.pipeline, "best_estimator_", model.pipeline))
            folds = StratifiedKFold(5, shuffle=True, random_state=seed)
            scores = cross_val_predict(
                estimator, vectors["train"], labels["train"], cv=folds, method="decision_function"
            )
        tables.append(pictures.table.iloc[index][SCORED].assign(split=split, score=scores))
    return pd.concat(tables, ignore_index=True)


def describe_pictures(
    model: Vgg16Svm,
    pictures: Pictures,
    rows: dict[str, np.ndarray],
    labels: dict[str, np.ndarray],
    parameters: dict[str, Any],
) -> dict[str, Any]:
    """Sections model, features, data, model_info and notes of metrics.json."""
    shape = pictures.read(rows["train"][:1]).shape[1:]
    counts = {part: {"bonafide": int(y.sum()), "spoof": int((1 - y).sum())} for part, y in labels.items()}
    all_train = int((pictures.table["split"] == "train").sum())
    notes = ["random filters, not ImageNet's"] if parameters["weights"] == "none" else []
    if len(rows["train"]) < all_train:
        notes.append(f"undertrained: {len(rows['train'])} of {all_train} clips")
    return {
        "model": parameters["model"],
        "features": "pictures" if pictures.cache is None else parameters["features"],
        "data": {"counts": counts},
        "model_info": {
            "parameters": count_parameters(model.network),
            "ms_per_clip": round(milliseconds_per_clip(model, shape, threads=1, repeats=3), 3),
            "input_shape": list(shape),
            "started_from": started_from("vgg16_svm", parameters),
        },
        "search": model.best,
        "notes": notes,
    }


def result_blocks(
    models: dict[str, Vgg16Svm], parts: dict[str, tuple[np.ndarray, np.ndarray]]
) -> pd.DataFrame:
    """One row for each model and part (train, test): accuracy, and precision, recall and F1 (0..1) of the class called
    1, bona fide, at score 0, as the image report prints them."""
    rows = []
    for name, model in models.items():
        for part, (vectors, labels) in parts.items():
            said = (model.score(vectors) > 0).astype(int)
            measures = precision_recall_fscore_support(labels, said, average="binary", zero_division=0)[:3]
            rows.append((name, part, np.mean(said == labels), *measures))
    columns = ["svc", "on", "accuracy", "precision", "recall", "f1"]
    return pd.DataFrame(rows, columns=columns).set_index(["svc", "on"])


def candidates_on(
    train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray], folds: int = 0, seed: int = 0
) -> pd.DataFrame:
    """Balanced accuracy (0.5 is guessing, however uneven the classes) of each of the 24 candidates fitted on `train`:
    `on_test`, which nobody should choose by, and with `folds` also `cross_validated` within train."""
    rows = []
    for candidate in ParameterGrid(SVC_GRID):
        estimator = make_pipeline(StandardScaler(), SVC()).set_params(**candidate)
        row = {name.partition("__")[2]: value for name, value in candidate.items()}
        if folds:
            parts = StratifiedKFold(folds, shuffle=True, random_state=seed)
            said = cross_val_predict(estimator, *train, cv=parts)
            row["cross_validated"] = float(balanced_accuracy_score(train[1], said))
        row["on_test"] = float(balanced_accuracy_score(test[1], estimator.fit(*train).predict(test[0])))
        rows.append(row)
    return pd.DataFrame(rows)


def best_of_shuffled(
    train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray], rounds: int = 10, seed: int = 0
) -> pd.DataFrame:
    """The same 24 candidates on labels that were shuffled, so that nothing can be learned: in each round the mean
    balanced accuracy on test, and that of the candidate which is best on test."""
    generator = np.random.default_rng(seed)
    rows = []
    for _ in range(rounds):
        labels = [generator.permutation(part[1]) for part in (train, test)]
        found = candidates_on((train[0], labels[0]), (test[0], labels[1]))["on_test"]
        rows.append({"mean": found.mean(), "best_on_test": found.max()})
    return pd.DataFrame(rows)
