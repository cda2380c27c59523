"""Gaussian mixtures on frames: the official baseline's classifier, trained by a fast batched EM."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

CHUNK = 8192  # frames per matrix product: 8192 x 512 float32 responsibilities are 16 MB
SMALLEST_WEIGHT = 1e-8
FLOOR = 1e-3  # of a variance, in units of the data's own
PARTS = list(itertools.product(("bonafide", "spoof"), ("weights", "means", "variances")))


class DiagonalGmm:
    """A mixture of Gaussians with diagonal covariances.

    Numbers live in float64; EM multiplies in float32 on data scaled to unit variance and adds up in float64.
    `weights` (k,), `means` (k, d), `variances` (k, d) are in the data's own units.
    """

    def __init__(self, n_components: int = 512, n_iterations: int = 20, seed: int = 0) -> None:
        self.n_components, self.n_iterations, self.seed = n_components, n_iterations, seed
        self.weights = self.means = self.variances = torch.empty(0)
        self.history: list[float] = []  # mean log-likelihood per frame before each step, in scaled units

    def fit(self, frames: np.ndarray) -> DiagonalGmm:
        """frames (n, d) float. Variances stay above a thousandth of the data's. ValueError for too few frames."""
        n_frames = len(frames)
        if n_frames < 2 * self.n_components:
            raise ValueError(
                f"{n_frames} frames are too few for {self.n_components} Gaussians: take fewer of them"
            )
        x64 = torch.as_tensor(np.asarray(frames), dtype=torch.float64)
        shift, scale = x64.mean(0), x64.std(0).clamp_min(1e-6)
        x = ((x64 - shift) / scale).float()
        del x64
        weights, means, variances = self._start(x)
        self.history = []
        for _ in range(self.n_iterations):
            weights, means, variances, likelihood = self._step(x, weights, means, variances)
            self.history.append(likelihood)
        self.weights, self.means, self.variances = weights, means * scale + shift, variances * scale**2
        return self

    def log_likelihood(self, frames: np.ndarray | torch.Tensor) -> torch.Tensor:
        """(n, d) -> (n,) natural log of the density, float64."""
        x = torch.as_tensor(frames).double()
        terms = [_log_joint(part, self.weights, self.means, self.variances) for part in x.split(CHUNK)]
        return torch.cat([torch.logsumexp(part, dim=1) for part in terms])

    def _start(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """A few rounds of k-means on a random subset, drawn by the seed."""
        generator = torch.Generator().manual_seed(self.seed)
        subset = x[torch.randperm(len(x), generator=generator)[: max(20_000, 20 * self.n_components)]]
        centres = subset[: self.n_components].clone()  # the subset is already in random order
        for _ in range(8):
            nearest = _nearest(subset, centres)
            counts, sums = _sums(subset, nearest, self.n_components)
            filled = counts > 0
            centres[filled] = (sums[filled] / counts[filled, None]).float()
            n_empty = int((~filled).sum())
            if n_empty:
                centres[~filled] = subset[torch.randint(len(subset), (n_empty,), generator=generator)]
        nearest = _nearest(subset, centres)
        counts, sums = _sums(subset, nearest, self.n_components)
        _, squares = _sums(subset.square(), nearest, self.n_components)
        means = torch.where(counts[:, None] > 0, sums / counts[:, None].clamp_min(1), centres.double())
        variances = squares / counts[:, None].clamp_min(1) - means.square()
        variances = torch.where(counts[:, None] > 1, variances, 1.0).clamp_min(10 * FLOOR)
        return (counts + 1) / (counts + 1).sum(), means, variances

    def _step(
        self, x: torch.Tensor, weights: torch.Tensor, means: torch.Tensor, variances: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, float]:
        n_dims = x.shape[1]
        counts = torch.zeros(self.n_components, dtype=torch.float64)
        sums = torch.zeros(self.n_components, 2 * n_dims, dtype=torch.float64)
        total = 0.0
        parameters = [values.float() for values in (weights, means, variances)]
        for part in x.split(CHUNK):
            joint = _log_joint(part, *parameters)
            likelihood = torch.logsumexp(joint, dim=1, keepdim=True)
            responsibilities = torch.exp(joint - likelihood)
            counts += responsibilities.sum(0, dtype=torch.float64)
            sums += (responsibilities.T @ torch.cat([part, part.square()], dim=1)).double()
            total += float(likelihood.sum(dtype=torch.float64))
        alive = counts.clamp_min(1e-6)[:, None]
        new_means = sums[:, :n_dims] / alive
        new_variances = (sums[:, n_dims:] / alive - new_means.square()).clamp_min(FLOOR)
        dead = counts < 1e-3  # a Gaussian that owns no frame stays where it was
        new_means[dead], new_variances[dead] = means[dead], variances[dead]
        new_weights = (counts / len(x)).clamp_min(SMALLEST_WEIGHT)
        return new_weights / new_weights.sum(), new_means, new_variances, total / len(x)


class LfccGmm:
    """LFCC-GMM, the ASVspoof baseline (Todisco et al. 2019; LFCC of Sahidullah et al. 2015): one diagonal
    mixture for bona fide frames, one for spoofed ones; a clip's score is the mean log-likelihood ratio of its
    frames.

    (coefficients, frames), LFCC with deltas and double deltas; any number of frames. `max_frames` a class,
    drawn by the seed, bounds memory and time.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        n_components: int = 512,
        n_iterations: int = 20,
        max_frames: int = 500_000,
        seed: int = 0,
    ) -> None:
        if len(shape) != 2:
            raise ValueError(f"lfcc_gmm reads (coefficients, frames), got a clip of shape {shape}")
        self.shape, self.max_frames, self.seed = shape, max_frames, seed
        self.bonafide = DiagonalGmm(n_components, n_iterations, seed)
        self.spoof = DiagonalGmm(n_components, n_iterations, seed + 1)

    def fit(self, X: Sequence[np.ndarray] | np.ndarray, y: Sequence[int] | np.ndarray) -> LfccGmm:
        """X: clips (coefficients, frames), y: 1 bona fide, 0 spoof. ValueError unless both classes are there."""
        labels = np.asarray(y)
        for mixture, label, name in ((self.bonafide, 1, "bona fide"), (self.spoof, 0, "spoof")):
            indices = np.flatnonzero(labels == label)
            if len(indices) == 0:
                raise ValueError(f"need both classes, got no {name} clip")
            mixture.fit(self._frames(X, indices))
        return self

    def score(self, X: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
        """Clips -> (n,) mean log-likelihood ratio per frame, higher = more likely bona fide."""
        clips = [np.asarray(clip, dtype=np.float64).T for clip in X]
        pairs = [[m.log_likelihood(clip) for m in (self.bonafide, self.spoof)] for clip in clips]
        return np.array([float((bonafide - spoof).mean()) for bonafide, spoof in pairs])

    def count_parameters(self) -> int:
        """Weights, means and variances of both mixtures."""
        return 2 * self.bonafide.n_components * (1 + 2 * self.shape[0])

    def save(self, path: str | Path) -> None:
        """Write an .npz of plain arrays."""
        arrays = {f"{name}_{part}": getattr(getattr(self, name), part).numpy() for name, part in PARTS}
        np.savez(path, shape=np.array(self.shape), **arrays)

    def load(self, path: str | Path) -> LfccGmm:
        """Take over what `save` wrote; no pickle is opened."""
        with np.load(path, allow_pickle=False) as arrays:
            n_bands, n_frames = map(int, arrays["shape"])
            self.shape = n_bands, n_frames
            for name, part in PARTS:
                setattr(getattr(self, name), part, torch.as_tensor(arrays[f"{name}_{part}"]))
                getattr(self, name).n_components = len(arrays[f"{name}_{part}"])
        return self

    def _frames(self, X: Sequence[np.ndarray] | np.ndarray, indices: np.ndarray) -> np.ndarray:
        """(n, coefficients) float32, at most max_frames, spread evenly over the clips."""
        generator = np.random.default_rng(self.seed)
        per_clip = max(1, self.max_frames // len(indices))
        parts = []
        for index in indices:
            frames = np.asarray(X[index], dtype=np.float32).T
            if len(frames) > per_clip:
                frames = frames[np.sort(generator.choice(len(frames), per_clip, replace=False))]
            parts.append(frames)
        return np.concatenate(parts)


def _log_joint(
    x: torch.Tensor, weights: torch.Tensor, means: torch.Tensor, variances: torch.Tensor
) -> torch.Tensor:
    """(n, d) -> (n, k) log(weight * density), by two matrix products fused into one."""
    precision = 1 / variances
    constant = (
        torch.log(weights)
        - 0.5 * (means.shape[1] * math.log(2 * math.pi) + torch.log(variances).sum(1))
        - 0.5 * (means.square() * precision).sum(1)
    )
    factors = torch.cat([means * precision, -0.5 * precision], dim=1)
    return torch.addmm(constant, torch.cat([x, x.square()], dim=1), factors.T)


def _nearest(x: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    """(n, d) -> (n,) index of the closest centre."""
    half = 0.5 * centres.square().sum(1)
    return torch.cat([(part @ centres.T - half).argmax(1) for part in x.split(CHUNK)])


def _sums(x: torch.Tensor, labels: torch.Tensor, n_labels: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Count and sum of the rows under each label, float64: (k,), (k, d)."""
    counts = torch.bincount(labels, minlength=n_labels).double()
    sums = torch.zeros(n_labels, x.shape[1], dtype=torch.float64)
    return counts, sums.index_add_(0, labels, x.double())
