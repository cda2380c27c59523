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
PAPERMILL_LINE = re.compile(r"^(?:Executing|Ending) (?:Cell|notebook)|^(?:Input|Output) Notebook:|^\s*$")
ADDED_BY_PAPERMILL = {"injected-parameters", "papermill-error-cell-tag"}
# Jupyter chooses a kernel's ports before the kernel takes them: of two that start at once, one may come too late.
PORT_TAKEN = "another program took its kernel's port"
NO_KERNEL = re.compile(r"Kernel died before replying|Kernel didn't respond")


@dataclass
class Failure:
    """What to tell the user about one notebook."""

    what: str
    cell: str = ""
    lines: list[str] = field(default_factory=list)
    advice: str = ""

    def as_text(self, indent: str = "    ") -> str:
        """Several lines, each indented."""
        head = f"{self.what} in {self.cell}" if self.cell else self.what
        parts = [head, *(f"  {line}" for line in self.lines)]
        if self.advice:
            parts.append(f"→ {self.advice}")
        return "\n".join(indent + part for part in parts)


def _read(folder: Path) -> list[dict[str, Any]]:
    """The executed notebook's cells, [] where papermill left none or half a file."""
    try:
        return json.loads((folder / EXECUTED).read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError):
        return []


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
    lines = [
        line for line in source_of(cells[index]).splitlines() if line.strip() and not line.startswith("#")
    ]
    return f"cell {number} ({lines[0].strip()[:60]})" if lines else f"cell {number}"


def _failed_cell(cells: list[dict[str, Any]], log: str) -> tuple[int, dict[str, Any]]:
    """Index of the cell that failed and its error output, {} where the kernel died without one."""
    for index, cell in enumerate(cells):
        for output in cell.get("outputs", []):
            if output.get("output_type") == "error":
                return index, output
    started, ended = STARTED.findall(log), ENDED.findall(log)
    if started and (len(started) > len(ended) or not ended):
        return int(started[-1]) - 1, {}
    return (int(started[-1]) - 1 if started else -1), {}


def _last_lines(log: str, limit: int = 4) -> list[str]:
    """The last lines that the notebook itself printed."""
    lines = [line.rstrip()[:160] for line in log.splitlines() if not PAPERMILL_LINE.match(line)]
    return [line for line in lines if not line.startswith("--- ")][-limit:]


def diagnose(folder: Path, return_code: int | None, since: int = 0, timed_out: float = 0) -> Failure:
    """The reason in words. `return_code` None with `timed_out` minutes: the runner itself ended it."""
    cells, log = _read(folder), read_log(folder, since)
    index, error = _failed_cell(cells, log)
    cell = _name_of(cells, index)
    name, value = error.get("ename", ""), ANSI.sub("", str(error.get("evalue", "")))
    see = f"the whole story stands in {folder / LOG}"
    if timed_out or "CellTimeoutError" in log or "A cell timed out" in log:
        minutes = f"within {timed_out:g} minutes" if timed_out else "within its time"
        advice = f"give it more with --timeout MINUTES, or stop trainings in time with -p max_minutes; {see}"
        return Failure(f"a cell did not end {minutes}", cell, _own(log), advice)
    if "Errno 28" in value or "No space left on device" in log[-4000:]:
        advice = (
            "free some room, or put HELPERS_WORK and HELPERS_RUNS on a larger disk, and run again: it goes on"
        )
        return Failure("the disk is full", cell, [f"{name}: {value}"] if name else [], advice)
    if NO_KERNEL.search(log) and "Address already in use" in log:
        return Failure(PORT_TAKEN, advice="run again: it goes on")
    if "DeadKernelError" in log or "Kernel died" in log:
        advice = "most often memory: take a smaller -p batch_size or fewer -p train_clips, and run again: it goes on"
        return Failure("the kernel was killed", cell, _own(log), advice)
    if "MemoryError" in name or "OutOfMemoryError" in name:
        advice = "take a smaller -p batch_size or fewer -p train_clips, and run again: it goes on"
        return Failure("memory ran out", cell, [f"{name}: {value.splitlines()[0] if value else ''}"], advice)
    if name:
        lines = [
            f"{name}: {line}" if place == 0 else line for place, line in enumerate(value.splitlines()[:6])
        ]
        advice = f"open {folder / EXECUTED}, mend the cause and run again: what is finished is not repeated"
        return Failure("it raised", cell, lines or [name], advice)
    if return_code is not None and return_code < 0:
        return Failure(
            f"papermill was killed by signal {-return_code}", cell, _own(log), "run again: it goes on"
        )
    if return_code == 0:
        advice = (
            "its last cell must call run.finish(...); open_run must be given the notebook's own parameters"
        )
        return Failure(f"it ended without metrics.json in {folder.name}", "", _own(log), advice)
    return Failure(f"papermill ended with code {return_code}", cell, _last_lines(log), see)


def _own(log: str) -> list[str]:
    """The notebook's last printed lines, without papermill's traceback."""
    return _last_lines(log.split("Traceback (most recent call last)")[0])
