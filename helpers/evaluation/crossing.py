"""Train on one data set, test on another: the scores.<dataset>.csv files of run folders as a matrix."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from helpers.evaluation.compare import scored_runs
from helpers.evaluation.scores import check_scores, eval_rows
from helpers.metrics import by_class, eer
from helpers.runs import Run


def cross_data(runs: Sequence[Run]) -> pd.DataFrame:
    """Train on X, test on Y: one row a (model, trained on, tested on) with its EER.

    A run's own scores.csv is its own data set; `scores.<dataset>.csv` in its folder are the same columns on another.
    """
    rows = []
    for run in scored_runs(runs):
        record = run.metrics
        base = {
            "model": record.get("model", run.notebook),
            "features": record.get("features", ""),
            "trained_on": record["dataset"],
            "run": run.name,
        }
        rows.append({**base, "tested_on": record["dataset"], "eer": record["metrics"]["eval"]["eer"]})
        for path in sorted(run.folder.glob("scores.*.csv")):
            table = pd.read_csv(
                path, dtype={"utterance": str, "attack": str, "split": str}, keep_default_na=False
            )
            rate = eer(*by_class(check_scores(eval_rows(table), f"{run.name}, {path.name}")))[0]
            rows.append(
                {**base, "tested_on": path.name.removeprefix("scores.").removesuffix(".csv"), "eer": rate}
            )
    return pd.DataFrame(rows, columns=["model", "features", "trained_on", "tested_on", "eer", "run"])


def cross_data_matrix(runs: Sequence[Run]) -> pd.DataFrame:
    """cross_data as a matrix: (model, trained on) x tested on, the mean where a cell has several runs."""
    return cross_data(runs).pivot_table(
        index=["model", "trained_on"], columns="tested_on", values="eer", aggfunc="mean"
    )
