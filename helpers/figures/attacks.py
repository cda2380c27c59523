"""Figures attack by attack, data set by data set, and of the shortcuts beside the detectors."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.figures.described import describe, listed
from helpers.figures.models import MANY, OFF_THE_LINE
from helpers.figures.palette import MODEL_COLOURS, canvas, canvases, percent_axis


def attack_bars(sections: Mapping[str, Mapping], title: str = "EER by attack", columns: int = 2) -> Figure:
    """One panel a model: EER of every attack with its interval, the pooled rate as a line."""
    if not sections:
        raise ValueError("no model to draw")
    columns = min(columns, len(sections))
    rows = -(-len(sections) // columns)
    most = max(len(s.get("per_attack", {})) for s in sections.values())
    width = max(4.6, 1.6 + 0.42 * most)
    longest = max((len(attack) for s in sections.values() for attack in s.get("per_attack", {})), default=0)
    top = max(
        (v["eer_interval"][1] for s in sections.values() for v in s.get("per_attack", {}).values()),
        default=0.5,
    )
    figure, axes = canvases(
        rows, columns, (width * columns, (3.3 + 0.085 * longest) * rows + 0.4), sharey=True
    )
    flat = np.ravel(axes)
    for number, (ax, (name, section)) in enumerate(zip(flat, sections.items(), strict=False)):
        attacks = section.get("per_attack", {})
        rate = np.array([v["eer"] for v in attacks.values()])
        ends = np.array([v["eer_interval"] for v in attacks.values()]).reshape(-1, 2)
        places = np.arange(len(attacks))
        ax.bar(places, rate, color=MODEL_COLOURS[number % len(MODEL_COLOURS)], alpha=0.75)
        ax.errorbar(
            places,
            rate,
            yerr=[np.maximum(rate - ends[:, 0], 0), np.maximum(ends[:, 1] - rate, 0)],
            fmt="none",
            ecolor="black",
            capsize=3,
            linewidth=1.3,
        )
        ax.axhline(0.5, color="0.5", linestyle=":", linewidth=1.2)
        ax.axhline(section["eer"], color="black", linestyle="--", linewidth=1.2)
        ax.set_xticks(places, list(attacks), rotation=90)
        ax.set(title=f"{name}: {100 * section['eer']:.1f} % pooled (dashed)", ylim=(0, min(1.0, top * 1.08)))
        percent_axis(ax, "y")
        if number % columns == 0:
            ax.set_ylabel("EER (%)")
        ax.grid(axis="x", visible=False)
    for ax in flat[len(sections) :]:
        ax.set_axis_off()
    above = any(v["eer"] > 0.5 for s in sections.values() for v in s.get("per_attack", {}).values())
    figure.suptitle(
        f"{title}\nabove 50 % (dotted): these spoofs look more genuine to it than recordings"
        if above
        else title
    )
    said = [
        f"{name}: pooled {100 * section['eer']:.1f} %; by attack "
        + listed((attack, found["eer"]) for attack, found in section.get("per_attack", {}).items())
        + "."
        for name, section in sections.items()
    ]
    return describe(figure, f"{title}, bars with 95 % intervals. {' '.join(said)}")


def _shade(shown: pd.DataFrame, ax: Axes, fmt: str, fontsize: int) -> None:
    """A table of EER in % as shades from 0 to 50, each cell with its number."""
    sns.heatmap(
        shown,
        annot=True,
        fmt=fmt,
        cmap="YlOrBr",
        vmin=0,
        vmax=50,
        ax=ax,
        linewidths=0.5,
        cbar_kws={"label": "EER (%)"},
        annot_kws={"fontsize": fontsize},
    )
    ax.tick_params(axis="y", rotation=0)
    ax.grid(False)


def attack_map(table: pd.DataFrame, ax: Axes | None = None) -> Figure:
    """compare.attack_table as a shaded table: attacks down, models across (turned where they are many), EER in %."""
    turned = table.shape[1] > MANY
    shown = 100 * (table.T if turned else table)
    width = 4.2 + 0.62 * shown.shape[1] if turned else 2.6 + 1.25 * shown.shape[1]
    figure, ax = canvas(ax, (width, 1.9 + 0.36 * len(shown)))
    _shade(shown, ax, ".0f" if turned else ".1f", 11)
    ax.set(
        xlabel="attack" if turned else "",
        ylabel="" if turned else "attack",
        title="EER (%) by attack and model",
    )
    for text in ax.get_xticklabels():
        text.set(rotation=30, ha="right")
    said = [f"{name}: {listed(table[name].dropna().items())}." for name in table]
    return describe(
        figure, f"EER as a shaded table, {len(table)} attacks by {table.shape[1]} detectors. {' '.join(said)}"
    )


def cross_data_map(matrix: pd.DataFrame, ax: Axes | None = None) -> Figure:
    """crossing.cross_data_matrix as a shaded table: trained on (rows) against tested on (columns), EER in %."""
    figure, ax = canvas(ax, (3.6 + 1.5 * matrix.shape[1], 1.9 + 0.55 * len(matrix)))
    shown = 100 * matrix
    if isinstance(shown.index, pd.MultiIndex):
        shown.index = [f"{model}, {data}" for model, data in shown.index]
    _shade(shown, ax, ".1f", 12)
    ax.set(xlabel="tested on", ylabel="trained on", title="Train on one, test on another: EER (%)")
    said = [
        f"trained on {row}, tested on {column} {value:.1f} %"
        for row, values in shown.iterrows()
        for column, value in values.dropna().items()
    ]
    return describe(figure, f"EER as a shaded table: {'; '.join(said)}.")


def shortcut_bars(
    audits: Mapping[str, float], model_rates: Mapping[str, float], ax: Axes | None = None
) -> Figure:
    """EER of each shortcut alone beside that of the models: bars as short as a model's are a warning."""
    names = list(audits) + list(model_rates)
    figure, ax = canvas(ax, (7.6, 1.6 + 0.45 * len(names)))
    colours = ["#8C6D00"] * len(audits) + [MODEL_COLOURS[0]] * len(model_rates)
    bars = ax.barh(names, [*audits.values(), *model_rates.values()], color=colours, alpha=0.85)
    ax.bar_label(
        bars,
        labels=[f"{100 * v:.1f}" for v in (*audits.values(), *model_rates.values())],
        padding=4,
        fontsize=11,
        bbox=OFF_THE_LINE,
    )
    ax.axvline(0.5, color="0.5", linestyle=":")
    ax.invert_yaxis()
    ax.set(
        xlim=(0, max([0.58, *(1.12 * v for v in (*audits.values(), *model_rates.values()))])),
        xlabel="EER on eval (%); dotted: guessing",
        title="Shortcuts (brown) beside detectors (blue)",
    )
    percent_axis(ax)
    ax.grid(axis="y", visible=False)
    return describe(
        figure,
        f"EER on eval of shortcuts alone: {listed(audits.items())}; of detectors: "
        f"{listed(model_rates.items())}.",
    )
