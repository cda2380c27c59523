"""What the rows and columns of a feature mean: seconds, hertz, names. Every figure takes its axes from here."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from helpers.features.deep_voice import COLUMNS
from helpers.features.settings import FeatureSetting
from helpers.features.spectral import band_centres, contrast_edges, frequencies

PITCH_CLASSES = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"]
OCTAVES = np.array([250, 500, 1000, 2000, 4000, 8000, 16000])  # Hz, labels on a mel scale
MOST_NAMES = 14  # that fit beside a picture


@dataclass(frozen=True)
class Axes:
    """Values along both axes of an array (rows, columns), and the labels beside them, with units."""

    x: np.ndarray  # (columns,) seconds, or numbers of columns
    y: np.ndarray  # (rows,) Hz, or numbers of rows
    x_label: str
    y_label: str
    value_label: str
    names: list[str] = field(default_factory=list)  # of the rows, or of the elements of a vector

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, right, bottom and top for imshow with origin="lower": each column is centred on its time."""
        half = (self.x[1] - self.x[0]) / 2 if len(self.x) > 1 else 0.5
        return (self.x[0] - half, self.x[-1] + half, -0.5, len(self.y) - 0.5)

    @property
    def ticks(self) -> tuple[np.ndarray, list[str]]:
        """Numbers of rows, which may lie between two, and the labels there: round kHz, or names of rows."""
        if self.names or "Hz" not in self.y_label:
            step = 1 + (len(self.names) - 1) // MOST_NAMES
            return np.arange(0, len(self.names), step), self.names[::step]
        order = np.argsort(self.y)  # pictures run from the highest frequency down
        hertz = self.y[order]
        evenly = np.ptp(np.diff(hertz)) < 1e-3 * hertz[-1]
        wanted = np.arange(0, hertz[-1] + 1, 1000 if hertz[-1] <= 8000 else 2000) if evenly else OCTAVES
        wanted = wanted[(wanted >= hertz[0]) & (wanted <= hertz[-1])]
        return np.interp(wanted, hertz, order), [f"{value / 1000:g}" for value in wanted]


def axis_labels(setting: FeatureSetting) -> Axes:
    """Axes of one clip's feature; those of a wave or a vector have one row."""
    kind, coefficients = setting.kind, [f"c{i}" for i in range(setting.n_coefficients)]
    one_row, pixels = np.zeros(1), (np.arange(setting.size) + 0.5) / setting.size
    if kind == "wave":
        return Axes(np.arange(setting.n_samples) / setting.sample_rate, one_row, "time (s)", "", "amplitude")
    if kind == "deep_voice_26":
        return Axes(np.arange(len(COLUMNS)), one_row, "", "", "mean", COLUMNS)
    if kind == "spectrogram_picture":
        hertz = (1.0 - pixels) * setting.sample_rate / 2
        ink = "0 = 80 dB below the loudest, 1 = loudest"
        return Axes(pixels * setting.seconds, hertz, "time (s)", "frequency (kHz)", ink)
    if kind == "waveform_picture":
        return Axes(
            pixels * setting.seconds, 1.0 - 2.0 * pixels, "time (s)", "amplitude over the peak", "ink"
        )
    seconds = np.arange(setting.n_frames) * setting.hop_length / setting.sample_rate
    if kind == "logmel":
        label = f"centre of the band ({setting.filters}, kHz)"
        return Axes(seconds, band_centres(setting), "time (s)", label, "ln power")
    if kind == "logspec":
        return Axes(seconds, frequencies(setting), "time (s)", "frequency (kHz)", "ln power")
    edges = np.minimum(contrast_edges(setting), setting.sample_rate / 2)
    octaves = [f"{low:.0f}–{high:.0f}" for low, high in zip(edges[:-1], edges[1:], strict=True)]
    cepstra = [f"{'Δ' * order}{name}" for order in range(setting.deltas + 1) for name in coefficients]
    pitches = PITCH_CLASSES if setting.n_bands == 12 else [str(i) for i in range(setting.n_bands)]
    y_label, value_label, names = {
        "mfcc": ("coefficient", "dB", cepstra),
        "lfcc": ("coefficient", "dB", cepstra),
        "chroma": ("pitch class", "share of the strongest", pitches),
        "contrast": ("octave band (Hz)", "peak over valley (dB)", octaves),
        "zcr": ("", "sign changes a sample", ["zero-crossing rate"]),
        "mfcc_contrast_zcr": (
            "MFCC, contrast, zero crossings",
            "dB; share",
            [*coefficients, *(f"contrast {band}" for band in octaves), "zcr"],
        ),
    }[kind]
    return Axes(seconds, np.arange(len(names)), "time (s)", y_label, value_label, names)
