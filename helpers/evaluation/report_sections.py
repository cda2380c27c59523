"""The sections of report.html below its first screen, each from run folders."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import pandas as pd

from helpers import figures
from helpers.evaluation import audit as shortcuts
from helpers.evaluation.calibration import calibrate, reliability
from helpers.evaluation.compare import (
    attack_table,
    differences,
    labels_of,
    readable,
    scores_on_eval,
    seed_table,
)
from helpers.evaluation.crossing import cross_data, cross_data_matrix
from helpers.evaluation.report_page import csv_link, paragraph, picture, table
from helpers.metrics import PolarityError, rows_of
from helpers.runs import Run

MOST_CURVES, MOST_CONFUSIONS, MOST_HISTORIES = 8, 9, 4
POINTS = {
    "equal_error": "equal errors on dev",
    "min_dcf": "least cost on dev (ASVspoof 5)",
    "false_alarm_1_percent": "1 % of dev's spoofs pass",
    "bayes": "fixed, -ln 1.9 (for LLRs)",
}


def rate(value: float) -> str:
    return f"{100 * value:.1f} %"


def interval(section: dict) -> str:
    low, high = section["eer_interval"]
    return f"{100 * low:.1f}–{100 * high:.1f} %"


def few(names: Sequence[str], limit: int = 3) -> str:
    """The first names, and how many more there are."""
    more = len(names) - limit
    return ", ".join(names) if more < 2 else f"{', '.join(names[:limit])} and {more} more"


def models(runs: Sequence[Run], comparison: pd.DataFrame, chosen: Run) -> str:
    label = labels_of(runs)[chosen.name]
    parts = [
        "<h2>All models</h2>",
        table(readable(comparison), label, ("features", "notes")),
        csv_link(comparison, "models.csv"),
    ]
    text = (
        "EER: the rate at which bona fide are rejected as often as spoofs are accepted; accuracy and macro-F1 at the "
        "threshold chosen on dev. Bold: the model chosen by dev."
    )
    if comparison["min_tdcf_v1"].notna().any():
        text += " * min t-DCF (2019) with the ASV error rates of ASVspoof 2019 LA eval, not measured on this data."
    parts += [
        paragraph(text, faint=True),
        picture(figures.eer_bars(comparison), "Equal error rate of each model with its 95 % interval."),
        picture(figures.summary_bars(comparison), "Accuracy and macro-F1 at the threshold chosen on dev."),
    ]
    against = differences(runs, chosen)
    if len(against):
        shown = pd.DataFrame(
            {
                "model": against["model"],
                "EER difference, points": [
                    f"{100 * r.difference:+.1f} ({100 * r.low:+.1f} to {100 * r.high:+.1f})" if r.n else "–"
                    for r in rows_of(against)
                ],
                "verdict": against["verdict"],
            }
        )
        parts += [
            f"<h3>Against {escape(label)}, on the same utterances</h3>",
            table(shown, "", ("verdict",)),
            paragraph(
                "Paired bootstrap. It does not hold the luck of the training seed: differences below about "
                "one point mean nothing without several seeds.",
                faint=True,
            ),
        ]
    if comparison["dev_eer"].notna().any():
        parts.append(
            picture(
                figures.dev_against_eval(comparison),
                "Dev holds attacks that training has seen, eval holds new ones: a model far above the "
                "diagonal has learnt the attacks, not the difference.",
            )
        )
    tables = {row.label: run_scores(runs, row.run) for row in rows_of(comparison.head(MOST_CURVES))}
    parts += [
        picture(figures.det_curves(tables), "Every trade of misses against false alarms."),
        picture(figures.roc_curves(tables), "The same trade on plain axes, with the area under the curve."),
    ]
    return "\n".join(parts)


def run_scores(runs: Sequence[Run], name: str) -> pd.DataFrame:
    return scores_on_eval(next(run for run in runs if run.name == name))


def attacks(runs: Sequence[Run], chosen: Run) -> str:
    section = chosen.metrics["metrics"]["eval"]
    if not section.get("per_attack"):
        return ""
    label = labels_of(runs)[chosen.name]
    parts = [
        "<h2>Attack by attack</h2>",
        picture(
            figures.attack_map(attack_table(runs)),
            "EER of each attack against all bona fide speech; dark is bad.",
        ),
        picture(figures.attack_bars({label: section}), f"{label}: every attack with its 95 % interval."),
    ]
    speakers = section.get("per_speaker", {})
    if speakers:
        worst = sorted(speakers.items(), key=lambda pair: -pair[1]["eer"])[:5]
        parts.append(
            paragraph(
                f"Hardest speakers for {label}: "
                + ", ".join(f"{name} {rate(value['eer'])}" for name, value in worst)
                + "."
            )
        )
    return "\n".join(parts)


def thresholds(runs: Sequence[Run], chosen: Run) -> str:
    found, label = chosen.metrics["metrics"], labels_of(runs)[chosen.name]
    section = found["eval"]
    named = {
        "dev's threshold" if "dev" in found else "threshold": section["threshold"],
        "eval's own EER": section["eer_threshold"],
    }
    parts = [
        "<h2>What a user would get</h2>",
        picture(
            figures.score_histogram(scores_on_eval(chosen), named, f"{label} on eval"),
            "Scores of eval, each class adding up to 100 %.",
        ),
    ]
    if "dev" in found:
        rows = []
        for name, text in POINTS.items():
            dev, test = (found[s]["operating_points"].get(name) for s in ("dev", "eval"))
            if dev and test:
                rows.append(
                    {
                        "threshold": text,
                        "value": f"{test['threshold']:.3f}",
                        "dev miss": rate(dev["miss"]),
                        "dev false alarm": rate(dev["false_alarm"]),
                        "eval miss": rate(test["miss"]),
                        "eval false alarm": rate(test["false_alarm"]),
                    }
                )
        parts += [
            paragraph(
                "Thresholds are chosen on dev and kept. The two right columns are what comes out on "
                "unseen attacks: miss is bona fide rejected, false alarm is spoofs accepted."
            ),
            table(pd.DataFrame(rows)),
        ]
    shown = runs[:MOST_CONFUSIONS]
    sections = {labels_of(runs)[run.name]: run.metrics["metrics"]["eval"] for run in shown}
    some = f" {len(shown)} of {len(runs)} models, by their EER." if len(shown) < len(runs) else ""
    parts.append(
        picture(figures.confusions(sections), f"Confusion on eval at the threshold chosen on dev.{some}")
    )
    return "\n".join(parts)


def calibrated(runs: Sequence[Run], chosen: Run) -> str:
    scores = chosen.read_scores()
    if not (scores["split"] == "dev").any():
        return ""
    try:
        after, changed = calibrate(scores)
    except PolarityError as error:
        return "<h2>Can its probabilities be believed?</h2>" + paragraph(f"Not calibrated: {error}.")
    section = changed["eval"]
    here = {
        "as scored": scores[scores["split"] == "eval"],
        "calibrated on dev": after[after["split"] == "eval"],
    }
    return "\n".join(
        [
            "<h2>Can its probabilities be believed?</h2>",
            paragraph(
                f"Cllr on eval: {section['cllr_before']:.3f} bits as scored, {section['cllr_after']:.3f} after logistic "
                f"calibration on dev, {section['min_cllr']:.3f} at best; 1 says nothing, above 1 misleads."
            ),
            picture(
                figures.reliability_diagram({name: reliability(t) for name, t in here.items()}),
                f"{labels_of(runs)[chosen.name]}: claimed probability against the share found.",
            ),
        ]
    )


def audited(chosen: Run, runs: Sequence[Run], found: dict | None) -> str:
    if found is None:
        return ""
    label, section = labels_of(runs)[chosen.name], chosen.metrics["metrics"]["eval"]
    rows = [
        {
            "attack": a,
            "shortcuts alone, EER": f"{rate(v['eer'])} ({interval(v)})",
            f"{label}, EER": rate(section["per_attack"][a]["eer"])
            if a in section.get("per_attack", {})
            else "–",
        }
        for a, v in found["per_attack"].items()
    ]
    alone = {shortcuts.MEASURES[name]: value for name, value in found["alone"].items()} | {
        "all five": found["eer"]
    }
    parts = [
        "<h2>Shortcut audit</h2>",
        paragraph(found["sentence"]),
        paragraph(shortcuts.verdict(found, label, section)),
        picture(
            figures.shortcut_bars(alone, {label: section["eer"]}),
            "What loudness, silence, bandwidth and length give away without listening.",
        ),
    ]
    return "\n".join([*parts, table(pd.DataFrame(rows)) if rows else ""])


def costs(comparison: pd.DataFrame) -> str:
    parts = [
        picture(figures.eer_against(comparison, column), caption)
        for column, caption in (
            ("ms_per_clip", "EER against time to score one clip."),
            ("parameters", "EER against size."),
        )
        if (comparison[column].fillna(0) > 0).any()
    ]
    return "\n".join(["<h2>What it costs</h2>", *parts]) if parts else ""


def training(runs: Sequence[Run]) -> str:
    parts: list[str] = []
    for run in runs:
        history = run.read_history()
        if len(history) > 1 and "dev_eer" in history and len(parts) < MOST_HISTORIES:
            label = labels_of(runs)[run.name]
            parts.append(
                picture(
                    figures.training_curves(history, label), f"{label}: training loss and dev EER by epoch."
                )
            )
    return "\n".join(["<h2>Training</h2>", *parts]) if parts else ""


def seeds(runs: Sequence[Run]) -> str:
    found = seed_table(runs)
    if found.empty:
        return ""
    shown = found.assign(
        eer=found["eer"].map(rate), range=[f"{rate(r.low)} to {rate(r.high)}" for r in rows_of(found)]
    )
    shown = shown[["model", "features", "dataset", "seeds", "eer", "range"]].rename(
        columns={"eer": "mean EER"}
    )
    return "<h2>Several seeds</h2>" + table(shown, "", ("features", "dataset"))


def crossed(runs: Sequence[Run]) -> str:
    found = cross_data(runs)
    if (found["trained_on"] == found["tested_on"]).all():
        return ""
    return "<h2>Train on one, test on another</h2>" + picture(
        figures.cross_data_map(cross_data_matrix(runs)), "EER where training and test data differ."
    )


def method() -> str:
    return "<h2>How these figures were made</h2>" + paragraph(
        "Higher scores mean more likely bona fide; none was flipped. EER with tied scores on one threshold; intervals are "
        "95 % bootstrap percentiles over 1,000 resamples, of whole speakers where five or more are known; a rate of zero "
        "has the upper end that its number of trials allows. "
        "Thresholds, calibration, fusion and the choice of a model rest on dev. "
        "Rates, their intervals and thresholds stand in each run's metrics.json, made from its scores.csv when it ended; "
        "differences between models, curves, histograms and calibration were computed from scores.csv for this page. "
        "Times, sizes and training curves are as the runs recorded them.",
        faint=True,
    )
