"""The one training loop: features in, best.safetensors out; killed at any moment, it resumes at its last epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file, save
from torch import nn
from torch.nn import functional as F

from helpers import metrics
from helpers.environment import keep_freed_memory, pick_device
from helpers.features import Cache, FeatureSetting
from helpers.files import write_bytes, write_whole
from helpers.models import build_model
from helpers.models.detector import Detector, Standardised, row_statistics
from helpers.runs import Run
from helpers.training.batches import (
    SCORED,
    BatchReader,
    clip_weights,
    epoch_order,
    input_shape,
    split_rows,
    step_seed,
)
from helpers.training.settings import TrainSettings

FEW_STEPS = 100  # of a whole training: fewer are taken in full precision
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
SCALE = 20.0  # alpha of one-class softmax and s of additive margin, as in Zhang et al. 2021, section III
MARGIN_BONAFIDE, MARGIN_SPOOF = 0.9, 0.2  # Zhang, Jiang, Duan 2021 (One-class learning), section IV-B
ADDITIVE_MARGIN = 0.9  # the same paper's setting of AM-softmax


@dataclass
class Trained:
    """What a training leaves in memory; everything else lies in the run folder."""

    model: Any
    history: pd.DataFrame
    complete: bool  # False where max_minutes ended it early
    train_seconds: float
    scores: pd.DataFrame  # utterance, attack, label, split, score, speaker of dev and eval
    precision: str = "fp32"  # of the training; scores are always computed in float32
    busy: float = 1.0  # share of the training's time in which the network did not wait for a batch


def fit(settings: TrainSettings, cache: Cache, run: Run, setting: FeatureSetting | None = None) -> Trained:
    """Train `settings.model` on the cache's train rows, choose the epoch on dev, score dev and eval into the run folder.

    `setting` names the features the network sees where the cache holds waves (for wave augmentation).
    """
    keep_freed_memory()
    device = pick_device(settings.device)
    reader = BatchReader(cache, setting or cache.setting, settings)
    rows = split_rows(cache.table, settings)
    train_table = cache.table.iloc[rows["train"]]
    labels = (train_table["label"].to_numpy() == "bonafide").astype(np.int64)
    targets, weights = torch.from_numpy(labels).float(), clip_weights(train_table, settings.balance)
    torch.manual_seed(settings.seed)
    model = make_model(settings, reader, rows["train"]).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    size, n = settings.batch_size, len(epoch_order(labels, settings, 0))
    steps = math.ceil(n / size) - (n % size == 1)  # one clip has no variance to normalise by: left out
    precision = pick_precision(settings, device, steps)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=settings.lr, weight_decay=settings.weight_decay)
    scaler = torch.amp.GradScaler(device.type, enabled=precision == torch.float16)
    average = None
    if settings.averaging:
        decay = torch.optim.swa_utils.get_ema_multi_avg_fn(settings.averaging)
        average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=decay, use_buffers=True)
    parts: dict[str, Any] = {"model": model, "optimizer": optimizer, "scaler": scaler, "average": average}
    past = load_checkpoint(run, parts)

    started, first = time.monotonic(), past["epoch"]
    while not is_over(past, settings):
        epoch, begin = past["epoch"], time.monotonic()
        if epoch > first and _too_late(begin - started, epoch - first, settings.max_minutes):
            break
        torch.manual_seed(step_seed(settings.seed, epoch))  # all that is random follows from seed and epoch
        order = epoch_order(labels, settings, epoch)[: steps * size]
        batches = [order[i : i + size] for i in range(0, len(order), size)]
        jobs = [(rows["train"][chosen], epoch, i) for i, chosen in enumerate(batches)]
        losses, reader.waited = [], 0.0
        model.train()
        # The next batches are read by another thread while the network works on this one.
        for i, batch in enumerate(reader.ahead(reader.training_batch, jobs)):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(epoch * steps + i, steps, settings)
            target, weight = targets[batches[i]].to(device), weights[batches[i]].to(device)
            with torch.autocast(device.type, precision, enabled=precision != torch.float32):
                scores = model(batch.to(device, non_blocking=True))
            loss = (loss_of(settings.loss, scores.float(), target) * weight).mean()
            optimizer.zero_grad(set_to_none=True)
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(trained, 5.0)
            scaler.step(optimizer)
            scaler.update()
            if average is not None:
                average.update_parameters(model)
            losses.append(loss.detach())
        train_loss = float(torch.stack(losses).mean())
        if not math.isfinite(train_loss):
            raise FloatingPointError(
                f"the training loss is {train_loss} in epoch {epoch + 1}: lower lr (now {settings.lr:g})"
            )
        judged = average.module if average is not None else model
        eer = eer_of(score(judged, reader, rows["select"], device))
        past["epoch"] = epoch + 1
        past["seconds"] += time.monotonic() - begin
        past["waited"] += reader.waited
        past["history"].append(
            {
                "epoch": epoch + 1,
                "train_loss": train_loss,
                "dev_eer": eer,
                "lr": learning_rate((epoch + 1) * steps, steps, settings),
                "seconds": round(time.monotonic() - begin, 3),
            }
        )
        if eer < past["best_eer"]:
            past["best_eer"], past["best_epoch"] = eer, epoch + 1
            best = {name: tensor.detach().cpu().contiguous() for name, tensor in judged.state_dict().items()}
            write_bytes(run.folder / "best.safetensors", save(best))
        run.write_history(past["history"])
        states = {name: part.state_dict() if part is not None else None for name, part in parts.items()}
        write_whole(run.folder / "last.pt", partial(torch.save, {**past, **states}))
        print(
            f"epoch {epoch + 1:2d}/{settings.epochs}   train {train_loss:.3f}   dev EER {100 * eer:.2f} %   "
            f"best {100 * past['best_eer']:.2f} %   {past['history'][-1]['seconds']:.0f} s   "
            f"left ~{(settings.epochs - epoch - 1) * past['seconds'] / (epoch + 1) / 60:.1f} min",
            flush=True,
        )

    model.load_state_dict(load_file(run.folder / "best.safetensors"))
    scored = [score(model, reader, rows[name], device) for name in ("dev", "eval") if len(rows[name])]
    table = pd.concat(scored, ignore_index=True)
    run.write_scores(table)
    name = next(name for name, kind in PRECISIONS.items() if kind == precision)
    history = pd.DataFrame(past["history"])
    busy = 1 - past["waited"] / max(past["seconds"], 1e-9)
    return Trained(model, history, is_over(past, settings), past["seconds"], table, name, busy)


def make_model(settings: TrainSettings, reader: BatchReader, train_rows: np.ndarray) -> Standardised:
    """The network with the mean and deviation of (up to 1,024 of) the training features in front of it."""
    sample = train_rows[np.linspace(0, len(train_rows) - 1, min(1024, len(train_rows))).astype(int)]
    parts = [reader.features(part).numpy() for part in np.array_split(sample, max(1, len(sample) // 64))]
    network = build_network(settings, input_shape(parts[0].shape[1:], settings.crop_frames))
    if reader.setting.kind == "wave":
        return Standardised(network)
    return Standardised(network, *row_statistics(parts))


@torch.inference_mode()
def score(model: nn.Module, reader: BatchReader, rows: np.ndarray, device: torch.device) -> pd.DataFrame:
    """Score table of these rows of the cache, in float32: one score an utterance, higher is more likely bona fide."""
    model.eval()
    size = min(64, reader.batch_size)  # what fits in training fits here: a raw wave takes 100s of MB
    parts = [(rows[i : i + size],) for i in range(0, len(rows), size)]
    values = [model(batch.to(device)).float().cpu().numpy() for batch in reader.ahead(reader.features, parts)]
    return reader.cache.table.iloc[rows][SCORED].assign(score=np.concatenate(values))


def eer_of(scores: pd.DataFrame) -> float:
    """EER (0..1) of a score table. A constant score counts as 0.5."""
    return float(metrics.eer(*metrics.by_class(scores))[0])


def pick_precision(settings: TrainSettings, device: torch.device, steps: int) -> torch.dtype:
    """What `settings.precision` names; for "auto" bf16 where the device computes it, fp16 on older GPUs, else fp32.

    A training of few steps stays in float32: a GradScaler skips the first ones, and there is nothing to gain.
    """
    if settings.precision != "auto":
        return PRECISIONS[settings.precision]
    if steps * settings.epochs < FEW_STEPS:
        return torch.float32
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device)[0] >= 8 else torch.float16
    return torch.bfloat16 if cpu_computes_bf16() else torch.float32


def cpu_computes_bf16() -> bool:
    """Whether this processor has bf16 instructions and torch's library uses them; without them bf16 is slower."""
    try:
        native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        return bool(native and torch.ops.mkldnn._is_mkldnn_bf16_supported())
    except (AttributeError, RuntimeError):  # another release of torch, or a build without the library
        return False


