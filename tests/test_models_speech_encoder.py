"""Whisper's front end against transformers' own, the embedded weights included."""

import numpy as np
import pytest
import torch

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
