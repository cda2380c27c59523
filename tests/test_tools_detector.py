"""The builder of the shipped detector."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from helpers.metrics import eer as official_eer
from tools.detector import copies, fit
from tools.detector.network import Detector, Encoder, LogMel

RNG = np.random.default_rng(0)


def examples(n: int = 600, shift: float = 1.0) -> fit.Examples:
    """Two classes of five projects and unlike sizes, one in six spoofs a vocoder copy."""
    bonafide = RNG.random(n) < 0.3
    project = RNG.choice(["r9y9", "vits", "hifigan", "wavefake", "starter"], n, p=[0.6, 0.2, 0.1, 0.05, 0.05])
    kind = np.where(~bonafide & (RNG.random(n) < 0.16), "hifigan", "-")
    embedding = (RNG.standard_normal((n, 8)) + shift * bonafide[:, None]).astype(np.float32)
    return fit.Examples(embedding, bonafide, project, project, kind)


def test_log_mel_is_whispers():
    from transformers import WhisperFeatureExtractor

    wave = RNG.standard_normal(40_000).astype(np.float32)
    wave -= wave.mean()
    wave *= 0.05 / np.sqrt(np.mean(wave**2))
    published = WhisperFeatureExtractor()(wave, sampling_rate=16_000, return_tensors="np", padding=False)
    assert LogMel()(torch.from_numpy(wave)[None]).numpy() == pytest.approx(published.input_features, abs=1e-4)


def test_layers_are_those_of_the_published_encoder(shared):
    from safetensors.torch import load_file
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    weights = shared / "data" / "whisper_tiny_en" / "encoder.safetensors"
    config = WhisperConfig.from_json_file(weights.with_name("config.json"))
    config.encoder_attention_heads, config.encoder_ffn_dim = 6, 1536
    published = WhisperEncoder(config).eval()
    held = {name.removeprefix("encoder."): value.float() for name, value in load_file(weights).items()}
    published.load_state_dict(held)
    own = Encoder(weights)
    wave = torch.randn(1, 30 * 16_000, generator=torch.Generator().manual_seed(0))  # theirs takes 30 s only
    with torch.inference_mode():
        states = published(own.log_mel(wave), output_hidden_states=True).hidden_states
        for mine, theirs in zip(own.outputs(wave), states[1:3], strict=True):
            assert mine.numpy() == pytest.approx(theirs.numpy(), abs=1e-3)


def test_onnx_file_scores_as_the_network_that_was_fitted(shared, tmp_path):
    from tools.detector import export

    encoder = Encoder(shared / "data" / "whisper_tiny_en" / "encoder.safetensors")
    detector = Detector(encoder, RNG.standard_normal(2304) / 100, 0.3)
    waves = [RNG.standard_normal(n).astype(np.float32) for n in (16_000, 30_001, 64_000)]
    export.write_onnx(detector, tmp_path / "d.onnx")
    export.halve_constants(tmp_path / "d.onnx")
    expected = [detector(torch.from_numpy(wave)[None]).item() for wave in waves]
    assert export.scores_of(tmp_path / "d.onnx", waves) == pytest.approx(expected, abs=0.02)
    assert (tmp_path / "d.onnx").stat().st_size < 20e6


def test_both_classes_and_all_projects_weigh_alike():
    table = examples()
    weight = fit.balanced_weights(table, vocoded_share=0.2, starter_share=1.0)
    spoof, copied = ~table.bonafide, table.kind != "-"
    assert weight[table.bonafide].sum() == pytest.approx(weight[spoof].sum())
    assert weight[copied].sum() == pytest.approx(0.2 * weight[spoof].sum())
    of_project = [weight[table.bonafide & (table.project == name)].sum() for name in np.unique(table.project)]
    assert of_project == pytest.approx([of_project[0]] * 5)


def test_the_head_is_a_logistic_regression():
    table, penalty = examples(), 0.01
    weight = np.ones(len(table))
    slope, bias = fit.fit_head(table, weight, penalty, n_steps=500)
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

    scores = fit.left_out_scores(table, table, spy)
    for fold, projects in zip(fit.FOLDS, seen, strict=True):
        assert not projects & set(fold)
    assert np.isnan(scores[table.project == "starter"]).all()


def test_eer_agrees_with_the_official_one():
    table = examples(4000)
    scores = table.embedding[:, 0].astype(np.float64)
    mine = fit.eer(scores, table.bonafide, np.ones(len(scores)))
    known, _ = official_eer(scores[table.bonafide], scores[~table.bonafide])
    assert mine == pytest.approx(known, abs=0.005)


def test_an_answer_is_wrong_at_most_one_time_in_ten_or_not_given():
    table = examples(3000, shift=2.0)
    scores = table.embedding[:, 0].astype(np.float64)
    thresholds = fit.find_thresholds(scores, table)
    found = fit.verdicts(scores, table.bonafide, fit.test_weights(table), thresholds)
    assert found["wrong_spoof"] <= 0.1 and found["wrong_bonafide"] <= 0.1 and found["answered"] > 0.5
    noise = RNG.standard_normal(3000)
    assert fit.find_thresholds(noise, table) == {"spoof": None, "bonafide": None}


def test_an_answer_that_fails_on_other_folds_is_withdrawn():
    across = {"wrong_spoof": 0.12, "wrong_bonafide": 0.33}
    assert fit.offered({"spoof": -1.0, "bonafide": 1.0}, across) == {"spoof": -1.0, "bonafide": None}


def test_stated_shares_never_rise_and_are_never_certain():
    table = examples(3000, shift=3.0)
    scores = table.embedding.mean(axis=1).astype(np.float64)
    found = fit.calibrate(scores, table.bonafide, fit.test_weights(table))
    shares = found["fake_share"]
    assert shares == sorted(shares, reverse=True) and 0 < shares[-1] < 0.05 and 0.95 < shares[0] < 1
    assert sum(found["count"]) == len(scores) and len(found["edges"]) == len(shares) + 1


@pytest.mark.parametrize("name", copies.CODECS)
def test_codecs_give_back_the_speech_they_were_given(name):
    encoder, container, rates, bit_rates = copies.CODECS[name]
    seconds = np.arange(48_000) / 16_000
    wave = (0.3 * np.sin(2 * np.pi * 440 * seconds) * np.sin(2 * np.pi * 3 * seconds) ** 2).astype(np.float32)
    heard = copies.codec(wave, encoder, container, rates[0], bit_rates[-1])
    assert abs(len(heard) - len(wave)) < 1600
    spectrum = np.abs(np.fft.rfft(heard, 48_000))
    assert abs(int(spectrum.argmax()) / 3 - 440) < 8  # 3 s: bins of a third of a hertz


def test_a_degraded_copy_is_sound_and_the_same_for_the_same_seed():
    wave = RNG.standard_normal(64_000).astype(np.float32)
    for seed in range(30):
        once = copies.degraded(wave, np.random.default_rng(seed))
        assert np.isfinite(once).all() and 20_000 < len(once) <= 64_000 and 0.01 < np.abs(once).max() < 30
        if seed < 5:
            assert np.array_equal(once, copies.degraded(wave, np.random.default_rng(seed)))