def learning_rate(step: int, steps: int, settings: TrainSettings) -> float:
    """Linear warm-up, then half a cosine down to a hundredth of the peak; `steps` an epoch."""
    warmup = max(1, round(settings.warmup_epochs * steps))
    total = max(warmup + 1, settings.epochs * steps)
    if step < warmup:
        return settings.lr * (step + 1) / warmup
    share = min(1.0, (step - warmup) / (total - warmup))
    return settings.lr * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))


def is_over(past: dict[str, Any], settings: TrainSettings) -> bool:
    """Whether the last epoch is done, or dev's EER has not fallen for `patience` epochs."""
    waited = past["epoch"] - past["best_epoch"]
    return past["epoch"] >= settings.epochs or bool(settings.patience and waited >= settings.patience)


def load_checkpoint(run: Run, parts: dict[str, Any]) -> dict[str, Any]:
    """epoch, seconds, best_eer, best_epoch and history of last.pt, whose states go into `parts`; fresh ones without it."""
    past = {"epoch": 0, "seconds": 0.0, "waited": 0.0, "best_eer": math.inf, "best_epoch": 0, "history": []}
    if not (run.folder / "last.pt").is_file():
        return past
    saved = torch.load(run.folder / "last.pt", map_location="cpu", weights_only=True)
    for name, part in parts.items():
        if part is not None and saved[name]:  # a scaler saved where none is needed is empty
            part.load_state_dict(saved[name])
    print(f"resumes after epoch {saved['epoch']}")
    return {name: saved.get(name, past[name]) for name in past}


