"""How fast a cache is built, next to a plain librosa loop over the same clips and to the floor, decoding alone."""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import librosa
import numpy as np
import pandas as pd

from helpers.data import BadAudio, open_dataset, read_audio
from helpers.environment import cpu_threads
from helpers.features import FeatureSetting, build_cache, get_setting


def bench_cache(
    table: pd.DataFrame, setting: FeatureSetting, clips: int = 512, workers: int = 0, repeats: int = 2
) -> pd.DataFrame:
    """Clips a second of each way, best of `repeats` in turn, on up to `clips` clips evenly spread over `table`.

    Every file is read once beforehand, so that none pays for the disk; librosa has run once, so that it does not pay
    for its compilation. The loop saves an .npy a clip, the cache its array. Columns: way, clips, seconds,
    clips_per_second, times_librosa.
    """
    rows = np.unique(np.linspace(0, len(table) - 1, min(clips, len(table))).astype(int))
    some = table.iloc[rows].reset_index(drop=True)
    paths, workers = some["path"].astype(str).tolist(), workers or cpu_threads()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        ways: dict[str, Callable[[int], None]] = {
            f"cache, {workers} workers": lambda turn: _build(some, setting, place / f"all-{turn}", workers),
            "cache, 1 worker": lambda turn: _build(some, setting, place / f"one-{turn}", 1),
            "plain librosa loop": lambda turn: _librosa_loop(paths, setting, place),
            "decoding alone, 1 core": lambda turn: _decode(paths, setting),
        }
        _decode(paths, setting)
        _librosa_loop(paths[:1], setting, place)
        seconds = {way: min(_timed(run, turn) for turn in range(repeats)) for way, run in ways.items()}
    result = pd.DataFrame({"way": list(seconds), "clips": len(paths), "seconds": list(seconds.values())})
    result["clips_per_second"] = result["clips"] / result["seconds"]
    result["times_librosa"] = seconds["plain librosa loop"] / result["seconds"]
    return result.round({"seconds": 3, "clips_per_second": 1, "times_librosa": 2})


def _timed(run: Callable[[int], None], turn: int) -> float:
    start = time.perf_counter()
    run(turn)
    return time.perf_counter() - start


def _build(table: pd.DataFrame, setting: FeatureSetting, folder: Path, workers: int) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        build_cache(table, setting, folder, workers=workers, max_rejected=1.0)


def _decode(paths: Sequence[str], setting: FeatureSetting) -> None:
    for path in paths:
        with contextlib.suppress(BadAudio):
            read_audio(path, setting.sample_rate)


def _librosa_loop(paths: Sequence[str], setting: FeatureSetting, place: Path) -> None:
    """What a first script does: load, cut, one librosa call (log-mel for kinds it lacks), save; a clip at a time."""
    rate, how = setting.sample_rate, {"n_fft": setting.n_fft, "hop_length": setting.hop_length}
    for path in paths:
        wave = np.resize(librosa.load(path, sr=rate)[0], setting.n_samples)
        if setting.kind == "deep_voice_26":
            seconds = wave[: len(wave) // rate * rate].reshape(-1, rate)
            values = np.mean([librosa_means(second, rate) for second in seconds], axis=0)
        elif setting.kind == "mfcc":
            values = librosa.feature.mfcc(y=wave, sr=rate, n_mfcc=setting.n_coefficients, **how)
        else:
            mel = librosa.feature.melspectrogram(y=wave, sr=rate, n_mels=setting.n_bands, **how)
            values = librosa.power_to_db(mel)
        np.save(place / "clip.npy", values.astype(np.float16))


def librosa_means(second: np.ndarray, rate: int) -> np.ndarray:
    """(samples,) -> (26,) the means of DEEP-VOICE, each by librosa's own function."""
    feature = librosa.feature
    parts = [
        feature.chroma_stft(y=second, sr=rate),
        feature.rms(y=second),
        feature.spectral_centroid(y=second, sr=rate),
        feature.spectral_bandwidth(y=second, sr=rate),
        feature.spectral_rolloff(y=second, sr=rate),
        feature.zero_crossing_rate(second),
    ]
    return np.array([part.mean() for part in parts] + list(feature.mfcc(y=second, sr=rate).mean(1)))


def main(argv: Sequence[str]) -> int:
    """`python -m tools bench cache [--dataset starter] [--features logmel] [--clips 512]`."""
    parser = argparse.ArgumentParser(prog="python -m tools bench cache", description=__doc__)
    parser.add_argument("--dataset", default="starter", help="a name in data_manifest.yaml")
    parser.add_argument("--features", default="logmel", help="a name in FEATURES")
    parser.add_argument("--clips", type=int, default=512, help="how many of them, evenly spread")
    asked = parser.parse_args(list(argv))
    table = open_dataset(asked.dataset, "").table
    print(bench_cache(table, get_setting(asked.features), asked.clips).to_string(index=False))
    return 0
