"""What a run folder says about its job, read without pandas or torch: a look at a hundred runs takes milliseconds."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.execution.child import is_held
from helpers.execution.jobs import Job
from helpers.runs import code_digest, read_json

FINISHED, PAUSED, OUTDATED, INTERRUPTED, RUNNING, ABSENT = (
    "finished", "paused", "outdated", "interrupted", "running", "not yet"
)  # fmt: skip


@dataclass
class State:
    """Where a job stands; `why` is for people."""

    kind: str
    why: str = ""
    figure: str = ""
    when: float = 0.0  # of metrics.json
    seconds: float = 0.0  # the last run took


def read_metrics(folder: Path) -> dict[str, Any]:
    """metrics.json, {} where there is none or it is damaged: then the run has not ended."""
    try:
        content = read_json(folder / "metrics.json")
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def key_figure(metrics: dict[str, Any]) -> str:
    """The one figure for a progress line: eval EER, else dev EER, else how many clips."""
    headline = metrics.get("headline")
    if headline:
        return str(headline)
    for split in ("eval", "dev"):
        eer = metrics.get("metrics", {}).get(split, {}).get("eer")
        if eer is not None:
            return f"{split} EER {100 * eer:.2f} %"
    counts = metrics.get("data", {}).get("counts", {})
    total = sum(n for split in counts.values() if isinstance(split, dict) for n in split.values())
    return f"{total:,} clips" if total else ""


def epochs_done(folder: Path) -> int:
    """Rows of history.csv."""
    try:
        lines = (folder / "history.csv").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return max(0, len([line for line in lines if line.strip()]) - 1)


def newest_input(job: Job) -> float:
    """When the newest run on this data set that the notebook may read was written; 0.0 for one that reads none."""
    if not job.notebook.reads_runs:
        return 0.0
    newest = 0.0
    dataset = _dataset_of(job.folder)  # as the run folder names it: `all` for a notebook without a data set
    for path in job.folder.parent.glob("*/metrics.json"):
        stem = path.parent.name.partition("-")[0]
        if "10" <= stem and stem[:2] < job.notebook.stem[:2] and _dataset_of(path.parent) == dataset:
            newest = max(newest, path.stat().st_mtime)
    return newest


def _dataset_of(folder: Path) -> str:
    """<notebook>-<dataset>-<seed>-<hash> -> dataset, which may hold hyphens itself."""
    return folder.name.partition("-")[2].rsplit("-", 2)[0]


def state_of(job: Job, digests: dict[str, str] | None = None, held_here: bool = False) -> State:
    """The job's state from its folder alone. `digests` remembers code digests between calls; `held_here` says that
    the lock is this process's own."""
    digests = {} if digests is None else digests
    folder, stem = job.folder, job.notebook.stem
    metrics = read_metrics(folder)
    if not held_here and is_held(folder.parent, job.name):
        return State(RUNNING, f"epoch {epochs_done(folder)}" if epochs_done(folder) else "")
    if metrics:
        when = (folder / "metrics.json").stat().st_mtime
        seconds = float(metrics.get("timing", {}).get("total_seconds", 0))
        figure = key_figure(metrics)
        if not metrics.get("complete"):
            return State(PAUSED, f"saved after epoch {epochs_done(folder)}, goes on", figure, when, seconds)
        if stem not in digests:
            digests[stem] = code_digest(stem, job.project)
        if metrics.get("code") != digests[stem]:
            return State(OUTDATED, "notebook or helpers changed since", figure, when, seconds)
        if newest_input(job) > when:
            return State(OUTDATED, "there are newer runs to read", figure, when, seconds)
        return State(FINISHED, time.strftime("%Y-%m-%d %H:%M", time.localtime(when)), figure, when, seconds)
    if (folder / "params.json").is_file():
        return State(INTERRUPTED, f"goes on after epoch {epochs_done(folder)}" if epochs_done(folder) else "")
    return State(ABSENT)
