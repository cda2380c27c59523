"""What is known from elsewhere: figures that sources report, kinds of attacks, and our own trained runs that ship."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.environment import where_am_i
from helpers.evaluation.compare import scored_runs
from helpers.runs import Run, load_runs

PUBLISHED, ATTACKS, SHIPPED = (
    Path(__file__).with_name(name) for name in ("published.csv", "attacks.csv", "shipped_runs.zip")
)
SEEDS = ("simple_ann", "simple_cnn", "cnn", "resnet50_lstm", "resnet50", "resnet101", "resnet200d")


def shipped_runs(dataset: str | None = None, archive: Path | None = None) -> list[Run]:
    """Finished runs of ours, without weights: parameters, figures, history and scores of dev and eval.

    They are unpacked once beside the caches; their labels in every table end in "(ours)". Empty where none ship.
    """
    archive = archive or SHIPPED
    if not archive.is_file():
        return []
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()[:12]
    folder = where_am_i().folders.cache / f"shipped_runs-{digest}"
    with zipfile.ZipFile(archive) as packed:
        for name in packed.namelist():
            if not (folder / name).is_file():
                packed.extract(name, folder)
    return load_runs(folder, dataset)


def seed_systems(runs: Sequence[Run], dataset: str | None = None) -> list[Run]:
    """Of the runs those of networks that the rebuilt systems compare on log-mel: ANN, CNNs, ResNets with and without LSTM."""
    mine = scored_runs(runs, dataset)
    return [
        run for run in mine if run.metrics["model"] in SEEDS and run.metrics["features"].startswith("logmel")
    ]


def with_ours(runs: Sequence[Run], dataset: str, ours: str = "auto") -> list[Run]:
    """The runs and, where `ours` is yes, those that ship; auto takes them where fewer than two trainings are finished."""
    if ours not in ("auto", "yes", "no"):
        raise ValueError(f"ours is auto, yes or no, not {ours!r}")
    wanted = ours == "yes" or (ours == "auto" and len(scored_runs(runs, dataset)) < 2)
    return [*runs, *(shipped_runs(dataset) if wanted else [])]


def attack_kinds(dataset: str) -> pd.DataFrame:
    """attack -> kind (TTS, VC, vocoder) and what it is, for the data sets whose attacks are described; else empty.

    The attacks of a union are named `<dataset>/<attack>`, as in its utterance table.
    """
    table, parts = pd.read_csv(ATTACKS), dataset.split("+")
    table = table[table["dataset"].isin(parts)]
    names = table["attack"] if len(parts) == 1 else table["dataset"] + "/" + table["attack"]
    return table.set_index(names)[["kind", "what"]]


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
    found = [run.metrics for run in scored_runs(load_runs() if runs is None else runs)]
    same = ["model", "features", "dataset"]
    rates = [
        [
            r["metrics"]["eval"][row["measure"]]
            for r in found
            if all(r.get(name) == row[name] for name in same)
        ]
        for row in table.to_dict("records")
    ]
    table.insert(6, "ours", [np.mean(given) if given else np.nan for given in rates])
    table.insert(7, "seeds", [len(given) for given in rates])
    return table
