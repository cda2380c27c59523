"""Run folders -> report.html, which answers in one screen. Nothing but run folders is read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from html import escape
from pathlib import Path

import pandas as pd

from helpers import figures
from helpers.evaluation import audit as shortcuts
from helpers.evaluation.calibration import calibrate, reliability
from helpers.evaluation.compare import (
    attack_table,
    best_by_dev,
    comparison_table,
    cross_data,
    cross_data_matrix,
    datasets_of,
    differences,
    first_seeds,
    hardest_attacks,
    labels_of,
    readable,
    scored_runs,
    scores_on_eval,
    seed_table,
)
from helpers.evaluation.report_page import card, csv_link, page, paragraph, picture, table
from helpers.metrics import PolarityError, rows_of
from helpers.runs import Run, write_text

MOST_CURVES, MOST_CONFUSIONS, MOST_HISTORIES = 8, 9, 4
POINTS = {
    "equal_error": "equal errors on dev",
    "min_dcf": "least cost on dev (ASVspoof 5)",
    "false_alarm_1_percent": "1 % of dev's spoofs pass",
    "bayes": "fixed, -ln 1.9 (for LLRs)",
}


def write_report(runs: Sequence[Run], path: Path) -> Path:
    """Write a self-contained report.html over all finished runs; ValueError where none holds figures on eval.

    The first screen answers: which model, how sure, on which attacks it fails, whether a shortcut explains it.
    """
    datasets = datasets_of(runs)
    if not datasets:
        raise ValueError("no finished run holds figures on eval: run a training notebook first (10 to 27)")
    body = []
    for number, dataset in enumerate(datasets):
        body.append(of_dataset(runs, dataset, heading=number > 0))
    body += [seeds(runs), crossed(runs), method()]
    title = f"Audio deepfake detection: {', '.join(datasets)}"
    write_text(Path(path), page(title, "\n".join(filter(None, body)), made_of(scored_runs(runs))))
    return Path(path)


def of_dataset(runs: Sequence[Run], dataset: str, heading: bool = True) -> str:
    """All sections about one data set."""
    mine = first_seeds(runs, dataset)
    comparison = comparison_table(mine)
    chosen, by_dev = chosen_run(mine)
    ranks = [chosen.name, *comparison["run"]]
    mine.sort(key=lambda run: ranks.index(run.name))  # where a section shows only some, it shows the first
    measures = shortcuts.find_measures(runs, dataset)
    found = shortcuts.audit(measures) if measures is not None else None
    parts = [
        f"<h2>{escape(dataset)}</h2>" if heading else "",
        answers(mine, chosen, by_dev, found),
        models(mine, comparison, chosen),
        attacks(mine, chosen),
        thresholds(mine, chosen),
        calibrated(mine, chosen),
        audited(chosen, mine, found),
        costs(comparison),
        training(mine),
    ]
    return "\n".join(filter(None, parts))


def made_of(runs: Sequence[Run]) -> str:
    """When this page was written, from which runs, code and machines."""
    records = [run.metrics for run in runs]
    commits = sorted(
        {str(r.get("git_commit") or r.get("environment", {}).get("git_commit") or "")[:10] for r in records}
        - {""}
    )
    machines = sorted(
        {str(r.get("environment", {}).get("processor") or r.get("device") or "") for r in records} - {""}
    )
    said = [f"Written {date.today().isoformat()} from {len(runs)} runs."]
    said += [f"Commit {', '.join(commits)}."] if commits else []
    said += [f"Machine: {', '.join(machines)}."] if machines else []
    return " ".join(said)


def user_card(chosen: Run) -> str:
    """What a user of the detector would get: errors on unseen clips at dev's threshold, and whether to believe odds."""
    section = chosen.metrics["metrics"]["eval"]
    text = f"{rate(section['miss'])} of recordings are refused, at the threshold chosen on {section['threshold_from']}. "
    try:
        _, changed = calibrate(chosen.read_scores())
        after, best = changed["eval"]["cllr_after"], changed["eval"]["min_cllr"]
        text += f"Probabilities fitted on dev cost {after:.2f} bits on eval, {best:.2f} at best"
        text += "; above 1 they mislead." if after > 1 else "."
    except (PolarityError, ValueError, KeyError):
        text += "Its probabilities could not be checked."
    share = section["false_alarm"]
    return card(
        "What would a user get?",
        f"{rate(share)} of unseen fakes pass",
        text,
        "warn" if share > 0.1 else "good",
    )


