"""What a network costs: its layers, its parameters, its time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

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


def milliseconds_per_clip(
    model: nn.Module, shape: Sequence[int], threads: int = 1, repeats: int = 5
) -> float:
    """Median wall-clock milliseconds of one forward pass over one clip, in evaluation mode.

    `threads` CPU threads for the while; ignored where the model lives on a GPU, which is waited for.
    """
    device = _device(model)
    was_training, threads_before = model.training, torch.get_num_threads()
    clip = torch.randn(1, *shape, device=device)
    times = []
    model.eval()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            for _ in range(repeats + 2):  # the first two warm up
                started = time.perf_counter()
                model(clip)
                if device.type == "cuda":
                    torch.cuda.synchronize()
                times.append(1000 * (time.perf_counter() - started))
    finally:
        torch.set_num_threads(threads_before)
        model.train(was_training)
    return statistics.median(times[2:])


def _device(model: nn.Module) -> torch.device:
    return next((p.device for p in model.parameters()), torch.device("cpu"))
