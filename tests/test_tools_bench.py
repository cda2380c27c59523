"""The benchmarks: they count what they say, and leave nothing behind."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from helpers.execution.plan import PLAN
from helpers.features import FeatureSetting, build_cache
from helpers.models import MODELS, is_classical
from helpers.training import check_settings
from tools import bench_training as bench
from tools.bench_cache import bench_cache

SETTING = FeatureSetting("logmel", seconds=0.5, n_fft=256, hop_length=128, n_bands=24)


@pytest.fixture
def table(tmp_path):
    rng, rows = np.random.default_rng(0), []
    for i in range(24):
        path = tmp_path / f"u{i}.flac"
        soundfile.write(path, 0.1 * rng.standard_normal(8000), 16000)
        rows.append(
            (path.stem, str(path), ("bonafide", "spoof")[i % 2], "-", "s", ("train", "dev")[i // 12], "toy")
        )
    return pd.DataFrame(rows, columns=["utterance", "path", "label", "attack", "speaker", "split", "dataset"])


def test_the_training_benchmark_prices_a_network_and_leaves_no_run(table, tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "FEATURES", {"logmel": SETTING})
    cache = build_cache(table, SETTING, tmp_path / "cache", workers=1)
    settings = check_settings({"features": "logmel", "model": "small", "batch_size": 8, "device": "cpu"})
    found = bench.bench_training(settings, cache, clips=12, seconds=0.2)
    assert 0 < found["busy"] <= 1 and found["ms_per_clip"] > 0 and found["memory_gb"] > 0.1
    assert found["la_epoch_minutes"] / found["epoch_minutes"] == pytest.approx(25_380 / 12)
    assert bench.as_markdown(pd.DataFrame([found])).splitlines()[2].startswith("| small | logmel | ")


def test_the_training_benchmark_knows_every_network_of_the_plan():
    found = {(settings.model, settings.features) for settings in bench.plan_settings()}
    networks = {row.model for notebook in PLAN for row in notebook.rows} & {
        n for n in MODELS if not is_classical(n)
    }
    assert {model for model, _ in found} == networks and ("resnet50", "waveform_picture") in found


def test_the_cache_benchmark_compares_the_same_clips(table):
    result = bench_cache(table, SETTING, clips=20, workers=2, repeats=1).set_index("way")
    assert (result["clips"] == 20).all() and (result["clips_per_second"] > 0).all()
    assert result.loc["plain librosa loop", "times_librosa"] == 1.0
