"""One notebook as one papermill subprocess on a share of the machine: started, stopped with all that it started,
and why it did not end well."""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.environment import cpu_threads
from helpers.execution.parameters import source_of, tags_of
from helpers.runs import HANDED_FOLDER

LOG = "papermill.log"
EXECUTED = "notebook.ipynb"
CORES_PER_JOB = 4
START_SECONDS = 180  # a kernel may take long to start on a busy machine
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
ADDED_BY_PAPERMILL = {"injected-parameters", "papermill-error-cell-tag"}
PORT_TAKEN = "another program took its kernel's port"  # Jupyter chooses a port before the kernel takes it
SMALLER = "take a smaller -p batch_size or fewer -p train_clips, and run again: it resumes"


@dataclass(frozen=True)
class Slot:
    """A share of the machine: some cores, perhaps one GPU."""

    threads: int
    gpu: str = ""

    def environ(self, base: dict[str, str]) -> dict[str, str]:
        """`base` with the thread counts of numpy, torch and friends, and the GPU that this slot may see."""
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        threads = dict.fromkeys(names, str(self.threads))
        return {**base, **threads, **({"CUDA_VISIBLE_DEVICES": self.gpu} if self.gpu else {})}


def visible_gpus() -> list[str]:
    """The GPUs' numbers, by CUDA_VISIBLE_DEVICES or nvidia-smi, without importing torch."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name for name in chosen.split(",") if name.strip() not in ("", "-1")]
    if not shutil.which("nvidia-smi"):
        return []
    listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True).stdout
    return [str(place) for place in range(listing.count("GPU "))]


def slots(jobs: int = 0) -> list[Slot]:
    """One slot a GPU; without GPUs one for each four cores, so a single one on a small machine; or `jobs` of them."""
    gpus, n_cores = visible_gpus(), cpu_threads()
    n_slots = jobs or len(gpus) or max(1, n_cores // CORES_PER_JOB)
    threads = max(1, n_cores // n_slots)
    return [Slot(threads, gpus[place % len(gpus)] if gpus else "") for place in range(n_slots)]


def yaml_of(overrides: Mapping[str, Any]) -> str:
    """Overrides as YAML that reads back equal: PyYAML writes 1.0e-05, since 1e-05 would come back as text."""
    import yaml

    return yaml.safe_dump(dict(overrides), default_flow_style=True, width=10**6, sort_keys=False)


def start(
    source: Path, folder: Path, overrides: Mapping[str, Any], environ: Mapping[str, str], cell_seconds: int
) -> subprocess.Popen[bytes]:
    """Execute `source` into folder/notebook.ipynb, all that it prints into folder/papermill.log."""
    line = [sys.executable, "-m", "papermill", str(source), str(folder / EXECUTED), "-k", "python3"]
    line += ["--cwd", str(source.parent), "--log-output", "--no-progress-bar"]
    line += ["--start-timeout", str(START_SECONDS), "--execution-timeout", str(cell_seconds)]
    if overrides:
        line += ["-y", yaml_of(overrides)]
    # On Linux a child dies with a runner that is killed outright: 1 is PR_SET_PDEATHSIG.
    libc = ctypes.CDLL(None) if sys.platform.startswith("linux") else None
    with open(folder / LOG, "wb") as log:
        return subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=source.parent,
            env={**environ, HANDED_FOLDER: str(folder), "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
            start_new_session=True,
            preexec_fn=(lambda: libc.prctl(1, signal.SIGKILL)) if libc else None,
        )


def clear_leftovers(folder: Path) -> None:
    """Kill every process that a runner started for this folder, kernel and data loaders too: all inherited its name."""
    import psutil

    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(HANDED_FOLDER) == str(folder):
                process.kill()
                found.append(process)
        except (psutil.Error, OSError):
            continue  # ended meanwhile, or somebody else's
    psutil.wait_procs(found, timeout=5)


def stop(process: subprocess.Popen[bytes], folder: Path, grace_seconds: float = 5) -> None:
    """Ask papermill to end its kernel, then kill whatever is left of the run."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            if process.poll() is None:
                os.killpg(process.pid, number)
                process.wait(grace_seconds)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
    clear_leftovers(folder)


