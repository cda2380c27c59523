"""The training loop: resumable to the digit, equal across processes, honest about what it saw."""

import os
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from torch.nn import functional as F

from helpers.features import FEATURES as KNOWN
from helpers.features import FeatureSetting, build_cache, compute
from helpers.runs import open_run
from helpers.training import check_settings, describe, fit, loop
from helpers.training.augment import FEATURES, augment_features, augment_waves
from helpers.training.batches import BatchReader, clip_weights, epoch_order, split_rows, step_seed, subset
from helpers.training.classical import encode
from helpers.training.folds import fit_folds
from helpers.training.loop import ADDITIVE_MARGIN, SCALE, loss_of

PROJECT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SETTING = FeatureSetting("logmel", seconds=0.5, n_fft=256, hop_length=128, n_bands=24)
PARAMETERS = {
    "dataset": "tones", "features": "logmel", "model": "small", "epochs": 3, "batch_size": 8, "lr": 3e-3,
    "augment": "specaugment+noise", "crop_frames": 32, "seed": 3, "device": "cpu", "width": 16,
}  # fmt: skip


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Seventy-two half-second clips: a tone in white noise for bona fide, in noise below 4 kHz for spoofs."""
    folder = tmp_path_factory.mktemp("tones")
    rng = np.random.default_rng(0)
    rows = []
    for i in range(72):
        label = ("bonafide", "spoof")[i % 2]
        spectrum = np.fft.rfft(rng.standard_normal(8000))
        if label == "spoof":
            spectrum[2000:] *= 0.05
        tone = np.sin(2 * np.pi * rng.uniform(500, 3000) * np.arange(8000) / 16000)
        soundfile.write(folder / f"u{i}.wav", 0.1 * tone + 0.02 * np.fft.irfft(spectrum), 16000)
        rows.append(
            (f"u{i}", str(folder / f"u{i}.wav"), label, "-" if i % 2 == 0 else f"A0{1 + i % 4}", f"s{i % 6}")
        )
    table = pd.DataFrame(rows, columns=["utterance", "path", "label", "attack", "speaker"])
    table["split"] = np.repeat(["train", "dev", "eval"], 24)
    table["dataset"] = "tones"
    return build_cache(table, SETTING, folder / "cache", workers=1)


def train(cache, runs, **changes):
    parameters = {**PARAMETERS, **changes}
    run = open_run("21_train_lcnn", parameters, "data", runs)
    return fit(check_settings(parameters), cache, run), run


def test_a_training_learns_and_describes_itself(cache, tmp_path):
    trained, run = train(cache, tmp_path, epochs=12)
    assert trained.complete and len(trained.history) == 12
    assert trained.history["train_loss"].iloc[-1] < 0.7 * trained.history["train_loss"].iloc[0]
    assert set(run.read_scores()["split"]) == {"dev", "eval"}
    sections = describe(trained, cache, check_settings({**PARAMETERS, "epochs": 12}))
    assert sections["data"]["counts"]["train"] == {"bonafide": 12, "spoof": 12}
    assert sections["environment"]["precision"] == "fp32" and sections["environment"]["processor"]
    assert sections["model_info"]["started_from"] == "random numbers" and 0 < sections["timing"]["busy"] <= 1
    assert sections["model_info"]["parameters"] > 0 and sections["notes"] == []


@pytest.mark.parametrize("names", ["telephone", "noise+reverb"])
def test_sound_is_changed_before_features_are_taken_from_it(cache, names):
    rows = np.array([0, 1, 5])
    settings = check_settings({**PARAMETERS, "augment": "none", "augment_wave": names, "crop_frames": 0})
    reader = BatchReader(cache, SETTING, settings)
    generator = torch.Generator().manual_seed(step_seed(PARAMETERS["seed"], 2, 4))
    waves = np.stack([soundfile.read(path, dtype="float32")[0] for path in cache.table["path"].iloc[rows]])
    expected = compute(augment_waves(torch.from_numpy(waves), names.split("+"), generator), SETTING)
    torch.testing.assert_close(reader.training_batch(rows, 2, 4), expected)
    assert not torch.allclose(expected, reader.features(rows), atol=0.1)


def test_a_training_goes_on_where_a_machine_with_another_precision_left_it(cache, tmp_path, monkeypatch):
    """A CPU saves no scaler; a T4 needs one. The GPU's precision is put in by hand, the scaler is torch's own."""
    started, _ = train(cache, tmp_path, max_minutes=1e-9)
    assert not started.complete
    monkeypatch.setattr(loop, "pick_precision", lambda *given: torch.float16)
    assert train(cache, tmp_path, max_minutes=0.0)[0].complete


def test_training_stopped_by_the_clock_ends_with_the_same_scores(cache, tmp_path):
    whole, _ = train(cache, tmp_path / "whole", averaging=0.9)
    for start in (1, 2, 3):  # one epoch each, however little time is allowed
        part, run = train(cache, tmp_path / "parts", averaging=0.9, max_minutes=1e-9)
        assert len(part.history) == start and part.complete == (start == 3)
    pd.testing.assert_frame_equal(whole.scores, part.scores)


def test_killed_training_goes_on_with_the_same_scores(cache, tmp_path):
    whole, _ = train(cache, tmp_path / "whole", epochs=6)
    parameters = {**PARAMETERS, "epochs": 6}
    run = open_run("21_train_lcnn", parameters, "data", tmp_path / "killed")
    code = (
        "import sys, json; sys.path.insert(0, sys.argv[1])\n"
        "from helpers.features import open_cache\nfrom helpers.runs import read_run\n"
        "from helpers.training import check_settings, fit\nfrom pathlib import Path\n"
        "run = read_run(Path(sys.argv[2])); fit(check_settings(run.parameters), open_cache(Path(sys.argv[3])), run)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code, PROJECT, str(run.folder), str(cache.folder)])
    try:
        deadline = time.monotonic() + 120
        while not (run.folder / "last.pt").exists() and time.monotonic() < deadline and child.poll() is None:
            time.sleep(0.005)
    finally:
        child.kill()
        child.wait()
    assert (run.folder / "last.pt").exists()
    done = torch.load(run.folder / "last.pt", weights_only=True)["epoch"]
    assert 1 <= done <= 6
    again = open_run("21_train_lcnn", parameters, "data", tmp_path / "killed")
    resumed = fit(check_settings(parameters), cache, again)
    assert len(resumed.history) == 6 and list(resumed.history["epoch"]) == [1, 2, 3, 4, 5, 6]
    np.testing.assert_allclose(resumed.scores["score"], whole.scores["score"], rtol=0, atol=1e-6)


def test_a_wrong_parameter_is_refused_in_words():
    with pytest.raises(ValueError, match="epochs.*greater than or equal to 1"):
        check_settings({"epochs": 0})
    with pytest.raises(ValueError, match="'specaugmen' is none of specaugment"):
        check_settings({"augment": "specaugmen"})
    with pytest.raises(ValueError, match="did you mean logmel"):
        check_settings({"features": "logmell"})
    with pytest.raises(ValueError, match="did you mean 'lcnn'"):
        check_settings({"model": "lcn"})
    with pytest.raises(ValueError, match="did you mean 'pooling'"):
        check_settings({"poling": "lstm"})
    assert check_settings({"probe_clips": 3, "width": 8, "model": "small"}, others=True).options == {
        "width": 8
    }
    assert check_settings({"pooling": "lstm"}).options == {"pooling": "lstm"}


def test_one_class_in_train_is_refused(cache, tmp_path):
    table = cache.table.copy()
    table.loc[table["split"] == "train", "label"] = "spoof"
    with pytest.raises(ValueError, match="train needs both classes, got 24 spoof"):
        split_rows(table, check_settings({}))


def test_a_left_out_attack_is_selected_on_and_never_trained_on(cache):
    rows = split_rows(cache.table, check_settings({"leave_out": "A02"}))
    attacks = cache.table["attack"].to_numpy()
    assert "A02" not in attacks[rows["train"]]
    assert set(attacks[rows["select"]]) == {"-", "A02"} and "eval" not in set(
        cache.table["split"][rows["select"]]
    )
    with pytest.raises(ValueError, match="no attack of train or dev: A02, A04$"):
        split_rows(cache.table, check_settings({"leave_out": "A42"}))


def test_a_subset_keeps_the_proportion_and_is_always_the_same(cache):
    table = cache.table.iloc[:24]
    rows = subset(table, 12)
    assert list(rows) == list(subset(table, 12)) and len(rows) == 12
    assert (table["label"].iloc[rows] == "bonafide").sum() == 6
    assert len(subset(table, 0)) == 24


def test_sampling_balances_the_classes():
    labels = np.array([1] * 5 + [0] * 20)
    over = labels[epoch_order(labels, check_settings({"balance": "oversample"}), 0)]
    under = labels[epoch_order(labels, check_settings({"balance": "undersample"}), 0)]
    assert (over == 1).sum() == (over == 0).sum() == 20 and (under == 1).sum() == (under == 0).sum() == 5
    table = pd.DataFrame({"label": np.where(labels == 1, "bonafide", "spoof"), "dataset": "d"})
    table["attack"] = ["-"] * 5 + ["A01"] * 15 + ["A02"] * 5
    weights = clip_weights(table, "weights")
    assert weights[:5].sum() == pytest.approx(float(weights[5:].sum()))
    weights = clip_weights(table, "group")
    shares = [float(part.sum()) for part in weights.split([5, 15, 5])]
    assert shares == pytest.approx([12.5, 6.25, 6.25])


def test_losses_equal_their_definitions():
    generator = torch.Generator().manual_seed(0)
    labels = (torch.rand(32, generator=generator) > 0.5).float()
    weights = torch.tensor([0.5, 2.0])
    logits = torch.randn(32, generator=generator)
    each = weights[labels.long()]
    expected = F.binary_cross_entropy_with_logits(logits, labels, weight=each)
    torch.testing.assert_close((loss_of("cross_entropy", logits, labels) * each).mean(), expected)
    # One-class softmax, eq. 4 of Zhang, Jiang and Duan 2021, term by term.
    cosines = torch.rand(32, generator=generator) * 2 - 1
    terms = [
        np.log1p(np.exp(SCALE * ((0.9 - c) if y else (c - 0.2)))) * w
        for c, y, w in zip(cosines.tolist(), labels.tolist(), each.tolist())
    ]
    assert float((loss_of("one_class_softmax", cosines, labels) * each).mean()) == pytest.approx(
        np.mean(terms), rel=1e-5
    )
    # Additive margin: a two-class softmax over scaled cosines, the margin taken from the true class.
    both = torch.rand(32, 2, generator=generator) * 2 - 1
    margin = ADDITIVE_MARGIN * F.one_hot(labels.long(), 2)
    expected = (F.cross_entropy(SCALE * (both - margin), labels.long(), reduction="none") * each).mean()
    scores = SCALE * (both[:, 1] - both[:, 0])
    torch.testing.assert_close((loss_of("additive_margin", scores, labels) * each).mean(), expected)


@pytest.mark.parametrize("loss", ["one_class_softmax", "additive_margin"])
def test_angle_losses_train(cache, tmp_path, loss):
    trained, _ = train(cache, tmp_path, loss=loss, epochs=2)
    assert np.isfinite(trained.scores["score"]).all()


@pytest.mark.parametrize("name", sorted(FEATURES))
def test_feature_augmentation_changes_values_and_keeps_shape_and_seed(name):
    batch = torch.randn(6, 24, 40, generator=torch.Generator().manual_seed(1))
    first = augment_features(batch, [name], torch.Generator().manual_seed(5))
    again = augment_features(batch, [name], torch.Generator().manual_seed(5))
    assert first.shape == batch.shape and torch.equal(first, again) and not torch.equal(first, batch)


def test_gain_is_refused_where_it_would_be_no_gain(cache):
    settings = check_settings({**PARAMETERS, "augment": "noise+gain"})
    assert BatchReader(cache, SETTING, settings).on_features == ["noise", "gain"]
    with pytest.raises(ValueError, match="which lfcc is not"):
        BatchReader(cache, KNOWN["lfcc"], settings)
    with pytest.raises(ValueError, match="say augment_wave"):
        BatchReader(cache, KNOWN["wave"], settings)


@pytest.mark.parametrize("shape", [(224, 224), (64, 188)])
def test_affine_turns_by_ten_degrees_at_most_whatever_the_shape(shape):
    generator, (height, width) = torch.Generator().manual_seed(0), shape
    picture = torch.zeros(200, 1, height, width)
    middle = slice(width // 2 - 2, width // 2 + 2)
    picture[..., middle] = 1.0
    turned = FEATURES["affine"](picture, generator)[:, 0]
    places = torch.arange(width, dtype=torch.float32)
    upper, lower = (
        (turned[:, row] * places).sum(1) / turned[:, row].sum(1) for row in (height // 4, 3 * height // 4)
    )
    degrees = torch.rad2deg(torch.atan((upper - lower) / (height / 2)))
    assert 8 < degrees.abs().max() < 11


def test_a_flipped_spectrogram_is_time_reversed():
    batch = torch.randn(16, 24, 40)
    flipped = augment_features(batch, ["flip"], torch.Generator().manual_seed(0))
    kinds = {torch.equal(a, b) or 2 * torch.equal(a, b.flip(1)) for a, b in zip(flipped, batch)}
    assert kinds == {True, 2}


def test_wave_augmentation_follows_its_seed():
    wave = 0.1 * np.sin(np.arange(16000) * 0.2).astype(np.float32)
    batch = torch.from_numpy(np.stack([wave] * 8))
    first = augment_waves(batch, ["noise", "codec"], torch.Generator().manual_seed(5))
    assert torch.equal(first, augment_waves(batch, ["noise", "codec"], torch.Generator().manual_seed(5)))
    assert first.shape == batch.shape and not torch.equal(first, batch)


@pytest.mark.parametrize("model", ["small", "logistic_regression"])
def test_left_out_groups_are_never_trained_on_and_each_clip_is_scored_once(
    cache, tmp_path, monkeypatch, model
):
    parameters = {"model": model, "epochs": 1, "batch_size": 8, "device": "cpu"}
    run = open_run("21_train_lcnn", parameters, "data", tmp_path)
    told, scores = fit_folds(check_settings(parameters), cache, run, "speaker", folds=3)
    pool = cache.table[cache.table["split"] != "eval"]
    assert sorted(scores["utterance"]) == sorted(pool["utterance"])
    assert len(told) == 3 and scores.groupby("group")["fold"].nunique().max() == 1
    assert list(pd.read_csv(run.folder / "folds.csv")["clips"]) == list(told["clips"])


def test_vectors_of_an_encoder_stand_in_for_a_cache(cache, tmp_path):
    """A front end whose only layer is the wave in frames: its statistics are known."""
    waves = build_cache(cache.table, FeatureSetting("wave", seconds=0.5), tmp_path / "waves", workers=1)
    settings = check_settings({"model": "logistic_regression", "features": "wave", "train_clips": 12})
    vectors = encode(lambda wave: [wave.unflatten(1, (-1, 100))], waves, settings)
    assert len(vectors.table) == 12 + 24 + 24 and vectors.shape == (100,)
    clip = waves.read([int(np.flatnonzero(waves.table["utterance"] == vectors.table["utterance"][5])[0])])
    expected = clip.astype(np.float32).reshape(80, 100).mean(0)
    np.testing.assert_allclose(vectors.read([5])[0], expected, atol=1e-6)
    run = open_run("24_train_ssl", {}, "data", tmp_path)
    told, scores = fit_folds(
        check_settings({"model": "logistic_regression"}), vectors, run, "speaker", folds=3
    )
    assert len(told) == 3 and len(scores) == 36


def test_bf16_trains_to_the_same_answers_and_scores_stay_float32(cache, tmp_path):
    if not loop.cpu_computes_bf16():
        pytest.skip("this processor has no bf16 instructions")
    full, _ = train(cache, tmp_path / "fp32", epochs=8, precision="fp32")
    half, _ = train(cache, tmp_path / "bf16", epochs=8, precision="bf16")
    assert half.precision == "bf16" and next(half.model.parameters()).dtype == torch.float32
    assert abs(loop.eer_of(half.scores) - loop.eer_of(full.scores)) < 0.15
