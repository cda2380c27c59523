"""The one training loop: features in, best.safetensors out; killed at any instant, it goes on at the epoch it had."""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from helpers import metrics
from helpers.environment import cpu_threads, keep_freed_memory, pick_device, seed_everything
from helpers.features import Cache, FeatureSetting
from helpers.models import build_model
from helpers.models.standardise import Standardised, row_statistics
from helpers.runs import Run
from helpers.training import parallel
from helpers.training.batches import BatchReader, class_weights, epoch_order, split_rows, step_seed
from helpers.training.losses import loss_of, prepare_network
from helpers.training.settings import TrainSettings

FEW_STEPS = 100  # of a whole training: fewer are taken in full precision


@dataclass
class Trained:
    """What a training leaves in memory; everything else lies in the run folder."""

    model: nn.Module
    history: pd.DataFrame
    complete: bool  # False where max_minutes ended it early
    train_seconds: float
    scores: pd.DataFrame  # utterance, attack, label, split, score, speaker of dev and eval


def fit(settings: TrainSettings, cache: Cache, run: Run, setting: FeatureSetting | None = None) -> Trained:
    """Train `settings.model` on the cache's train rows, choose the epoch on dev, score dev and eval into the run folder.

    `setting` names the features the network sees where the cache holds waves (for wave augmentation).
    """
    keep_freed_memory()
    torch.set_num_threads(cpu_threads())
    device = parallel.device() or pick_device(settings.device)
    reader = BatchReader(cache, setting or cache.setting, settings)
    rows = split_rows(cache.table, settings)
    labels = (cache.table["label"].to_numpy() == "bonafide").astype(np.int64)
    seed_everything(settings.seed)
    model = make_model(settings, reader, rows["train"]).to(device)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    training = Training(settings, model, reader, rows, labels, device, run)
    training.take_up()
    training.go()
    if training.best_weights is not None:
        model.load_state_dict(training.best_weights)
    scores = pd.concat(
        [score(model, reader, rows[name], device) for name in ("dev", "eval") if len(rows[name])],
        ignore_index=True,
    )
    if parallel.is_first():
        run.write_scores(scores)
    history = pd.DataFrame(training.history)
    return Trained(model, history, training.complete, training.seconds, scores)


