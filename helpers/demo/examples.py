"""Examples from easy to hard, out of the clips that a run has scored and that lie staged on this machine."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from helpers.data.errors import DataError
from helpers.runs import Run

N_EXAMPLES = 6


@dataclass(frozen=True)
class Example:
    """A clip of the evaluation set; `truth` is told after the verdict."""

    path: str
    label: str
    truth: str
    sha256: str


def find_examples(run: Run, n: int = N_EXAMPLES) -> list[Example]:
    """Up to `n` clips on which the run is ever less right, half bona fide and half spoofs; [] where no audio is staged."""
    from helpers.data import open_dataset

    dataset = run.metrics.get("dataset", "")
    try:
        table = open_dataset(dataset, str(run.parameters.get("source", "") or "")).table
        scores = run.read_scores()
    except (DataError, FileNotFoundError, OSError, ValueError, KeyError):
        return []
    split = "eval" if (scores["split"] == "eval").any() else "dev"
    if not (scores["split"] == split).any():
        return []
    merged = scores[scores["split"] == split].merge(table[["utterance", "path"]], on="utterance")
    chosen = []
    for label, sign in (("bonafide", 1), ("spoof", -1)):
        own = merged[merged["label"] == label]
        if own.empty:
            continue
        # How right the detector is, as a rank among its own class: clear, middling, wrong or nearly.
        order = (sign * own["score"]).rank(pct=True).to_numpy()
        for aim in np.linspace(0.9, 0.05, max(1, n // 2)):
            chosen.append((aim, own.iloc[int(np.abs(order - aim).argmin())]))
    chosen.sort(key=lambda pair: -pair[0])
    return [_example(i, aim, row) for i, (aim, row) in enumerate(chosen) if Path(row["path"]).is_file()]


def _example(number: int, aim: float, row) -> Example:
    is_bonafide = row["label"] == "bonafide"
    truth = (
        "This example is a human recording."
        if is_bonafide
        else f"This example is a spoof, attack {row['attack']}."
    )
    label = f"{number + 1} · {'easy' if aim > 0.7 else 'middling' if aim > 0.3 else 'hard'}"
    return Example(row["path"], label, truth, _sha256(row["path"]))


def example_of(path: str | Path, examples: list[Example]) -> Example | None:
    """The example that has the same content as this file."""
    if not examples:
        return None
    content = _sha256(path)
    return next((example for example in examples if example.sha256 == content), None)


def _sha256(path: str | Path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
