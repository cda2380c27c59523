"""What is done, from the run folders alone, without pandas or torch: a look at a hundred runs takes milliseconds."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from helpers.execution.jobs import Job
from helpers.runs import LOCKS, WORKING, code_digest, read_json

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


def read_record(path: Path) -> dict[str, Any]:
    """A JSON file of a run, {} where there is none or it is damaged."""
    try:
        content = read_json(path)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def read_metrics(folder: Path) -> dict[str, Any]:
    """metrics.json, {} where the run has not ended."""
    return read_record(folder / "metrics.json")


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
    try:
        text = (folder / "history.csv").read_text(encoding="utf-8")
    except OSError:
        return 0
    return max(0, len(text.split("\n")) - 2)


def is_held(runs_dir: Path, name: str) -> bool:
    """True while a living program, runner or notebook, works on that run."""
    for lock in (f"{name}.runner", name):
        path = runs_dir / LOCKS / f"{lock}.lock"
        if path.is_file():
            probe = FileLock(path, timeout=0)
            try:
                probe.acquire()
            except Timeout:
                return True
            probe.release()
    return False


def ended(folder: Path) -> float:
    """When the run ended, in seconds of the clock; 0.0 where it has not."""
    return float(read_metrics(folder).get("ended", 0.0))


def newest_input(job: Job) -> float:
    """When the newest run on this data set that the notebook may read ended; 0.0 for one that reads none."""
    newest, dataset = 0.0, job.parameters.get("dataset")
    for path in job.folder.parent.glob("*/metrics.json") if job.notebook.reads_runs else ():
        if "10" <= path.parent.name < job.notebook.stem[:2] and f"-{dataset or 'all'}-" in path.parent.name:
            newest = max(newest, ended(path.parent))
    return newest


def state_of(job: Job, digests: dict[str, str] | None = None, held_here: bool = False) -> State:
    """The job's state from its folders. `digests` remembers code digests between calls; `held_here` says that
    the lock is this process's own."""
    digests = {} if digests is None else digests
    folder, stem = job.folder, job.notebook.stem
    working = folder.parent / WORKING / job.name
    epochs = epochs_done(working)
    after = f" after epoch {epochs}" if epochs else ""
    if not held_here and is_held(folder.parent, job.name):
        return State(RUNNING, after.removeprefix(" after "))
    begun = read_record(working / "params.json")
    for place in (
        working,
        folder,
    ):  # killed between its end and its move, a run is complete where it was made
        metrics = read_metrics(place)
        if not metrics.get("complete"):
            continue
        when = ended(place)
        figure, seconds = key_figure(metrics), float(metrics.get("timing", {}).get("total_seconds", 0))
        digests.setdefault(stem, code_digest(stem, job.project))
        record, why = read_record(place / "params.json"), ""
        if metrics.get("code") != digests[stem]:
            why = "notebook or helpers changed since"
        elif job.fingerprint not in (record.get("entry"), record.get("data_fingerprint")):
            why = "made on other data"
        elif newest_input(job) > when:
            why = "there are newer runs to read"
        if not why:
            return State(FINISHED, time.strftime("%Y-%m-%d %H:%M", time.localtime(when)), figure, seconds)
        if not begun:
            return State(OUTDATED, why, figure, seconds)
    metrics = read_metrics(working)
    if metrics and not metrics.get("complete"):
        return State(PAUSED, f"saved{after}, resumes there", key_figure(metrics))
    if begun:
        return State(INTERRUPTED, f"resumes{after}" if epochs else "")
    return State(ABSENT)


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
