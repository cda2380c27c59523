"""Whisper's front end against transformers' own, the embedded weights included."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from helpers.models import build_model, speech_encoder
from helpers.models.speech_encoder import EMBEDDED, WhisperFrontEnd, WhisperLogMel

transformers = pytest.importorskip("transformers")


def _wave(n, seed=0):
    return (np.random.default_rng(seed).standard_normal(n) * np.linspace(0, 0.3, n)).astype(np.float32)


def test_log_mel_is_whispers_own():
    wave = _wave(32_000)
    theirs = transformers.WhisperFeatureExtractor()(
        wave, sampling_rate=16_000, padding=False, return_tensors="np"
    ).input_features[0]
    np.testing.assert_allclose(WhisperLogMel()(torch.from_numpy(wave[None]))[0], theirs, atol=2e-4)


def test_every_layer_gives_what_transformers_encoder_gives(tmp_path):
    from safetensors.torch import save_file

    torch.manual_seed(0)
    config = transformers.WhisperConfig(
        d_model=128,
        encoder_layers=3,
        encoder_attention_heads=2,
        encoder_ffn_dim=512,
        max_source_positions=100,
    )
    encoder = transformers.models.whisper.modeling_whisper.WhisperEncoder(config).eval()
    save_file(encoder.state_dict(), tmp_path / "encoder.safetensors")
    front = WhisperFrontEnd(3, tmp_path / "encoder.safetensors").eval()
    wave = torch.from_numpy(_wave(32_000))[None]  # exactly the 100 positions that theirs insists on
    with torch.no_grad():
        ours = front(wave)
        theirs = encoder(front.log_mel(wave), output_hidden_states=True).hidden_states
        for mine, other in zip(ours[:-1], theirs[:-1]):
            torch.testing.assert_close(mine, other, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(encoder.layer_norm(ours[-1]), theirs[-1], atol=1e-5, rtol=1e-4)


def test_embedded_encoder_reads_any_length_and_is_small():
    front = WhisperFrontEnd(2).eval()
    with torch.no_grad():
        layers = front(torch.from_numpy(np.stack([_wave(64_600), _wave(64_600, 1)])))
        assert [tuple(x.shape) for x in layers] == [(2, 202, 384)] * 3
        assert front(torch.from_numpy(_wave(16_000))[None])[-1].shape == (1, 50, 384)
    assert EMBEDDED.stat().st_size < 10e6 and (EMBEDDED.parent / "LICENSE").is_file()


def test_embedded_tensors_are_the_published_ones(shared):
    from safetensors.torch import load_file

    published = load_file(shared / "data" / "whisper_tiny_en" / "encoder.safetensors")
    embedded = load_file(EMBEDDED)
    assert embedded and all(torch.equal(tensor, published[name]) for name, tensor in embedded.items())


def test_layers_that_are_not_there_are_refused():
    with pytest.raises(ValueError, match="has 2 transformer layers, not 3"):
        WhisperFrontEnd(3)


TINY = {
    "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 48,
    "conv_dim": (16, 16), "conv_kernel": (10, 8), "conv_stride": (8, 8), "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2,
}  # fmt: skip


@pytest.fixture(scope="module", params=["Wav2Vec2", "WavLM"])
def front_end(request, tmp_path_factory):
    torch.manual_seed(0)
    config = getattr(transformers, f"{request.param}Config")(**TINY)
    folder = tmp_path_factory.mktemp(request.param)
    getattr(transformers, f"{request.param}Model")(config).save_pretrained(folder)
    return str(folder)


def test_saved_weights_are_the_ones_used(front_end):
    network = build_model("ssl", (4000,), front_end=front_end).eval()
    theirs = transformers.AutoModel.from_pretrained(front_end).eval()
    wave = torch.randn(2, 4000) * 0.1 + 0.5
    normal = (wave - wave.mean(1, keepdim=True)) / torch.sqrt(wave.var(1, keepdim=True, correction=0) + 1e-7)
    with torch.no_grad():
        layers = torch.stack(theirs(normal, output_hidden_states=True).hidden_states)
        expected = network.head(
            network.pool(network.narrow(F.layer_norm(layers, layers.shape[-1:]).mean(0)).transpose(1, 2))
        )[:, 0]
        torch.testing.assert_close(network(wave), expected)


def test_frozen_front_end_stays_as_it_is_and_the_rest_learns(front_end):
    network = build_model("ssl", (4000,), front_end=front_end).train()
    assert not network.front_end.training and network.pool.training
    network(torch.randn(2, 4000)).sum().backward()
    assert all(p.grad is None for p in network.front_end.parameters())
    assert network.layer_weights.grad is not None and network.head.weight.grad is not None


def test_fine_tuning_reaches_the_front_end(front_end):
    network = build_model("ssl", (4000,), front_end=front_end, fine_tune=-1, n_layers=2).train()
    assert len(network.front_end.layers) == 2 and len(network.layer_weights) == 3
    network(torch.randn(2, 4000)).sum().backward()
    assert network.front_end.model.feature_projection.projection.weight.grad.abs().sum() > 0


def test_only_the_last_layers_are_trained_where_so_many_are_asked_for():
    network = build_model("ssl", (16_000,), fine_tune=1, pooling="statistics").train()
    network(torch.randn(2, 16_000)).sum().backward()
    first, last = network.front_end.layers
    assert first.fc1.weight.grad is None and last.fc1.weight.grad.abs().sum() > 0
    with pytest.raises(ValueError, match="fine_tune is 3"):
        build_model("ssl", (16_000,), fine_tune=3)


def test_a_whisper_folder_gives_what_its_tensors_give(tmp_path):
    torch.manual_seed(0)
    config = transformers.WhisperConfig(
        vocab_size=60, d_model=64, encoder_layers=2, decoder_layers=1, encoder_attention_heads=1,
        decoder_attention_heads=1, encoder_ffn_dim=256, decoder_ffn_dim=64, max_source_positions=100,
        pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1,
    )  # fmt: skip
    model = transformers.WhisperModel(config)
    model.save_pretrained(tmp_path)
    front = speech_encoder.open_front_end(str(tmp_path), 1).eval()
    wave = torch.from_numpy(_wave(16_000))[None]
    with torch.no_grad():
        ours = front(wave)
        theirs = WhisperFrontEnd(1, tensors=model.encoder.state_dict())(wave)
    assert len(ours) == 2
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("n_layers", [-1, 4])
def test_layers_that_a_front_end_does_not_have_are_refused(front_end, n_layers):
    with pytest.raises(ValueError, match=f"has 3 transformer layers, not {n_layers}"):
        build_model("ssl", (4000,), front_end=front_end, n_layers=n_layers)


def test_missing_front_end_is_asked_for_in_words(monkeypatch):
    monkeypatch.setattr(speech_encoder, "hub_is_near", lambda: False)
    with pytest.raises(RuntimeError, match="nowhere/at-all.*attach its folder"):
        build_model("ssl", (4000,), front_end="nowhere/at-all")
