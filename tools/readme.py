"""The tables of README and RESULTS: written from run folders, and checked against them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import pandas as pd

from helpers.evaluation.compare import comparison_table, datasets_of, readable, scored_runs, variants
from helpers.evaluation.intervals import over_seeds
from helpers.runs import Run, write_text

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
KNOWN, UNKNOWN = "known attacks (dev), EER %", "unknown attacks (eval), EER %"
BEST = 8


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


def with_both_splits(table: pd.DataFrame, shown: pd.DataFrame) -> pd.DataFrame:
    """The readable table with the EER on known attacks (dev) before that on unknown ones (eval)."""
    dev = ["–" if pd.isna(rate) else f"{100 * rate:.1f}" for rate in table["dev_eer"]]
    shown = shown.rename(columns={"EER %": UNKNOWN})
    shown.insert(2, KNOWN, dev)
    return shown


def markdown(shown: pd.DataFrame) -> list[str]:
    """A table of text as lines of Markdown; numbers stand right."""
    words = ("model", "features", "notes")
    return [
        "| " + " | ".join(shown.columns) + " |",
        "|" + "|".join("---" if name in words else "--:" for name in shown.columns) + "|",
        *(
            "| " + " | ".join(str(v).replace("|", "\\|") for v in row) + " |"
            for row in shown.itertuples(index=False)
        ),
    ]


def results_table(runs: Sequence[Run], dataset: str | None = None) -> str:
    """All finished runs for RESULTS.md, one row a variant, best eval EER first; one heading and table a data set."""
    parts = []
    for name in [dataset] if dataset else datasets_of(runs):
        table, shown = one_a_variant(runs, name)
        n_bonafide, n_spoof = table["n_bonafide"].max(), table["n_spoof"].max()
        head = f"### {name}\n\n{n_bonafide:,} bona fide and {n_spoof:,} spoofs in eval. {measured_on(runs, name)}"
        foot = "In brackets: 95 % interval. Accuracy and macro-F1 at the threshold chosen on dev."
        if "over seeds" in shown:
            foot += " Over seeds: mean, lowest and highest EER; the rest of the row is the first seed's."
        if "min t-DCF*" in shown:
            foot += " \\* With the ASV constants of ASVspoof 2019 LA."
        parts.append("\n".join([head, "", *markdown(with_both_splits(table, shown)), "", foot]))
    if not parts:
        raise ValueError("no finished run holds figures on eval: run a training notebook first (10 to 27)")
    return "\n\n".join(parts)


def readme_table(runs: Sequence[Run], dataset: str | None = None) -> str:
    """The best eight rows for the README, of `dataset`, or of the starter corpus where it was run."""
    names = datasets_of(runs)
    if not names:
        raise ValueError("no finished run holds figures on eval: run a training notebook first (10 to 27)")
    name = dataset or ("starter" if "starter" in names else names[0])
    table, shown = one_a_variant(runs, name)
    shown = with_both_splits(table, shown)
    best = shown[
        [c for c in ("model", "features", KNOWN, UNKNOWN, "over seeds", "ms/clip") if c in shown]
    ].head(BEST)
    foot = f"The best {len(best)} of {len(shown)} on `{name}`; in brackets the 95 % interval. {measured_on(runs, name)} All rows: [RESULTS.md](RESULTS.md)."
    return "\n".join([*markdown(best), "", foot])


def measured_on(runs: Sequence[Run], dataset: str) -> str:
    """When and on which processors the runs of a data set were made."""
    mine = scored_runs(runs, dataset)
    days = sorted(
        {datetime.fromtimestamp(run.path("metrics.json").stat().st_mtime).date().isoformat() for run in mine}
    )
    machines = sorted({str(run.metrics.get("environment", {}).get("processor", "")) for run in mine} - {""})
    span = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return f"Measured {span}{' on ' + ', '.join(machines) if machines else ''}."


def between_marks(text: str, name: str) -> tuple[int, int]:
    start, end = text.find(BEGIN), text.find(END)
    if start < 0 or end < start:
        raise ValueError(f"{name} has no {BEGIN} … {END}: put both marks where the results table belongs")
    return start + len(BEGIN), end


def table_for(path: Path) -> Callable[[Sequence[Run], str | None], str]:
    """RESULTS.md holds every row, any other file the best eight."""
    return results_table if path.name == "RESULTS.md" else readme_table


def update_readme(readme_path: Path, runs: Sequence[Run], dataset: str | None = None) -> bool:
    """Replace what stands between the marks by the table of these runs; True where that changed the file."""
    path = Path(readme_path)
    text = path.read_text(encoding="utf-8")
    start, end = between_marks(text, path.name)
    new = f"{text[:start]}\n{table_for(path)(runs, dataset)}\n{text[end:]}"
    if new == text:
        return False
    write_text(path, new)
    return True


def readme_agrees(readme_path: Path, runs: Sequence[Run], dataset: str | None = None) -> str:
    """Empty where the README's table is that of these runs, else a sentence with the first line that differs."""
    path = Path(readme_path)
    text = path.read_text(encoding="utf-8")
    start, end = between_marks(text, path.name)
    stands, should = text[start:end].strip().splitlines(), table_for(path)(runs, dataset).splitlines()
    for number in range(max(len(stands), len(should))):
        ours = should[number] if number < len(should) else "(nothing)"
        theirs = stands[number] if number < len(stands) else "(nothing)"
        if ours != theirs:
            return f"{path.name} says {theirs!r}, the runs say {ours!r}: python -m tools readme"
    return ""
