"""What a network costs: its layers, its parameters, its time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn


def count_parameters(model: nn.Module, trainable_only: bool = False) -> int:
    """Numbers in the parameter tensors; buffers (normalisation, batch-norm averages) do not count."""
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

    if not isinstance(model, nn.Module):
        clip_array = np.random.default_rng(0).random((1, *shape), dtype=np.float32)
        with threadpool_limits(threads):
            return _median_milliseconds(lambda: model.score(clip_array), threads, repeats, threads == 1)
    device, was_training = _device(model), model.training
    clip = torch.randn(1, *shape, device=device)

    def forward() -> None:
        model(clip)
        if device.type == "cuda":
            torch.cuda.synchronize()

    model.eval()
    try:
        with torch.inference_mode():
            return _median_milliseconds(forward, threads, repeats, threads == 1 and device.type == "cpu")
    finally:
        model.train(was_training)


def _median_milliseconds(call: Callable[[], Any], threads: int, repeats: int, alone: bool) -> float:
    clock = time.process_time if alone else time.perf_counter
    threads_before = torch.get_num_threads()
    torch.set_num_threads(threads)
    times: list[float] = []
    try:
        # The first two warm up; what takes a millisecond is asked until 0.1 s are together, or the median jumps.
        while len(times) < repeats + 2 or sum(times[2:]) < 100:
            started = clock()
            call()
            times.append(1000 * (clock() - started))
    finally:
        torch.set_num_threads(threads_before)
    return statistics.median(times[2:])


def _device(model: nn.Module) -> torch.device:
    return next((p.device for p in model.parameters()), torch.device("cpu"))
