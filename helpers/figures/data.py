"""Figures of data before any detector: what there is, what should not matter, one clip's features in their units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.features.axes import axis_labels
from helpers.features.settings import FeatureSetting
from helpers.figures.palette import (
    CLASS_NAMES,
    FEATURE_MAP,
    MODEL_COLOURS,
    PALETTE,
    canvas,
    canvases,
    describe,
    listed,
    of_axes,
)

UNITS = {
    "bandwidth_hz": "bandwidth (Hz)",
    "rms_db": "loudness (dB of full scale)",
    "silence_share": "share of silence",
    "leading_silence_s": "silence at the start (s)",
    "trailing_silence_s": "silence at the end (s)",
    "duration_s": "duration (s)",
}


def counts(table: pd.DataFrame, by: str = "attack") -> Figure:
    """Utterances by `attack` or by `label`, one panel a split, bona fide first."""
    splits = [name for name in ("train", "dev", "eval") if (table["split"] == name).any()]
    found = {split: table.loc[table["split"] == split] for split in splits}
    widths = [max(part[by].nunique(), 4) for part in found.values()]
    figure, axes = canvases(1, len(splits), (11, 3.8), sharey=True, width_ratios=widths)
    for ax, (split, part) in zip(axes[0], found.items(), strict=True):
        spoofs = part.loc[part["label"] == "spoof", by].value_counts().sort_index()
        values = [int((part["label"] == "bonafide").sum()), *spoofs]
        colours = [PALETTE["bonafide"]] + [PALETTE["spoof"]] * len(spoofs)
        bars = ax.bar(range(len(values)), values, color=colours)
        ax.set_xticks(range(len(values)), ["bona fide", *spoofs.index], rotation=90 if by == "attack" else 0)
        if by == "label":
            ax.bar_label(bars, fmt="{:,.0f}")
        ax.set(title=f"{split}: {len(part):,} utterances", ylabel="utterances" if split == splits[0] else "")
    return figure


def measures(found: pd.DataFrame) -> Figure:
    """The shortcut measures, one panel each, both classes over all splits."""
    names = [name for name in UNITS if name in found]
    figure, axes = canvases(2, 3, (11, 5.8))
    bins = int(np.clip(len(found) ** 0.5, 8, 30))
    for ax, name in zip(np.ravel(axes), names, strict=False):
        ends, middles = (found[name].min(), found[name].max()), {}
        for label in ("spoof", "bonafide"):
            values = found.loc[found["label"] == label, name]
            look: Any = {
                "element": "step",
                "alpha": 0.5,
                "color": PALETTE[label],
                "label": CLASS_NAMES[label],
            }
            sns.histplot(x=values, bins=bins, binrange=ends, stat="percent", ax=ax, **look)
            middles[CLASS_NAMES[label]] = values.median()
        ax.set(xlabel=UNITS[name], ylabel="share of its class (%)")
        describe(figure, f"Histogram of {UNITS[name]}, medians: {listed(middles.items())}.")
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
    ends = listed((name, values[-1]) for name, values in series.items() if len(values))
    return describe(figure, f"{of_axes(ax)}; at the end: {ends}.")


def plot_features(
    array,
    setting: FeatureSetting | None = None,
    title: str = "",
    ax: Axes | None = None,
    limits=None,
    bar: bool = True,
) -> Figure:
    """One clip's features (bands, frames), (1, height, width) or (values,) with axes in the units of its setting.

    `limits` (low, high) fixes the shades so that two pictures compare; `bar` draws the colour scale.
    """
    array = np.squeeze(np.asarray(array, dtype=np.float32))
    figure, ax = canvas(ax, (7.6, 3.8))
    kind = setting.kind if setting else "features"
    ax.set_title(title or kind.replace("_", " "))
    ax.margins(x=0.01)
    if array.ndim == 1 and setting and kind == "deep_voice_26":
        ax.bar(np.arange(array.size), array, color=PALETTE["bonafide"])
        ax.set_xticks(np.arange(array.size), axis_labels(setting).names, rotation=90)
        ax.set_yscale("symlog", linthresh=0.1)  # hertz and fractions on one axis
        ax.set(xlabel="feature", ylabel="mean over the clip")
    elif array.ndim == 1:  # a wave, or one number a frame
        rate = setting.sample_rate / (setting.hop_length if kind == "zcr" else 1) if setting else 1
        ax.plot(np.arange(array.size) / rate, array, linewidth=0.5, color=PALETTE["bonafide"])
        value = "sign changes a sample" if kind == "zcr" else "amplitude"
        ax.set(xlabel="time (s)" if setting else "sample", ylabel=value)
    else:
        _picture(figure, ax, array, setting, limits, bar)
    return describe(figure, f"{of_axes(ax)}.")


def _picture(
    figure: Figure, ax: Axes, array: np.ndarray, setting: FeatureSetting | None, limits, bar
) -> None:
    """An array (rows, columns) as shades; pictures begin with their highest row, the others with their lowest."""
    kind = setting.kind if setting else ""
    low, high = limits if limits is not None else shades(array, kind)
    look: Any = {"cmap": "gray" if kind == "waveform_picture" else FEATURE_MAP, "vmin": low, "vmax": high}
    upwards: Any = "upper" if "picture" in kind else "lower"
    image = ax.imshow(array, aspect="auto", interpolation="nearest", origin=upwards, **look)
    ax.grid(False)
    ax.set(xlabel="frame", ylabel="row")
    value = "value"
    if setting is not None:
        known = axis_labels(setting)
        seconds = setting.seconds
        if "picture" not in kind:
            seconds = array.shape[1] * setting.hop_length / setting.sample_rate
        _, _, bottom, top = image.get_extent()
        image.set_extent((0, seconds, bottom, top))
        if kind == "waveform_picture":
            image.set_extent((0, seconds, -1, 1))
        elif len(known.y) == len(array):
            ax.set_yticks(*known.ticks)
        ax.set(xlabel=known.x_label, ylabel=known.y_label)
        value = known.value_label
    if bar:
        figure.colorbar(image, ax=ax, label=value)


def shades(array: np.ndarray, kind: str) -> tuple[float, float]:
    """Low and high end of the shades; the first cepstral coefficient is loudness and would swallow the others."""
    shown = array[1:] if kind in ("mfcc", "lfcc") and len(array) > 2 else array
    low, high = np.percentile(shown, [1, 99.5])
    return float(low), float(high if high > low else low + 1)


def side_by_side(bonafide, spoof, setting, waves=None, titles=("bona fide", "spoof")) -> Figure:
    """A bona fide and a spoof clip in the same shades; `waves` = (bona fide, spoof) puts waveforms above."""
    pictures = [np.squeeze(np.asarray(array, dtype=np.float32)) for array in (bonafide, spoof)]
    limits = shades(np.concatenate(pictures, axis=-1), setting.kind)
    if waves is None:
        figure, axes = canvases(1, 2, (11, 3.8))
    else:
        figure, axes = canvases(2, 2, (11, 5.6), sharex="col", height_ratios=(1, 1.8))
        highest = 1.05 * max(np.abs(wave).max() for wave in waves)
        for ax, wave, label, title in zip(axes[0], waves, PALETTE, titles, strict=True):
            times = np.arange(len(wave)) / setting.sample_rate
            ax.plot(times, wave, linewidth=0.5, color=PALETTE[label])
            ax.set(ylim=(-highest, highest), title=title)
        axes[0][0].set_ylabel("amplitude")
    for ax, picture, title in zip(axes[-1], pictures, titles, strict=True):
        plot_features(picture, setting, title, ax, limits, bar=False)
        if waves is not None:
            ax.set_title("")
    axes[-1][1].set_ylabel("")
    if axes[-1][0].images:
        figure.colorbar(axes[-1][0].images[0], ax=list(axes[-1]), label="one scale for both")
    return figure


def class_examples(cache, split: str = "dev") -> Figure:
    """The first bona fide and the first spoofed clip of a split, as the cache holds them."""
    table = cache.table[cache.table["split"] == split]
    rows = [int(table.index[table["label"] == label][0]) for label in ("bonafide", "spoof")]
    spoof = cache.table.loc[rows[1], "attack"]
    bonafide, spoofed = cache.read(np.array(rows))
    return side_by_side(bonafide, spoofed, cache.setting, titles=("bona fide", f"spoof ({spoof})"))
