"""One notebook as one papermill subprocess: started in its own process group, stopped with all that it started."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

LOG = "papermill.log"
EXECUTED = "notebook.ipynb"
# Every process below a notebook inherits it, kernel and data loaders too, whatever group or session they are in.
MARK = "HELPERS_RUN_FOLDER"
START_SECONDS = 180  # a kernel may take long to start on a busy machine


class Lock:
    """An exclusive hold on one run folder. The system lets go of it when its process ends, however it ends."""

    def __init__(self, runs_dir: Path, name: str) -> None:
        self.path = runs_dir / ".locks" / f"{name}.lock"
        self.file: IO[str] | None = None

    def take(self) -> bool:
        """True when this process now holds the folder, False when another runner does."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = open(self.path, "a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        self.file = file
        return True

    def release(self) -> None:
        """Let go; the lock's file stays, since removing it would let two runners hold one name."""
        if self.file is not None:
            self.file.close()
            self.file = None


def is_held(runs_dir: Path, name: str) -> bool:
    """True while a living runner works in that run folder."""
    lock = Lock(runs_dir, name)
    if not lock.path.is_file():
        return False
    free = lock.take()
    lock.release()
    return not free


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


def command(source: Path, target: Path, overrides: Mapping[str, Any], cell_seconds: int) -> list[str]:
    """The papermill command line of one notebook."""
    line = [
        sys.executable,
        "-m",
        "papermill",
        str(source),
        str(target),
        "-k",
        "python3",
        "--cwd",
        str(source.parent),
    ]
    line += ["--log-output", "--no-progress-bar", "--start-timeout", str(START_SECONDS)]
    if cell_seconds:
        line += ["--execution-timeout", str(cell_seconds)]
    if overrides:
        line += ["-y", yaml_of(overrides)]
    return line


def start(
    source: Path,
    folder: Path,
    overrides: Mapping[str, Any],
    environ: Mapping[str, str],
    cell_seconds: int = 0,
) -> subprocess.Popen[bytes]:
    """Execute `source` into folder/notebook.ipynb, all that it prints into folder/papermill.log."""
    folder.mkdir(parents=True, exist_ok=True)
    line = command(source, folder / EXECUTED, overrides, cell_seconds)
    with open(folder / LOG, "ab") as log:
        log.write(f"--- {time.strftime('%Y-%m-%d %H:%M:%S')}  {source.name}  {dict(overrides)}\n".encode())
        log.flush()
        return subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=source.parent,
            env={**environ, MARK: str(folder), "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
            preexec_fn=_BEFORE_EXEC,
        )


def log_start(folder: Path) -> int:
    """How long the log is before a new attempt: what comes after it belongs to that attempt."""
    path = folder / LOG
    return path.stat().st_size if path.is_file() else 0


def leftovers(folder: Path) -> list[Any]:
    """Living processes (psutil) that a runner started for this run folder, known by the mark they inherited."""
    import psutil

    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARK) == str(folder):
                found.append(process)
        except (psutil.Error, OSError):
            continue  # ended meanwhile, or somebody else's
    return found


def clear_leftovers(folder: Path) -> int:
    """Kill what an earlier, killed runner left at work in this folder; how many there were."""
    import psutil

    processes = leftovers(folder)
    for process in processes:
        try:
            process.kill()
        except psutil.Error:
            continue
    psutil.wait_procs(processes, timeout=5)
    return len(processes)


def stop(process: subprocess.Popen[bytes], folder: Path, grace_seconds: float = 5) -> None:
    """Ask papermill to end its kernel, then kill whatever is left of the run."""
    if process.poll() is None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, number)
                process.wait(grace_seconds)
                break
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
    clear_leftovers(folder)
