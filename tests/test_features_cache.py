"""The cache: what it holds, what it refuses, and that no interruption leaves a half file taken for whole."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import joblib
import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from helpers.data import StagingError, read_audio
from helpers.features import (
    FEATURES,
    FeatureSetting,
    build_cache,
    cache,
    cache_folder,
    computation,
    compute,
    fit_length,
    open_cache,
)

PROJECT = Path(__file__).parents[1]
SMALL = FeatureSetting("logmel", seconds=0.5, n_bands=32)
# A process that fills a cache at a speed at which it can be caught half-way.
SLOW_BUILD = """
import sys, time
from pathlib import Path
import pandas as pd
from helpers.features import FeatureSetting, build_cache, cache
read = cache.read_audio
def slowly(*arguments):
    time.sleep(0.03)
    return read(*arguments)
cache.read_audio = slowly
table = pd.read_csv(sys.argv[1])
build_cache(table, FeatureSetting("logmel", seconds=0.5, n_bands=32), Path(sys.argv[2]), workers=1)
"""


def make_table(folder: Path, n_clips: int, seconds: float = 0.6) -> pd.DataFrame:
    """Clips of noise and tones with an ASVspoof-like table; each differs from each."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(n_clips)
    rows = []
    for i in range(n_clips):
        time_s = np.arange(int(seconds * 16000) + 37 * i) / 16000
        wave = 0.1 * np.sin(2 * np.pi * (150 + 40 * i) * time_s) + 0.02 * rng.standard_normal(len(time_s))
        path = folder / f"U_{i:04d}.flac"
        soundfile.write(path, wave, 16000)
        label = "bonafide" if i % 3 == 0 else "spoof"
        attack = "-" if label == "bonafide" else f"A{i % 6:02d}"
        rows.append(
            (f"U_{i:04d}", str(path), label, attack, f"S{i % 4}", ("train", "dev", "eval")[i % 3], "toy")
        )
    return pd.DataFrame(rows, columns=["utterance", "path", "label", "attack", "speaker", "split", "dataset"])


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return make_table(tmp_path_factory.mktemp("clips"), 70)


