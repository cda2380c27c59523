"""Plain tables of what ran and of what stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from helpers.execution.jobs import Job
from helpers.execution.states import FINISHED, OUTDATED, state_of

if TYPE_CHECKING:
    from helpers.execution.runner import Work


def aligned(rows: list[list[str]]) -> str:
    """Rows as columns of equal width, two spaces between them."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows
    )


def summary(works: list[Work], seconds: float) -> str:
    """A line a notebook, then one sentence."""
    from helpers.execution.runner import duration

    rows = [["notebook", "state", "time", "figure", "run folder"]]
    for work in works:
        taken = duration(work.seconds) if work.seconds else "-"
        folder = work.job.folder.name if work.job.folder.is_dir() else "-"
        rows.append([work.job.label, work.state, taken, work.figure or "-", folder])
    counts = {state: sum(work.state == state for work in works) for state in sorted({w.state for w in works})}
    total = ", ".join(f"{count} {state}" for state, count in counts.items())
    return f"{aligned(rows)}\n{total} in {duration(seconds)}; run folders in {works[0].job.folder.parent}"


def exit_code(works: list[Work]) -> int:
    """0 when all are complete, 3 when some are saved to be continued, 1 when anything else happened."""
    states = {work.state for work in works}
    if states <= {"done", "skipped"}:
        return 0
    return 3 if states <= {"done", "skipped", "paused"} else 1


def status_table(jobs: list[Job]) -> str:
    """A line a run, then how many are finished."""
    from helpers.execution.runner import duration

    digests: dict[str, str] = {}
    states = [state_of(job, digests) for job in jobs]
    rows = [["notebook", "state", "figure", "time", "", "run folder"]]
    for job, state in zip(jobs, states):
        known = state.kind in (FINISHED, OUTDATED)
        taken = duration(state.seconds) if known and state.seconds else "-"
        folder = job.folder.name if job.folder.is_dir() else "-"
        rows.append([job.label, state.kind, state.figure or "-", taken, state.why, folder])
    finished = sum(state.kind == FINISHED for state in states)
    return f"{aligned(rows)}\n{finished} of {len(jobs)} finished; run folders in {jobs[0].folder.parent}"
