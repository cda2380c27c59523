"""Embeddings of recordings and of their copies, computed once and kept in one file a kind."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
import torch

from tools.detector import copies
from tools.detector.network import SAMPLE_RATE, Encoder

WINDOW_SECONDS = 4.0
MOST_SECONDS = 8.0  # read of one recording
SHORTEST = SAMPLE_RATE // 2  # samples
DEGRADED_SHARE = 0.6  # of the vocoder copies

Job = tuple[
    int, str, Callable[[np.ndarray, np.random.Generator], np.ndarray]
]  # row, kind, what is done to it


def plain(pool: pd.DataFrame) -> Iterator[Job]:
    """The first four seconds of every recording, those kept back included."""
    for row in range(len(pool)):
        yield row, "-", lambda wave, rng: wave[: int(WINDOW_SECONDS * SAMPLE_RATE)]


def degraded(pool: pd.DataFrame) -> Iterator[Job]:
    """Every recording of the training part, a random stretch through random effects."""
    for row in np.flatnonzero(pool["role"] == "train"):
        yield int(row), "-", copies.degraded


def vocoded(pool: pd.DataFrame, seed: int) -> Iterator[Job]:
    """Bona fide recordings of the training part through a neural vocoder: two copies of each of a page, one of each of
    the starter; six in ten degraded."""
    for row in np.flatnonzero((pool["role"] == "train") & (pool["label"] == "bonafide")):
        rng = np.random.default_rng([int(row), seed])
        n_copies = 1 if pool["dataset"].iloc[row] == "starter" else 2
        for name in rng.permutation(list(copies.VOCODERS))[:n_copies]:
            yield int(row), str(name), _vocode_and_degrade(str(name))


def _vocode_and_degrade(name: str):
    def change(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        copy = copies.vocoded(wave, name, rng)
        return copies.degraded(copy, rng) if rng.random() < DEGRADED_SHARE else copy

    return change


def embed(
    file: Path, pool: pd.DataFrame, jobs: Iterator[Job], encoder: Encoder, seed: int
) -> dict[str, np.ndarray]:
    """-> `embedding` (n, width), `row` (n,) in the pool, `kind` (n,); read from `file` where it exists. A copy that is
    shorter than half a second is left out."""
    if not file.is_file():
        found: list[tuple[np.ndarray, int, str]] = []
        with torch.inference_mode():
            for row, kind, change in jobs:
                name = pool["utterance"].iloc[row]
                rng = np.random.default_rng([zlib.crc32(name.encode()), zlib.crc32(kind.encode()), seed])
                wave = change(_read(pool["path"].iloc[row]), rng)
                if len(wave) < SHORTEST:
                    continue
                found.append((encoder(torch.from_numpy(wave.astype(np.float32))[None])[0].numpy(), row, kind))
                if len(found) % 500 == 0:
                    print(f"{file.stem}: {len(found):,} embeddings", flush=True)
        embedding, rows, kinds = zip(*found, strict=True)
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, embedding=np.stack(embedding), row=np.array(rows), kind=np.array(kinds))
    with np.load(file) as held:
        return dict(held)


def _read(path: str) -> np.ndarray:
    wave, rate = soundfile.read(path, dtype="float32", always_2d=True)
    if rate != SAMPLE_RATE:
        raise ValueError(f"{path} has {rate} Hz: the builder's recordings are kept at {SAMPLE_RATE} Hz")
    return wave.mean(1)[: int(MOST_SECONDS * SAMPLE_RATE)]
