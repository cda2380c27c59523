"""Run folders -> tables: one line a model, attacks, differences, seeds, data sets crossed."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from helpers.evaluation.intervals import ROUNDS, paired_difference
from helpers.evaluation.scores import check_scores, eval_rows
from helpers.metrics import by_class, eer
from helpers.runs import Run, read_scores_csv

NOTHING = "no finished run holds figures on eval: run a training notebook first (10 to 27)"
RATES = ("dev EER %", "eval EER %", "from", "to")
NOT_A_VARIANT = {"seed", "device", "workers", "max_minutes", "notebook"}


def scored_runs(runs: Sequence[Run], dataset: str | None = None) -> list[Run]:
    """Those runs that hold figures on eval (a caching run holds none)."""
    return [
        run
        for run in runs
        if run.metrics.get("metrics", {}).get("eval", {}).get("eer") is not None
        and dataset in (None, run.metrics.get("dataset"))
    ]


def is_ours(run: Run) -> bool:
    """Whether the run ships with the project (reference.shipped_runs) and was not made here."""
    return bool(run.metrics.get("shipped"))


def datasets_of(runs: Sequence[Run]) -> list[str]:
    """Data sets of the scored runs, most runs first."""
    names = [run.metrics["dataset"] for run in scored_runs(runs)]
    return sorted(set(names), key=lambda name: (-names.count(name), name))


def labels_of(runs: Sequence[Run]) -> dict[str, str]:
    """run name -> the shortest label that tells it apart: model, features, differing parameters, seed, hash."""
    chosen: dict[str, tuple[str, ...]] = {
        run.name: (str(run.metrics.get("model", run.notebook)), *(["(ours)"] if is_ours(run) else []))
        for run in runs
    }

    def changed(run: Run, same: list[Run]) -> str:
        names = sorted(
            set().union(*(one.parameters for one in same)) - NOT_A_VARIANT - {"features", "dataset", "source"}
        )
        differing = [name for name in names if len({str(one.parameters.get(name)) for one in same}) > 1]
        return " ".join(f"{name}={run.parameters.get(name, '')}" for name in differing)

    for word in (
        lambda run, same: str(run.metrics.get("features", "")),
        changed,
        lambda run, same: f"seed {run.metrics.get('seed', 0)}",
        lambda run, same: run.name.rsplit("-", 1)[-1][:4],
    ):
        groups: dict[tuple, list[Run]] = {}
        for run in runs:
            groups.setdefault(chosen[run.name], []).append(run)
        for same in groups.values():
            words = {run.name: word(run, same) for run in same}
            if len(set(words.values())) > 1:
                chosen |= {name: (*chosen[name], said) for name, said in words.items()}
    return {name: " ".join(filter(None, words)) for name, words in chosen.items()}


def comparison_table(runs: Sequence[Run], dataset: str | None = None) -> pd.DataFrame:
    """One row a run, best eval EER first within its data set. Rates are fractions; what is unknown is NaN."""
    runs = scored_runs(runs, dataset)
    if not runs:
        raise ValueError(NOTHING)
    labels = labels_of(runs)
    rows = []
    for run in runs:
        record, split = run.metrics, run.metrics["metrics"]["eval"]
        info = record.get("model_info", {}) | record.get("timing", {})
        rows.append(
            {
                "label": labels[run.name],
                **{name: record.get(name, "") for name in ("model", "features", "dataset", "seed")},
                "eer": split["eer"],
                "eer_low": split["eer_interval"][0],
                "eer_high": split["eer_interval"][1],
                "dev_eer": record["metrics"].get("dev", {}).get("eer", np.nan),
                **{name: split.get(name, np.nan) for name in ("accuracy", "macro_f1", "min_tdcf_v1", "auc")},
                **{name: info.get(name, np.nan) for name in ("parameters", "train_seconds", "ms_per_clip")},
                **{name: split.get(name, 0) for name in ("n_bonafide", "n_spoof")},
                "notes": "; ".join(_notes(run)),
                "run": run.name,
            }
        )
    table = pd.DataFrame(rows)
    n_clips = table["n_bonafide"] + table["n_spoof"]
    most = n_clips.groupby(table["dataset"]).transform("max")
    for row in table.index[n_clips < most]:
        few = f"scored on {n_clips[row]:,} of {most[row]:,} clips"
        table.loc[row, "notes"] = "; ".join(filter(None, [table.loc[row, "notes"], few]))
    return table.sort_values(["dataset", "eer", "label"], kind="stable").reset_index(drop=True)


def _notes(run: Run) -> list[str]:
    """What the run says of itself, and where its interval holds 50 %, that too."""
    split = run.metrics["metrics"]["eval"]
    chance = split["eer_interval"][0] <= 0.5 <= split["eer_interval"][1]
    return run.metrics.get("notes", []) + (["not better than chance"] if chance else split.get("remarks", []))


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The comparison table as text for people: percentages with intervals, units in the headings."""

    def number(name: str, form: str, times: int = 1) -> list[str]:
        return ["–" if pd.isna(value) else format(times * value, form) for value in table[name]]

    rate, low, high = (number(name, ".1f", 100) for name in ("eer", "eer_low", "eer_high"))
    shown = pd.DataFrame(
        {
            "model": table["label"],
            "features": table["features"],
            "EER %": [f"{a} ({b}–{c})" for a, b, c in zip(rate, low, high, strict=True)],
            "accuracy %": number("accuracy", ".1f", 100),
            "macro-F1 %": number("macro_f1", ".1f", 100),
        }
    )
    if table["min_tdcf_v1"].notna().any():
        shown["min t-DCF*"] = number("min_tdcf_v1", ".3f")
    shown["parameters"] = number("parameters", ",.0f")
    shown["training s"] = number("train_seconds", ",.0f")
    shown["ms/clip"] = number("ms_per_clip", ".1f")
    if table["notes"].str.len().any():
        shown["notes"] = table["notes"]
    return shown


