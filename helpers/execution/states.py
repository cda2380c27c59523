"""What is done, from the run folders alone, without pandas or torch: a look at a hundred runs takes milliseconds."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from helpers.execution.jobs import Job
from helpers.runs import LOCKS, WORKING, code_digest, read_metrics, read_record

FINISHED, PAUSED, OUTDATED, INTERRUPTED, RUNNING, ABSENT = (
    "finished", "paused", "outdated", "interrupted", "running", "not yet"
)  # fmt: skip


@dataclass
class State:
    """How far a job is; `why` is for people."""

    kind: str
    why: str = ""
    figure: str = ""
    seconds: float = 0.0  # the last run took


def key_figure(metrics: dict[str, Any]) -> str:
    """The one figure for a progress line: eval EER, else dev EER, else how many clips."""
    if metrics.get("headline"):
        return str(metrics["headline"])
    for split in ("eval", "dev"):
        eer = metrics.get("metrics", {}).get(split, {}).get("eer")
        if eer is not None:
            return f"{split} EER {100 * eer:.2f} %"
    counts = metrics.get("data", {}).get("counts", {})
    total = sum(n for split in counts.values() if isinstance(split, dict) for n in split.values())
    return f"{total:,} clips" if total else ""


def epochs_done(folder: Path) -> int:
    """Rows of history.csv."""
    path = folder / "history.csv"
    return max(0, path.read_text(encoding="utf-8").count("\n") - 1) if path.is_file() else 0


def is_held(runs_dir: Path, name: str) -> bool:
    """True while a living program, runner or notebook, works on that run."""
    for lock in (f"{name}.runner", name):
        path = runs_dir / LOCKS / f"{lock}.lock"
        try:
            with FileLock(path, timeout=0) if path.is_file() else nullcontext():
                pass
        except Timeout:
            return True
    return False


def newest_input(job: Job) -> float:
    """When the newest run on this data set that the notebook may read ended; 0.0 for one that reads none."""
    dataset = f"-{job.dataset or 'all'}-"
    found = job.folder.parent.glob(f"*{dataset}*/metrics.json") if job.notebook.reads_runs else ()
    before = [path.parent for path in found if "10" <= path.parent.name < job.notebook.stem[:2]]
    return max((read_metrics(folder).get("ended", 0.0) for folder in before), default=0.0)


def state_of(job: Job, digests: dict[str, str] | None = None, held_here: bool = False) -> State:
    """The job's state from its folders. `digests` remembers code digests between calls; `held_here` says that
    the lock is this process's own."""
    digests = {} if digests is None else digests
    folder, stem = job.folder, job.notebook.stem
    working = folder.parent / WORKING / job.name
    epochs = epochs_done(working)
    after = f" after epoch {epochs}" if epochs else ""
    if not held_here and is_held(folder.parent, job.name):
        return State(RUNNING, after.strip())
    begun = read_record(working, "params.json")
    for place in (working, folder):  # killed between its end and its move, a run is complete in the first
        metrics = read_metrics(place)
        if not metrics.get("complete"):
            continue
        record, when, why = read_record(place, "params.json"), metrics.get("ended", 0.0), ""
        figure, seconds = key_figure(metrics), float(metrics.get("timing", {}).get("total_seconds", 0))
        digests.setdefault(stem, code_digest(stem, job.project))
        if metrics.get("code") != digests[stem]:
            why = "notebook or helpers changed since"
        elif job.fingerprint not in (record.get("entry"), record.get("data_fingerprint")):
            why = "made on other data"
        elif newest_input(job) > when:
            why = "there are newer runs to read"
        else:
            return State(FINISHED, time.strftime("%Y-%m-%d %H:%M", time.localtime(when)), figure, seconds)
        if not begun:
            return State(OUTDATED, why, figure, seconds)
    metrics = read_metrics(working)
    if metrics and not metrics.get("complete"):
        return State(PAUSED, f"saved{after}, resumes there", key_figure(metrics))
    return State(INTERRUPTED, f"resumes{after}" if epochs else "") if begun else State(ABSENT)


def aligned(rows: list[list[str]]) -> str:
    """Rows as columns of equal width, two spaces between them."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows
    )


def duration(seconds: float) -> str:
    """`41 s`, `12 min`, `3 h 05`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds // 3600:.0f} h {seconds % 3600 / 60:02.0f}"


def status_table(jobs: list[Job]) -> str:
    """A line a run, then how many are finished."""
    digests: dict[str, str] = {}
    states = [state_of(job, digests) for job in jobs]
    rows = [["notebook", "state", "figure", "time", "", "run folder"]]
    for job, state in zip(jobs, states):
        taken = duration(state.seconds) if state.seconds else "-"
        folder = job.name if job.folder.is_dir() else "-"
        rows.append([job.label, state.kind, state.figure or "-", taken, state.why, folder])
    finished = sum(state.kind == FINISHED for state in states)
    return f"{aligned(rows)}\n{finished} of {len(jobs)} finished; run folders in {jobs[0].folder.parent}"
