"""Real clips of the starter corpus and a detector trained on a few of them in seconds: for the tests of the demo."""

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
FORMS = [
    ("wav", "WAV", "PCM_16"), ("wav", "WAV", "FLOAT"), ("wav", "WAV", "ULAW"), ("flac", "FLAC", "PCM_16"),
    ("ogg", "OGG", "VORBIS"), ("opus", "OGG", "OPUS"), ("mp3", "MP3", "MPEG_LAYER_III"), ("aiff", "AIFF", "PCM_24"),
]  # fmt: skip


@functools.cache
def clips(n: int = 24) -> list[np.ndarray]:
    """Real bona fide speech of the starter's dev part, float32 (samples,) each, at least 2 s."""
    found = []
    with zipfile.ZipFile(STARTER) as archive:
        key = next(name for name in archive.namelist() if name.endswith("cm.dev.trl.txt"))
        rows = [line.split() for line in archive.read(key).decode().splitlines()]
        for row in rows:
            if row[-1] == "bonafide" and len(found) < n:
                content = archive.read(f"LA/ASVspoof2019_LA_dev/flac/{row[1]}.ogg")
                wave, rate = soundfile.read(io.BytesIO(content), dtype="float32")
                assert rate == RATE
                found += [wave] if len(wave) > 2 * RATE else []
    return found


def voice(number: int, spoof: bool = False, seconds: float = 3.0) -> np.ndarray:
    """float32 (samples,): a clip of the corpus, repeated to its length; a spoof also buzzes at 5 kHz."""
    clip = clips()[number % len(clips())]
    wave = np.resize(clip, round(seconds * RATE))
    wave = 0.5 * wave / np.abs(wave).max()
    if spoof:
        wave = wave + 0.04 * np.sin(2 * np.pi * 5000 * np.arange(len(wave)) / RATE)
    return wave.astype(np.float32)


def write_corpus(folder: Path, n: int = 32) -> pd.DataFrame:
    """An utterance table over `n` clips a split, half of them spoofs."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for s, split in enumerate(("train", "dev", "eval")):
        for i in range(n):
            spoof, name = i % 2 == 1, f"T_{split}_{i:03d}"
            path = folder / f"{name}.wav"
            soundfile.write(path, voice(8 * s + i // 2, spoof, 2 + 0.1 * (i % 20)), RATE, subtype="PCM_16")
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

    given = {
        "dataset": "toys",
        "features": "logmel",
        "model": model,
        "epochs": 6,
        "lr": 3e-3,
        "batch_size": 16,
    }
    given.update(parameters)
    settings = TrainSettings(**given)
    cache = build_cache(write_corpus(folder), FEATURES[settings.features])
    run = open_run("26_train_small", given, "none", runs_dir)
    trained = (fit_classical if is_classical(model) else fit)(settings, cache, run)
    run.finish(complete=True, metrics=summarise(run.read_scores()), **describe(trained, cache, settings))
    return run


@functools.cache
def toy_run():
    """One trained run for all tests of a process."""
    folder = Path(tempfile.mkdtemp(prefix="demo-toys-"))
    atexit.register(shutil.rmtree, folder, True)
    return train(folder / "audio", folder / "runs", epochs=5, batch_size=8, width=16)


@functools.cache
def toy_detector():
    from helpers.demo.detector import load_detector

    return load_detector(toy_run().folder)


def toy_audio() -> Path:
    """The folder of the toy run's recordings."""
    return toy_run().folder.parents[1] / "audio"


def sound_files() -> list[tuple[str, bytes]]:
    """(suffix, content) of the same short recording in eight forms."""
    files = []
    for suffix, form, subtype in FORMS:
        buffer = io.BytesIO()
        soundfile.write(buffer, voice(0, seconds=1.5), RATE, format=form, subtype=subtype)
        files.append((suffix, buffer.getvalue()))
    return files


def mutate(content: bytes, rng: np.random.Generator) -> bytes:
    """Cut off, bits flipped, a lie in the header, a piece reversed, rubbish behind, or zeros."""
    data, kind, n = bytearray(content), int(rng.integers(6)), len(content)
    a, b = sorted(rng.integers(n, size=2))
    if kind == 0:
        del data[a:]
    elif kind == 1:
        for place in rng.integers(n, size=20):
            data[place] ^= 1 << int(rng.integers(8))
    elif kind == 2:
        place = int(rng.integers(min(n - 4, 96)))
        data[place : place + 4] = b"\xff\xff\xff\x7f"
    elif kind == 3:
        data[a:b] = data[a:b][::-1]
    elif kind == 4:
        data += rng.bytes(5000)
    else:
        data[a:b] = bytes(b - a)
    return bytes(data)
