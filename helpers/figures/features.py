"""Figures of one utterance: its features with axes in hertz and seconds, waveform over log-mel, heat maps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.features.axes import Axes as AxisLabels
from helpers.features.axes import axis_labels
from helpers.features.settings import FeatureSetting
from helpers.figures.described import describe, of_axes
from helpers.figures.palette import CLASS_NAMES, FEATURE_MAP, PALETTE, canvas, canvases


def about(setting: Any) -> dict:
    """A FeatureSetting, or a dict of its fields, as a dict."""
    if setting is None:
        return {}
    return dict(setting) if isinstance(setting, Mapping) else dict(setting.to_dict())


def axes_of(found: Mapping, n_rows: int) -> AxisLabels | None:
    """The axes that helpers.features gives to a setting, for an array of `n_rows`; None where there is no kind."""
    if not found.get("kind"):
        return None
    setting = FeatureSetting.from_dict(
        {f.name: found[f.name] for f in fields(FeatureSetting) if f.name in found}
    )
    if setting.kind == "logmel" and setting.n_bands != n_rows:
        setting = replace(setting, n_bands=n_rows)
    return axis_labels(setting)


def plot_features(
    array, setting=None, title: str = "", ax: Axes | None = None, limits=None, bar: bool = True
) -> Figure:
    """One clip's features (bands, frames), (1, height, width) or (values,) with axes in the units of its setting.

    `limits` (low, high) fixes the shades so that two pictures compare; `bar` draws the colour scale.
    """
    array = np.squeeze(np.asarray(array, dtype=np.float32))
    found = about(setting)
    kind = str(found.get("kind", ""))
    figure, ax = canvas(ax, (7.6, 3.8))
    if kind == "zcr" and array.ndim == 1:
        ax.plot(
            np.arange(array.size) * found["hop_length"] / found["sample_rate"],
            array,
            color=PALETTE["bonafide"],
        )
        ax.set(xlabel="time (s)", ylabel="zero crossings per sample", title=title or "zero-crossing rate")
        ax.margins(x=0.01)
        return describe(figure, f"{of_axes(ax)}.")
    if array.ndim == 1:
        return plot_vector(figure, ax, array, found, title)
    if array.ndim != 2:
        raise ValueError(f"one clip's features have one or two axes, not the shape {array.shape}")
    known = axes_of(found, array.shape[0])
    if "picture" in kind:
        waves = kind == "waveform_picture"
        height = (-1.0, 1.0) if waves else (0.0, found["sample_rate"] / 2000)
        ax.imshow(
            array,
            cmap="gray" if waves else FEATURE_MAP,
            aspect="auto",
            extent=(0, found["seconds"], *height),
            vmin=limits[0] if limits else None,
            vmax=limits[1] if limits else None,
        )
        label = "amplitude over the peak" if waves else "frequency (kHz)"
        ax.set(xlabel="time (s)", ylabel=label, title=title or kind.replace("_", " "))
        ax.grid(False)
        return describe(figure, f"{of_axes(ax)}.")
    has_time = bool(found.get("hop_length") and found.get("sample_rate"))
    seconds = array.shape[1] * found["hop_length"] / found["sample_rate"] if has_time else array.shape[1]
    low, high = limits if limits is not None else shades(array, kind)
    image = ax.imshow(
        array,
        origin="lower",
        aspect="auto",
        cmap=FEATURE_MAP,
        vmin=low,
        vmax=high,
        extent=(0, seconds, -0.5, array.shape[0] - 0.5),
        interpolation="nearest",
    )
    ax.set(xlabel="time (s)" if has_time else "frame", ylabel="row", title=title or kind or "features")
    if known is not None:
        row_ticks(ax, known)
    if bar:
        figure.colorbar(image, ax=ax, label=known.value_label if known else "value")
    ax.grid(False)
    rows = f"{array.shape[0]} rows by {array.shape[1]} frames, the strongest row number {1 + int(array.mean(axis=1).argmax())}"
    return describe(figure, f"{of_axes(ax)}: {rows}.")


def row_ticks(ax: Axes, known: AxisLabels) -> None:
    """kHz where the rows are frequencies, names where they have some, else their numbers."""
    ax.set_ylabel(known.y_label.replace("Hz)", "kHz)"))
    if "Hz" in known.y_label and not known.names:
        evenly = np.ptp(np.diff(known.y)) < 1e-3 * known.y[-1]
        wanted = (
            np.arange(0, known.y[-1] + 1, 1000) if evenly else np.array([250, 500, 1000, 2000, 4000, 8000])
        )
        wanted = wanted[(wanted >= known.y[0]) & (wanted <= known.y[-1])]
        ax.set_yticks(
            np.interp(wanted, known.y, np.arange(len(known.y))), [f"{hertz / 1000:g}" for hertz in wanted]
        )
    elif known.names:
        step = 1 + (len(known.names) - 1) // 14
        ax.set_yticks(np.arange(0, len(known.names), step), known.names[::step])
        ax.set_ylabel(known.y_label)


def shades(array: np.ndarray, kind: str) -> tuple[float, float]:
    """Low and high end of the shades; the first cepstral coefficient is loudness and would swallow the others."""
    shown = array[1:] if kind in ("mfcc", "lfcc") and len(array) > 2 else array
    low, high = np.percentile(shown, [1, 99.5])
    return float(low), float(high if high > low else low + 1)


def plot_vector(figure: Figure, ax: Axes, values: np.ndarray, found: Mapping, title: str) -> Figure:
    """A waveform as a line in seconds, a short vector as bars."""
    if values.size > 500:
        rate = found.get("sample_rate", 0)
        times = np.arange(values.size) / rate if rate else np.arange(values.size)
        ax.plot(times, values, linewidth=0.5, color=PALETTE["bonafide"])
        ax.set(xlabel="time (s)" if rate else "sample", ylabel="amplitude", title=title or "waveform")
    else:
        names = list(found.get("names", range(1, values.size + 1)))
        ax.bar(np.arange(values.size), values, color=PALETTE["bonafide"])
        ax.set_xticks(np.arange(values.size), names, rotation=90)
        if np.ptp(values) > 100:
            ax.set_yscale("symlog", linthresh=0.1)  # hertz and fractions on one axis
        ax.set(xlabel="feature", ylabel="mean over the clip", title=title or "clip means")
    ax.margins(x=0.01)
    return describe(figure, f"{of_axes(ax)}.")


def wave_over_features(wave, array, setting, label: str = "bonafide", title: str = "") -> Figure:
    """The waveform (samples,) above the features of the same clip, on one time axis."""
    found = about(setting)
    rate = found.get("sample_rate", 16000)
    wave = np.asarray(wave, dtype=np.float32).ravel()
    figure, axes = canvases(2, 1, (7.8, 5.4), height_ratios=(1, 1.8), sharex=True)
    upper, lower = np.ravel(axes)
    upper.plot(np.arange(wave.size) / rate, wave, linewidth=0.5, color=PALETTE[label])
    upper.set(ylabel="amplitude", title=title or CLASS_NAMES[label], ylim=symmetric(wave))
    describe(
        figure, f"{title or CLASS_NAMES[label]}: a waveform of {wave.size / rate:.1f} s above its features."
    )
    plot_features(array, setting, ax=lower, bar=False)
    lower.set_title("")
    return figure


def symmetric(wave: np.ndarray) -> tuple[float, float]:
    """Limits around zero that hold the wave."""
    highest = float(np.abs(wave).max()) * 1.05 if wave.size else 1.0
    return -max(highest, 1e-3), max(highest, 1e-3)


def side_by_side(bonafide, spoof, setting, waves=None, titles=("bona fide", "spoof")) -> Figure:
    """A bona fide and a spoof clip in the same shades; `waves` = (bona fide, spoof) puts waveforms above."""
    pictures = [np.squeeze(np.asarray(a, dtype=np.float32)) for a in (bonafide, spoof)]
    found = about(setting)
    limits = shades(np.concatenate(pictures, axis=-1), str(found.get("kind", "")))
    rows = 1 if waves is None else 2
    figure, axes = canvases(
        rows,
        2,
        (11, 3.8 if waves is None else 5.6),
        sharex="col" if waves is not None else False,
        **({} if waves is None else {"height_ratios": (1, 1.8)}),
    )
    for column, (label, name) in enumerate(zip(("bonafide", "spoof"), titles, strict=True)):
        if waves is not None:
            wave, ax = np.asarray(waves[column]).ravel(), axes[0][column]
            ax.plot(
                np.arange(wave.size) / found.get("sample_rate", 16000),
                wave,
                linewidth=0.5,
                color=PALETTE[label],
            )
            ax.set(ylim=symmetric(np.concatenate([np.ravel(w) for w in waves])), title=name)
            ax.set_ylabel("amplitude" if column == 0 else "")
            describe(
                figure,
                f"{name}: a waveform of {wave.size / found.get('sample_rate', 16000):.1f} s above its features.",
            )
        plot_features(pictures[column], setting, name, axes[rows - 1][column], limits, bar=False)
        if waves is not None:
            axes[1][column].set_title("")
        if column:
            axes[rows - 1][column].set_ylabel("")
    shown = axes[rows - 1][0].images
    if shown:
        figure.colorbar(shown[0], ax=list(axes[rows - 1]), label="one scale for both")
    return figure


def class_examples(cache, split: str = "dev") -> Figure:
    """The first bona fide and the first spoofed clip of a split, as the cache holds them."""
    table = cache.table[cache.table["split"] == split]
    rows = [int(table.index[table["label"] == label][0]) for label in ("bonafide", "spoof")]
    spoof = cache.table.loc[rows[1], "attack"]
    bonafide, spoofed = cache.read(np.array(rows))
    return side_by_side(bonafide, spoofed, cache.setting, titles=("bona fide", f"spoof ({spoof})"))


def heat_over_features(array, heat, setting=None, title: str = "", ax: Axes | None = None) -> Figure:
    """Features in grey under a heat map (explain.grad_cam): where the network found what it decided by."""
    array = np.squeeze(np.asarray(array, dtype=np.float32))
    found = about(setting)
    figure, ax = canvas(ax, (7.6, 3.8))
    plot_features(array, setting, title or "What the network looked at", ax, bar=False)
    picture = ax.images[0]
    picture.set_cmap("gray")
    shown = ax.imshow(
        heat,
        origin="upper" if "picture" in str(found.get("kind", "")) else "lower",
        aspect="auto",
        extent=picture.get_extent(),
        cmap="inferno",
        alpha=0.25 + 0.5 * np.clip(np.asarray(heat), 0, 1),
        vmin=0,
        vmax=1,
    )
    shown.set_zorder(2)
    figure.colorbar(shown, ax=ax, label="weight in the decision (0..1)")
    band, frame = np.unravel_index(int(np.argmax(heat)), np.shape(heat))
    return describe(
        figure,
        f"A heat map lies over it, strongest at row {band + 1} of {np.shape(heat)[0]}, "
        f"column {frame + 1} of {np.shape(heat)[1]}.",
    )
