"""What a network costs: its layers, its parameters, its time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn


def count_parameters(model: Any, trainable_only: bool = False) -> int:
    """Numbers in the parameter tensors (buffers, such as batch-norm averages, do not count), or those that a fitted
    classical detector keeps."""
    if not isinstance(model, nn.Module):
        return int(model.count_parameters())
    return sum(p.numel() for p in model.parameters() if p.requires_grad or not trainable_only)


def layer_table(model: nn.Module, shape: Sequence[int], depth: int = 3) -> str:
    """torchinfo's table for one clip of `shape`: layer, shape of its answer, parameters, whether trained."""
    from torchinfo import summary

    columns = ("output_size", "num_params", "trainable")
    table = summary(
        model, input_size=(1, *shape), depth=depth, col_names=columns, verbose=0, device=_device(model)
    )
    return str(table)


def milliseconds_per_clip(model: Any, shape: Sequence[int], threads: int = 1, repeats: int = 5) -> float:
    """Median milliseconds for one clip: a network's forward pass in evaluation mode, or a classical detector's `score`.

    `threads` CPU threads for torch and for BLAS. One thread is timed by the processor's clock, so that what else runs on
    the machine hardly counts; several, or a GPU, which is waited for, by the clock on the wall.
    """
    from threadpoolctl import threadpool_limits

    network = isinstance(model, nn.Module)
    device = _device(model) if network else torch.device("cpu")
    clip = np.random.default_rng(0).standard_normal((1, *shape), dtype=np.float32)
    sent = torch.from_numpy(clip).to(device)
    clock = time.process_time if threads == 1 and device.type == "cpu" else time.perf_counter
    before, was_training = torch.get_num_threads(), network and model.training
    torch.set_num_threads(threads)
    times: list[float] = []
    try:
        with torch.inference_mode(), threadpool_limits(threads):
            if network:
                model.eval()
            # The first two warm up; what takes a millisecond is asked until 0.1 s are together, or the median jumps.
            while len(times) < repeats + 2 or sum(times[2:]) < 100:
                started = clock()
                if network:
                    model(sent)
                else:
                    model.score(clip)
                if device.type == "cuda":
                    torch.cuda.synchronize()
                times.append(1000 * (clock() - started))
    finally:
        torch.set_num_threads(before)
        if network:
            model.train(was_training)
    return statistics.median(times[2:])


def _device(model: nn.Module) -> torch.device:
    return next((p.device for p in model.parameters()), torch.device("cpu"))