def best_by_dev(runs: Sequence[Run]) -> Run:
    """The run with the lowest dev EER: eval takes no part in the choice. Without dev figures, ValueError."""
    runs = [run for run in scored_runs(runs) if "eer" in run.metrics["metrics"].get("dev", {})]
    if not runs:
        raise ValueError("no run holds dev figures: a model is chosen on dev, never on eval")
    return min(
        runs,
        key=lambda run: (
            run.metrics["metrics"]["dev"]["eer"],
            run.metrics["metrics"]["dev"].get("min_cllr", 0.0),
            run.name,
        ),
    )


def attack_table(runs: Sequence[Run]) -> pd.DataFrame:
    """EER of each attack (rows) for each run (columns), the pooled rate and the mean over attacks below."""
    runs = scored_runs(runs)
    labels = labels_of(runs)
    columns = {}
    for run in runs:
        split = run.metrics["metrics"]["eval"]
        rates = {attack: value["eer"] for attack, value in split.get("per_attack", {}).items()}
        columns[labels[run.name]] = {
            **rates,
            "mean": split.get("mean_attack_eer", np.nan),
            "pooled": split["eer"],
        }
    table = pd.DataFrame(columns)
    order = sorted(set(table.index) - {"mean", "pooled"}) + ["mean", "pooled"]
    return table.reindex([name for name in order if name in table.index]).rename_axis("attack")


def scores_on_eval(run: Run) -> pd.DataFrame:
    """Checked eval rows of a run's scores.csv."""
    table = run.read_scores()
    return check_scores(table[table["split"] == "eval"], run.name)


def differences(runs: Sequence[Run], reference: Run | None = None, rounds: int = ROUNDS) -> pd.DataFrame:
    """Each run against the one chosen by dev, paired on the same eval utterances: difference, low, high, verdict."""
    runs = scored_runs(runs)
    reference = reference or best_by_dev(runs)
    dataset = reference.metrics["dataset"]
    others = [run for run in runs if run.name != reference.name and run.metrics["dataset"] == dataset]
    found = _differences([([run], [reference]) for run in others], labels_of(runs), rounds)
    return found.drop(columns="seeds").sort_values("difference").reset_index(drop=True)


def pairs(runs: Sequence[Run], rounds: int = ROUNDS) -> pd.DataFrame:
    """Every two variants of the runs against each other, all seeds of each together, best mean eval EER first."""
    groups = sorted(variants(runs), key=mean_eer)
    labels = labels_of([group[0] for group in groups])
    return _differences(list(itertools.combinations(groups, 2)), labels, rounds)


def mean_eer(group: Sequence[Run]) -> float:
    """Mean eval EER of trainings that differ in the seed alone."""
    return float(np.mean([run.metrics["metrics"]["eval"]["eer"] for run in group]))


