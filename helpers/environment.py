"""Where the suite runs (Kaggle, Colab, a local machine), where its files lie, on which device and from which seed."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

PROJECT = Path(__file__).resolve().parents[1]
# Of every command but predict, whose codes are its answers.
EXIT_OK, EXIT_FAILED, EXIT_REFUSED, EXIT_PAUSED, EXIT_STOPPED = 0, 1, 2, 3, 130


@dataclass(frozen=True)
class Folders:
    """Where each stage writes. None is created before something is written into it."""

    downloads: Path  # archives as they came
    data: Path  # unpacked data sets
    cache: Path  # features
    runs: Path  # run folders


@dataclass(frozen=True)
class Place:
    """The machine as the suite sees it; `root` is / except in tests that lay out another machine's folders."""

    name: str  # kaggle | colab | local
    folders: Folders
    root: Path = Path("/")


def where_am_i(environ: Mapping[str, str] | None = None, root: Path = Path("/")) -> Place:
    """Recognise the machine and name its folders.

    `HELPERS_WORK` moves downloads, data and cache; `HELPERS_RUNS` moves the run folders; both win everywhere.
    """
    environ = os.environ if environ is None else environ
    if "KAGGLE_KERNEL_RUN_TYPE" in environ or (root / "kaggle" / "working").is_dir():
        name, work, runs = "kaggle", root / "kaggle" / "temp", root / "kaggle" / "working" / "runs"
    elif "COLAB_RELEASE_TAG" in environ or "COLAB_GPU" in environ:
        name, work, runs = "colab", root / "content" / "work", root / "content" / "runs"
    else:
        name, work, runs = "local", PROJECT / "work", PROJECT / "runs"
    work = Path(environ.get("HELPERS_WORK") or work).expanduser().absolute()
    runs = Path(environ.get("HELPERS_RUNS") or runs).expanduser().absolute()
    return Place(name, Folders(work / "downloads", work / "data", work / "cache", runs), root)


def cpu_threads() -> int:
    """Cores this process may use: `OMP_NUM_THREADS` where a runner set it, else the cores of its affinity mask."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def pick_device(name: str = "auto") -> torch.device:
    """`auto` takes the first GPU where there is one; `cpu`, `cuda`, `cuda:1` are taken at their word.

    Raises ValueError where a GPU is asked for and none is there: a day of CPU training is not what was asked.
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.split(":")[0] not in ("cpu", "cuda"):
        raise ValueError(f"device is {name!r}: it is auto, cpu or cuda (the first GPU; cuda:1 is the second)")
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f"device is {name!r} but no GPU is visible here: switch the accelerator on, or say device=auto"
        )
    return device


def seed_everything(seed: int) -> None:
    """One seed for Python, numpy and torch. On a CPU the same seed gives the same scores."""
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def keep_freed_memory() -> None:
    """Let glibc keep what tensors free: handing each back and faulting it in again costs a CPU up to half its time.

    Does nothing where the C library is another one.
    """
    import ctypes

    trim_threshold, mmap_max = -1, -4  # names of mallopt(3)'s parameters in malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(mmap_max, 0)
    mallopt(trim_threshold, 2**31 - 1)
