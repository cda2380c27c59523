"""The builder of the shipped detector."""

import numpy as np
import onnxruntime
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from helpers.metrics import eer as official_eer
from tools.detector import copies, embed, fit
from tools.detector.network import Detector, write_onnx

RNG = np.random.default_rng(0)


def examples(n: int = 600, shift: float = 1.0) -> fit.Examples:
    """Two classes of five projects and unlike sizes, one in six spoofs a vocoder copy."""
    bonafide = RNG.random(n) < 0.3
    project = RNG.choice(["r9y9", "vits", "hifigan", "wavefake", "starter"], n, p=[0.6, 0.2, 0.1, 0.05, 0.05])
    kind = np.where(~bonafide & (RNG.random(n) < 0.16), "hifigan", "plain")
    embedding = (RNG.standard_normal((n, 8)) + shift * bonafide[:, None]).astype(np.float32)
    return fit.Examples(embedding, bonafide, project, project, kind, np.arange(n))


def test_onnx_file_scores_as_the_network_that_was_fitted(tmp_path):
    detector = Detector(RNG.standard_normal(2304) / 100, 0.3)
    waves = [RNG.standard_normal((2, n)).astype(np.float32) for n in (16_000, 30_001, 64_000)]
    write_onnx(detector, tmp_path / "d.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "d.onnx", providers=["CPUExecutionProvider"])
    for wave in waves:
        expected = detector(torch.from_numpy(wave)).numpy()
        assert session.run(["log_odds"], {"wave": wave})[0] == pytest.approx(expected, abs=0.02)
    assert (tmp_path / "d.onnx").stat().st_size < 20e6


def test_both_classes_and_all_projects_weigh_alike():
    table = examples()
    weight = fit.balanced_weights(table, vocoded_share=0.2)
    spoof, copied = ~table.bonafide, table.kind != "plain"
    assert weight[table.bonafide].sum() == pytest.approx(weight[spoof].sum())
    assert weight[copied].sum() == pytest.approx(0.2 * weight[spoof].sum())
    of_project = [weight[table.bonafide & (table.project == name)].sum() for name in np.unique(table.project)]
    assert of_project == pytest.approx([of_project[0]] * 5)


def test_the_head_is_a_logistic_regression():
    table, penalty = examples(), 0.01
    weight = np.ones(len(table))
    slope, bias = fit.fit_head(table, weight, penalty)
    deviation = table.embedding.std(axis=0)
    inputs = (table.embedding - table.embedding.mean(axis=0)) / deviation
    known = LogisticRegression(C=1 / (penalty * len(table)), tol=1e-8, max_iter=1000).fit(
        inputs, table.bonafide
    )
    assert table.embedding @ slope + bias == pytest.approx(known.decision_function(inputs), abs=0.02)


def test_left_out_projects_are_not_seen_by_the_head_that_scores_them():
    table = examples()
    seen = []

    def spy(part):
        seen.append(set(part.project))
        return np.zeros(8), 0.0

    scores = fit.left_out_heads(table, spy)(table)
    for fold, projects in zip(fit.FOLDS, seen, strict=True):
        assert not projects & set(fold)
    assert np.isnan(scores[table.project == "starter"]).all()


def test_eer_agrees_with_the_official_one():
    table = examples(4000)
    scores = table.embedding[:, 0].astype(np.float64)
    mine = fit.eer(scores, table.bonafide, np.ones(len(scores)))
    known, _ = official_eer(scores[table.bonafide], scores[~table.bonafide])
    assert mine == pytest.approx(known, abs=0.005)


def test_of_each_class_few_are_given_the_other_ones_answer():
    table = examples(3000, shift=2.0)
    scores = table.embedding[:, 0].astype(np.float64)
    thresholds = fit.find_thresholds(scores, table)
    for power in fit.BALANCES:
        weight = fit.test_weights(table, power)
        found = fit.verdicts(fit.answered(scores, thresholds), table.bonafide, weight)
        assert max(found["humans_called_spoof"], found["spoofs_called_bonafide"]) <= fit.MOST_WRONG
        assert found["answered"] > 0.5
    across = fit.thresholds_from_other_folds(scores, table)
    assert set(across[table.project != "starter"]) == {-1, 0, 1}


def test_a_detector_that_knows_nothing_answers_almost_nothing():
    table, noise = examples(3000), RNG.standard_normal(3000)
    answers = fit.answered(noise, fit.find_thresholds(noise, table))
    assert np.mean(answers != 0) < 0.15


def test_a_recording_has_the_mean_score_of_its_windows():
    table = examples(4)
    table.row = np.array([5, 5, 7, 9])
    scores, recordings = fit.by_recording(np.array([1.0, 3.0, -1.0, 0.5]), table)
    assert scores.tolist() == [2.0, -1.0, 0.5] and recordings.row.tolist() == [5, 7, 9]


def test_windows_cover_a_recording_as_the_page_cuts_it():
    wave = np.arange(150_000)
    assert [piece[0] for piece in embed.windows(wave)] == [0, 32_000, 64_000, 86_000]
    assert len(embed.windows(wave[:30_000])) == 1


def test_stated_shares_never_rise_and_are_never_certain():
    table = examples(3000, shift=3.0)
    scores = table.embedding.mean(axis=1).astype(np.float64)
    found = fit.calibrate(scores, table.bonafide, fit.test_weights(table))
    shares = found["fake_share"]
    assert shares == sorted(shares, reverse=True) and 0 < shares[-1] < 0.05 and 0.95 < shares[0] < 1
    assert sum(found["count"]) == len(scores) and len(found["edges"]) == len(shares) + 1


def test_a_degraded_copy_is_sound_and_the_same_for_the_same_seed():
    wave = RNG.standard_normal(64_000).astype(np.float32)
    for seed in range(30):
        once = copies.degraded(wave, np.random.default_rng(seed))
        assert np.isfinite(once).all() and 20_000 < len(once) <= 64_000 and 0.01 < np.abs(once).max() < 30
        if seed < 5:
            assert np.array_equal(once, copies.degraded(wave, np.random.default_rng(seed)))
