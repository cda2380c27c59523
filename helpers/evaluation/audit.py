"""Could the classes be told apart without listening? A small classifier on what no detector should need."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from helpers.evaluation.intervals import ROUNDS
from helpers.evaluation.summary import summarise_split
from helpers.metrics import by_class, eer
from helpers.runs import Run

MEASURES = {
    "bandwidth_hz": "bandwidth",
    "rms_db": "loudness",
    "silence_share": "share of silence",
    "leading_silence_s": "leading silence",
    "duration_s": "duration",
}
CHANCE_FROM = 0.35  # an audit above this tells little about a class


def shortcut_scores(measures: pd.DataFrame) -> pd.DataFrame:
    """Table of measures -> score table of a logistic regression that was fitted on the train split.

    Columns `utterance, label, split, attack, speaker` and the measures. ValueError without both classes in train.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    train = measures["split"] == "train"
    if measures.loc[train, "label"].nunique() < 2:
        raise ValueError("the shortcut audit is fitted on train: it needs bona fide and spoof rows there")
    values = measures[list(MEASURES)].astype(float).replace([np.inf, -np.inf], np.nan)
    values = values.fillna(values[train].median())
    # Balanced, so that the few bona fide weigh as much as the many spoofs.
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000))
    model.fit(values[train], measures.loc[train, "label"] == "bonafide")
    kept = [c for c in ("utterance", "attack", "label", "split", "speaker", "group") if c in measures]
    return measures[kept].assign(score=model.decision_function(values))


def audit(measures: pd.DataFrame, split: str = "eval", rounds: int = ROUNDS, seed: int = 0) -> dict:
    """What the shortcuts alone reach on `split`: its section of `summarise`, with `split`, `alone` and `sentence`.

    `alone` gives each measure's own EER, its direction chosen on train. An EER above 50 % here is a finding too
    (train and eval disagree), so polarity is not refused.
    """
    scored = shortcut_scores(measures)
    here = scored[scored["split"] == split]
    if here["label"].nunique() < 2:
        raise ValueError(f"the shortcut audit needs both classes in {split}")
    found = summarise_split(here.reset_index(drop=True), None, rounds, seed)
    found |= {"split": split, "alone": {name: eer_alone(measures, name, split) for name in MEASURES}}
    return found | {"sentence": sentence(found)}


def eer_alone(measures: pd.DataFrame, column: str, split: str) -> float:
    """EER of one measure used as the score; its sign comes from train."""
    usable = measures[np.isfinite(measures[column].astype(float))].rename(columns={column: "score"})
    train, here = (usable[usable["split"] == name] for name in ("train", split))
    sign = 1 if eer(*by_class(train))[0] <= 0.5 else -1
    return eer(*(sign * scores for scores in by_class(here)))[0]


def sentence(found: dict) -> str:
    """The audit in one sentence, the worst attack named where shortcuts betray it."""
    low, high = found["eer_interval"]
    text = (
        f"Bandwidth, loudness, silence and duration alone reach {100 * found['eer']:.1f} % EER "
        f"({100 * low:.1f}–{100 * high:.1f} %) on {found['split']}"
    )
    if found["eer"] >= CHANCE_FROM:
        text += ": near chance, they explain little"
    else:
        strongest = min(found["alone"], key=found["alone"].__getitem__)
        text += f": a shortcut, most of it {MEASURES[strongest]} ({100 * found['alone'][strongest]:.1f} % by itself)"
    betrayed = [a for a, v in found["per_attack"].items() if v["eer_interval"][1] < CHANCE_FROM]
    if betrayed:
        text += f"; betrayed by shortcuts: {', '.join(betrayed)}"
    return text + "."


def verdict(found: dict, model: str, section: dict) -> tuple[str, str]:
    """Does a shortcut explain a model's EER? The answer in a few words, and a sentence; `section` is the run's split."""
    rate, shortcut = section["eer"], found["eer"]
    attacks = near_attacks(found, section)
    rates = f"{100 * shortcut:.1f} % EER alone, {model} {100 * rate:.1f} %"
    near = found["eer_interval"][0] <= section["eer_interval"][1]
    if shortcut < CHANCE_FROM and (near or found["eer_interval"][0] <= 1.5 * rate):
        answer, text = (
            "yes, perhaps all of it",
            f"WARNING: shortcuts reach {rates}: it may have heard no speech at all",
        )
    elif shortcut < CHANCE_FROM:
        answer, text = "in part", f"Shortcuts explain part of it: they reach {rates}"
    elif near:
        answer, text = (
            "no, nor is it better",
            f"Shortcuts reach {rates}: the model is not clearly better than they are",
        )
    else:
        answer = "no, but for some attacks" if attacks else "no"
        text = f"No shortcut explains {model}: shortcuts reach {rates}"
    if attacks:
        text += f". Attack by attack, shortcuts come near the model on {', '.join(attacks)}"
    return answer, text + "."


def near_attacks(found: dict, section: dict) -> list[str]:
    """Attacks on which shortcuts are clearly better than chance and not clearly worse than the model."""
    ours = section.get("per_attack", {})
    return [
        attack
        for attack, value in found["per_attack"].items()
        if attack in ours
        and value["eer_interval"][1] < CHANCE_FROM
        and value["eer_interval"][0] <= ours[attack]["eer_interval"][1]
    ]


def find_measures(runs: Sequence[Run], dataset: str) -> pd.DataFrame | None:
    """shortcuts.csv of the run (notebook 03) that measured this data set; None where none did."""
    for run in reversed(list(runs)):
        path = run.folder / "shortcuts.csv"
        if path.is_file() and run.parameters.get("dataset") == dataset:
            words = dict.fromkeys(["utterance", "attack", "speaker"], str)
            return pd.read_csv(path, dtype=words, keep_default_na=False, na_values=[""])
    return None
