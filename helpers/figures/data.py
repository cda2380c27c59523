"""Figures of data before any detector: what there is, what should not matter, how features are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.figures.described import describe, listed, spoken
from helpers.figures.palette import CLASS_NAMES, FEATURE_MAP, MODEL_COLOURS, PALETTE, canvas, canvases

UNITS = {
    "bandwidth_hz": "bandwidth (Hz)",
    "rms_db": "loudness (dB of full scale)",
    "silence_share": "share of silence",
    "leading_silence_s": "silence at the start (s)",
    "trailing_silence_s": "silence at the end (s)",
    "duration_s": "duration (s)",
}


def counts(table: pd.DataFrame) -> Figure:
    """Utterances by attack, one panel a split, bona fide first."""
    splits = [name for name in ("train", "dev", "eval") if (table["split"] == name).any()]
    sizes = [table.loc[table["split"] == split, "attack"].nunique() for split in splits]
    figure, axes = canvases(
        1, len(splits), (11, 3.8), sharey=True, width_ratios=[max(size, 4) for size in sizes]
    )
    for ax, split in zip(np.ravel(axes), splits, strict=True):
        part = table[table["split"] == split]
        attacks = part.loc[part["label"] == "spoof", "attack"].value_counts().sort_index()
        values = [int((part["label"] == "bonafide").sum()), *attacks]
        colours = [PALETTE["bonafide"]] + [PALETTE["spoof"]] * len(attacks)
        ax.bar(range(len(values)), values, color=colours)
        ax.set_xticks(range(len(values)), ["bona fide", *attacks.index], rotation=90)
        ax.set(title=f"{split}: {len(part):,} utterances", ylabel="utterances" if split == splits[0] else "")
        said = listed(zip(["bona fide", *attacks.index], values, strict=True), spoken)
        describe(figure, f"{split}: {len(part):,} utterances, {said}.")
    return figure


def measures(found: pd.DataFrame) -> Figure:
    """The shortcut measures, one panel each, both classes over all splits."""
    names = [name for name in UNITS if name in found]
    figure, axes = canvases(2, 3, (11, 5.8))
    for ax, name in zip(np.ravel(axes), names, strict=False):
        for label in ("spoof", "bonafide"):
            values = found.loc[found["label"] == label, name]
            sns.histplot(
                x=values,
                bins=int(np.clip(len(found) ** 0.5, 8, 30)),
                binrange=(found[name].min(), found[name].max()),
                stat="percent",
                element="step",
                alpha=0.5,
                color=PALETTE[label],
                label=CLASS_NAMES[label],
                ax=ax,
            )
        ax.set(xlabel=UNITS[name], ylabel="share of its class (%)")
        middle = found.groupby("label")[name].median()
        said = [
            f"{CLASS_NAMES[label]} {spoken(middle[label])}"
            for label in ("bonafide", "spoof")
            if label in middle
        ]
        describe(figure, f"Histogram of {UNITS[name]}, medians: {', '.join(said)}.")
    for ax in np.ravel(axes)[len(names) :]:
        ax.set_axis_off()
    np.ravel(axes)[0].legend()
    return figure


def filter_banks(banks: Mapping[str, np.ndarray], sample_rate: int = 16000) -> Figure:
    """Every fourth filter of each bank, each scaled to a peak of one; banks (bands, frequencies)."""
    figure, axes = canvases(len(banks), 1, (9, 1.9 * len(banks) + 0.6), sharex=True)
    for ax, (name, bank) in zip(np.ravel(axes), banks.items(), strict=True):
        bank = np.asarray(bank)
        kilohertz = np.linspace(0, sample_rate / 2000, bank.shape[1])
        for row in bank[::4]:
            ax.plot(kilohertz, row / row.max(), linewidth=1.2, color=MODEL_COLOURS[0])
        ax.set(title=f"{name}: {len(bank)} filters, every fourth drawn", ylabel="weight")
        upper = int((kilohertz[bank.argmax(axis=1)] > sample_rate / 4000).sum())
        describe(
            figure,
            f"{name}: {len(bank)} overlapping filters, {upper} of them centred in the upper half of the band.",
        )
    np.ravel(axes)[-1].set_xlabel("frequency (kHz)")
    return figure


def lines(series: Mapping[str, Sequence[float]], xlabel: str, ylabel: str, ax: Axes | None = None) -> Figure:
    """Named sequences over 1, 2, 3 …; the two classes in their colours."""
    figure, ax = canvas(ax, (7, 4))
    own = {CLASS_NAMES[label]: colour for label, colour in PALETTE.items()}
    for number, (name, values) in enumerate(series.items()):
        colour = own.get(name, MODEL_COLOURS[number % len(MODEL_COLOURS)])
        ax.plot(range(1, len(values) + 1), values, marker="o", markersize=3.5, label=name, color=colour)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.legend()
    said = [
        f"{name} from {spoken(values[0])} to {spoken(values[-1])}"
        for name, values in series.items()
        if len(values)
    ]
    return describe(figure, f"Lines of {ylabel} against {xlabel}: {', '.join(said)}.")


def pictures(found: Mapping[str, np.ndarray], columns: int = 4) -> Figure:
    """Named pictures (height, width) or (height, width, 3) in a grid, without axes."""
    rows = -(-len(found) // columns)
    figure, axes = canvases(rows, min(columns, len(found)), (2.8 * min(columns, len(found)), 3.1 * rows))
    for ax in np.ravel(axes):
        ax.set_axis_off()
    flat = [np.asarray(picture) for picture in found.values()]
    shaded = [picture for picture in flat if picture.ndim == 2]
    low, high = (min(p.min() for p in shaded), max(p.max() for p in shaded)) if shaded else (None, None)
    image = None
    for ax, name, picture in zip(np.ravel(axes), found, flat, strict=False):
        upwards = "lower" if picture.ndim == 2 else "upper"
        shown = ax.imshow(picture, cmap=FEATURE_MAP, aspect="auto", origin=upwards, vmin=low, vmax=high)
        image = shown if picture.ndim == 2 else image
        ax.set_title(name)
    if image is not None:
        figure.colorbar(image, ax=list(np.ravel(axes)), label="one scale for all")
    return describe(figure, f"{len(found)} pictures in a grid: {', '.join(found)}.")
