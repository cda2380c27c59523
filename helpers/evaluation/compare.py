"""Run folders -> tables: one line a model, attacks, differences, seeds, data sets crossed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.evaluation.intervals import ROUNDS, over_seeds, paired_difference
from helpers.evaluation.scores import check_scores
from helpers.metrics import rows_of
from helpers.runs import Run, read_run

NOT_A_VARIANT = {"seed", "device", "workers", "max_minutes", "notebook"}


def scored_runs(runs: Sequence[Run], dataset: str | None = None) -> list[Run]:
    """Those runs that hold figures on eval (a caching run holds none)."""
    return [
        run
        for run in runs
        if run.metrics.get("metrics", {}).get("eval", {}).get("eer") is not None
        and dataset in (None, run.metrics.get("dataset"))
    ]


def datasets_of(runs: Sequence[Run]) -> list[str]:
    """Data sets of the scored runs, most runs first."""
    names = [run.metrics["dataset"] for run in scored_runs(runs)]
    return sorted(set(names), key=lambda name: (-names.count(name), name))


def labels_of(runs: Sequence[Run]) -> dict[str, str]:
    """run name -> the shortest label that tells it apart: model, features, differing parameters, seed, hash."""
    chosen: dict[str, tuple[str, ...]] = {
        run.name: (str(run.metrics.get("model", run.notebook)),) for run in runs
    }

    def features(run: Run, _same: list[Run]) -> str:
        return str(run.metrics.get("features", ""))

    def changed(run: Run, same: list[Run]) -> str:
        names = sorted(
            set().union(*(one.parameters for one in same)) - NOT_A_VARIANT - {"features", "dataset", "source"}
        )
        differing = [name for name in names if len({str(one.parameters.get(name)) for one in same}) > 1]
        return " ".join(f"{name}={run.parameters.get(name, '')}" for name in differing)

    def seed(run: Run, _same: list[Run]) -> str:
        return f"seed {run.metrics.get('seed', 0)}"

    def digest(run: Run, _same: list[Run]) -> str:
        return run.name.rsplit("-", 1)[-1][:4]

    for word in (features, changed, seed, digest):
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
    labels = labels_of(runs)
    rows = []
    for run in runs:
        record, split = run.metrics, run.metrics["metrics"]["eval"]
        info, timing = record.get("model_info", {}), record.get("timing", {})
        rows.append(
            {
                "label": labels[run.name],
                "model": record.get("model", ""),
                "features": record.get("features", ""),
                "dataset": record.get("dataset", ""),
                "seed": record.get("seed", 0),
                "eer": split["eer"],
                "eer_low": split["eer_interval"][0],
                "eer_high": split["eer_interval"][1],
                "dev_eer": record["metrics"].get("dev", {}).get("eer", np.nan),
                "accuracy": split.get("accuracy", np.nan),
                "macro_f1": split.get("macro_f1", np.nan),
                "min_tdcf_v1": split.get("min_tdcf_v1", np.nan),
                "mean_attack_eer": split.get("mean_attack_eer", np.nan),
                "auc": split.get("auc", np.nan),
                "parameters": info.get("parameters", np.nan),
                "train_seconds": timing.get("train_seconds", np.nan),
                "ms_per_clip": info.get("ms_per_clip", np.nan),
                "n_bonafide": split.get("n_bonafide", 0),
                "n_spoof": split.get("n_spoof", 0),
                "notes": "; ".join(_notes(run)),
                "run": run.name,
            }
        )
    if not rows:
        raise ValueError("no finished run holds figures on eval: run a training notebook first (10 to 27)")
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
    return run.metrics.get("notes", []) + (["not told from guessing"] if chance else split.get("remarks", []))


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The comparison table as text for people: percentages with intervals, units in the headings."""

    def percent(value: float) -> str:
        return "–" if pd.isna(value) else f"{100 * value:.1f}"

    def number(value: float, form: str) -> str:
        return "–" if pd.isna(value) else format(value, form)

    shown = pd.DataFrame(
        {
            "model": table["label"],
            "features": table["features"],
            "EER %": [
                f"{percent(r.eer)} ({percent(r.eer_low)}–{percent(r.eer_high)})" for r in rows_of(table)
            ],
            "accuracy %": table["accuracy"].map(percent),
            "macro-F1 %": table["macro_f1"].map(percent),
        }
    )
    if table["min_tdcf_v1"].notna().any():
        shown["min t-DCF*"] = [number(v, ".3f") for v in table["min_tdcf_v1"]]
    shown["parameters"] = [number(v, ",.0f") for v in table["parameters"]]
    shown["training s"] = [number(v, ",.0f") for v in table["train_seconds"]]
    shown["ms/clip"] = [number(v, ".1f") for v in table["ms_per_clip"]]
    if table["notes"].str.len().any():
        shown["notes"] = table["notes"]
    return shown


def best_by_dev(runs: Sequence[Run], dataset: str | None = None) -> Run:
    """The run with the lowest dev EER: eval takes no part in the choice. Without dev figures, ValueError."""
    runs = [run for run in scored_runs(runs, dataset) if "eer" in run.metrics["metrics"].get("dev", {})]
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


