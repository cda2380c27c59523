"""The utterance table as a cache keeps it: its hash, and its files."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from helpers.files import write_whole

WORDS = ("utterance", "path", "label", "attack", "speaker", "split", "dataset")
SIZES_READ = 4096  # files, evenly spread: on a mounted drive each costs a question over the network


def table_digest(table: pd.DataFrame) -> str:
    """Hash of what the rows are: names, labels, splits, file names and the sizes of up to 4,096 of the files.

    The folder in which the files lie does not count: the same data elsewhere are the same. A file that was replaced
    by one of equal name and equal size is not noticed.
    """
    paths = table["path"].astype(str).tolist()
    above = os.path.commonpath([os.path.dirname(path) for path in paths]) if paths else ""
    total = hashlib.sha256()
    for column in WORDS:
        values = table[column].astype(str).tolist() if column in table else []
        if column == "path":
            values = [path.removeprefix(above) for path in paths]
        total.update("\n".join([column, *values]).encode("utf-8", "surrogateescape"))
    for row in np.unique(np.linspace(0, max(len(paths) - 1, 0), SIZES_READ).astype(int)):
        size = os.path.getsize(paths[row]) if paths and os.path.exists(paths[row]) else -1
        total.update(f"{size},".encode())
    return total.hexdigest()[:32]


def read_table(path: Path, words: Any) -> pd.DataFrame:
    """One of the cache's tables, `words` being texts. A path may hold bytes that are no UTF-8."""
    return pd.read_csv(
        path, dtype=words, keep_default_na=False, na_values={}, encoding_errors="surrogateescape"
    )


def write_table(path: Path, table: pd.DataFrame) -> None:
    text = table.to_csv(index=False)
    write_whole(path, lambda file: file.write(text.encode("utf-8", "surrogateescape")))
