"""The self-supervised detector on tiny, randomly initialised models of the real classes, saved by the test."""

import pytest
import torch

from helpers.models import build_model, self_supervised

transformers = pytest.importorskip("transformers")
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
        expected = network.head(network.pool(network.narrow(layers.mean(0)).transpose(1, 2)))[:, 0]
        torch.testing.assert_close(network(wave), expected)


def test_frozen_front_end_stays_as_it_is_and_the_rest_learns(front_end):
    network = build_model("ssl", (4000,), front_end=front_end).train()
    assert not network.front_end.training and network.pool.training
    network(torch.randn(2, 4000)).sum().backward()
    assert all(p.grad is None for p in network.front_end.parameters())
    assert network.layer_weights.grad is not None and network.head.weight.grad is not None


def test_fine_tuning_reaches_the_front_end(front_end):
    network = build_model("ssl", (4000,), front_end=front_end, fine_tune=True, n_layers=2).train()
    assert len(network.front_end.encoder.layers) == 2 and len(network.layer_weights) == 3
    network(torch.randn(2, 4000)).sum().backward()
    assert network.front_end.feature_projection.projection.weight.grad.abs().sum() > 0


def test_fine_tuning_leaves_out_no_layer(front_end, tmp_path):
    restless = transformers.AutoModel.from_pretrained(front_end)
    restless.config.layerdrop = 1.0
    restless.save_pretrained(tmp_path)
    network = build_model("ssl", (4000,), front_end=str(tmp_path), fine_tune=True).train()
    assert network(torch.randn(2, 4000)).shape == (2,)


def test_a_front_end_stored_in_half_precision_is_used_in_full(front_end, tmp_path):
    transformers.AutoModel.from_pretrained(front_end).half().save_pretrained(tmp_path)
    network = build_model("ssl", (4000,), front_end=str(tmp_path)).eval()
    assert network(torch.randn(2, 4000)).dtype == torch.float32


@pytest.mark.parametrize("n_layers", [-1, 4])
def test_layers_that_a_front_end_does_not_have_are_refused(front_end, n_layers):
    with pytest.raises(ValueError, match=f"has 3 transformer layers, not {n_layers}"):
        build_model("ssl", (4000,), front_end=front_end, n_layers=n_layers)


def test_missing_front_end_is_asked_for_in_words(monkeypatch):
    monkeypatch.setattr(self_supervised, "hub_is_near", lambda: False)
    with pytest.raises(ValueError, match="needs front_end"):
        build_model("ssl", (4000,))
    with pytest.raises(RuntimeError, match="nowhere/at-all.*attach its folder"):
        build_model("ssl", (4000,), front_end="nowhere/at-all")
