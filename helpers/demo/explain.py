"""The pictures behind a verdict: the log-mel of a whole recording, and Grad-CAM laid over the same time axis."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from helpers.demo.audio import Cutter
from helpers.demo.detector import Detector
from helpers.evaluation.explain import grad_cam
from helpers.features import FEATURES, FeatureSetting, axis_labels, compute

MEL = FEATURES["logmel"]
COLUMNS = 900  # of a picture at most
EXPLAINED_SECONDS = (
    60.0  # Grad-CAM costs as much as training: only the beginning of a long recording is explained
)


def log_mel_picture(wave: np.ndarray) -> np.ndarray:
    """(samples,) -> (bands, columns), a minute at a time, averaged down to COLUMNS at most."""
    minute = 60 * MEL.sample_rate
    parts = []
    for start in range(0, len(wave), minute):
        part = wave[start : start + minute]
        if len(part) < MEL.n_fft:
            part = np.pad(part, (0, MEL.n_fft - len(part)))
        setting = replace(MEL, seconds=len(part) / MEL.sample_rate)  # all of it, not a clip's length
        parts.append(compute(torch.from_numpy(part)[None], setting)[0].numpy())
    return narrowed(np.concatenate(parts, axis=1), COLUMNS)


def narrowed(values: np.ndarray, n_columns: int) -> np.ndarray:
    """(rows, n) -> (rows, at most n_columns), neighbours averaged."""
    if values.shape[1] <= n_columns:
        return values
    edges = np.linspace(0, values.shape[1], n_columns + 1).astype(int)
    return np.add.reduceat(values, edges[:-1], axis=1) / np.diff(edges)


def grad_cam_picture(detector: Detector, wave: np.ndarray, towards: str) -> np.ndarray | None:
    """(mel bands, columns) in 0..1 over the whole recording, or None for a model without a layer to look into."""
    if not detector.is_network or not getattr(detector.model, "cam_layer", ""):
        return None
    setting, pieces = detector.setting, []
    cutter = Cutter(setting.n_samples)
    explained = wave[: round(EXPLAINED_SECONDS * setting.sample_rate)]
    pieces = cutter.push(explained) + cutter.end()
    features = detector.features([piece for _, piece in pieces])
    if features.ndim not in (3, 4):
        return None
    with detector.lock:
        maps = np.concatenate([grad_cam(detector.model, batch, towards) for batch in features.split(8)])
    columns = min(COLUMNS, 1 + len(wave) // MEL.hop_length)
    heat = np.zeros((maps.shape[1], columns), np.float32)
    for (start, piece), one in zip(pieces, maps):
        share = min(1.0, len(piece) / setting.n_samples)  # the rest of the clip is the piece again
        one = one[:, : max(1, round(share * one.shape[1]))]
        first = int(columns * start / len(wave))
        last = max(first + 1, min(columns, round(columns * (start + len(piece)) / len(wave))))
        at = np.linspace(0, one.shape[1] - 1, last - first).round().astype(int)
        heat[:, first:last] = one[:, at]
    return on_mel_axis(heat, setting)


def on_mel_axis(heat: np.ndarray, setting: FeatureSetting) -> np.ndarray:
    """(rows of the feature, columns) -> the bands of the log-mel that is drawn, the low ones first."""
    if setting.kind not in ("logmel", "logspec", "spectrogram_picture"):
        # Coefficients and waveforms have no axis of frequency in common with it: time alone is shown.
        return np.repeat(heat.mean(axis=0, keepdims=True), MEL.n_bands, axis=0)
    hertz = axis_labels(setting).y
    nearest = np.abs(axis_labels(MEL).y[:, None] - hertz[None]).argmin(axis=1)
    return heat[nearest]