@pytest.fixture(scope="module")
def whole(table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of `table` built without any disturbance."""
    return build_cache(table, SMALL, tmp_path_factory.mktemp("whole") / "toy").folder


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != ".lock"}


def run_slow_build(table: pd.DataFrame, tmp_path: Path, folder: Path) -> subprocess.Popen[str]:
    table.to_csv(tmp_path / "table.csv", index=False)
    command = [sys.executable, "-c", SLOW_BUILD, str(tmp_path / "table.csv"), str(folder)]
    return subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for(condition: object, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def test_each_row_is_the_feature_of_its_own_file_to_half_precision(table: pd.DataFrame, whole: Path) -> None:
    cache = open_cache(whole)
    assert cache.table["utterance"].tolist() == table["utterance"].tolist()
    assert (len(cache), cache.shape) == (70, (32, 32))
    order = [69, 0, 33, 33, 16]
    found = cache.read(order)
    assert found.dtype == np.float16
    for row, values in zip(order, found, strict=True):
        wave = fit_length(read_audio(table["path"][row]), SMALL.n_samples)
        expected = compute(torch.from_numpy(wave)[None], SMALL)[0].numpy()
        assert (np.abs(values - expected) <= np.abs(expected) * 2.0**-10).all()


def test_the_table_comes_back_as_it_was(table: pd.DataFrame, tmp_path: Path) -> None:
    odd = table.head(4).assign(speaker=["0012", "NA", "nan", ""], group=[1, 2, 3, 4])
    cache = build_cache(odd, SMALL, tmp_path / "odd")
    pd.testing.assert_frame_equal(cache.table, odd, check_dtype=False)


def test_a_second_call_computes_nothing(
    table: pd.DataFrame, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path: path.stat().st_mtime_ns for path in whole.iterdir()}
    monkeypatch.setattr(cache, "fill_rows", None)
    assert len(build_cache(table, SMALL, whole)) == 70
    assert {path: path.stat().st_mtime_ns for path in whole.iterdir()} == before


def test_the_name_changes_with_setting_and_with_table(table: pd.DataFrame, tmp_path: Path) -> None:
    def name(rows: pd.DataFrame, setting: FeatureSetting = SMALL) -> str:
        return cache_folder(tmp_path, rows, setting).name

    changed = [
        name(table, FeatureSetting("logmel", seconds=0.5, n_bands=33)),
        name(table.iloc[:-1]),
        name(table.iloc[::-1]),
        name(table.assign(label=table["label"].replace("spoof", "bonafide"))),
        name(table.assign(split="train")),
    ]
    assert len({name(table), *changed}) == 6
    assert name(table).startswith("toy-logmel-")


def test_the_name_follows_the_files_and_not_the_folder_they_lie_in(tmp_path: Path) -> None:
    here, there = make_table(tmp_path / "here", 3), make_table(tmp_path / "there", 3)
    names = [cache_folder(tmp_path, rows, SMALL) for rows in (here, there)]
    assert names[0] == names[1]
    soundfile.write(there["path"][1], np.full(9000, 0.1), 16000)
    assert cache_folder(tmp_path, there, SMALL) != names[0]


def test_a_folder_of_other_features_is_refused(table: pd.DataFrame, whole: Path) -> None:
    with pytest.raises(ValueError, match="another setting"):
        build_cache(table, FEATURES["logmel"], whole)
    with pytest.raises(ValueError, match="another utterance table"):
        build_cache(table.head(20), SMALL, whole)


def test_bad_files_are_left_out_with_their_reason(tmp_path: Path) -> None:
    rows = make_table(tmp_path / "clips", 40)
    soundfile.write(rows["path"][3], np.zeros(16000), 16000)
    soundfile.write(rows["path"][20], np.full(800, 0.1), 16000)
    Path(rows["path"][21]).write_bytes(b"")
    cut = Path(rows["path"][22])
    soundfile.write(cut, np.full(16000, 0.1), 16000, format="WAV")  # a WAV, whatever its name says
    cut.write_bytes(cut.read_bytes()[:20_000])
    Path(rows["path"][39]).unlink()
    cache = build_cache(rows, SMALL, tmp_path / "cache", max_rejected=0.125)
    assert cache.rejected["utterance"].tolist() == ["U_0003", "U_0020", "U_0021", "U_0022", "U_0039"]
    words = ["is silent", "less than 0.1 s", "is empty", "is cut off: 0.62 s of 1.00 s", "is not there"]
    assert all(word in reason for word, reason in zip(words, cache.rejected["reason"], strict=True))
    assert len(cache) == 35
    for row, name in ((3, "U_0004"), (34, "U_0038")):
        assert cache.table["utterance"][row] == name
        wave = fit_length(read_audio(cache.table["path"][row]), SMALL.n_samples)
        expected = compute(torch.from_numpy(wave)[None], SMALL)[0].half().numpy()
        np.testing.assert_allclose(cache.read([row])[0], expected, atol=0.02)
    pd.testing.assert_frame_equal(open_cache(cache.folder).rejected, cache.rejected)
    # The same folder, asked for with more rigour.
    with pytest.raises(ValueError, match="5 of 40 clips"):
        build_cache(rows, SMALL, tmp_path / "cache", max_rejected=0.01)


def test_too_many_bad_files_stop_the_build_in_words_and_can_be_allowed(tmp_path: Path) -> None:
    rows = make_table(tmp_path / "clips", 20)
    for row in (2, 7):
        Path(rows["path"][row]).write_bytes(b"no audio")
    with pytest.raises(
        ValueError, match=r"of 20 clips cannot be used, more than max_rejected = 1.00%. U_0002: "
    ):
        build_cache(rows, SMALL, tmp_path / "cache")
    assert not (tmp_path / "cache" / "table.csv").exists()
    assert (tmp_path / "cache" / "rejected.csv").is_file()
    assert len(build_cache(rows, SMALL, tmp_path / "cache", max_rejected=0.2)) == 18
    with pytest.raises(ValueError, match="is empty: there is nothing"):
        build_cache(rows.head(0), SMALL, tmp_path / "none")
    with pytest.raises(ValueError, match="none of the 1 clips"):
        build_cache(rows.iloc[[2]], SMALL, tmp_path / "bad", max_rejected=1.0)


def test_a_mended_file_is_taken_into_a_cache_that_was_finished_without_it(tmp_path: Path) -> None:
    """Of equal size, as a file beyond the 4,096 whose sizes are looked at may also be: the folder is the same."""
    rows = make_table(tmp_path / "clips", 40)
    mended = {row: Path(rows["path"][row]).read_bytes() for row in (3, 20)}
    for row in mended:
        Path(rows["path"][row]).write_bytes(bytes(len(mended[row])))
    cache = build_cache(rows, SMALL, tmp_path / "cache", max_rejected=0.1)
    first = cache.read(range(38))
    Path(rows["path"][20]).write_bytes(mended[20])
    cache = build_cache(rows, SMALL, tmp_path / "cache")
    assert cache.rejected["utterance"].tolist() == ["U_0003"]
    wave = fit_length(read_audio(rows["path"][20]), SMALL.n_samples)
    expected = compute(torch.from_numpy(wave)[None], SMALL)[0].half().numpy()
    np.testing.assert_allclose(cache.read([19])[0], expected, atol=0.02)
    np.testing.assert_array_equal(np.delete(cache.read(range(39)), 19, axis=0), first)


def test_a_file_whose_name_is_no_utf8_is_read(tmp_path: Path) -> None:
    table = make_table(tmp_path, 3)
    named = os.fsdecode(os.fsencode(tmp_path) + b"/b\xf6se.wav")
    os.rename(table.loc[1, "path"], named)
    table.loc[1, "path"] = named
    build_cache(table, SMALL, tmp_path / "cache", max_rejected=0.5)
    cache = open_cache(tmp_path / "cache")
    assert len(cache) == 3 and named in list(cache.table["path"])


def test_what_was_allowed_for_one_feature_is_allowed_for_the_next(tmp_path: Path) -> None:
    """03 is told `max_rejected`; the trainings open its caches, and make their own, without being told again."""
    rows = make_table(tmp_path / "clips", 20)
    Path(rows["path"][2]).write_bytes(b"no audio")
    assert len(build_cache(rows, SMALL, tmp_path / "one", max_rejected=0.2)) == 19
    assert len(build_cache(rows, SMALL, tmp_path / "one")) == 19
    assert len(build_cache(rows, FEATURES["chroma"], tmp_path / "two")) == 19


def test_a_cache_of_files_that_have_moved_tells_their_new_place(tmp_path: Path) -> None:
    rows = make_table(tmp_path / "before", 4)
    build_cache(rows, SMALL, tmp_path / "cache")
    (tmp_path / "before").rename(tmp_path / "after")
    moved = rows.assign(path=rows["path"].str.replace("before", "after"))
    assert build_cache(moved, SMALL, tmp_path / "cache").table["path"].tolist() == moved["path"].tolist()


def test_values_beyond_half_precision_are_rejected_and_not_clipped(tmp_path: Path, monkeypatch) -> None:
    rows = make_table(tmp_path / "clips", 4)
    soundfile.write(tmp_path / "clips" / "loud.wav", np.linspace(-1e5, 1e5, 9000), 16000, subtype="FLOAT")
    rows.loc[2, "path"] = str(tmp_path / "clips" / "loud.wav")
    setting = FeatureSetting("wave", seconds=0.5)
    monkeypatch.setattr(
        "helpers.features.cache.compute", computation.feature_of
    )  # as a feature that is not levelled
    cache = build_cache(rows, setting, tmp_path / "cache", max_rejected=0.5)
    assert cache.rejected["reason"].str.contains("float16 holds at most 65504").tolist() == [True]
    assert len(cache) == 3


def test_one_worker_and_many_fill_the_same_bytes(table: pd.DataFrame, whole: Path, tmp_path: Path) -> None:
    assert files(build_cache(table, SMALL, tmp_path / "one", workers=1).folder) == files(whole)
    assert files(build_cache(table, SMALL, tmp_path / "three", workers=3).folder) == files(whole)


def test_room_is_checked_before_anything_is_computed(
    table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100_000))
    with pytest.raises(StagingError, match="the logmel cache needs 143 kB at .* where 100 kB are free"):
        build_cache(table, SMALL, tmp_path / "cache")  # 70 clips of 32 x 32 numbers of two bytes
    assert not list((tmp_path / "cache").glob("*.npy"))


def rows_done(folder: Path) -> int:
    path = folder / "done.npy"
    return int((np.load(path) == 1).sum()) if (folder / "setting.json").is_file() else 0


def test_killed_build_resumes_and_computes_no_finished_row_again(
    table: pd.DataFrame, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cache"
    process = run_slow_build(table, tmp_path, folder)
    wait_for(lambda: rows_done(folder) > 0 or process.poll() is not None)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    n_done = rows_done(folder)
    assert 0 < n_done < 70, "it was to be killed half-way"
    with pytest.raises(FileNotFoundError, match="unfinished cache"):
        open_cache(folder)
    read: list[str] = []
    real = cache.read_audio
    monkeypatch.setattr(cache, "read_audio", lambda path, *rest: read.append(path) or real(path, *rest))
    found = build_cache(table, SMALL, folder)
    assert len(read) == len(set(read)) == 70 - n_done
    assert files(found.folder) == files(whole)


def test_two_processes_building_one_cache_compute_each_row_once(
    table: pd.DataFrame, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "cache"
    process = run_slow_build(table, tmp_path, folder)
    wait_for(lambda: rows_done(folder) > 0 or process.poll() is not None)
    found = build_cache(table, SMALL, folder)
    said, _ = process.communicate()
    assert process.returncode == 0, said
    assert "another process is filling" in capsys.readouterr().out
    assert files(found.folder) == files(whole)


def test_an_array_cut_short_is_noticed(table: pd.DataFrame, tmp_path: Path) -> None:
    path = build_cache(table.head(20), SMALL, tmp_path / "cache").folder / "features.npy"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="is damaged .* remove it"):
        open_cache(path.parent)


def test_a_full_disk_is_said_and_the_next_call_resumes(
    table: pd.DataFrame, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        if rows_done(tmp_path / "cache") >= 32:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StagingError, match="filled up while the logmel cache was filled: .* continues"):
            build_cache(table, SMALL, tmp_path / "cache", workers=1)
    assert files(build_cache(table, SMALL, tmp_path / "cache").folder) == files(whole)


def test_a_dask_cluster_fills_the_same_cache(table: pd.DataFrame, whole: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed")
    where = {"dashboard_address": None, "local_directory": str(tmp_path)}
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=2, processes=False, **where) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        found = build_cache(table, SMALL, tmp_path / "cluster")
    assert files(found.folder) == files(whole)
