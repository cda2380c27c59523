"""One model on several processes (torchrun, DDP): the few questions the training loop asks of them.

Without torchrun every function answers for a single process.
"""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import torch
import torch.distributed as dist
from torch import nn


def active() -> bool:
    return dist.is_available() and dist.is_initialized()


def start() -> None:
    """Join the group that torchrun describes in the environment: nccl on GPUs, gloo on CPUs."""
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))  # where nccl puts what is gathered
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")


def stop() -> None:
    if active():
        dist.destroy_process_group()


def is_first() -> bool:
    """The process that prints and writes."""
    return not active() or dist.get_rank() == 0


def device() -> torch.device | None:
    """This process's own GPU under torchrun, or its CPU; None outside."""
    if not active():
        return None
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    return torch.device("cpu")


def share(rows: np.ndarray) -> np.ndarray:
    """This process's part of the rows; all parts are of one size, the rows being repeated from the start to fill them."""
    if not active():
        return rows
    world = dist.get_world_size()
    return np.resize(rows, -(-len(rows) // world) * world)[dist.get_rank() :: world]


def wrap(model: nn.Module) -> nn.Module:
    """DistributedDataParallel over the model, made anew each epoch (it holds no state of its own).

    Published networks have parameters that no clip reaches (AASIST's first batch norms).
    """
    return nn.parallel.DistributedDataParallel(model, find_unused_parameters=True) if active() else model


def share_buffers(model: nn.Module) -> None:
    """The first process's running means and deviations for all: it is the one that saves them."""
    if active():
        for buffer in model.buffers():
            dist.broadcast(buffer, 0)


def first_says(answer: bool) -> bool:
    """The first process's answer for all: each has a clock of its own."""
    if not active():
        return answer
    told = [answer]
    dist.broadcast_object_list(told, 0)
    return told[0]


def mean(value: torch.Tensor) -> float:
    """Mean over the processes."""
    if not active():
        return float(value)
    total = value.detach().clone()
    dist.all_reduce(total)
    return float(total) / dist.get_world_size()


def gather(table: pd.DataFrame) -> pd.DataFrame:
    """All processes' score rows, each utterance of a split once, in the order of the table's index."""
    if not active():
        return table
    parts: list[pd.DataFrame] = [table] * dist.get_world_size()
    dist.all_gather_object(parts, table)
    return pd.concat(parts).sort_index().drop_duplicates(["utterance", "split"])
