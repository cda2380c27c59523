"""The sections of report.html below its first screen: sentences, tables and figures from run folders."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import soundfile
import torch

from helpers import figures
from helpers.data import read_audio
from helpers.evaluation import audit as shortcuts
from helpers.evaluation.calibration import reliability
from helpers.evaluation.compare import attack_table, cross_data, readable, scores_on_eval, seed_table
from helpers.evaluation.reference import attack_kinds
from helpers.evaluation.report_facts import Compared, Section, interval, rate
from helpers.features import FEATURES, compute
from helpers.metrics import rows_of
from helpers.runs import Run

MOST_CURVES, MOST_CONFUSIONS, MOST_HISTORIES, MOST_CLIPS, MOST_SECONDS = 8, 9, 4, 5, 4
SAMPLE_RATE = 16000  # Hz
POINTS = {
    "equal_error": "equal errors on dev",
    "min_dcf": "least cost on dev (ASVspoof 5)",
    "false_alarm_1_percent": "1 % of dev's spoofs pass",
    "bayes": "fixed, -ln 1.9 (for LLRs)",
}


def of_dataset(found: Compared) -> list[Section]:
    """All sections about one data set that have something to show."""
    made = [
        Section("All models", models(found)),
        Section("Attack by attack", attacks(found)),
        Section("The worst errors, to hear", worst_errors(found)),
        Section("What a user would get", thresholds(found)),
        Section("Can its probabilities be believed?", probabilities(found)),
        Section("Shortcut audit", audited(found)),
        Section("What it costs", costs(found)),
        Section("Training", training(found)),
    ]
    return [section for section in made if section.parts]


def of_all(runs: Sequence[Run]) -> list[Section]:
    """Sections over all data sets: seeds, data sets crossed, method."""
    made = []
    repeated = seed_table(runs)
    if len(repeated):
        ends = [repeated.pop(name).map(rate) for name in ("low", "high")]
        shown = repeated.assign(eer=repeated["eer"].map(rate), range=ends[0] + " to " + ends[1])
        made.append(Section("Several seeds", [shown.rename(columns={"eer": "mean EER"})]))
    crossed = cross_data(runs)
    if crossed.count(axis=1).gt(1).any():  # a row holds more than its own data set
        picture = figures.cross_data_map(crossed), "EER where training and test data differ."
        made.append(Section("Train on one, test on another", [picture]))
    return [*made, Section("How these figures were made", [METHOD])]


def models(found: Compared) -> list:
    table = readable(found.table)
    table.attrs = {
        "name": "models.csv",
        "chosen": found.label,
        "words": ["features", "notes"],
        "csv": found.table,
    }
    text = (
        "EER: the rate at which bona fide are rejected as often as spoofs are accepted; accuracy and macro-F1 at the "
        "threshold chosen on dev. Bold: the model chosen by dev."
    )
    if "min t-DCF*" in table:
        text += " * min t-DCF (2019) with the ASV error rates of ASVspoof 2019 LA eval, not measured on this data."
    parts = [
        table,
        text,
        (figures.eer_bars(found.table), "Equal error rate of each model with its 95 % interval."),
        (figures.summary_bars(found.table), "Accuracy and macro-F1 at the threshold chosen on dev."),
    ]
    if len(found.against):
        parts += [paired(found.against), PAIRED.format(label=found.label)]
    if found.table["dev_eer"].notna().any():
        caption = (
            "Dev holds attacks that training has seen, eval holds new ones: a model far above the diagonal has "
            "learnt the attacks, not the difference."
        )
        parts.append((figures.dev_against_eval(found.table), caption))
    by_name = {run.name: run for run in found.runs}
    first = found.table.head(MOST_CURVES)
    curves = {
        label: scores_on_eval(by_name[name]) for label, name in zip(first["label"], first["run"], strict=True)
    }
    return parts + [
        (figures.det_curves(curves), "Every trade of misses against false alarms."),
        (figures.roc_curves(curves), "The same trade on plain axes, with the area under the curve."),
    ]


def paired(against: pd.DataFrame) -> pd.DataFrame:
    """compare.differences or compare.pairs as text."""
    points = [
        f"{100 * row.difference:+.1f} ({100 * row.low:+.1f} to {100 * row.high:+.1f})" if row.n else "–"
        for row in rows_of(against)
    ]
    kept = [name for name in ("model", "against", "seeds") if name in against]
    shown = against[kept].assign(points=points, verdict=against["verdict"])
    shown.attrs = {"name": "differences.csv", "words": ["against", "verdict"]}
    return shown.rename(columns={"points": "EER difference, points"})


def attacks(found: Compared) -> list:
    mine = found.section.get("per_attack")
    if not mine:
        return []
    kinds = attack_kinds(found.chosen.metrics["dataset"])
    rows = [
        {
            "attack": name,
            **(kinds.loc[name].to_dict() if name in kinds.index else {}),
            "EER": f"{rate(value['eer'])} ({interval(value)})",
            "found at dev's threshold": rate(value["accuracy"]),
            "clips": value["n"],
        }
        for name, value in sorted(mine.items(), key=lambda pair: -pair[1]["eer"])
    ]
    table = pd.DataFrame(rows)
    table.attrs = {"name": "attacks.csv", "words": ["kind", "what"]}
    parts: list = [
        f"{found.label}, hardest first. TTS makes speech from text, VC changes one voice into another, a vocoder "
        "copies a recording through a model of speech.",
        table,
        (
            figures.attack_bars(found.section, found.label),
            f"{found.label}: every attack with its 95 % interval.",
        ),
        (
            figures.attack_map(attack_table(found.runs)),
            "EER of each attack against all bona fide speech, every model.",
        ),
    ]
    speakers = sorted(found.section.get("per_speaker", {}).items(), key=lambda pair: -pair[1]["eer"])[:5]
    if speakers:
        worst = ", ".join(f"{name} {rate(value['eer'])}" for name, value in speakers)
        parts.append(f"Hardest speakers for {found.label}: {worst}.")
    return parts


def worst_errors(found: Compared) -> list:
    """The clips that the chosen detector is most wrong about, to see and to hear; none without the recordings."""
    scores = scores_on_eval(found.chosen)
    scores = scores[scores["utterance"].isin(found.clips)].sort_values("score")
    spoof, bonafide = scores[scores["label"] == "spoof"], scores[scores["label"] == "bonafide"]
    parts: list = []
    for title, rows in (
        ("Spoofs that look most genuine to it", spoof[::-1].head(MOST_CLIPS)),
        ("Recordings that look most like spoofs to it", bonafide.head(MOST_CLIPS)),
    ):
        heard = [clip(row, found.clips[row.utterance]) for row in rows_of(rows)]
        if heard:
            parts += [f"{title} (score at dev's threshold {found.section['threshold']:.2f}):", heard]
    return parts


def clip(row: Any, path: str) -> dict:
    """One clip for the template: a sentence, its log-mel picture and at most four seconds of sound as MP3."""
    wave = read_audio(path)[: MOST_SECONDS * SAMPLE_RATE]
    setting = replace(FEATURES["logmel"], seconds=max(len(wave), 1) / SAMPLE_RATE)
    picture = compute(torch.from_numpy(wave)[None], setting)[0].numpy()
    figure, ax = figures.canvas(size=(4.4, 2.6))
    figures.plot_features(picture, setting, " ", ax, bar=False)
    ax.set_ylabel("kHz")
    sound = io.BytesIO()
    soundfile.write(sound, wave, SAMPLE_RATE, format="MP3")
    name = row.utterance if row.attack == "-" else f"{row.utterance} ({row.attack})"
    return {"name": name, "score": f"{row.score:.2f}", "figure": figure, "sound": sound.getvalue()}


def thresholds(found: Compared) -> list:
    splits, section = found.chosen.metrics["metrics"], found.section
    named = {
        "dev's threshold" if "dev" in splits else "threshold": section["threshold"],
        "eval's own EER": section["eer_threshold"],
    }
    histogram = figures.score_histogram(scores_on_eval(found.chosen), named, f"{found.label} on eval")
    parts: list = [(histogram, "Scores of eval, each class adding up to 100 %.")]
    if "dev" in splits:
        rows = []
        for name, text in POINTS.items():
            row: dict = {"threshold": text, "value": f"{section['operating_points'][name]['threshold']:.3f}"}
            for split in ("dev", "eval"):
                point = splits[split]["operating_points"][name]
                row |= {
                    f"{split} miss": rate(point["miss"]),
                    f"{split} false alarm": rate(point["false_alarm"]),
                }
            rows.append(row)
        text = (
            "Thresholds are chosen on dev and kept. The two right columns are what comes out on unseen attacks: "
            "miss is bona fide rejected, false alarm is spoofs accepted."
        )
        parts += [text, pd.DataFrame(rows)]
    shown = found.runs[:MOST_CONFUSIONS]
    some = f" {len(shown)} of {len(found.runs)} models, by their EER." if len(shown) < len(found.runs) else ""
    matrices = figures.confusions({found.labels[run.name]: run.metrics["metrics"]["eval"] for run in shown})
    return parts + [(matrices, f"Confusion on eval at the threshold chosen on dev.{some}")]


def probabilities(found: Compared) -> list:
    if isinstance(found.calibrated, str):
        return [f"Not calibrated: {found.calibrated}."]
    after, changed = found.calibrated
    section, before = changed["eval"], found.chosen.read_scores()
    tables = {"as scored": before, "calibrated on dev": after}
    bins = {name: reliability(table[table["split"] == "eval"]) for name, table in tables.items()}
    return [
        f"Cllr on eval: {section['cllr_before']:.3f} bits as scored, {section['cllr_after']:.3f} after logistic "
        f"calibration on dev, {section['min_cllr']:.3f} at best; 1 says nothing, above 1 misleads.",
        (figures.reliability_diagram(bins), f"{found.label}: claimed probability against the share found."),
    ]


def audited(found: Compared) -> list:
    audit = found.audit
    if audit is None:
        return []
    mine = found.section.get("per_attack", {})
    rows = [
        {
            "attack": attack,
            "shortcuts alone, EER": f"{rate(value['eer'])} ({interval(value)})",
            f"{found.label}, EER": rate(mine[attack]["eer"]) if attack in mine else "–",
        }
        for attack, value in audit["per_attack"].items()
    ]
    alone = {shortcuts.MEASURES[name]: value for name, value in audit["alone"].items()}
    bars = figures.shortcut_bars(alone | {"all five": audit["eer"]}, {found.label: found.section["eer"]})
    return [
        audit["sentence"],
        shortcuts.verdict(audit, found.label, found.section)[1],
        (bars, "What loudness, silence, bandwidth and length give away without listening."),
        *([pd.DataFrame(rows)] if rows else []),
    ]


def costs(found: Compared) -> list:
    captions = {"ms_per_clip": "EER against time to score one clip.", "parameters": "EER against size."}
    return [
        (figures.eer_against(found.table, cost), caption)
        for cost, caption in captions.items()
        if (found.table[cost].fillna(0) > 0).any()
    ]


def training(found: Compared) -> list:
    histories = {found.labels[run.name]: run.read_history() for run in found.runs}
    kept = {label: h for label, h in histories.items() if len(h) > 1 and "dev_eer" in h}
    return [
        (figures.training_curves(history, label), f"{label}: training loss and dev EER by epoch.")
        for label, history in list(kept.items())[:MOST_HISTORIES]
    ]


PAIRED = (
    "Against {label}, on the same utterances, by paired bootstrap. It does not hold the luck of the training seed: "
    "differences below about one point mean nothing without several seeds."
)
METHOD = (
    "Higher scores mean more likely bona fide; none was flipped. EER with tied scores on one threshold; intervals are "
    "95 % bootstrap percentiles over 1,000 resamples, of whole speakers where five or more are known; a rate of zero "
    "has the upper end that its number of trials allows. "
    "Thresholds, calibration, fusion and the choice of a model rest on dev. "
    "Rates, their intervals and thresholds stand in each run's metrics.json, made from its scores.csv when it ended; "
    "differences between models, curves, histograms and calibration were computed from scores.csv for this page. "
    "Times, sizes and training curves are as the runs recorded them."
)
