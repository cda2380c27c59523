"""How many notebooks this machine runs side by side, and what each of them may use."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass

CORES_PER_JOB = 4


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


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def visible_gpus() -> list[str]:
    """The GPUs' numbers, by CUDA_VISIBLE_DEVICES or nvidia-smi, without importing torch."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name for name in chosen.split(",") if name.strip() not in ("", "-1")]
    if not shutil.which("nvidia-smi"):
        return []
    try:
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20).stdout
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [str(place) for place in range(sum(line.startswith("GPU ") for line in listing.splitlines()))]


def slots(jobs: int = 0) -> list[Slot]:
    """One slot a GPU; without GPUs one for each four cores, so a single one on a small machine; or `jobs` of them."""
    gpus, n_cores = visible_gpus(), cores()
    n_slots = jobs or len(gpus) or max(1, n_cores // CORES_PER_JOB)
    threads = max(1, n_cores // n_slots)
    return [Slot(threads, gpus[place % len(gpus)] if gpus else "") for place in range(n_slots)]


@contextmanager
def termination_as_interrupt():  # type: ignore[no-untyped-def]
    """SIGTERM and a closed terminal end the run as Ctrl-C does."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    earlier = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    earlier[signal.SIGINT] = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
