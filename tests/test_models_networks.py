"""Shapes, parameter counts and gradients of the networks."""

import pytest
import torch
from torch import nn

from helpers.models import build_model
from helpers.models.layers import count_parameters, layer_table, milliseconds_per_clip

LOGMEL, PICTURE, WAVE = (64, 188), (1, 224, 224), (64600,)


def dense(*sizes):
    return sum((a + 1) * b for a, b in zip(sizes[:-1], sizes[1:]))


def convolution(n_in, n_out, size=3):
    return (n_in * size * size + 1) * n_out


# Counted by hand from the sources' tables; ResNets from the published ImageNet counts (torchvision: 25,557,032
# and 44,549,160; timm: 64.69 M), less the classifier of 2,049,000 and two thirds of the first convolution.
COUNTS = [
    ("simple_ann", LOGMEL, {}, dense(12032, 1024, 512, 256, 1)),
    ("simple_cnn", LOGMEL, {}, convolution(1, 32, 5) + convolution(32, 64, 5) + dense(64 * 16 * 47, 1024, 512, 256, 1)),
    ("cnn", LOGMEL, {}, convolution(1, 32) + convolution(32, 64) + convolution(64, 128) + dense(128, 128, 1)),
    (
        "custom_cnn", LOGMEL, {},
        convolution(1, 32) + convolution(32, 64) + convolution(64, 128) + convolution(128, 128)
        + dense(128 * 4 * 12, 512, 1),
    ),
    ("dnn", (48, 188), {}, dense(80, 128, 128) + dense(14, 128, 128) + dense(2, 128, 128) + dense(384, 128, 1)),
    ("vgg_like", PICTURE, {}, 306_738),
    ("resnet50", LOGMEL, {"weights": "none"}, 25_557_032 - 2_049_000 - 2 * 64 * 49 + 2049),
    ("resnet101", LOGMEL, {"weights": "none"}, 44_549_160 - 2_049_000 - 2 * 64 * 49 + 2049),
    ("resnet200d", LOGMEL, {"weights": "none"}, 62_645_537),
    ("resnet50_lstm", LOGMEL, {"weights": "none"}, 23_501_760 + 4 * 128 * (2048 + 128 + 2) + 129),
    ("lcnn", (257, 401), {}, 98_897),
    ("small", (128, 401), {}, 11_625),
    ("rawnet2", WAVE, {}, 12_837_377),
    ("aasist", WAVE, {}, 297_866),
    ("aasist", WAVE, {"variant": "aasist_l"}, 85_306),
]  # fmt: skip


@pytest.mark.parametrize("name, shape, options, expected", COUNTS, ids=lambda value: str(value))
def test_parameter_count_is_that_of_the_source(name, shape, options, expected):
    with torch.device("meta"):
        assert count_parameters(build_model(name, shape, **options)) == expected


def test_vgg_like_layers_are_those_of_the_slides():
    with torch.device("meta"):
        network = build_model("vgg_like", PICTURE)
    counted = [
        sum(p.numel() for p in layer.parameters())
        for layer in network.modules()
        if isinstance(layer, (nn.Conv2d, nn.BatchNorm2d, nn.Linear))
    ]
    assert counted == [
        160, 32, 2320, 32, 4640, 64, 9248, 64, 18496, 128, 36928, 128, 73856, 256, 147584, 256, 12546
    ]  # fmt: skip
    assert sum(isinstance(layer, nn.MaxPool2d) for layer in network.modules()) == 5


def test_resnet101_leaves_its_first_39_tensors_alone():
    with torch.device("meta"):
        network = build_model("resnet101", LOGMEL, weights="none")
    assert [p.requires_grad for p in network.parameters()].index(True) == 39
    assert all(p.requires_grad for p in list(network.parameters())[39:])


# Small inputs: what is checked is the path of the gradient, not the size.
SMALL_INPUTS = [
    ("simple_ann", (16, 20), {}),
    ("simple_cnn", (16, 20), {}),
    ("cnn", (16, 20), {}),
    ("custom_cnn", (17, 21), {}),
    ("dnn", (48, 20), {}),
    ("vgg_like", PICTURE, {}),
    ("lcnn", (33, 40), {}),
    ("lcnn", (33, 40), {"pooling": "lstm"}),
    ("small", (65, 40), {}),
    ("small", (65, 40), {"patch": 2, "centre": True}),
    ("rawnet2", (8000,), {"hidden": 16}),
    ("aasist", (7000,), {}),
    ("aasist", (7000,), {"variant": "aasist_l"}),
    ("resnet50", (32, 64), {"weights": "none"}),
    ("resnet50_lstm", (32, 64), {"weights": "none"}),
]


