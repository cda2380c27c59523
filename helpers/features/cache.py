"""A cache on disk: float16 shards read through a memory map, the table of its rows, and index.json, written last."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from helpers.features.settings import FeatureSetting
from helpers.runs import digest, read_json

SCHEMA = 1
CODE = 1  # raise it when a change of code changes the values of a feature: older caches are then left aside
WORDS = ("utterance", "path", "label", "attack", "speaker", "split", "dataset")
SIZES_LOOKED_AT = 4096  # files, evenly spread: on a mounted drive each costs a question over the network
MAPPED = 512  # shards, 262,000 clips: each keeps a file open, of which a process may have 1,024 as a rule


class Shard(NamedTuple):
    """A file of rows, and what tells it from another one that later bears its name."""

    path: str
    inode: int
    mtime_ns: int


@dataclass
class Cache:
    """Features of `table`, row for row. Made by build_cache or open_cache."""

    folder: Path
    setting: FeatureSetting
    table: pd.DataFrame  # the clips that were kept, in the order of the rows
    rejected: pd.DataFrame  # utterance, path, label, split, reason
    shape: tuple[int, ...]  # of one clip
    shards: Sequence[np.ndarray | Shard] = field(
        repr=False
    )  # arrays, or files that are mapped when first read
    starts: np.ndarray = field(repr=False)  # (shards,) number of each shard's first row

    def __len__(self) -> int:
        return len(self.table)

    def read(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """Rows in the order asked for -> float16 (n, *shape). IndexError for a row that is not there."""
        indices = np.atleast_1d(np.asarray(indices, dtype=np.int64))
        if len(indices) and (indices.min() < 0 or indices.max() >= len(self)):
            raise IndexError(
                f"{self.folder.name} has rows 0 to {len(self) - 1}: {indices.min()} to {indices.max()} asked"
            )
        rows = np.empty((len(indices), *self.shape), dtype=np.float16)
        shards = np.searchsorted(self.starts, indices, side="right") - 1
        for shard in np.unique(shards):
            here = shards == shard
            source = self.shards[shard]
            values = _mapped(source) if isinstance(source, Shard) else source
            rows[here] = values[indices[here] - self.starts[shard]]
        return rows


@lru_cache(maxsize=MAPPED)
def _mapped(shard: Shard) -> np.ndarray:
    """Opened once a process and kept: the map holds no memory of its own."""
    return np.load(shard.path, mmap_mode="r", allow_pickle=False)


def shard_path(folder: Path, number: int) -> Path:
    return folder / f"shard-{number:05d}.npy"


def table_digest(table: pd.DataFrame) -> str:
    """Hash of what the rows are: names, labels, splits, file names and the sizes of up to 4,096 of the files.

    The folder in which the files lie does not count: the same data elsewhere are the same. A file that was replaced
    by one of equal name and equal size is not noticed.
    """
    paths = table["path"].astype(str).tolist()
    total = hashlib.sha256()
    for column in WORDS:
        if column == "path":
            values = _below_their_folder(paths)
        else:
            values = table[column].tolist() if column in table else []
        total.update("\n".join([column, *map(str, values)]).encode("utf-8", "surrogateescape"))
    for row in (
        np.unique(np.linspace(0, max(len(paths) - 1, 0), SIZES_LOOKED_AT).astype(int)) if paths else []
    ):
        status = _status(paths[row])
        total.update(f"{status.st_size if status else -1},".encode())
    return total.hexdigest()[:32]


def _below_their_folder(paths: list[str]) -> list[str]:
    """Each path from the deepest folder that holds them all; `relpath`, which is slow, is asked once a folder."""
    parts = [os.path.split(path) for path in paths]
    folders = {folder for folder, _ in parts}
    above = os.path.commonpath(folders) if folders else ""
    below = {folder: os.path.relpath(folder or ".", above or ".") for folder in folders}
    return [name if below[folder] == "." else below[folder] + os.sep + name for folder, name in parts]


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None


def folder_name(dataset: str, name: str, seen: str, setting: FeatureSetting) -> str:
    """`<dataset>-<name>-<hash12>`, the hash over setting, code version and the table's digest."""
    return f"{dataset}-{name}-{digest([CODE, setting.to_dict(), seen], 12)}"


def cache_folder(
    cache_dir: Path, dataset: str, name: str, table: pd.DataFrame, setting: FeatureSetting
) -> Path:
    """Where build_cache keeps this feature of this table."""
    return Path(cache_dir) / folder_name(dataset, name, table_digest(table), setting)


def read_table(path: Path, words: Any) -> pd.DataFrame:
    """One of the cache's tables, `words` being texts. A path may hold bytes that are no UTF-8."""
    return pd.read_csv(
        path, dtype=words, keep_default_na=False, na_values={}, encoding_errors="surrogateescape"
    )


def open_cache(folder: str | Path) -> Cache:
    """Open a finished cache, in place and without writing. FileNotFoundError or ValueError say what is wrong."""
    folder = Path(folder)
    if not (folder / "index.json").is_file():
        lies = "holds an unfinished cache" if (folder / "build.json").is_file() else "holds no feature cache"
        raise FileNotFoundError(
            f"{folder} {lies} (no index.json): run 03_cache, it goes on with what is there"
        )
    index = read_json(folder / "index.json")
    if index.get("schema") != SCHEMA:
        raise ValueError(
            f"{folder} was written by other code (schema {index.get('schema')}): remove it and run 03_cache"
        )
    ends = np.cumsum(index["rows"], dtype=np.int64)
    shards = []
    for number, n_bytes in enumerate(index["bytes"]):
        path = shard_path(folder, number)
        status = _status(str(path))
        if status is None or status.st_size != n_bytes:
            has = "is not there" if status is None else f"has {status.st_size} bytes, not {n_bytes}"
            raise ValueError(f"{path} {has}: remove {folder} and run 03_cache")
        shards.append(Shard(str(path), status.st_ino, status.st_mtime_ns))
    words = dict.fromkeys(WORDS, str)
    table = read_table(folder / "utterances.csv", words)
    rejected = read_table(folder / "rejected.csv", str)
    if len(table) != ends[-1]:
        raise ValueError(f"{folder} has {ends[-1]} rows but names {len(table)}: remove it and run 03_cache")
    setting = FeatureSetting.from_dict(index["setting"])
    return Cache(folder, setting, table, rejected, tuple(index["shape"]), shards, ends - index["rows"])
