"""Figures of one utterance: its features with axes in hertz and seconds, waveform over log-mel, heat maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.figures.described import describe, of_axes
from helpers.figures.palette import CLASS_NAMES, FEATURE_MAP, PALETTE, canvas, canvases

KINDS = {
    "logmel": ("mel band centre (Hz)", "log-mel"),
    "mfcc": ("MFCC number", "MFCC"),
    "lfcc": ("LFCC number", "LFCC"),
    "chroma": ("pitch class", "chroma"),
    "contrast": ("octave band", "contrast"),
    "logspec": ("frequency (Hz)", "log spectrogram"),
    "zcr": ("", "zero crossings"),
}


def about(setting: Any) -> dict:
    """A FeatureSetting, or a dict of its fields, as a dict."""
    if setting is None:
        return {}
    return dict(setting) if isinstance(setting, Mapping) else dict(setting.to_dict())


def family(kind: str) -> str:
    """logmel128 -> logmel, lfcc_gmm -> lfcc: the kind that axes are named for."""
    return next((name for name in sorted(KINDS, key=len, reverse=True) if kind.startswith(name)), kind)


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
    if "picture" in kind:
        ax.imshow(array, cmap=FEATURE_MAP if "spectrogram" in kind else "gray", aspect="auto")
        ax.set(xlabel="time, pixels", ylabel="pixels", title=title or kind.replace("_", " "))
        ax.grid(False)
        return describe(figure, f"{of_axes(ax)}.")
    seconds = array.shape[1] * found.get("hop_length", 1) / found.get("sample_rate", 1)
    has_time = bool(found.get("hop_length") and found.get("sample_rate"))
    low, high = limits if limits is not None else shades(array, kind)
    image = ax.imshow(
        array,
        origin="lower",
        aspect="auto",
        cmap=FEATURE_MAP,
        vmin=low,
        vmax=high,
        extent=(0, seconds if has_time else array.shape[1], -0.5, array.shape[0] - 0.5),
        interpolation="nearest",
    )
    name, short = KINDS.get(family(kind), ("band", kind or "features"))
    if linear_bands(found):
        name, short = "band centre (Hz)", "log energy in bands"
    ax.set(xlabel="time (s)" if has_time else "frame", ylabel=name, title=title or short)
    band_ticks(ax, array.shape[0], found)
    if bar:
        unit = "log energy" if family(kind) in ("logmel", "logspec") else "value"
        figure.colorbar(image, ax=ax, label=unit)
    ax.grid(False)
    rows = f"{array.shape[0]} rows by {array.shape[1]} frames, the strongest row number {1 + int(array.mean(axis=1).argmax())}"
    return describe(figure, f"{of_axes(ax)}: {rows}.")


def shades(array: np.ndarray, kind: str) -> tuple[float, float]:
    """Low and high end of the shades; the first cepstral coefficient is loudness and would swallow the others."""
    shown = array[1:] if family(kind) in ("mfcc", "lfcc") and len(array) > 2 else array
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


def linear_bands(found: Mapping) -> bool:
    """Log energies in bands of equal width: the kind is logmel, the filters are not."""
    return family(str(found.get("kind", ""))) == "logmel" and found.get("filters") == "linear"


def band_ticks(ax: Axes, n_bands: int, found: Mapping) -> None:
    """Hertz beside bands of a mel or linear scale; note names for chroma; numbers otherwise."""
    kind = family(str(found.get("kind", "")))
    rate = found.get("sample_rate") or 16000
    low, high = float(found.get("f_min") or 0), float(found.get("f_max") or rate / 2)
    wanted = np.array([0, 250, 500, 1000, 2000, 4000, 6000, 8000, 11000, 16000])
    wanted = wanted[(wanted >= low) & (wanted <= high)]
    if kind == "logmel":
        if linear_bands(found):
            wanted = np.arange(1000, high, 1000 if high <= 8000 else 2000)

        def mel(hertz):
            return hertz if linear_bands(found) else 2595 * np.log10(1 + np.asarray(hertz) / 700)

        # Band b of n is centred at the (b+1)-th of n+2 points that are even in mel (or in hertz).
        places = (mel(wanted) - mel(low)) / (mel(high) - mel(low)) * (n_bands + 1) - 1
    elif kind == "logspec":
        wanted = np.arange(0, high + 1, 1000 if high <= 8000 else 2000)
        wanted = wanted[wanted >= low]
        places = (wanted - low) / (high - low) * (n_bands - 1)
    elif kind == "chroma" and n_bands == 12:
        ax.set_yticks(np.arange(12), "C C♯ D D♯ E F F♯ G G♯ A A♯ B".split())
        return
    else:
        return
    seen = (places >= -0.5) & (places <= n_bands - 0.5)
    ax.set_yticks(places[seen], [f"{int(v):,}" for v in wanted[seen]])


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
    for ax in np.ravel(axes):
        ax.title.set_color("black")
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
