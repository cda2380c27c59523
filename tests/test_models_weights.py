"""ImageNet weights: from a file that the test makes, or refused in words; never silently random."""

import pytest
import torch
from safetensors.torch import save_file

from helpers.models import build_model
from helpers.models import weights as weights_module
from helpers.models.imagenet import Vgg16Features


@pytest.fixture(scope="module")
def resnet50_file(tmp_path_factory):
    """A three-colour ResNet50 with its 1000-class layer, as torchvision publishes it, filled by the test."""
    from torchvision.models import resnet50

    torch.manual_seed(3)
    network = resnet50(weights=None)
    folder = tmp_path_factory.mktemp("weights")
    save_file(network.state_dict(), folder / "resnet50.safetensors")
    torch.save({"state_dict": network.state_dict()}, folder / "resnet50.pth")
    return network.eval(), folder


@pytest.mark.parametrize("ending", ["safetensors", "pth"])
def test_file_is_loaded_and_three_colours_become_one_channel(resnet50_file, ending):
    theirs, folder = resnet50_file
    ours = build_model("resnet50", (64, 64), weights=str(folder / f"resnet50.{ending}")).eval()
    grey = torch.randn(2, 64, 64)
    theirs.fc = torch.nn.Identity()
    with torch.no_grad():  # one grey picture in three colours gives their features
        torch.testing.assert_close(
            ours.embed(grey), theirs(grey[:, None].expand(-1, 3, -1, -1)), atol=1e-4, rtol=1e-4
        )


def test_weights_of_another_network_are_refused_with_the_names_that_differ(resnet50_file, tmp_path):
    with pytest.raises(ValueError, match="lacks 'layer3.6.conv1.weight'.*more: are these .* another network"):
        build_model("resnet101", (64, 64), weights=str(resnet50_file[1] / "resnet50.pth"))
    state = {**resnet50_file[0].state_dict(), "a": torch.ones(1), "b": torch.ones(1)}
    state = {name: value for name, value in state.items() if not name.startswith("layer1.0.conv1")}
    torch.save(state, tmp_path / "odd.pth")
    with pytest.raises(
        ValueError, match="odd.pth lacks 'layer1.0.conv1.weight' and has besides 'a', 'b': are"
    ):
        build_model("resnet50", (64, 64), weights=str(tmp_path / "odd.pth"))


def test_missing_file_says_what_weights_may_be():
    with pytest.raises(FileNotFoundError, match='"imagenet", "none" or the path'):
        build_model("resnet50", (64, 64), weights="/nowhere/resnet50.pth")


@pytest.mark.parametrize("name", ["junk.pth", "empty.pth", "list.pth", "numbers.pth", "junk.safetensors"])
def test_a_file_without_weights_is_refused_in_a_sentence(tmp_path, name):
    path = tmp_path / name
    path.write_bytes({"junk.pth": b"junk", "junk.safetensors": b"junk"}.get(name, b""))
    if name in ("list.pth", "numbers.pth"):
        torch.save({"list.pth": [1, 2], "numbers.pth": {"conv1.weight": 1}}[name], path)
    with pytest.raises(ValueError, match=f"{name}.*state_dict"):
        build_model("resnet50", (64, 64), weights=str(path))


def test_without_internet_imagenet_is_refused_with_the_way_out(monkeypatch):
    monkeypatch.setattr(weights_module, "hub_is_near", lambda: False)
    monkeypatch.setenv("HF_HUB_CACHE", "/nowhere")
    with pytest.raises(RuntimeError, match='attach a weights file.*weights="none"'):
        build_model("resnet50", (64, 64))


def test_torch_file_with_code_in_it_is_not_opened(tmp_path):
    class Evil:
        def __reduce__(self):
            return print, ("opened",)

    torch.save({"conv1.weight": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(Exception, match="Weights only load failed"):
        build_model("resnet50", (64, 64), weights=str(tmp_path / "evil.pth"))


def test_vgg16_features_are_torchvisions(tmp_path):
    from torchvision.models.vgg import cfgs, make_layers

    torch.manual_seed(1)
    theirs = make_layers(cfgs["D"]).eval()
    save_file(
        {f"features.{key}": value for key, value in theirs.state_dict().items()},
        tmp_path / "vgg16.safetensors",
    )
    ours = Vgg16Features(str(tmp_path / "vgg16.safetensors"))
    picture = torch.rand(1, 3, 224, 224)
    normalised = (picture - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor(
        [0.229, 0.224, 0.225]
    )[:, None, None]
    with torch.no_grad():
        features = ours.train()(picture)
        torch.testing.assert_close(features, theirs(normalised).flatten(1), atol=1e-5, rtol=1e-4)
    assert features.shape == (1, 25088)
    assert not any(p.requires_grad for p in ours.parameters())


@pytest.mark.parametrize("wrapper", ["net", "state_dict", "model_state_dict", "model"])
@pytest.mark.parametrize("prefix", ["module.", "model.", "module.model."])
def test_wrapped_and_prefixed_tensors_are_found(tmp_path, wrapper, prefix):
    torch.save({wrapper: {f"{prefix}head.weight": torch.ones(1)}, "epoch": 3}, tmp_path / "w.pth")
    assert list(weights_module.read_weights(tmp_path / "w.pth")) == ["head.weight"]
