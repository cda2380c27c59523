"""What the rebuilt systems report of themselves, beside what finished runs here measure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.runs import Run, load_runs

PUBLISHED = Path(__file__).with_name("published.csv")


def beside_published(source: str, runs: Sequence[Run] | None = None) -> pd.DataFrame:
    """One row a published figure of `source` (0..1; NaN where only an order was reported), ours beside it.

    `ours` is the mean over finished runs of the same model, features and data set on eval, NaN where there is none.
    Raises ValueError for a source that published.csv does not hold.
    """
    table = pd.read_csv(PUBLISHED)
    known = table["source"].unique()
    if source not in known:
        raise ValueError(f"no source is called {source!r}: there are {', '.join(known)}")
    table = table[table["source"] == source].drop(columns="source").reset_index(drop=True)
    found = [run.metrics for run in (load_runs() if runs is None else runs)]
    values = [_ours(found, row) for row in table.to_dict("records")]
    table.insert(6, "ours", [np.mean(given) if given else np.nan for given in values])
    table.insert(7, "seeds", [len(given) for given in values])
    return table


def _ours(found: list[dict], row: dict) -> list[float]:
    same = ("model", "features", "dataset")
    chosen = [record for record in found if all(record.get(name) == row[name] for name in same)]
    return [
        record["metrics"]["eval"][row["measure"]] for record in chosen if "eval" in record.get("metrics", {})
    ]
