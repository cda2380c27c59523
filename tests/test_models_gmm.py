"""Gaussian mixtures against scikit-learn's."""

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture

from helpers.models import build_model
from helpers.models.gmm import DiagonalGmm


@pytest.fixture(scope="module")
def frames():
    """6,000 frames of 5 well-mixed Gaussians in 12 dimensions, far from zero and of unequal scale."""
    generator = np.random.default_rng(0)
    centres = generator.normal(scale=2, size=(5, 12))
    points = centres[generator.integers(5, size=6000)] + generator.normal(size=(6000, 12))
    return points * np.logspace(-2, 2, 12) + 50


@pytest.fixture(scope="module")
def theirs(frames):
    return GaussianMixture(8, covariance_type="diag", random_state=0, n_init=2, max_iter=100).fit(frames)


def test_log_likelihood_equals_scikit_learns(frames, theirs):
    ours = DiagonalGmm(8)
    ours.weights, ours.means = torch.tensor(theirs.weights_), torch.tensor(theirs.means_)
    ours.variances = torch.tensor(theirs.covariances_)
    np.testing.assert_allclose(ours.log_likelihood(frames).numpy(), theirs.score_samples(frames), rtol=1e-7)


def test_fit_is_as_good_as_scikit_learns(frames, theirs):
    ours = DiagonalGmm(8, n_iterations=40).fit(frames)
    assert float(ours.log_likelihood(frames).mean()) > theirs.score(frames) - 0.05


def test_one_step_is_scikit_learns_step(frames, theirs):
    scale, shift = frames.std(0, ddof=1), frames.mean(0)
    x = (frames - shift) / scale
    start = GaussianMixture(
        8, covariance_type="diag", random_state=1, max_iter=1, init_params="random_from_data"
    )
    with pytest.warns(UserWarning):
        start.fit(x)
    weights, means, variances = (torch.tensor(v) for v in (start.weights_, start.means_, start.covariances_))
    ours = DiagonalGmm(8)
    _, new_means, new_variances, likelihood = ours._step(torch.tensor(x).float(), weights, means, variances)
    _, log_responsibilities = start._e_step(x)
    start._m_step(x, log_responsibilities)
    np.testing.assert_allclose(new_means, start.means_, atol=1e-4)
    np.testing.assert_allclose(new_variances, start.covariances_, atol=1e-4)


def test_likelihood_never_falls_and_the_seed_decides(frames):
    first, second = DiagonalGmm(16, seed=5).fit(frames), DiagonalGmm(16, seed=5).fit(frames)
    assert (np.diff(first.history) > -1e-4).all()
    assert torch.equal(first.means, second.means)
    assert not torch.equal(first.means, DiagonalGmm(16, seed=6).fit(frames).means)


def clips(n, seed):
    """Half the clips (label 1) move faster in their first rows, invisible in the mean over time."""
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    values = generator.normal(size=(n, 6, 50)).astype(np.float16)
    values[labels == 1, :3] *= 1.6
    return values, labels


def test_ratio_tells_the_classes_and_survives_saving(tmp_path):
    train, labels = clips(40, 0)
    model = build_model("lfcc_gmm", (6, 50), n_components=4).fit(train, labels)
    held_out, truth = clips(40, 1)
    scores = model.score(held_out)
    assert scores[truth == 1].min() > scores[truth == 0].max()
    model.save(tmp_path / "model.npz")
    again = build_model("lfcc_gmm", (6, 50)).load(tmp_path / "model.npz")
    np.testing.assert_array_equal(again.score(held_out), scores)
    assert again.count_parameters() == 2 * 4 * 13


def test_one_class_and_too_few_frames_are_refused():
    train, labels = clips(10, 0)
    with pytest.raises(ValueError, match="got no spoof clip"):
        build_model("lfcc_gmm", (6, 50), n_components=4).fit(train[labels == 1], labels[labels == 1])
    with pytest.raises(ValueError, match="250 frames are too few for 512 Gaussians"):
        build_model("lfcc_gmm", (6, 50)).fit(train, labels)
