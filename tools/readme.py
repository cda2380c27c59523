"""Written from run folders: the tables of README and RESULTS, checked against them, and the archive of runs that ships."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import pandas as pd

from helpers.evaluation.compare import (
    NOTHING,
    comparison_table,
    datasets_of,
    pairs,
    readable,
    scored_runs,
    variants,
)
from helpers.evaluation.reference import SHIPPED, seed_systems
from helpers.evaluation.report_sections import paired
from helpers.files import write_bytes, write_text
from helpers.runs import Run

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
KNOWN, UNKNOWN = "known attacks (dev), EER %", "unknown attacks (eval), EER %"
BEST, MOST_BYTES = 8, 5_000_000
PARTLY = "undertrained|scored on"  # notes of a run that has no place in a table of results


def one_a_variant(runs: Sequence[Run], dataset: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The comparison table with one row for runs that differ in the seed alone, the lowest seed's; and as text, with
    columns for dev and for all seeds."""
    groups = {group[0].name: group for group in variants(runs, dataset)}
    table = comparison_table([group[0] for group in groups.values()], dataset)
    shown = readable(table).rename(columns={"EER %": UNKNOWN})
    shown.insert(2, KNOWN, ["–" if pd.isna(rate) else f"{100 * rate:.1f}" for rate in table["dev_eer"]])
    if any(len(group) > 1 for group in groups.values()):
        shown.insert(4, "over seeds", [_over_seeds(groups[name]) for name in table["run"]])
    return table, shown


def _over_seeds(group: Sequence[Run]) -> str:
    rates = [100 * run.metrics["metrics"]["eval"]["eer"] for run in group]
    if len(rates) == 1:
        return "–"
    return f"{sum(rates) / len(rates):.1f} ({min(rates):.1f}–{max(rates):.1f}) of {len(rates)}"


def markdown(shown: pd.DataFrame) -> list[str]:
    """A table of text as lines of Markdown; numbers stand right."""
    words = ("model", "features", "notes", "against", "verdict")
    return [
        "| " + " | ".join(shown.columns) + " |",
        "|" + "|".join("---" if name in words else "--:" for name in shown.columns) + "|",
        *(
            "| " + " | ".join(str(v).replace("|", "\\|") for v in row) + " |"
            for row in shown.itertuples(index=False)
        ),
    ]


def results_table(runs: Sequence[Run], dataset: str | None = None) -> str:
    """All finished runs for RESULTS.md, one row a variant, best eval EER first; one heading and table a data set.

    What was trained on a part of the clips has no EER here: it is in a price list below.
    """
    parts = []
    for name in [dataset] if dataset else datasets_of(runs):
        table, shown = one_a_variant(runs, name)
        partly = table["notes"].str.contains(PARTLY)
        n_bonafide, n_spoof = table["n_bonafide"].max(), table["n_spoof"].max()
        lines = [
            f"### {name}",
            "",
            f"{n_bonafide:,} bona fide and {n_spoof:,} spoofs in eval. {measured_on(runs, name)}",
        ]
        foot = "In brackets: 95 % interval. Accuracy and macro-F1 at the threshold chosen on dev."
        if "over seeds" in shown:
            foot += " Over seeds: mean, lowest and highest EER; the rest of the row is the first seed's."
        if "min t-DCF*" in shown:
            foot += " \\* With the ASV constants of ASVspoof 2019 LA."
        lines += ["", *markdown(shown[~partly]), "", foot] if not partly.all() else []
        if partly.any():
            prices = shown.loc[partly, ["model", "features", "parameters", "training s", "ms/clip", "notes"]]
            lines += [
                "",
                "**Price list**, trained on a part of the clips: no error rate.",
                "",
                *markdown(prices),
            ]
        parts.append("\n".join(lines + order_of_seed_systems(runs, name)))
    if not parts:
        raise ValueError(NOTHING)
    return "\n\n".join(parts)


def order_of_seed_systems(runs: Sequence[Run], dataset: str) -> list[str]:
    """Which of the networks that the seed systems have in common can be told apart, as lines of Markdown."""
    found = pairs([run for run in seed_systems(runs, dataset) if not _partly(run)])
    if found.empty:
        return []
    told = found["verdict"].str.contains("is better").sum()
    text = f"Of {len(found)} pairs of the seed systems' networks on log-mel, {told} are told apart by paired intervals."
    return ["", text, "", *markdown(paired(found))]


def _partly(run: Run) -> bool:
    return any(re.search(PARTLY, note) for note in run.metrics.get("notes", []))


def readme_table(runs: Sequence[Run], dataset: str | None = None) -> str:
    """The best eight rows for the README, of `dataset`, or of the starter corpus where it was run."""
    names = datasets_of(runs)
    if not names:
        raise ValueError(NOTHING)
    name = dataset or ("starter" if "starter" in names else names[0])
    table, shown = one_a_variant(runs, name)
    shown = shown[~table["notes"].str.contains(PARTLY)]
    columns = ["model", "features", KNOWN, UNKNOWN, "over seeds", "ms/clip"]
    best = shown[[column for column in columns if column in shown]].head(BEST)
    foot = (
        f"The best {len(best)} of {len(shown)} on `{name}`; in brackets the 95 % interval. {measured_on(runs, name)} "
        "All rows: [RESULTS.md](RESULTS.md)."
    )
    return "\n".join([*markdown(best), "", foot])


def measured_on(runs: Sequence[Run], dataset: str) -> str:
    """When and on which processors the runs of a data set were made."""
    mine = scored_runs(runs, dataset)
    days = sorted({datetime.fromtimestamp(run.metrics["ended"]).date().isoformat() for run in mine})
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


def pack_runs(runs: Sequence[Run], archive: Path = SHIPPED) -> int:
    """Write the archive of runs that ships: parameters, figures, history, scores of dev and eval; -> number of runs.

    ValueError where it would be larger than 5 MB.
    """
    held, mine = io.BytesIO(), scored_runs(runs)
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for run in mine:
            scores = run.read_scores().query("split in ('dev', 'eval')")
            texts = {
                "params.json": json.dumps({"notebook": run.notebook, "parameters": run.parameters}),
                "scores.csv": scores.to_csv(index=False, float_format="%.6g"),
                "history.csv": run.read_history().to_csv(index=False),
                "metrics.json": json.dumps(run.metrics | {"shipped": True}),
            }
            for name, text in texts.items():
                if name != "history.csv" or len(run.read_history()):
                    packed.writestr(zipfile.ZipInfo(f"{run.folder.name}/{name}"), text, zipfile.ZIP_DEFLATED)
    if held.tell() > MOST_BYTES:
        raise ValueError(
            f"{held.tell() / 1e6:.1f} MB of runs, at most {MOST_BYTES / 1e6:.0f} ship: choose fewer"
        )
    write_bytes(archive, held.getvalue())
    return len(mine)