def _too_late(spent: float, epochs: int, max_minutes: float) -> bool:
    """Whether one more epoch would pass the time allowed; at least one is done at each start, to get on."""
    if not max_minutes or spent + spent / epochs <= 60 * max_minutes:
        return False
    print(f"stopped after {spent / 60:.1f} min (max_minutes={max_minutes:g}): saved, run it again to resume")
    return True


class CosineHead(nn.Module):
    """(batch, in_features) embedding -> (batch, 1): cosine with the bona fide direction, or with two=True the scaled
    difference of its cosines with the directions of both classes."""

    def __init__(self, in_features: int, two: bool = False):
        super().__init__()
        self.in_features, self.two = in_features, two
        size = (2, in_features) if two else (in_features,)
        self.directions = nn.Parameter(torch.randn(size) / in_features**0.5)

    def forward(self, embedding: torch.Tensor) -> torch.Tensor:
        directions = F.normalize(self.directions, dim=-1).reshape(-1, self.in_features)
        cosines = F.normalize(embedding, dim=1) @ directions.T
        return SCALE * (cosines[:, 1:] - cosines[:, :1]) if self.two else cosines


def build_network(settings: TrainSettings, shape: Sequence[int]) -> Detector:
    """The network with the head that the loss needs: one that answers by angles for the two margin losses."""
    network = build_model(settings.model, shape, **settings.options)
    if settings.loss != "cross_entropy":
        network.replace_head(CosineHead(network.embedding_size, settings.loss == "additive_margin"))
    return network


def loss_of(name: str, scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """(batch,) loss of each clip from (batch,) scores and (batch,) labels: 1 for bona fide, 0 for spoof."""
    sign = 2 * labels - 1
    if name == "cross_entropy":
        return F.softplus(-sign * scores)
    if name == "one_class_softmax":
        margin = torch.where(labels > 0.5, MARGIN_BONAFIDE, MARGIN_SPOOF)
        return F.softplus(SCALE * sign * (margin - scores))
    # Additive margin: with two classes the softmax depends on the difference of the cosines alone.
    return F.softplus(SCALE * ADDITIVE_MARGIN - sign * scores)