def chosen_run(runs: Sequence[Run]) -> tuple[Run, bool]:
    """(the run with the best dev EER, True), or (the first, False) where no run holds dev figures."""
    try:
        return best_by_dev(runs), True
    except ValueError:
        return runs[0], False


def rate(value: float) -> str:
    return f"{100 * value:.1f} %"


def interval(section: dict) -> str:
    low, high = section["eer_interval"]
    return f"{100 * low:.1f}–{100 * high:.1f} %"


def few(names: Sequence[str], limit: int = 3) -> str:
    """The first names, and how many more there are."""
    more = len(names) - limit
    return ", ".join(names) if more < 2 else f"{', '.join(names[:limit])} and {more} more"


def answers(runs: Sequence[Run], chosen: Run, by_dev: bool, found: dict | None) -> str:
    """Four cards, the first screen."""
    label, record = labels_of(runs)[chosen.name], chosen.metrics
    section = record["metrics"]["eval"]
    how = (
        f"chosen by dev EER ({rate(record['metrics']['dev']['eer'])})" if by_dev else "no run has dev figures"
    )
    lowest = comparison_table(runs).iloc[0]
    if lowest["run"] != chosen.name:
        how += f"; on eval {lowest['label']} was lower, {rate(lowest['eer'])}, but eval chooses nothing"
    against = differences(runs, chosen)
    unsure = [row.model for row in rows_of(against) if row.low <= 0 <= row.high]
    better = [row.model for row in rows_of(against) if row.high < 0]
    sure = (
        f"95 % interval {interval(section)}, from {section['n_bonafide']:,} bona fide and "
        f"{section['n_spoof']:,} spoofs, resampled by {section['resampled_by']}"
    )
    if better:
        sure += f". On eval clearly better: {few(better)}"
    if unsure:
        sure += f". Cannot be told from {few(unsure)}"
    elif len(runs) > 1 and not better:
        sure += ". Clearly better than every other run"
    if section["eer_interval"][1] >= 0.5:
        sure += ". The interval includes 50 %: this may be guessing"
    hard = hardest_attacks(section)
    easy = (
        min(section["per_attack"].items(), key=lambda pair: pair[1]["eer"]) if section["per_attack"] else None
    )
    fails = ", ".join(name for name, _ in hard) or "attacks not named"
    worst = "; ".join(f"{name} {rate(value)} EER" for name, value in hard)
    if easy:
        worst += f". Easiest: {easy[0]}, {rate(easy[1]['eer'])}"
    if found is None:
        short, why, kind = (
            "not measured",
            "No run of notebook 03 holds shortcuts.csv for this data set.",
            "warn",
        )
    else:
        why = shortcuts.verdict(found, label, section)
        warned = why.startswith("WARNING")
        why = why.removeprefix("WARNING: ")
        clear = why.startswith("No shortcut")
        kind = "good" if clear else "warn"
        short = (
            "yes, perhaps all of it"
            if warned
            else "in part"
            if found["eer"] < shortcuts.CHANCE_FROM
            else "no"
            if clear
            else "no, nor is it better"
        )
        if clear and shortcuts.near_attacks(found, section):
            short, kind = "no, but for some attacks", "warn"
    notes = "; ".join(record.get("notes", []))
    return (
        '<div class="cards">'
        + card(
            "Which model?",
            f"{label}: {rate(section['eer'])} EER",
            f"{sure}. {record.get('features', '')}; {how}" + (f". Note: {notes}" if notes else ""),
            "warn" if section["eer_interval"][1] >= 0.5 else "good",
        )
        + user_card(chosen)
        + card("Where does it fail?", fails, worst + ".", "warn")
        + card("Does a shortcut explain it?", short, why, kind)
        + "</div>"
    )


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
