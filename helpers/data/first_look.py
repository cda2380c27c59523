"""The tables with which one meets a data set: how many, whose, how long, and how unlike before any listening."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.data.audio import SAMPLE_RATE, audio_facts, read_audio
from helpers.data.errors import BadAudio
from helpers.data.manifest import LABELS, SPLITS, read_manifest
from helpers.data.shortcuts import MEASURES


def data_sets(path: str | Path | None = None) -> pd.DataFrame:
    """name -> title, source, layout, the utterances the manifest promises, and the page to open first."""
    rows = []
    for entry in read_manifest(path):
        promised = [number for per_class in entry.counts.values() for number in per_class.values()]
        row = {"name": entry.name, "title": entry.title, "source": entry.source, "layout": entry.layout}
        rows.append({**row, "utterances": sum(promised) or None, "page": entry.consent_page})
    return pd.DataFrame(rows).astype({"utterances": "Int64"}).set_index("name")


def split_table(table: pd.DataFrame) -> pd.DataFrame:
    """split x class: utterances; share_bonafide; speakers; attacks."""
    rows = []
    for split in [name for name in SPLITS if (table["split"] == name).any()]:
        part = table[table["split"] == split]
        n_bonafide = int((part["label"] == "bonafide").sum())
        known = part["speaker"] != "unknown"
        rows.append(
            {
                "split": split,
                "bonafide": n_bonafide,
                "spoof": len(part) - n_bonafide,
                "share_bonafide": n_bonafide / len(part),
                "bonafide_speakers": part.loc[known & (part["label"] == "bonafide"), "speaker"].nunique(),
                "spoof_speakers": part.loc[known & (part["label"] == "spoof"), "speaker"].nunique(),
                "attacks": part.loc[part["label"] == "spoof", "attack"].nunique(),
            }
        )
    return pd.DataFrame(rows).set_index("split")


def attack_table(table: pd.DataFrame) -> pd.DataFrame:
    """attack x split: utterances; bona fide is the attack "-". An attack with a 0 under train is unseen there."""
    counts = pd.crosstab(table["attack"], table["split"])
    return counts.reindex(columns=[name for name in SPLITS if name in counts.columns])


def speaker_table(table: pd.DataFrame) -> pd.DataFrame:
    """speaker x class: utterances, and the splits in which the speaker is heard (more than one is a leak)."""
    counts = pd.crosstab(table["speaker"], table["label"]).reindex(columns=list(LABELS), fill_value=0)
    heard = table.groupby("speaker")["split"].agg(
        lambda splits: " ".join(s for s in SPLITS if (splits == s).any())
    )
    return counts.assign(splits=heard)


def shared_speakers(table: pd.DataFrame) -> list[str]:
    """Speakers heard in more than one split; "unknown" is nobody."""
    n_splits = table[table["speaker"] != "unknown"].groupby("speaker")["split"].nunique()
    return [str(name) for name in n_splits.index[n_splits > 1]]


def file_facts(table: pd.DataFrame, max_files: int = 0, seed: int = 0, workers: int = 4) -> pd.DataFrame:
    """utterance, split, label, duration_s, sample_rate, channels, format, from the headers; `max_files` draws a
    sample (0: all). Files without a readable header are left out and listed in `.attrs["rejected"]`."""
    if max_files and len(table) > max_files:
        table = table.sample(max_files, random_state=seed).sort_index()

    def one(path: str) -> dict | str:
        try:
            return audio_facts(path)
        except BadAudio as error:
            return str(error)

    with ThreadPoolExecutor(workers) as pool:
        facts = list(pool.map(one, table["path"]))
    good = [not isinstance(fact, str) for fact in facts]
    columns = ["duration_s", "sample_rate", "channels", "format"]
    kept = table.loc[good, ["utterance", "split", "label"]].reset_index(drop=True)
    found = pd.concat(
        [kept, pd.DataFrame([f for f in facts if not isinstance(f, str)], columns=columns)], axis=1
    )
    pairs = zip(table["utterance"], facts, strict=True)
    found.attrs["rejected"] = [
        {"utterance": name, "reason": why} for name, why in pairs if isinstance(why, str)
    ]
    return found


def first_readable(table: pd.DataFrame) -> pd.Series:
    """The first row whose clip can be read: an example to hear and draw. BadAudio where none of them can."""
    problem: BadAudio | None = None
    for _, clip in table.iterrows():
        try:
            read_audio(clip["path"])
            return clip
        except BadAudio as error:
            print(f"note:   another example is taken: {error}")
            problem = error
    raise problem or BadAudio("there is no clip to take an example from")


def duration_table(facts: pd.DataFrame) -> pd.DataFrame:
    """split, class: clips, hours, and the 5 %, 50 % and 95 % durations in seconds. Classes that differ in length
    invite a detector that measures length."""
    grouped = facts.groupby(["split", "label"], observed=True)["duration_s"]
    found = grouped.agg(clips="size", hours=lambda s: s.sum() / 3600).join(
        grouped.quantile(np.array([0.05, 0.5, 0.95])).unstack()
    )
    found = found.rename(columns={0.05: "p5_s", 0.5: "median_s", 0.95: "p95_s"})
    return found.reindex([name for name in SPLITS if name in found.index.get_level_values(0)], level=0)


def rate_table(facts: pd.DataFrame) -> pd.DataFrame:
    """(sample_rate, channels, format) x class: files; `resampled` says which are not 16 kHz yet."""
    counts = pd.crosstab(
        [facts["sample_rate"], facts["channels"], facts["format"]], facts["label"]
    ).reset_index()
    counts.columns.name = None
    return counts.assign(resampled=counts["sample_rate"] != SAMPLE_RATE)


def resampling_sentence(facts: pd.DataFrame) -> str:
    """What read_audio will do to these files, in one sentence."""
    other = facts["sample_rate"] != SAMPLE_RATE
    mixed = int((facts["channels"] > 1).sum())
    if not other.any() and not mixed:
        return f"all {len(facts):,} files are {SAMPLE_RATE:,} Hz mono: nothing is resampled"
    rates = ", ".join(f"{rate:,}" for rate in sorted(facts.loc[other, "sample_rate"].unique()))
    words = f"{int(other.sum()):,} of {len(facts):,} files are resampled to {SAMPLE_RATE:,} Hz"
    words += f" (from {rates} Hz)" if rates else ""
    return words + (f"; {mixed:,} with several channels are averaged to one" if mixed else "")


def shortcut_table(measured: pd.DataFrame) -> pd.DataFrame:
    """measure x class: median over clips (measure_table's output), and `auc`: how often a random bona fide clip
    exceeds a random spoof in this measure alone. 0.5 tells nothing; far from it, a detector could learn *that*."""
    medians = measured.groupby("label")[MEASURES].median().T.reindex(columns=list(LABELS))
    ranks = measured[MEASURES].rank()
    bonafide = measured["label"] == "bonafide"
    n_bonafide, n_spoof = int(bonafide.sum()), int((~bonafide).sum())
    if n_bonafide and n_spoof:
        above = ranks[bonafide].sum() - n_bonafide * (n_bonafide + 1) / 2
        medians["auc"] = above / (n_bonafide * n_spoof)
    return medians
