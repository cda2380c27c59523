"""Several runs -> one: a logistic regression over their scores, fitted on dev only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from helpers.evaluation import calibration
from helpers.evaluation.summary import summarise
from helpers.runs import Run, open_run

KEYS = ["utterance", "split", "label", "attack"]


def join_scores(runs: Sequence[Run]) -> pd.DataFrame:
    """Score tables of runs on one data set -> one row an utterance, a column `score_<i>` for each run.

    ValueError where the runs did not score the same utterances.
    """
    if len(runs) < 2:
        raise ValueError(f"a fusion needs two runs or more, got {len(runs)}")
    tables = [run.read_scores() for run in runs]
    tables = [table[table["split"].isin(["dev", "eval"])] for table in tables]
    joined = tables[0].rename(columns={"score": "score_0"})
    for number, (run, table) in enumerate(zip(runs[1:], tables[1:], strict=True), start=1):
        added = table[KEYS + ["score"]].rename(columns={"score": f"score_{number}"})
        both = joined.merge(added, on=KEYS, how="inner", validate="one_to_one")
        if not len(both) == len(joined) == len(table):
            raise ValueError(
                f"{runs[0].name} and {run.name} did not score the same utterances: "
                f"{len(joined)} and {len(table)}, {len(both)} shared; run both on one data set"
            )
        joined = both
    return joined


def fuse(runs: Sequence[Run]) -> tuple[pd.DataFrame, dict[str, float]]:
    """(score table of log-likelihood ratios, weight of each run). Nothing of eval enters the fit."""
    joined = join_scores(runs)
    columns = [f"score_{number}" for number in range(len(runs))]
    dev = joined[joined["split"] == "dev"]
    if dev.empty:
        raise ValueError("a fusion is fitted on dev, and these runs hold no dev scores")
    fitted = calibration.fit(dev[columns].to_numpy(), dev["label"], tuple(run.name for run in runs))
    table = joined.drop(columns=columns).assign(score=fitted(joined[columns].to_numpy()))
    return table, {run.name: weight for run, weight in zip(runs, fitted.weights, strict=True)}


def fuse_runs(
    runs: Sequence[Run],
    runs_dir: Path | None = None,
    notebook: str = "25_fuse",
    parameters: dict | None = None,
) -> Run:
    """Write the fusion as a run folder of its own, complete, with its members and weights in `notes`."""
    table, weights = fuse(runs)
    first = runs[0].metrics
    chosen = {
        "dataset": first["dataset"],
        "seed": 0,
        **(parameters or {}),
        "members": [run.name for run in runs],
    }
    run = open_run(notebook, chosen, first["data"].get("fingerprint", ""), runs_dir)
    run.write_scores(table)
    models = [r.metrics.get("model", r.name) for r in runs]
    infos = [r.metrics.get("model_info", {}) for r in runs]
    run.finish(
        model="fusion",
        features="+".join(models),
        metrics=summarise(table, name=run.name),
        model_info={
            "parameters": sum(i.get("parameters") or 0 for i in infos),
            "ms_per_clip": sum(i.get("ms_per_clip") or 0 for i in infos),
        },
        fusion={"weights": weights},
        data={k: v for k, v in first["data"].items() if k != "fingerprint"},
        notes=["fusion of " + ", ".join(models)],
    )
    return run
