"""Run folders -> report.html, which answers in one screen. Nothing but run folders is read."""

from __future__ import annotations

import base64
import io
import subprocess
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment
from matplotlib.figure import Figure

from helpers.environment import PROJECT
from helpers.evaluation import audit as shortcuts
from helpers.evaluation.compare import NOTHING, datasets_of, scored_runs
from helpers.evaluation.reference import attack_kinds
from helpers.evaluation.report_facts import Compared, Section, few, interval, rate
from helpers.evaluation.report_sections import of_all, of_dataset
from helpers.files import write_text
from helpers.runs import Run

TEMPLATE = Path(__file__).with_name("report.html.jinja")


def write_report(runs: Sequence[Run], path: Path) -> Path:
    """Write a self-contained report.html over all finished runs; ValueError where none holds figures on eval.

    The first screen answers: which model, how sure, on which attacks it fails, whether a shortcut explains it.
    """
    datasets = datasets_of(runs)
    if not datasets:
        raise ValueError(NOTHING)
    sections: list[Section] = []
    for dataset in datasets:
        found = Compared.of(runs, dataset)
        first = Section("" if dataset == datasets[0] else dataset, [], cards(found))
        sections += [first, *of_dataset(found)]
    sections += of_all(runs)
    title = f"Audio deepfake detection: {', '.join(datasets)}"
    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        TEMPLATE.read_text(encoding="utf-8")
    )
    drawn = [section._replace(parts=[shown(part) for part in section.parts]) for section in sections]
    write_text(Path(path), page.render(title=title, made=made_of(scored_runs(runs)), sections=drawn) + "\n")
    return Path(path)


def shown(part: Any) -> dict:
    """A sentence, a table, clips or (figure, caption) as what the template draws."""
    if isinstance(part, str):
        return {"text": part}
    if isinstance(part, pd.DataFrame):
        numbers = part.attrs.get("csv", part)  # unrounded, where there are such
        csv = base64.b64encode(numbers.to_csv(index=False).encode()).decode()
        return {"table": part.astype(str), "name": "table.csv", **part.attrs, "csv": csv}
    if isinstance(part, list):
        sounds = [base64.b64encode(clip["sound"]).decode() for clip in part]
        return {
            "clips": [
                clip | picture(clip["figure"]) | {"sound": s} for clip, s in zip(part, sounds, strict=True)
            ]
        }
    return picture(part[0]) | {"caption": part[1]}


def picture(figure: Figure) -> dict:
    """A figure as PNG without a ground of its own, so that the page's shows, light or dark."""
    held = io.BytesIO()
    for patch in (figure.patch, *(ax.patch for ax in figure.axes)):
        patch.set_alpha(0)
    figure.savefig(held, format="png", dpi=100, bbox_inches="tight", facecolor="none")
    return {"picture": base64.b64encode(held.getvalue()).decode(), "alt": getattr(figure, "alt", "")}


def made_of(runs: Sequence[Run]) -> str:
    """When this page was written, from which commit, runs and machines."""
    asked = ["git", "-C", str(PROJECT), "rev-parse", "--short", "HEAD"]
    try:
        commit = subprocess.run(asked, capture_output=True, text=True).stdout.strip()
    except OSError:  # no git here
        commit = ""
    found = {run.metrics.get("environment", {}).get("processor", "") for run in runs}
    machines = ", ".join(sorted(map(str, found - {""})))
    said = f"Written {date.today().isoformat()} from {len(runs)} runs."
    return said + (f" Commit {commit}." if commit else "") + (f" Trained on {machines}." if machines else "")


def card(question: str, answer: str, text: str, good: bool) -> dict:
    """One question, its answer in large letters, and a sentence."""
    return {"question": question, "answer": answer, "text": text, "kind": "good" if good else "warn"}


def cards(found: Compared) -> list[dict]:
    """The first screen about one data set."""
    return [which_model(found), for_users(found), where_it_fails(found), shortcut(found)]


def which_model(found: Compared) -> dict:
    record, section, label = found.chosen.metrics, found.section, found.label
    how = (
        f"chosen by dev EER ({rate(record['metrics']['dev']['eer'])})"
        if found.by_dev
        else "no run has dev figures"
    )
    lowest = found.table.iloc[0]
    if lowest["run"] != found.chosen.name:
        how += f"; on eval {lowest['label']} was lower, {rate(lowest['eer'])}, but eval chooses nothing"
    against = found.against
    unsure = list(against.loc[(against["low"] <= 0) & (against["high"] >= 0), "model"])
    better = list(against.loc[against["high"] < 0, "model"])
    sure = (
        f"95 % interval {interval(section)}, from {section['n_bonafide']:,} bona fide and "
        f"{section['n_spoof']:,} spoofs, resampled by {section['resampled_by']}"
    )
    if better:
        sure += f". On eval clearly better: {few(better)}"
    if unsure:
        sure += f". Cannot be told from {few(unsure)}"
    elif len(found.runs) > 1 and not better:
        sure += ". Clearly better than every other run"
    guessing = section["eer_interval"][1] >= 0.5
    if guessing:
        sure += ". The interval includes 50 %: this may be guessing"
    notes = "; ".join(record.get("notes", []))
    text = f"{sure}. {record.get('features', '')}; {how}" + (f". Note: {notes}" if notes else "")
    return card("Which model?", f"{label}: {rate(section['eer'])} EER", text, not guessing)


def for_users(found: Compared) -> dict:
    """What a user would get: errors on unseen clips at dev's threshold, and whether to believe the odds."""
    section = found.section
    text = f"{rate(section['miss'])} of recordings are refused, at the threshold chosen on {section['threshold_from']}. "
    if isinstance(found.calibrated, str):
        text += "Its probabilities could not be checked."
    else:
        changed = found.calibrated[1]["eval"]
        after, best = changed["cllr_after"], changed["min_cllr"]
        text += f"Probabilities fitted on dev cost {after:.2f} bits on eval, {best:.2f} at best"
        text += "; above 1 they mislead." if after > 1 else "."
    share = section["false_alarm"]
    return card("What would a user get?", f"{rate(share)} of unseen fakes pass", text, share <= 0.1)


def where_it_fails(found: Compared) -> dict:
    kinds = attack_kinds(found.chosen.metrics["dataset"])
    order = sorted(found.section["per_attack"].items(), key=lambda pair: -pair[1]["eer"])
    rates = [f"{name} {rate(value['eer'])}" for name, value in order]
    told = [
        f"{at} ({kinds['what'][name]})" if name in kinds.index else at for at, (name, _) in zip(rates, order)
    ]
    names = ", ".join(name for name, _ in order[:3]) or "attacks not named"
    text = f"EER {'; '.join(told[:3])}. Easiest: {rates[-1]}." if rates else ""
    return card("Where does it fail?", names, text, False)


def shortcut(found: Compared) -> dict:
    question, audit = "Does a shortcut explain it?", found.audit
    if audit is None:
        return card(
            question, "not measured", "No run holds shortcuts.csv for this data set: run notebook 02.", False
        )
    answer, why = shortcuts.verdict(audit, found.label, found.section)
    return card(question, answer, why, answer == "no")
