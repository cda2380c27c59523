"""Figures of scores: DET and ROC curves, histograms with thresholds, confusion, reliability, training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.figures.models import BESIDE, room_beside
from helpers.figures.palette import (
    CLASS_NAMES,
    MODEL_COLOURS,
    PALETTE,
    canvas,
    canvases,
    describe,
    listed,
    model_style,
)
from helpers.metrics import ErrorCurve, by_class

DET_TICKS = np.array([0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])


def det_curves(tables: Mapping[str, pd.DataFrame], ax: Axes | None = None) -> Figure:
    """Miss against false alarm on normal-deviate axes, a line a model; its EER is where it meets the diagonal."""
    from scipy.stats import norm

    figure, ax = canvas(ax, room_beside([f"{name} (99.9 %)" for name in tables], (6.8, 6.2)))
    low, high, rates = 0.5, 0.5, {}
    for number, (name, table) in enumerate(tables.items()):
        curve = ErrorCurve(*by_class(table))
        # Rates below half a trial cannot be drawn on a scale without end.
        edge_x, edge_y = 0.5 / curve.n_spoof, 0.5 / curve.n_bonafide
        x = np.clip(curve.false_alarm[curve.kept], edge_x, 1 - edge_x)
        y = np.clip(curve.miss[curve.kept], edge_y, 1 - edge_y)
        rate, style = curve.eer()[0], model_style(number)
        rates[name], low, high = 100 * rate, min(low, max(rate / 8, edge_x, edge_y)), max(high, rate)
        ax.plot(norm.ppf(x), norm.ppf(y), label=f"{name} ({100 * rate:.1f} %)", linewidth=2, **style)
        if 0 < rate < 1:
            ax.plot([norm.ppf(rate)], [norm.ppf(rate)], marker="o", color=style["color"], markersize=6)
    high = min(max(high * 1.3, 0.6), 0.95)
    ticks = DET_TICKS[(DET_TICKS >= low * 0.99) & (DET_TICKS <= high)]
    limits = norm.ppf(low), norm.ppf(high)
    ax.plot(limits, limits, color="0.6", linewidth=1, linestyle=":")
    ax.set(xlim=limits, ylim=limits, aspect="equal", title="DET curves, EER where they cross the diagonal")
    ax.set(xlabel="false alarm: spoofs accepted (%)", ylabel="miss: bona fide rejected (%)")
    names = [f"{100 * tick:g}" for tick in ticks]
    ax.set_xticks(norm.ppf(ticks), names)
    ax.set_yticks(norm.ppf(ticks), names)
    ax.legend(title="EER", **BESIDE)
    words = "DET curves: misses against false alarms, a line a detector. EER (%): {}."
    return describe(figure, words.format(listed(rates.items())))


def roc_curves(tables: Mapping[str, pd.DataFrame], ax: Axes | None = None) -> Figure:
    """Bona fide accepted against spoofs accepted, a line a model, with its area."""
    figure, ax = canvas(ax, (7.0, 6.2))
    areas = {}
    for number, (name, table) in enumerate(tables.items()):
        curve = ErrorCurve(*by_class(table))
        areas[name] = curve.auc()
        x, y = 100 * curve.false_alarm[curve.kept], 100 - 100 * curve.miss[curve.kept]
        ax.plot(x, y, linewidth=2, label=f"{name} ({areas[name]:.3f})", **model_style(number))
    ax.plot([0, 100], [0, 100], color="0.6", linewidth=1, linestyle=":")
    ax.set(xlim=(-1, 101), ylim=(-1, 101), aspect="equal", title="ROC curves")
    ax.set(xlabel="spoofs accepted (%)", ylabel="bona fide accepted (%)")
    ax.legend(title="area under the curve", loc="lower right")
    words = (
        "ROC curves: bona fide accepted against spoofs accepted, a line a detector. Area under the curve: {}."
    )
    return describe(figure, words.format(listed(areas.items())))


def score_histogram(
    table: pd.DataFrame,
    thresholds: Mapping[str, float] | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Figure:
    """Shares of bona fide and spoof by score, each class adding up to 100 %; thresholds as named lines."""
    figure, ax = canvas(ax, (7.6, 4.8))
    bonafide, spoof = by_class(table)
    # Bins that the smaller class can fill: about the root of its number of clips.
    bins = int(np.clip(round(min(bonafide.size, spoof.size) ** 0.5 * 1.5), 8, 50))
    edges = np.histogram_bin_edges(np.concatenate([bonafide, spoof]), bins=bins)
    said = []
    for label, values in (("spoof", spoof), ("bonafide", bonafide)):
        name = f"{CLASS_NAMES[label]} ({len(values):,})"
        look: Any = {"color": PALETTE[label], "alpha": 0.6, "element": "step", "label": name}
        sns.histplot(x=values, bins=edges, stat="percent", ax=ax, **look)
        said.append(f"half of {name} above {np.median(values):.2f}")
    for number, (name, value) in enumerate((thresholds or {}).items()):
        style = ("--", ":", "-.")[number % 3]
        ax.axvline(value, color="black", linewidth=1.6, linestyle=style, label=f"{name} {value:.2f}")
        said.append(f"a line at {value:.2f}, {name}")
    ax.set(xlabel="score (higher: more likely bona fide)", ylabel="share of its class (%)", title=title)
    ax.legend()
    return describe(
        figure, f"{title or 'All'}: histograms of scores, higher for bona fide: {'; '.join(said)}."
    )


def confusion(section: Mapping, title: str = "", ax: Axes | None = None) -> Figure:
    """Confusion matrix of one split's figures: counts, and the share of each true class as shade."""
    figure, ax = canvas(ax, (4.8, 4.2))
    matrix = pd.DataFrame(section["confusion"]).T.loc[["bonafide", "spoof"], ["bonafide", "spoof"]]
    shares = (
        matrix.div(matrix.sum(axis=1).clip(lower=1), axis=0).rename(CLASS_NAMES).rename(columns=CLASS_NAMES)
    )
    texts = [
        f"{count:,}\n{100 * share:.1f} %"
        for count, share in zip(matrix.to_numpy().flat, shares.to_numpy().flat)
    ]
    look: Any = {"cmap": "Blues", "vmin": 0, "vmax": 1, "cbar": False, "square": True, "linewidths": 1}
    sns.heatmap(shares, annot=np.reshape(texts, (2, 2)), fmt="", ax=ax, annot_kws={"fontsize": 13}, **look)
    ax.set(xlabel="the detector says", ylabel="truth", title=title)
    ax.tick_params(rotation=0)
    ax.grid(False)
    told = zip(shares.index, matrix.sum(axis=1), np.diag(shares), strict=True)
    said = [f"of {total:,.0f} {name} clips {100 * share:.1f} % are named so" for name, total, share in told]
    return describe(figure, f"{title or 'Confusion matrix'}: {', '.join(said)}.")


