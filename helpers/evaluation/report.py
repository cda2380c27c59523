"""Run folders -> report.html, which answers in one screen. Nothing but run folders is read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from html import escape
from pathlib import Path

from helpers.evaluation import audit as shortcuts
from helpers.evaluation.calibration import calibrate
from helpers.evaluation.compare import (
    best_by_dev,
    comparison_table,
    datasets_of,
    differences,
    first_seeds,
    hardest_attacks,
    labels_of,
    scored_runs,
)
from helpers.evaluation.report_page import card, page
from helpers.evaluation.report_sections import (
    attacks,
    audited,
    calibrated,
    costs,
    crossed,
    few,
    interval,
    method,
    models,
    rate,
    seeds,
    thresholds,
    training,
)
from helpers.metrics import PolarityError, rows_of
from helpers.runs import Run, write_text


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