def _differences(
    groups: list[tuple[list[Run], list[Run]]], labels: dict[str, str], rounds: int
) -> pd.DataFrame:
    rows = []
    for sides in groups:
        names = [labels[side[0].name] for side in sides]
        row: dict[str, Any] = {
            "model": names[0],
            "against": names[1],
            "seeds": " and ".join(str(len(side)) for side in sides),
        }
        try:
            first, second = ([scores_on_eval(run) for run in side] for side in sides)
            found = paired_difference(first, second, names, rounds)
        except ValueError as error:  # other clips, or other labels: the rest can be compared all the same
            rows.append({**row, "n": 0, "verdict": str(error)})
            continue
        low, high = found.interval
        row |= {"difference": found.difference, "low": low, "high": high}
        rows.append({**row, "n": found.n, "verdict": found.verdict})
    columns = ["model", "against", "seeds", "difference", "low", "high", "n", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def variants(runs: Sequence[Run], dataset: str | None = None) -> list[list[Run]]:
    """The scored runs in groups that differ in nothing but the seed, lowest seed first, of each seed the newest run.

    Runs of other numbers of clips are another group: somebody added to the data. Fingerprints are too fine for that,
    since they change when a folder is copied.
    """
    groups: dict[str, dict[int, Run]] = {}
    for run in scored_runs(runs, dataset):
        same = {k: v for k, v in run.parameters.items() if k not in NOT_A_VARIANT}
        counts = run.metrics.get("data", {}).get("counts")
        what = (run.notebook, run.metrics.get("model"), is_ours(run), counts, sorted(same.items(), key=str))
        group, seed = groups.setdefault(repr(what), {}), int(run.metrics.get("seed", 0))
        group[seed] = max(group.get(seed, run), run, key=lambda one: one.metrics.get("ended", 0))
    return [[group[seed] for seed in sorted(group)] for group in groups.values()]


def first_seeds(runs: Sequence[Run], dataset: str | None = None) -> list[Run]:
    """The scored runs, of those that differ in nothing but the seed the lowest one: what tables and figures show."""
    return [group[0] for group in variants(runs, dataset)]


def seed_table(runs: Sequence[Run]) -> pd.DataFrame:
    """Runs that differ in nothing but the seed, as mean and range of their eval EER; one row a group of two or more."""
    rows, groups = [], variants(runs)
    labels = labels_of([group[0] for group in groups])
    for group in groups:
        if len(group) > 1:
            first, rates = group[0].metrics, [run.metrics["metrics"]["eval"]["eer"] for run in group]
            row = {
                "model": labels[group[0].name],
                "features": first.get("features"),
                "dataset": first["dataset"],
            }
            spread = {"eer": mean_eer(group), "low": min(rates), "high": max(rates)}
            rows.append({**row, "seeds": len(group), **spread})
    columns = ["model", "features", "dataset", "seeds", "eer", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def by_parameter(runs: Sequence[Run], notebook: str, *names: str) -> pd.DataFrame:
    """Finished runs of one notebook by the parameters named: what a changed one did. Empty where none has finished."""
    rows = []
    for run in scored_runs([run for run in runs if run.notebook == notebook]):
        found = run.metrics["metrics"]
        low, high = found["eval"]["eer_interval"]
        rates = found.get("dev", {}).get("eer", np.nan), found["eval"]["eer"], low, high
        rows.append(
            {
                **{name: run.parameters.get(name, "") for name in names},
                "seed": run.parameters.get("seed", 0),
                **{name: 100 * rate for name, rate in zip(RATES, rates, strict=True)},
                "notes": "; ".join(run.metrics.get("notes", [])),
            }
        )
    table = pd.DataFrame(rows, columns=[*names, "seed", *RATES, "notes"])
    return table.sort_values([*names, "seed"]).reset_index(drop=True).round(1)


def cross_data(runs: Sequence[Run]) -> pd.DataFrame:
    """EER of (model, trained on) x tested on, the mean where a cell has several runs.

    A run's scores.csv is its own data set; `scores.<dataset>.csv` in its folder are the same columns on another.
    """
    rows = []
    for run in scored_runs(runs):
        record = run.metrics
        rates = {record["dataset"]: record["metrics"]["eval"]["eer"]}
        for path in run.folder.glob("scores.*.csv"):
            table = check_scores(eval_rows(read_scores_csv(path)), f"{run.name}, {path.name}")
            rates[path.name.removeprefix("scores.").removesuffix(".csv")] = eer(*by_class(table))[0]
        model = record.get("model", run.notebook)
        rows += [(model, record["dataset"], tested, rate) for tested, rate in rates.items()]
    table = pd.DataFrame(rows, columns=["model", "trained_on", "tested_on", "eer"])
    return table.pivot_table(index=["model", "trained_on"], columns="tested_on", values="eer", aggfunc="mean")