def confusions(sections: Mapping[str, Mapping], columns: int = 3) -> Figure:
    """One confusion matrix a model."""
    columns = min(columns, max(len(sections), 1))
    rows = -(-len(sections) // columns)
    figure, axes = canvases(rows, columns, (4.2 * columns, 4.2 * rows))
    flat = np.ravel(axes)
    for ax, (name, section) in zip(flat, sections.items(), strict=False):
        confusion(section, name, ax)
    for ax in flat[len(sections) :]:
        ax.set_axis_off()
    return figure


def reliability_diagram(bins: Mapping[str, pd.DataFrame], ax: Axes | None = None) -> Figure:
    """Claimed probability against the share found (calibration.reliability), one line a name; honest is diagonal."""
    figure, ax = canvas(ax, (6.4, 5.8))
    ax.plot([0, 100], [0, 100], color="0.6", linestyle=":", label="claimed as found")
    said = []
    for number, (name, table) in enumerate(bins.items()):
        claimed, found, style = 100 * table["claimed"], 100 * table["found"], model_style(number)
        ax.plot(claimed, found, marker="o", linewidth=2, label=name, **style)
        ax.scatter(
            claimed, found, s=20 + 300 * table["n"] / table["n"].sum(), alpha=0.3, color=style["color"]
        )
        pairs = [f"claimed {a:.0f} found {b:.0f}" for a, b in zip(claimed, found, strict=True)]
        said.append(f"{name}: {', '.join(pairs)}")
    ax.set(xlim=(-3, 103), ylim=(-3, 103), title="Reliability, classes weighted equally")
    ax.set(xlabel="claimed probability of bona fide (%)", ylabel="share that is bona fide (%)")
    ax.legend(loc="upper left")
    words = "Claimed probability of bona fide against the share found, in %."
    return describe(figure, f"{words} {'; '.join(said)}.")


def training_curves(histories: pd.DataFrame | Mapping[str, pd.DataFrame], title: str = "Training") -> Figure:
    """Training loss and dev EER by epoch, the best epoch marked; several histories by name in one figure.

    Columns epoch, train_loss and dev_eer (0..1), as in history.csv. ValueError where there is neither.
    """
    several = {"": histories} if isinstance(histories, pd.DataFrame) else dict(histories)
    names = {"train_loss": "training loss (nats)", "dev_eer": "dev EER (%)"}
    columns = [column for column in names if any(column in history for history in several.values())]
    if not columns:
        raise ValueError("history has neither train_loss nor dev_eer")
    figure, axes = canvases(1, len(columns), (4.6 * len(columns) + 0.6, 4.0))
    said = []
    for ax, column in zip(axes[0], columns, strict=True):
        for number, (name, history) in enumerate(several.items()):
            if column not in history:
                continue
            values = history[column].to_numpy() * (100 if column == "dev_eer" else 1)
            best, colour = int(values.argmin()), MODEL_COLOURS[number % len(MODEL_COLOURS)]
            label = name
            if column == "dev_eer":
                label = f"{name} kept: epoch {history['epoch'].iloc[best]}, {values[best]:.1f} %".strip()
                ax.axvline(history["epoch"].iloc[best], color=colour, linestyle=":")
            ax.plot(history["epoch"], values, marker="o", linewidth=2, color=colour, label=label)
            said.append(
                f"{name} {names[column]} from {values[0]:.3g} to {values[-1]:.3g}, lowest {values[best]:.3g}".strip()
            )
        ax.set(xlabel="epoch", ylabel=names[column])
        if column == "dev_eer":
            ax.set_ylim(0, 1.25 * ax.get_ylim()[1])
        ax.xaxis.get_major_locator().set_params(integer=True)
        if column == "dev_eer" or len(several) > 1:
            ax.legend()
    figure.suptitle(title)
    return describe(figure, f"{title}: {'; '.join(said)}.")