def make_model(settings: TrainSettings, reader: BatchReader, train_rows: np.ndarray) -> Standardised:
    """The network with the mean and deviation of (up to 1,024 of) the training features in front of it."""
    sample = train_rows[np.linspace(0, len(train_rows) - 1, min(1024, len(train_rows))).astype(int)]
    parts = [reader.features(part).numpy() for part in np.array_split(sample, max(1, len(sample) // 64))]
    shape = list(parts[0].shape[1:])
    if settings.crop_frames and len(shape) == 2:
        shape[-1] = min(shape[-1], settings.crop_frames)
    network = prepare_network(build_model(settings.model, shape, **settings.options), settings.loss)
    if reader.setting.kind == "wave":
        return Standardised(network)
    return Standardised(network, *row_statistics(parts, tuple(shape)))


@torch.inference_mode()
def score(model: nn.Module, reader: BatchReader, rows: np.ndarray, device: torch.device) -> pd.DataFrame:
    """Score table of these rows of the cache: one score an utterance, higher is more likely bona fide."""
    model.eval()
    own = parallel.share(rows)
    size = min(
        64, reader.batch_size
    )  # what fits in training fits here: a raw-wave network takes hundreds of MB a clip
    parts = [own[i : i + size] for i in range(0, len(own), size)]
    values = [model(reader.features(part).to(device)).float().cpu().numpy() for part in parts]
    table = reader.cache.table.iloc[own][["utterance", "attack", "label", "split", "speaker"]]
    return parallel.gather(table.assign(score=np.concatenate(values)))


class Training:
    """State of one training between its epochs, and how it is saved."""

    def __init__(
        self,
        settings: TrainSettings,
        model: Standardised,
        reader: BatchReader,
        rows: dict[str, np.ndarray],
        labels: np.ndarray,
        device: torch.device,
        run: Run,
    ):
        self.settings, self.model, self.reader, self.rows = settings, model, reader, rows
        self.labels, self.device, self.run = labels, device, run
        trained = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, lr=settings.lr, weight_decay=settings.weight_decay)
        self.average = None
        if settings.averaging:
            decay = torch.optim.swa_utils.get_ema_multi_avg_fn(settings.averaging)
            self.average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=decay, use_buffers=True)
        self.weights = class_weights(labels[rows["train"]], settings.balance)
        n = len(epoch_order(labels[rows["train"]], settings, 0))
        # A last batch of one clip has no variance to normalise by: it is left out.
        self.steps = math.ceil(n / settings.batch_size) - (n % settings.batch_size == 1)
        self.precision = self._precision()
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision == torch.float16)
        self.epoch, self.seconds, self.best_eer, self.best_epoch = 0, 0.0, math.inf, 0
        self.history: list[dict[str, float]] = []
        self.best_weights: dict[str, torch.Tensor] | None = None

    def _precision(self) -> torch.dtype:
        """float32 on a CPU and in runs of few steps (a GradScaler skips the first ones), else bf16, else fp16."""
        named = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
        if self.settings.precision != "auto":
            return named[self.settings.precision]
        if self.device.type != "cuda" or self.steps * self.settings.epochs < FEW_STEPS:
            return torch.float32
        return torch.bfloat16 if torch.cuda.get_device_capability(self.device)[0] >= 8 else torch.float16

    @property
    def complete(self) -> bool:
        waited = self.settings.patience and self.epoch - self.best_epoch >= self.settings.patience
        return self.epoch >= self.settings.epochs or bool(waited)

    def go(self) -> None:
        """Epoch after epoch until the last, the end of patience, or of the time allowed; one at least, to get on."""
        started, first = time.monotonic(), self.epoch
        while not self.complete:
            spent = time.monotonic() - started
            due = spent + spent / max(1, self.epoch - first)  # when the next epoch would end
            late = (
                bool(self.settings.max_minutes)
                and self.epoch > first
                and due > 60 * self.settings.max_minutes
            )
            if parallel.first_says(late):
                print(
                    f"stopped after {spent / 60:.1f} min (max_minutes={self.settings.max_minutes:g}): saved, goes on next time"
                )
                return
            begin = time.monotonic()
            train_loss = self.train_epoch()
            judged = self.average.module if self.average is not None else self.model
            parallel.share_buffers(judged)
            eer = self.judge(judged)
            self.epoch += 1
            self.seconds += time.monotonic() - begin
            self.history.append(
                {"epoch": self.epoch, "train_loss": train_loss, "dev_eer": eer, "lr": self.lr(self.epoch * self.steps),
                 "seconds": round(time.monotonic() - begin, 3)}
            )  # fmt: skip
            if eer < self.best_eer:
                self.best_eer, self.best_epoch = eer, self.epoch
                self.best_weights = {k: v.detach().cpu().clone() for k, v in judged.state_dict().items()}
            if parallel.is_first():
                self.save()
                self.report(time.monotonic() - begin)

    def lr(self, step: int) -> float:
        """Linear warm-up, then half a cosine down to a hundredth of the peak."""
        warmup = max(1, round(self.settings.warmup_epochs * self.steps))
        total = max(warmup + 1, self.settings.epochs * self.steps)
        if step < warmup:
            return self.settings.lr * (step + 1) / warmup
        share = min(1.0, (step - warmup) / (total - warmup))
        return self.settings.lr * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))

    def train_epoch(self) -> float:
        """One pass; returns the mean training loss. Everything random in it follows from seed and epoch."""
        seed_everything(step_seed(self.settings.seed, self.epoch))
        order = epoch_order(self.labels[self.rows["train"]], self.settings, self.epoch)
        rows = self.rows["train"][order]
        size = self.settings.batch_size
        batches = [parallel.share(rows[i * size : (i + 1) * size]) for i in range(self.steps)]
        network = parallel.wrap(self.model)
        self.model.train()
        losses = []
        for i, (part, batch) in enumerate(self.reader.training_batches(batches, self.epoch)):
            for group in self.optimizer.param_groups:
                group["lr"] = self.lr(self.epoch * self.steps + i)
            batch = batch.to(self.device, non_blocking=True)
            target = torch.from_numpy(self.labels[part]).float().to(self.device)
            with torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32):
                scores = network(batch)
            loss = loss_of(self.settings.loss, scores.float(), target, self.weights.to(self.device))
            self.optimizer.zero_grad(set_to_none=True)
            self.scaler.scale(loss).backward()
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
            self.scaler.step(self.optimizer)
            self.scaler.update()
            if self.average is not None:
                self.average.update_parameters(self.model)
            losses.append(loss.detach())
        mean = parallel.mean(torch.stack(losses).mean())
        if not math.isfinite(mean):
            raise FloatingPointError(
                f"the training loss is {mean} in epoch {self.epoch + 1}: lower lr (now {self.settings.lr:g})"
            )
        return mean

    def judge(self, model: nn.Module) -> float:
        """EER (0..1) on the rows that select the epoch. A constant score counts as 0.5."""
        scores = score(model, self.reader, self.rows["select"], self.device)
        bonafide = scores["label"].to_numpy() == "bonafide"
        values = scores["score"].to_numpy(dtype=np.float64)
        return float(metrics.eer(values[bonafide], values[~bonafide])[0])

    def report(self, seconds: float) -> None:
        """One line an epoch."""
        left = (self.settings.epochs - self.epoch) * self.seconds / self.epoch
        last = self.history[-1]
        print(
            f"epoch {self.epoch:2d}/{self.settings.epochs}   train {last['train_loss']:.3f}   "
            f"dev EER {100 * last['dev_eer']:.2f} %   best {100 * self.best_eer:.2f} %   "
            f"{seconds:.0f} s   left ~{left / 60:.1f} min",
            flush=True,
        )

    def save(self) -> None:
        """history.csv, best.safetensors where this epoch is the best, and last.pt, each by rename; last.pt closes the epoch."""
        self.run.write_history(self.history)
        if self.best_epoch == self.epoch and self.best_weights is not None:
            _by_rename(
                self.run.path("best.safetensors"),
                lambda path: save_file(_contiguous(self.best_weights), path),
            )
        state: dict[str, Any] = {
            "epoch": self.epoch,
            "seconds": self.seconds,
            "best_eer": self.best_eer,
            "best_epoch": self.best_epoch,
            "history": self.history,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "average": self.average.state_dict() if self.average is not None else None,
        }
        _by_rename(self.run.path("last.pt"), lambda path: torch.save(state, path))

    def take_up(self) -> None:
        """Go on from last.pt where an earlier start left one."""
        path = self.run.path("last.pt")
        if not path.is_file():
            return
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if state["scaler"]:  # empty where it was saved by a machine that needs no scaling
            self.scaler.load_state_dict(state["scaler"])
        if self.average is not None and state["average"] is not None:
            self.average.load_state_dict(state["average"])
        self.epoch, self.seconds = state["epoch"], state["seconds"]
        self.best_eer, self.best_epoch, self.history = (
            state["best_eer"],
            state["best_epoch"],
            state["history"],
        )
        best = self.run.path("best.safetensors")
        if best.is_file():
            self.best_weights = load_file(best)
        print(f"going on after epoch {self.epoch} of {self.settings.epochs}")


def _contiguous(state: dict[str, torch.Tensor] | None) -> dict[str, torch.Tensor]:
    return {name: tensor.contiguous() for name, tensor in (state or {}).items()}


def _by_rename(path: Path, write: Any) -> None:
    """Write to a .part beside `path`, then rename: no reader ever sees a half."""
    part = path.with_suffix(path.suffix + ".part")
    write(part)
    os.replace(part, path)
