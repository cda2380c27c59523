"""What the rows and columns of a feature mean, for plots."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from helpers.features.deep_voice import COLUMNS
from helpers.features.filters import contrast_edges, filter_edges, frequencies
from helpers.features.settings import FeatureSetting

PITCH_CLASSES = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"]


@dataclass(frozen=True)
class Axes:
    """Values along both axes of an array (rows, columns), and the words beside them; units in the words."""

    x: np.ndarray  # (columns,) seconds, or numbers of columns
    y: np.ndarray  # (rows,) Hz, or numbers of rows
    x_label: str
    y_label: str
    value_label: str
    names: list[str]  # of the rows, or of the elements of a vector; empty where numbers say enough


def axis_labels(setting: FeatureSetting) -> Axes:
    """Axes of one clip's feature; those of a wave or a vector have one row."""
    seconds = np.arange(setting.n_frames) * setting.hop_length / setting.sample_rate
    centres = filter_edges(setting)[1:-1]
    coefficients = np.arange(setting.n_coefficients)
    time, hertz = "time (s)", "frequency (Hz)"
    if setting.kind == "logmel":
        return Axes(seconds, centres, time, f"centre of the band ({setting.filters}, Hz)", "ln power", [])
    if setting.kind == "logspec":
        return Axes(seconds, frequencies(setting), time, hertz, "ln power", [])
    if setting.kind in ("mfcc", "lfcc"):
        orders = np.concatenate([coefficients] * (setting.deltas + 1))
        names = [f"{'Δ' * order}c{i}" for order in range(setting.deltas + 1) for i in coefficients]
        return Axes(seconds, np.arange(len(orders)), time, "coefficient", "dB", names)
    if setting.kind == "chroma":
        names = PITCH_CLASSES if setting.n_bands == 12 else []
        return Axes(seconds, np.arange(setting.n_bands), time, "pitch class", "share of the strongest", names)
    if setting.kind == "contrast":
        names = _octaves(setting)
        return Axes(seconds, np.arange(len(names)), time, "octave band (Hz)", "peak over valley (dB)", names)
    if setting.kind == "zcr":
        return Axes(seconds, np.zeros(1), time, "", "sign changes a sample", ["zero-crossing rate"])
    if setting.kind == "mfcc_contrast_zcr":
        names = [f"c{i}" for i in coefficients] + [f"contrast {band}" for band in _octaves(setting)] + ["zcr"]
        return Axes(
            seconds, np.arange(len(names)), time, "MFCC, contrast, zero crossings", "dB; share", names
        )
    if setting.kind == "wave":
        seconds = np.arange(setting.n_samples) / setting.sample_rate
        return Axes(seconds, np.zeros(1), time, "", "amplitude", [])
    if setting.kind == "deep_voice_26":
        return Axes(np.arange(len(COLUMNS)), np.zeros(1), "", "", "mean", list(COLUMNS))
    pixels = (np.arange(setting.size) + 0.5) / setting.size
    if setting.kind == "spectrogram_picture":
        upwards = (1.0 - pixels) * setting.sample_rate / 2
        return Axes(
            pixels * setting.seconds, upwards, time, hertz, "0 = 80 dB below the loudest, 1 = loudest", []
        )
    return Axes(pixels * setting.seconds, 1.0 - 2.0 * pixels, time, "amplitude over the peak", "ink", [])


def _octaves(setting: FeatureSetting) -> list[str]:
    edges = np.minimum(contrast_edges(setting), setting.sample_rate / 2)
    return [f"{low:.0f}–{high:.0f}" for low, high in zip(edges[:-1], edges[1:], strict=True)]