def failure(what: str, cell: str = "", lines: Iterable[str] = (), advice: str = "") -> str:
    """What to tell the user about one notebook, in several indented lines."""
    told = [f"{what} in {cell}" if cell else what, *(f"  {line}" for line in lines), f"→ {advice}"]
    return "\n".join(f"    {line}" for line in told)


def _name_of(cells: list[dict[str, Any]]) -> str:
    """`cell 9 (fit(settings, cache, run))` for the last one, counted as in the notebook's own file."""
    if not cells:
        return ""
    number = sum(not ADDED_BY_PAPERMILL & set(tags_of(cell)) for cell in cells)
    code = [line.strip() for line in source_of(cells[-1]).splitlines()]
    first = next((line for line in code if line and line[0] != "#"), "")
    return f"cell {number} ({first[:60]})" if first else f"cell {number}"


def diagnose(folder: Path, return_code: int) -> str:
    """The reason in words: from the executed notebook, and from the log where the notebook cannot know it."""
    try:
        cells = json.loads((folder / EXECUTED).read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError):
        cells = []  # papermill left none, or half a file
    started = [
        n for n, cell in enumerate(cells, 1) if cell["metadata"].get("papermill", {}).get("start_time")
    ]
    cells = cells[: started[-1]] if started else []
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    error: dict[str, Any] = next((output for output in outputs if output["output_type"] == "error"), {})
    printed = "".join("".join(output["text"]) for output in outputs if output.get("name") == "stdout")
    cell, own = _name_of(cells), [line[:160] for line in printed.splitlines() if line.strip()][-4:]
    log = (folder / LOG).read_text(encoding="utf-8", errors="replace")
    name, value = error.get("ename", ""), ANSI.sub("", str(error.get("evalue", "")))
    raised = [f"{name}: {value}".splitlines()[0], *value.splitlines()[1:6]] if name else []
    if "CellTimeoutError" in log or "A cell timed out" in log:
        advice = f"stop trainings in time with --minutes; all it printed: {folder / LOG}"
        return failure("a cell did not end in time", cell, own, advice)
    if "Errno 28" in value or "No space left on device" in log[-4000:]:
        advice = (
            "free some room, or put HELPERS_WORK and HELPERS_RUNS on a larger disk, and run again: it resumes"
        )
        return failure("the disk is full", cell, raised, advice)
    if re.search("Kernel d(ied before replying|idn't respond)", log):
        if "Address already in use" in log:
            return failure(PORT_TAKEN, advice="run again: it resumes")
        advice = (
            f"the kernel `python3` must be this Python's: {sys.executable} -m ipykernel install --sys-prefix"
        )
        return failure("the kernel did not start", advice=f"{advice}; all it printed: {folder / LOG}")
    if "DeadKernelError" in log or "Kernel died" in log:
        return failure("the kernel was killed", cell, own, f"most often memory: {SMALLER}")
    if "MemoryError" in name or "OutOfMemoryError" in name:
        return failure("memory ran out", cell, raised[:1], SMALLER)
    if name:
        advice = f"open {folder / EXECUTED}, fix the cause and run again: what is finished is not repeated"
        return failure("it raised", cell, raised, advice)
    if return_code == 0:
        advice = (
            "its last cell must call run.finish(...); open_run must be given the notebook's own parameters"
        )
        return failure(f"it ended without metrics.json in {folder.name}", "", own, advice)
    if return_code < 0:
        return failure(f"papermill was killed by signal {-return_code}", cell, own, "run again: it resumes")
    lines = own or [line for line in log.splitlines() if line.strip()][-2:]
    return failure(
        f"papermill ended with code {return_code}", cell, lines, f"all that it printed: {folder / LOG}"
    )
