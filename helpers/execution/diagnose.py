"""Why a notebook did not end well: the cell, its last lines, and what to do about it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers.execution.child import EXECUTED, LOG
from helpers.execution.parameters import source_of, tags_of

ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
STARTED, ENDED = re.compile(r"Executing Cell (\d+)-"), re.compile(r"Ending Cell (\d+)-")
# What papermill, Jupyter and the kernel say of themselves is not what the notebook printed.
CHATTER = re.compile(
    r"^\s*$|^--- |^(?:Executing|Ending) (?:Cell|notebook)|^(?:Input|Output) Notebook:|^\[\w*App\]|Kernel (?:started|Application)"
    r"|^\d+\.\d+s - |^0\.00s|PYDEVD_|frozen modules|-Xfrozen_modules|^to python to disable|^Note: Debugging|DeprecationWarning"
    r"|FutureWarning|nbclient|zmq|^\s+(?:warnings\.warn|self\.|return )"
)
ADDED_BY_PAPERMILL = {"injected-parameters", "papermill-error-cell-tag"}
PORT_TAKEN = "another program took its kernel's port"  # Jupyter chooses a port before the kernel takes it
SMALLER = "take a smaller -p batch_size or fewer -p train_clips, and run again: it resumes"


@dataclass
class Failure:
    """What to tell the user about one notebook."""

    what: str
    cell: str = ""
    lines: list[str] = field(default_factory=list)
    advice: str = ""

    def as_text(self, indent: str = "    ") -> str:
        """Several lines, each indented."""
        parts = [f"{self.what} in {self.cell}" if self.cell else self.what]
        parts += [f"  {line}" for line in self.lines] + ([f"→ {self.advice}"] if self.advice else [])
        return "\n".join(indent + part for part in parts)


def read_log(folder: Path, since: int = 0) -> str:
    """What this attempt printed, without colours."""
    try:
        with open(folder / LOG, "rb") as file:
            file.seek(since)
            return ANSI.sub("", file.read().decode("utf-8", "replace"))
    except OSError:
        return ""


def _name_of(cells: list[dict[str, Any]], index: int) -> str:
    """`cell 9 (fit(settings, cache, run))`, counted as in the notebook's own file."""
    if not 0 <= index < len(cells):
        return ""
    number = sum(not ADDED_BY_PAPERMILL & set(tags_of(cell)) for cell in cells[: index + 1])
    code = [line.strip() for line in source_of(cells[index]).splitlines()]
    first = next((line for line in code if line and line[0] != "#"), "")
    return f"cell {number} ({first[:60]})" if first else f"cell {number}"


def _failed_cell(cells: list[dict[str, Any]], log: str) -> tuple[int, dict[str, Any]]:
    """Index of the cell that failed and its error output, {} where the kernel died without one."""
    for index, cell in enumerate(cells):
        for output in cell.get("outputs", []):
            if output.get("output_type") == "error":
                return index, output
    started = STARTED.findall(log)
    return (int(started[-1]) - 1 if started else -1), {}


def _last_lines(log: str, limit: int = 4) -> list[str]:
    """The last lines that the notebook itself printed."""
    own = log.split("Traceback (most recent call last)")[0]
    return [line.rstrip()[:160] for line in own.splitlines() if not CHATTER.search(line)][-limit:]


def diagnose(folder: Path, return_code: int | None, since: int = 0, timed_out: float = 0) -> Failure:
    """The reason in words. `return_code` None with `timed_out` minutes: the runner itself ended it."""
    try:
        cells = json.loads((folder / EXECUTED).read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError):
        cells = []  # papermill left none, or half a file
    log = read_log(folder, since)
    index, error = _failed_cell(cells, log)
    cell, own = _name_of(cells, index), _last_lines(log)
    name, value = error.get("ename", ""), ANSI.sub("", str(error.get("evalue", "")))
    lines = [f"{name}: {value}".splitlines()[0], *value.splitlines()[1:6]] if name else []
    if timed_out or "CellTimeoutError" in log or "A cell timed out" in log:
        within = f"within {timed_out:g} minutes" if timed_out else "within its time"
        advice = f"give it more with --timeout MINUTES, or stop trainings in time with --minutes; all it printed: {folder / LOG}"
        return Failure(f"a cell did not end {within}", cell, own, advice)
    if "Errno 28" in value or "No space left on device" in log[-4000:]:
        advice = (
            "free some room, or put HELPERS_WORK and HELPERS_RUNS on a larger disk, and run again: it resumes"
        )
        return Failure("the disk is full", cell, lines, advice)
    if "Address already in use" in log and re.search(
        "Kernel died before replying|Kernel didn't respond", log
    ):
        return Failure(PORT_TAKEN, advice="run again: it resumes")
    if "DeadKernelError" in log or "Kernel died" in log:
        return Failure("the kernel was killed", cell, own, f"most often memory: {SMALLER}")
    if "MemoryError" in name or "OutOfMemoryError" in name:
        return Failure("memory ran out", cell, lines[:1], SMALLER)
    if name:
        advice = f"open {folder / EXECUTED}, fix the cause and run again: what is finished is not repeated"
        return Failure("it raised", cell, lines, advice)
    if return_code == 0:
        advice = (
            "its last cell must call run.finish(...); open_run must be given the notebook's own parameters"
        )
        return Failure(f"it ended without metrics.json in {folder.name}", "", own, advice)
    if return_code is not None and return_code < 0:
        return Failure(f"papermill was killed by signal {-return_code}", cell, own, "run again: it resumes")
    return Failure(
        f"papermill ended with code {return_code}", cell, own, f"all that it printed: {folder / LOG}"
    )
