"""A corpus of artificial voices and a detector that is trained on them in seconds: for the tests of the demo."""

from __future__ import annotations

import atexit
import functools
import io
import shutil
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

RATE = 16_000
STARTER = Path(__file__).parents[1] / "helpers" / "data" / "starter.zip"


def voice(seed: int, spoof: bool = False, seconds: float = 3.0) -> np.ndarray:
    """float32 (samples,) like speech in rhythm and pitch: syllables of harmonics, noise between; a spoof buzzes at 5 kHz."""
    rng = np.random.default_rng(seed)
    n = round(seconds * RATE)
    time = np.arange(n) / RATE
    knots = np.arange(0, seconds + 1, 0.2)
    pitch = np.interp(time, knots, rng.uniform(100, 220, len(knots)))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    wave = sum(np.sin(k * phase) * rng.uniform(0.3, 1) / k for k in range(1, 12))
    loud = np.interp(time, knots / 2, rng.choice([0.01, 0.3, 1.0], len(knots)))
    hiss = rng.standard_normal(n) * (0.02 + 0.3 * (loud < 0.2) * (rng.random() + 0.5) * loud)
    wave = wave * loud + hiss
    if spoof:
        wave += 0.04 * np.sin(2 * np.pi * (5000 + rng.uniform(-100, 100)) * time) * (1 + rng.random())
    return (0.3 * wave / np.abs(wave).max()).astype(np.float32)


def write_corpus(folder: Path, n: int = 32) -> pd.DataFrame:
    """An utterance table over `n` clips a split, half of them spoofs."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for s, split in enumerate(("train", "dev", "eval")):
        for i in range(n):
            spoof = i % 2 == 1
            name = f"T_{split}_{i:03d}"
            path = folder / f"{name}.wav"
            soundfile.write(
                path, voice(1000 * s + i, spoof, seconds=2 + 0.1 * (i % 20)), RATE, subtype="PCM_16"
            )
            rows.append(
                {"utterance": name, "path": str(path), "label": "spoof" if spoof else "bonafide",
                 "attack": "A01" if spoof else "-", "speaker": f"S{i % 4}", "split": split, "dataset": "toys"}
            )  # fmt: skip
    return pd.DataFrame(rows)


def train(folder: Path, runs_dir: Path, model: str = "small", **parameters):
    """A complete run folder below `runs_dir`; features are cached below HELPERS_WORK."""
    from helpers.evaluation import summarise
    from helpers.features import FEATURES, build_cache
    from helpers.models import is_classical
    from helpers.runs import open_run
    from helpers.training import TrainSettings, describe, fit, fit_classical

    table = write_corpus(folder)
    given = {
        "dataset": "toys",
        "features": "logmel",
        "model": model,
        "epochs": 6,
        "lr": 3e-3,
        "batch_size": 16,
        **parameters,
    }
    settings = TrainSettings(**given)
    cache = build_cache(table, FEATURES[settings.features])
    run = open_run("26_train_small", given, "none", runs_dir)
    trained = (fit_classical if is_classical(model) else fit)(settings, cache, run)
    run.finish(complete=True, metrics=summarise(run.read_scores()), **describe(trained, cache, settings))
    return run


@functools.lru_cache(maxsize=1)
def toy_run():
    """One trained run for all tests of a process, its feature statistics beside it."""
    from helpers.demo.detector import load_detector

    folder = Path(tempfile.mkdtemp(prefix="demo-toys-"))
    atexit.register(shutil.rmtree, folder, True)
    run = train(folder / "audio", folder / "runs", epochs=5, batch_size=8, width=16)
    load_detector(run.folder)  # writes familiar.json while the feature cache is there
    return run


@functools.lru_cache(maxsize=1)
def toy_detector():
    from helpers.demo.detector import load_detector

    return load_detector(toy_run().folder)


def toy_audio() -> Path:
    """The folder of the toy run's recordings."""
    return toy_run().folder.parents[1] / "audio"


FORMS = [
    ("wav", "WAV", "PCM_16"), ("wav", "WAV", "FLOAT"), ("wav", "WAV", "ULAW"), ("wav", "WAV", "IMA_ADPCM"), ("flac", "FLAC", "PCM_16"),
    ("ogg", "OGG", "VORBIS"), ("opus", "OGG", "OPUS"), ("mp3", "MP3", "MPEG_LAYER_III"), ("aiff", "AIFF", "PCM_24"),
    ("au", "AU", "PCM_16"), ("caf", "CAF", "ALAC_16"), ("w64", "W64", "PCM_16"),
]  # fmt: skip


def corpus_clip(seconds: float = 1.5) -> np.ndarray:
    """float32 (samples,): the middle of a recording of the starter corpus."""
    with zipfile.ZipFile(STARTER) as archive:
        name = min(name for name in archive.namelist() if "LA_dev/flac/" in name)
        wave, rate = soundfile.read(io.BytesIO(archive.read(name)), dtype="float32")
    assert rate == RATE
    start = max(0, (len(wave) - round(seconds * RATE)) // 2)
    return wave[start : start + round(seconds * RATE)]


def sound_files() -> list[tuple[str, bytes]]:
    """(suffix, content) of the same short recording in twelve forms."""
    files, wave = [], corpus_clip()
    for suffix, form, subtype in FORMS:
        buffer = io.BytesIO()
        soundfile.write(buffer, wave, RATE, format=form, subtype=subtype)
        files.append((suffix, buffer.getvalue()))
    return files


def mutate(content: bytes, rng: np.random.Generator) -> bytes:
    """Cut off, bits flipped, header fields of extremes, pieces moved, rubbish in front or behind, or several of these."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 4))):
        if not data:
            break
        kind, n = int(rng.integers(7)), len(data)
        if kind == 0:
            del data[int(rng.integers(n)) :]
        elif kind == 1:
            for place in rng.integers(n, size=int(rng.integers(1, 40))):
                data[place] ^= 1 << int(rng.integers(8))
        elif kind == 2:  # a lie in the header
            place = int(rng.integers(min(n, 96)))
            lie = [
                b"\xff\xff\xff\xff",
                b"\x00\x00\x00\x00",
                b"\x7f\xff\xff\xff",
                b"\xff\xff\xff\x7f",
                b"\x01\x00\x00\x00",
            ][rng.integers(5)]
            data[place : place + 4] = lie[: max(0, n - place)]
        elif kind == 3:
            data[: int(rng.integers(1, 80))] = rng.bytes(int(rng.integers(80)))
        elif kind == 4:
            a, b = sorted(rng.integers(n, size=2))
            data[a:b] = data[a:b][::-1]
        elif kind == 5:
            data += rng.bytes(int(rng.integers(5000)))
        else:
            a, b = sorted(rng.integers(n, size=2))
            data[a:b] = b"\x00" * (b - a)
    return bytes(data)
