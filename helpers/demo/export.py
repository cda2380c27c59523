"""A trained network as one file that runs without torch: `python -m helpers export RUN`."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from helpers.demo.detector import CARD, ONNX, Detector, RunDetector, load_detector
from helpers.environment import PROJECT
from helpers.execution.setup import add_missing
from helpers.features import FeatureSetting, spectral
from helpers.features.computation import feature_of, level
from helpers.files import write_json

AGREEMENT = 2e-3  # of log-odds: a Fourier transform by convolution rounds otherwise than the fast one
OPSET = 18
EXPORTED = ("wave", "logmel", "logspec", "mfcc", "lfcc")
LINES = """import numpy as np, onnxruntime, soundfile
wave, rate = soundfile.read("recording.wav", dtype="float32", always_2d=True)
assert rate == 16000, "resample to 16 kHz first"
session = onnxruntime.InferenceSession("{path}")
print(session.run(["log_odds"], {{"wave": wave.mean(axis=1)[None]}})[0][0])"""


class WaveToLogOdds(torch.nn.Module):
    """wave (batch, samples) of any length -> log_odds (batch,): the mean over windows that overlap by half."""

    def __init__(self, detector: RunDetector) -> None:
        super().__init__()
        self.network, self.setting = detector.model, detector.setting

    def forward(self, wave: torch.Tensor) -> torch.Tensor:
        size = self.setting.n_samples
        length = torch._shape_as_tensor(wave)[1]
        last = (length - size).clamp(min=0)
        starts = torch.cat([torch.arange(0, last, size // 2), last[None]])
        # The remainder repeats what is shorter than a window, as the training does.
        index = (starts[:, None] + torch.arange(size)[None]) % length
        pieces = wave[:, index.flatten()].reshape(-1, size)
        features = feature_of(level(pieces), self.setting).half().float()
        return self.network(features).reshape(wave.shape[0], -1).mean(1)


def _power_by_convolution(waves: torch.Tensor, setting: FeatureSetting) -> torch.Tensor:
    """What spectral.stft_power gives, in operations that every ONNX runtime knows."""
    half = setting.n_fft // 2
    padded = torch.nn.functional.pad(waves[:, None], (half, half))
    angle = 2 * torch.pi * torch.outer(torch.arange(half + 1).double(), torch.arange(setting.n_fft).double())
    angle = (angle / setting.n_fft).remainder(2 * torch.pi)
    kernel = torch.cat([angle.cos(), angle.sin()]) * spectral.window(setting).double()
    both = torch.nn.functional.conv1d(padded, kernel.float()[:, None], stride=setting.hop_length).square()
    return (both[:, : half + 1] + both[:, half + 1 :]).transpose(1, 2)


def export_onnx(detector: Detector, path: Path | None = None) -> Path:
    """Write detector.onnx (wave in, log-odds out) and card.json beside it: a folder that --run takes.

    It stays only where its scores equal torch's within 2e-3 on clips of several lengths. ValueError, in a sentence,
    for a classical model or a feature that cannot be exported.
    """
    import onnxruntime

    if not isinstance(detector, RunDetector) or not detector.is_network:
        raise ValueError(f"{detector.name} is no trained network: only networks can be exported")
    if detector.setting.kind not in EXPORTED:
        raise ValueError(
            f"{detector.name} reads {detector.setting.kind}, which cannot be exported: {', '.join(EXPORTED)} can"
        )
    path = path or detector.run.folder / ONNX
    part = path.with_name(path.name + ".part")
    size = detector.setting.n_samples
    try:
        _write(WaveToLogOdds(detector).eval(), _noise(2, size + size // 3), part)
        session = onnxruntime.InferenceSession(part.read_bytes(), providers=["CPUExecutionProvider"])
        for n, length in ((1, size // 2), (3, size), (2, 2 * size + 777)):
            waves = _noise(n, length).numpy()
            theirs = session.run(["log_odds"], {"wave": waves})[0]
            ours = detector.score_waves(waves)
            apart = float(np.abs(theirs - ours).max())
            if not apart <= AGREEMENT * max(1.0, float(np.abs(ours).max())):
                raise ValueError(
                    f"the exported network differs from torch by {apart:.2g}: nothing was written"
                )
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    write_json(path.with_name(CARD), {**detector.card.facts, "opset": OPSET})
    return path


def _noise(n: int, length: int) -> torch.Tensor:
    """(n, length) of many levels."""
    rng = np.random.default_rng(0)
    levels = 10 ** rng.uniform(-2, -0.5, (n, 1))
    return torch.from_numpy((levels * rng.standard_normal((n, length))).astype(np.float32))


def _write(model: Any, waves: torch.Tensor, path: Path) -> None:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    axes = {"wave": {0: "batch", 1: "samples"}, "log_odds": {0: "batch"}}
    fast = spectral.stft_power
    spectral.stft_power = _power_by_convolution
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                model, (waves,), str(path), dynamo=False, input_names=["wave"], output_names=["log_odds"],
                dynamic_axes=axes, opset_version=OPSET,
            )  # fmt: skip
    finally:
        spectral.stft_power = fast


def main(run: str, out: Path | None = None) -> int:
    """Write RUN/detector.onnx, or `out`, and print five lines that use it."""
    add_missing(PROJECT, export=True)
    path = export_onnx(load_detector(run), out)
    print(f"{path}, {path.stat().st_size / 1e6:.2f} MB, equal to torch within {AGREEMENT:g}", file=sys.stderr)
    print(LINES.format(path=path))
    return 0
