"""How fast a cache is built, next to a plain librosa loop over the same clips and to the floor, decoding alone."""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from helpers.environment import cpu_threads
from helpers.features.cache import build_cache
from helpers.features.settings import FeatureSetting, get_setting


def bench_cache(
    table: pd.DataFrame,
    setting: FeatureSetting,
    clips: int = 512,
    workers: int | None = None,
    repeats: int = 2,
) -> pd.DataFrame:
    """Clips a second of each way, best of `repeats` in turn, on up to `clips` clips evenly spread over `table`.

    Every file is read once beforehand, so that none pays for the disk; librosa has run once, so that it does not pay
    for its compilation. All three write or decode in full: the loop saves an .npy a clip, the cache its array.
    Columns: way, clips, seconds, clips_per_second, times_librosa.
    """
    rows = np.unique(np.linspace(0, len(table) - 1, min(clips, len(table))).astype(int))
    some = table.iloc[rows].reset_index(drop=True)
    paths = some["path"].astype(str).tolist()
    workers = workers or cpu_threads()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        _decode(paths, setting)
        _plain_loop(paths[:1], setting, place)
        ways: dict[str, Callable[[int], None]] = {
            f"cache, {workers} workers": lambda turn: _build(some, setting, place / f"cache-{turn}", workers),
            "cache, 1 worker": lambda turn: _build(some, setting, place / f"single-{turn}", 1),
            "plain librosa loop": lambda turn: _plain_loop(paths, setting, place),
            "decoding alone, 1 core": lambda turn: _decode(paths, setting),
        }
        seconds = {
            way: min(_timed(function, turn) for turn in range(repeats)) for way, function in ways.items()
        }
    result = pd.DataFrame({"way": list(seconds), "clips": len(paths), "seconds": list(seconds.values())})
    result["clips_per_second"] = result["clips"] / result["seconds"]
    result["times_librosa"] = seconds["plain librosa loop"] / result["seconds"]
    return result.round({"seconds": 3, "clips_per_second": 1, "times_librosa": 2})


def _timed(function: Callable[[int], None], turn: int) -> float:
    start = time.perf_counter()
    function(turn)
    return time.perf_counter() - start


def _build(table: pd.DataFrame, setting: FeatureSetting, folder: Path, workers: int) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        build_cache(table, setting, folder, workers=workers, max_rejected=1.0)


def _decode(paths: Sequence[str], setting: FeatureSetting) -> None:
    from helpers.data import BadAudio, read_audio

    for path in paths:
        with contextlib.suppress(BadAudio):
            read_audio(path, setting.sample_rate)


def _plain_loop(paths: Sequence[str], setting: FeatureSetting, place: Path) -> None:
    """What a first script does: load, cut, one librosa call, save; a clip at a time."""
    import librosa

    feature = librosa_feature(setting)
    for path in paths:
        try:
            wave, _ = librosa.load(path, sr=setting.sample_rate)
        except Exception:  # whatever a decoder raises: the loop is here for its speed alone
            continue
        values = feature(np.resize(wave, setting.n_samples))
        np.save(place / "clip.npy", values.astype(np.float16))


def librosa_feature(setting: FeatureSetting) -> Callable[[np.ndarray], np.ndarray]:
    """The same feature by librosa's own function, for one clip; for kinds it lacks, its log-mel."""
    import librosa

    rate, n_fft, hop = setting.sample_rate, setting.n_fft, setting.hop_length
    common: dict[str, Any] = {"n_fft": n_fft, "hop_length": hop}

    def decibels(wave: np.ndarray) -> np.ndarray:
        mel = librosa.feature.melspectrogram(
            y=wave, sr=rate, win_length=setting.window_samples, n_mels=setting.n_bands, **common
        )
        return librosa.power_to_db(mel, top_db=setting.top_db or None)

    def linear(wave: np.ndarray) -> np.ndarray:
        power = np.abs(librosa.stft(wave, win_length=setting.window_samples, **common)) ** 2
        return librosa.power_to_db(power, top_db=None)

    def means(wave: np.ndarray) -> np.ndarray:
        seconds = wave[: len(wave) // rate * rate].reshape(-1, rate)
        return np.mean([_librosa_means(second, rate) for second in seconds], axis=0)

    def three(wave: np.ndarray) -> np.ndarray:
        return np.concatenate(
            [
                librosa.feature.mfcc(y=wave, sr=rate, n_mfcc=setting.n_coefficients, **common),
                librosa.feature.spectral_contrast(y=wave, sr=rate, **common),
                librosa.feature.zero_crossing_rate(wave, frame_length=n_fft, hop_length=hop),
            ]
        )

    known: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "wave": lambda wave: wave,
        "logspec": linear,
        "mfcc": lambda wave: librosa.feature.mfcc(y=wave, sr=rate, n_mfcc=setting.n_coefficients, **common),
        "chroma": lambda wave: librosa.feature.chroma_stft(y=wave, sr=rate, **common),
        "contrast": lambda wave: librosa.feature.spectral_contrast(y=wave, sr=rate, **common),
        "zcr": lambda wave: librosa.feature.zero_crossing_rate(wave, frame_length=n_fft, hop_length=hop),
        "mfcc_contrast_zcr": three,
        "deep_voice_26": means,
    }
    return known.get(setting.kind, decibels)


def _librosa_means(second: np.ndarray, rate: int) -> np.ndarray:
    import librosa.feature as feature

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
    from helpers.data import open_dataset

    parser = argparse.ArgumentParser(prog="python -m tools bench cache", description=__doc__)
    parser.add_argument("--dataset", default="starter", help="a name in data_manifest.yaml")
    parser.add_argument("--source", default="", help="a folder or zip that holds it")
    parser.add_argument("--features", default="logmel", help="a name in FEATURES")
    parser.add_argument("--clips", type=int, default=512, help="how many of them, evenly spread")
    parser.add_argument("--workers", type=int, default=0, help="0 means all cores")
    arguments = parser.parse_args(list(argv))
    setting = get_setting(arguments.features)
    table = open_dataset(arguments.dataset, arguments.source).table
    result = bench_cache(table, setting, arguments.clips, arguments.workers or None)
    print(f"{setting.name} of {result['clips'].iloc[0]} of {len(table)} clips of {arguments.dataset}")
    print(result.to_string(index=False))
    return 0
