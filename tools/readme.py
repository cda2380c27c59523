"""The README's results table: written from run folders, and checked against them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from helpers.evaluation.compare import comparison_table, datasets_of, readable, variants
from helpers.evaluation.intervals import over_seeds
from helpers.runs import Run, write_text

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"


def one_a_variant(runs: Sequence[Run], dataset: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The comparison table with one row for runs that differ in the seed alone, the lowest seed's; and as text, with a
    column for all seeds."""
    groups = {group[0].name: group for group in variants(runs, dataset)}
    table = comparison_table([group[0] for group in groups.values()], dataset)
    shown = readable(table)
    if any(len(group) > 1 for group in groups.values()):
        shown.insert(3, "over seeds", [_over_seeds(groups[name]) for name in table["run"]])
    return table, shown


def _over_seeds(group: Sequence[Run]) -> str:
    rates = over_seeds([100 * run.metrics["metrics"]["eval"]["eer"] for run in group])
    return (
        f"{rates['mean']:.1f} ({rates['low']:.1f}–{rates['high']:.1f}) of {rates['n']}"
        if rates["n"] > 1
        else "–"
    )


def readme_table(runs: Sequence[Run], dataset: str | None = None) -> str:
    """Markdown table of the finished runs, one a variant, best eval EER first; one heading and table a data set."""
    parts = []
    for name in [dataset] if dataset else datasets_of(runs):
        comparison, shown = one_a_variant(runs, name)
        head = f"### {name}\n\n{comparison['n_bonafide'].max():,} bona fide and {comparison['n_spoof'].max():,} spoofs in eval."
        lines = [
            "| " + " | ".join(shown.columns) + " |",
            "|"
            + "|".join("---" if c in ("model", "features", "notes") else "--:" for c in shown.columns)
            + "|",
        ]
        lines += [
            "| " + " | ".join(str(v).replace("|", "\\|") for v in row) + " |"
            for row in shown.itertuples(index=False)
        ]
        foot = "In brackets: 95 % interval. Accuracy and macro-F1 at the threshold chosen on dev."
        if "over seeds" in shown:
            foot += " Over seeds: mean, lowest and highest EER; the rest of the row is the first seed's."
        if "min t-DCF*" in shown:
            foot += " \\* With the ASV constants of ASVspoof 2019 LA."
        parts.append("\n".join([head, "", *lines, "", foot]))
    if not parts:
        raise ValueError("no finished run holds figures on eval: run a training notebook first (10 to 27)")
    return "\n\n".join(parts)


def between_marks(text: str, name: str) -> tuple[int, int]:
    start, end = text.find(BEGIN), text.find(END)
    if start < 0 or end < start:
        raise ValueError(f"{name} has no {BEGIN} … {END}: put both marks where the results table belongs")
    return start + len(BEGIN), end


def update_readme(readme_path: Path, runs: Sequence[Run], dataset: str | None = None) -> bool:
    """Replace what stands between the marks by the table of these runs; True where that changed the file."""
    path = Path(readme_path)
    text = path.read_text(encoding="utf-8")
    start, end = between_marks(text, path.name)
    new = f"{text[:start]}\n{readme_table(runs, dataset)}\n{text[end:]}"
    if new == text:
        return False
    write_text(path, new)
    return True


def readme_agrees(readme_path: Path, runs: Sequence[Run], dataset: str | None = None) -> str:
    """Empty where the README's table is that of these runs, else a sentence with the first line that differs."""
    path = Path(readme_path)
    text = path.read_text(encoding="utf-8")
    start, end = between_marks(text, path.name)
    stands, should = text[start:end].strip().splitlines(), readme_table(runs, dataset).splitlines()
    for number in range(max(len(stands), len(should))):
        ours = should[number] if number < len(should) else "(nothing)"
        theirs = stands[number] if number < len(stands) else "(nothing)"
        if ours != theirs:
            return f"{path.name} says {theirs!r}, the runs say {ours!r}: python -m helpers report --readme"
    return ""
