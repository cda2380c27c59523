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
from tools.detector.fit import Examples
from tools.detector.network import SAMPLE_RATE, Encoder

WINDOW_SECONDS, MOST_WINDOWS = 4.0, 6
SHORTEST = SAMPLE_RATE // 2  # samples

Job = tuple[int, Callable[[np.ndarray, np.random.Generator], list[np.ndarray]]]  # row, what is done to it


def windows(wave: np.ndarray) -> list[np.ndarray]:
    """4 s each, overlapping by half, as the demo page cuts; the first six."""
    size = int(WINDOW_SECONDS * SAMPLE_RATE)
    last = max(0, len(wave) - size)
    starts = dict.fromkeys([*range(0, last, size // 2), last])
    return [wave[at : at + size] for at in list(starts)[:MOST_WINDOWS]]


def plain(pool: pd.DataFrame) -> Iterator[Job]:
    """Every recording, those kept back included."""
    for row in range(len(pool)):
        yield row, lambda wave, rng: windows(wave)


def degraded(pool: pd.DataFrame) -> Iterator[Job]:
    """Every recording of the training part, a random stretch through random effects."""
    for row in np.flatnonzero(pool["role"] == "train"):
        yield int(row), lambda wave, rng: [copies.degraded(wave, rng)]


def hifigan(pool: pd.DataFrame) -> Iterator[Job]:
    """Bona fide recordings of the pages' training part through a HiFi-GAN; six in ten degraded, too. Copies of the
    starter's recordings gained nothing."""

    def change(wave: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
        copy = copies.hifigan(wave, rng)
        return [copies.degraded(copy, rng) if rng.random() < 0.6 else copy]

    of_pages = (pool["role"] == "train") & (pool["dataset"] != "starter") & (pool["label"] == "bonafide")
    for row in np.flatnonzero(of_pages):
        yield int(row), change


PARTS = {"plain": plain, "degraded": degraded, "hifigan": hifigan}


def embed(file: Path, pool: pd.DataFrame, jobs: Iterator[Job]) -> dict[str, np.ndarray]:
    """-> `embedding` (n, width), `row` (n,) in the pool; read from `file` where it exists. A copy that is shorter than
    half a second is left out."""
    if not file.is_file():
        encoder, found = Encoder(), []
        for row, change in jobs:
            name = pool["utterance"].iloc[row]
            rng = np.random.default_rng([zlib.crc32(name.encode()), zlib.crc32(f"{file.stem} -".encode())])
            for wave in change(read(pool["path"].iloc[row]), rng):
                if len(wave) >= SHORTEST:
                    found.append((encoder(torch.from_numpy(wave)[None])[0].numpy(), row))
                    if len(found) % 500 == 0:
                        print(f"{file.stem}: {len(found):,} embeddings", flush=True)
        embedding, rows = zip(*found, strict=True)
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, embedding=np.stack(embedding), row=np.array(rows))
    with np.load(file) as held:
        return {"embedding": held["embedding"], "row": held["row"]}


def embed_pool(pool: pd.DataFrame, folder: Path) -> Examples:
    """All recordings and their copies; embeddings are computed once and kept in the folder."""
    parts = [embed(folder / f"{name}.npz", pool, make(pool)) for name, make in PARTS.items()]
    kind = np.repeat(list(PARTS), [len(part["row"]) for part in parts])
    embedding, row = (np.concatenate([part[name] for part in parts]) for name in ("embedding", "row"))
    of = pool.iloc[row]
    bonafide = (of["label"] == "bonafide").to_numpy() & (kind != "hifigan")
    return Examples(embedding, bonafide, of["project"].to_numpy(), of["group"].to_numpy(), kind, row)


def read(path: str) -> np.ndarray:
    """(samples,) of a recording of the pool. ValueError where it is not kept at 16 kHz."""
    wave, rate = soundfile.read(path, dtype="float32", always_2d=True)
    if rate != SAMPLE_RATE:
        raise ValueError(f"{path} has {rate} Hz: the builder's recordings are kept at {SAMPLE_RATE} Hz")
    return wave.mean(1)