@pytest.mark.parametrize("name, shape, options", SMALL_INPUTS, ids=lambda value: str(value))
def test_every_trainable_parameter_gets_a_gradient(name, shape, options):
    torch.manual_seed(0)
    network = build_model(name, shape, **options)
    batch = torch.randn(3, *shape)
    scores = network(batch)
    assert scores.shape == (3,)
    (scores * torch.tensor([1.0, -2.0, 0.5])).sum().backward()
    idle = {key for key, p in network.named_parameters() if p.requires_grad and p.grad is None}
    if name == "aasist":  # the published network does not use these (see EncoderBlock)
        assert idle == {f"encoder.{i}.0.bn1.{part}" for i in range(1, 6) for part in ("weight", "bias")}
    else:
        assert idle == set()


@pytest.mark.parametrize("name, shape, options", SMALL_INPUTS, ids=lambda value: str(value))
def test_score_is_the_last_layer_on_the_embedding_and_does_not_depend_on_the_rest_of_the_batch(
    name, shape, options
):
    torch.manual_seed(0)
    network = build_model(name, shape, **options).eval()
    batch = torch.randn(3, *shape)
    with torch.no_grad():
        embedding, scores = network.embed(batch), network(batch)
        alone = network(batch[1:2])
        answer = network.get_submodule(network.head_name)(embedding)
    assert embedding.shape == (3, network.embedding_size)
    expected = answer[:, 0] if answer.shape[1] == 1 else answer[:, 1] - answer[:, 0]
    torch.testing.assert_close(scores, expected)
    torch.testing.assert_close(scores[1:2], alone, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "name, shape", [("cnn", (64, 40)), ("lcnn", (60, 40)), ("small", (65, 40)), ("dnn", (48, 40))]
)
def test_networks_that_pool_over_time_take_any_number_of_frames(name, shape):
    network = build_model(name, shape).eval()
    for frames in (24, 40, 133):
        assert network(torch.randn(2, shape[0], frames)).isfinite().all()


@pytest.mark.parametrize(
    "name, shape", [("simple_ann", (64, 40)), ("simple_cnn", (64, 40)), ("custom_cnn", (64, 40))]
)
def test_networks_of_fixed_length_say_so(name, shape):
    network = build_model(name, shape)
    with pytest.raises(ValueError, match=f"{name} was built for clips of shape .* got .*one length"):
        network(torch.randn(2, 64, 41))


@pytest.mark.parametrize(
    "name, shape, words",
    [
        ("vgg_like", (64, 188), "pictures"),
        ("aasist", (64, 188), "raw wave"),
        ("dnn", (40, 188), "mfcc_contrast_zcr"),
        ("cnn", (26,), "rows, frames"),
    ],
)
def test_wrong_features_are_refused_when_the_network_is_built(name, shape, words):
    with pytest.raises(ValueError, match=words):
        build_model(name, shape)


@pytest.mark.parametrize(
    "name, options",
    [("lcnn", {}), ("small", {}), ("cnn", {}), ("simple_cnn", {}), ("dnn", {"rows": (8, 7, 1)})],
)
def test_network_learns_to_tell_a_lifted_band(name, options):
    torch.manual_seed(0)
    shape = (16, 16)
    labels = torch.arange(24) % 2
    clips = torch.randn(24, *shape)
    clips[labels == 1, 4:8] += 1.5
    network = build_model(name, shape, **options)
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    for _ in range(25):
        loss = nn.functional.binary_cross_entropy_with_logits(network(clips), labels.float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    scores = network.eval()(clips)
    assert scores[labels == 1].min() > scores[labels == 0].max()


@pytest.mark.parametrize(
    "name, shape", [("lcnn", (33, 40)), ("small", (65, 40)), ("aasist", (7000,)), ("vgg_like", PICTURE)]
)
def test_cam_layer_answers_with_maps(name, shape):
    network = build_model(name, shape).eval()
    maps = []
    network.get_submodule(network.cam_layer).register_forward_hook(
        lambda module, inputs, output: maps.append(output)
    )
    network(torch.randn(1, *shape))
    assert maps[0].dim() == 4


def test_layer_table_names_layers_and_counts():
    table = layer_table(build_model("vgg_like", PICTURE), PICTURE)
    assert "Conv2d" in table and "147,584" in table and "306,738" in table


def test_milliseconds_are_measured_on_the_threads_asked_for_and_leave_the_model_as_it_was():
    network = build_model("small", (65, 40)).train()
    before = torch.get_num_threads()
    assert 0 < milliseconds_per_clip(network, (65, 40), threads=1, repeats=3) < 1000
    assert network.training and torch.get_num_threads() == before
