"""Normalisation that travels with the weights."""

import numpy as np
import pytest
import torch
from torch import nn

from helpers.models import build_model
from helpers.models.detector import Standardised, row_statistics


@pytest.mark.parametrize("shape, axes", [((5, 20), (0, 2)), ((1, 8, 9), (0, 1, 2, 3)), ((26,), (0,))])
def test_statistics_over_blocks_are_numpys_over_all(shape, axes):
    clips = np.random.default_rng(0).normal(3, 2, size=(30, *shape))
    mean, std = row_statistics([clips[:7], clips[7:]])
    np.testing.assert_allclose(mean, clips.mean(axes, keepdims=True)[0], rtol=1e-5)
    np.testing.assert_allclose(std, clips.std(axes, keepdims=True)[0], rtol=1e-5)


def test_network_sees_rows_of_mean_zero_and_deviation_one():
    clips = torch.randn(50, 5, 20) * torch.arange(1, 6)[:, None] + 7
    seen = Standardised(nn.Identity(), *row_statistics([clips.numpy()]))(clips.half())
    assert seen.dtype == torch.float32
    torch.testing.assert_close(seen.mean((0, 2)), torch.zeros(5), atol=1e-3, rtol=0)
    torch.testing.assert_close(seen.std((0, 2)), torch.ones(5), atol=1e-2, rtol=0)


def test_row_that_never_changes_is_not_blown_up():
    mean, std = row_statistics([np.zeros((4, 3, 10))])
    seen = Standardised(nn.Identity(), mean, std)(torch.full((1, 3, 10), 1e-3))
    assert seen.abs().max() <= 1


def test_state_dict_carries_the_normalisation():
    torch.manual_seed(0)
    trained = Standardised(
        build_model("small", (65, 40)), np.full((65, 1), 4.0), np.full((65, 1), 3.0)
    ).eval()
    fresh = Standardised(build_model("small", (65, 40)), np.zeros((65, 1)), np.ones((65, 1))).eval()
    fresh.load_state_dict(trained.state_dict())
    clip = torch.randn(2, 65, 33)
    torch.testing.assert_close(fresh(clip), trained(clip))
    assert fresh.get_submodule(fresh.cam_layer) is fresh.network.get_submodule(fresh.network.cam_layer)


def test_raw_waves_pass_through():
    wave = torch.randn(2, 100)
    assert torch.equal(Standardised(nn.Identity())(wave), wave)
