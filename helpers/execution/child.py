"""One notebook as one papermill subprocess: started in its own process group, stopped with all that it started."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from helpers.runs import HANDED_FOLDER

LOG = "papermill.log"
EXECUTED = "notebook.ipynb"
START_SECONDS = 180  # a kernel may take long to start on a busy machine


def _die_with_parent() -> Callable[[], None] | None:
    """On Linux, what makes a child die when the runner is killed outright; None elsewhere."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    return lambda: libc.prctl(1, signal.SIGKILL)  # 1 is PR_SET_PDEATHSIG


_BEFORE_EXEC = _die_with_parent()


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
    with open(folder / LOG, "ab") as log:
        log.write(f"--- {time.strftime('%Y-%m-%d %H:%M:%S')}  {source.name}  {dict(overrides)}\n".encode())
        log.flush()
        return subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=source.parent,
            env={**environ, HANDED_FOLDER: str(folder), "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
            preexec_fn=_BEFORE_EXEC,
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