def attack_table(runs: Sequence[Run], dataset: str | None = None) -> pd.DataFrame:
    """EER of each attack (rows) for each run (columns), the pooled rate and the mean over attacks below."""
    runs = scored_runs(runs, dataset)
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


def hardest_attacks(section: dict, n: int = 3) -> list[tuple[str, float]]:
    """The attacks with the highest EER of one split's figures: [(attack, eer), …]."""
    rates = [(attack, value["eer"]) for attack, value in section.get("per_attack", {}).items()]
    return sorted(rates, key=lambda pair: -pair[1])[:n]


@lru_cache(maxsize=64)
def eval_scores(run_folder: str, stamp: float) -> pd.DataFrame:
    """Eval rows of a run's scores.csv; the stamp (mtime) makes a rewritten file be read anew."""
    table = read_run(Path(run_folder)).read_scores()
    return check_scores(table[table["split"] == "eval"], Path(run_folder).name)


def scores_on_eval(run: Run) -> pd.DataFrame:
    """Checked eval rows of a run's scores.csv."""
    return eval_scores(str(run.folder), (run.folder / "scores.csv").stat().st_mtime)


@lru_cache(maxsize=256)
def difference_of(first: str, second: str, names: tuple[str, str], rounds: int, stamps: tuple[float, float]):
    """paired_difference of two run folders, remembered: a report asks more than once."""
    return paired_difference(eval_scores(first, stamps[0]), eval_scores(second, stamps[1]), names, rounds)


def differences(runs: Sequence[Run], reference: Run | None = None, rounds: int = ROUNDS) -> pd.DataFrame:
    """Each run against the one chosen by dev, paired on the same eval utterances: difference, low, high, verdict."""
    runs = scored_runs(runs)
    reference = reference or best_by_dev(runs)
    labels = labels_of(runs)
    rows = []
    for run in runs:
        if run.name == reference.name or run.metrics["dataset"] != reference.metrics["dataset"]:
            continue
        stamps = tuple((r.folder / "scores.csv").stat().st_mtime for r in (run, reference))
        row = {"model": labels[run.name], "against": labels[reference.name]}
        try:
            found = difference_of(str(run.folder), str(reference.folder), tuple(row.values()), rounds, stamps)
        except ValueError as error:  # other clips, or other labels: the rest can be compared all the same
            rows.append(
                {**row, "difference": np.nan, "low": np.nan, "high": np.nan, "n": 0, "verdict": str(error)}
            )
            continue
        rows.append(
            {
                **row,
                "difference": found.difference,
                "low": found.interval[0],
                "high": found.interval[1],
                "n": found.n,
                "verdict": found.verdict,
            }
        )
    columns = ["model", "against", "difference", "low", "high", "n", "verdict"]
    return pd.DataFrame(rows, columns=columns).sort_values("difference").reset_index(drop=True)


def variants(runs: Sequence[Run], dataset: str | None = None) -> list[list[Run]]:
    """The scored runs in groups that differ in nothing but the seed, lowest seed first, of each seed the newest run.

    Runs of other numbers of clips are another group: somebody added to the data. Fingerprints are too fine for that,
    since they change when a folder is copied.
    """
    groups: dict[str, dict[int, Run]] = {}
    for run in scored_runs(runs, dataset):
        same = {k: v for k, v in run.parameters.items() if k not in NOT_A_VARIANT}
        counts = run.metrics.get("data", {}).get("counts")
        what = (run.notebook, run.metrics.get("model"), counts, sorted(same.items(), key=str))
        group, seed = groups.setdefault(repr(what), {}), int(run.metrics.get("seed", 0))
        group[seed] = max(group.get(seed, run), run, key=lambda one: one.path("metrics.json").stat().st_mtime)
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
            first = group[0].metrics
            rates = over_seeds([run.metrics["metrics"]["eval"]["eer"] for run in group])
            rows.append(
                {
                    "model": labels[group[0].name],
                    "features": first.get("features"),
                    "dataset": first["dataset"],
                    "seeds": rates["n"],
                    "eer": rates["mean"],
                    "low": rates["low"],
                    "high": rates["high"],
                }
            )
    return pd.DataFrame(rows, columns=["model", "features", "dataset", "seeds", "eer", "low", "high"])


def by_parameter(runs: Sequence[Run], notebook: str, *names: str) -> pd.DataFrame:
    """Finished runs of one notebook by the parameters named: what a changed one did. Empty where none has finished."""
    rows = []
    for run in scored_runs([run for run in runs if run.notebook == notebook]):
        found = run.metrics["metrics"]
        low, high = found["eval"]["eer_interval"]
        rows.append(
            {
                **{name: run.parameters.get(name, "") for name in names},
                "seed": run.parameters.get("seed", 0),
                "dev EER %": 100 * found.get("dev", {}).get("eer", np.nan),
                "eval EER %": 100 * found["eval"]["eer"],
                "from": 100 * low,
                "to": 100 * high,
                "notes": "; ".join(run.metrics.get("notes", [])),
            }
        )
    columns = [*names, "seed", "dev EER %", "eval EER %", "from", "to", "notes"]
    return pd.DataFrame(rows, columns=columns).sort_values([*names, "seed"]).reset_index(drop=True).round(1)
