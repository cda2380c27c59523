"""The README's results table: written from run folders, and checked against them."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from helpers.evaluation.compare import comparison_table, datasets_of, readable
from helpers.runs import Run, write_text

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"


def readme_table(runs: Sequence[Run], dataset: str | None = None) -> str:
    """Markdown table of the finished runs, one a line, best eval EER first; one table a data set."""
    parts = []
    for name in [dataset] if dataset else datasets_of(runs):
        comparison = comparison_table(runs, name)
        shown = readable(comparison)
        head = f"{name}: {comparison['n_bonafide'].iloc[0]:,} bona fide and {comparison['n_spoof'].iloc[0]:,} spoofs in eval"
        lines = ["| " + " | ".join(shown.columns) + " |",
                 "|" + "|".join("---" if c in ("model", "features", "notes") else "--:" for c in shown.columns) + "|"]
        lines += ["| " + " | ".join(str(v).replace("|", "\\|") for v in row) + " |" for row in shown.itertuples(index=False)]
        foot = "In brackets: 95 % interval. Accuracy and macro-F1 at the threshold chosen on dev."
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
