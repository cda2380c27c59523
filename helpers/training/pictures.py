"""Pictures for a classifier that was made for photographs: image files, or pictures of speech from the cache."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from sklearn.model_selection import train_test_split
from torch.nn import functional

from helpers.data import BadAudio, Dataset
from helpers.environment import where_am_i
from helpers.features import FEATURES, Cache, build_cache
from helpers.features.cache import table_digest
from helpers.models.layers import count_parameters, milliseconds_per_clip
from helpers.runs import digest, write_whole
from helpers.training.batches import subset
from helpers.training.search import out_of_fold_scores

if TYPE_CHECKING:
    from helpers.models.classical import Vgg16Svm


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
    train, _ = train_test_split(
        np.arange(len(table)), test_size=test_share, random_state=seed, stratify=table["label"]
    )
    split = np.full(len(table), "eval", dtype=object)
    split[train] = "train"
    return table.assign(split=split)


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
    parts = []
    for split in ("dev", "eval"):
        if split in rows:
            index, given = rows[split], model.score(vectors[split])
        else:
            index, given = rows["train"], out_of_fold_scores(model, vectors["train"], labels["train"], seed)
        table = pictures.table.iloc[index][["utterance", "attack", "label", "speaker"]]
        parts.append(table.assign(split=split, score=given))
    return pd.concat(parts, ignore_index=True)


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
        },
        "search": model.best,
        "notes": notes,
    }
