"""Figures that set models side by side: rates with intervals, attacks, cost, dev against eval."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from helpers.figures.described import describe, spoken
from helpers.figures.palette import MODEL_COLOURS, canvas, model_style, percent_axis
from helpers.metrics import rows_of

MANY = 8  # models: beyond them names stand beside rows, not under columns


def beside(labels, size: tuple[float, float]) -> tuple[float, float]:
    """The size of a figure whose legend stands to the right of its axes: room for each name and the longest one."""
    labels = [str(label) for label in labels]
    return size[0] + 0.085 * max(map(len, labels), default=0), max(size[1], 0.9 + 0.26 * len(labels))


# A value beside a line stays legible on it.
OFF_THE_LINE = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}


def marker(number: int) -> str:
    """The n-th model's marker: with its colour unlike that of any other of sixty-four."""
    return "osD^vPX*"[(number + number // 8) % 8]


def eer_bars(table: pd.DataFrame, ax: Axes | None = None) -> Figure:
    """EER of each row of the comparison table with its interval; lower is better, 50 % is guessing."""
    figure, ax = canvas(ax, (7.6, 1.6 + 0.5 * len(table)))
    places = np.arange(len(table))
    rate = table["eer"].to_numpy(dtype=float)
    spread = [np.maximum(rate - table["eer_low"], 0), np.maximum(table["eer_high"] - rate, 0)]
    ax.errorbar(
        rate, places, xerr=spread, fmt="o", markersize=8, capsize=4, color=MODEL_COLOURS[0], linewidth=2
    )
    for place, value, high in zip(places, rate, table["eer_high"], strict=True):
        ax.annotate(
            f"{100 * value:.1f}",
            (max(value, high), place),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=11,
            bbox=OFF_THE_LINE,
        )
    ax.axvline(0.5, color="0.5", linestyle=":")
    ax.set_yticks(places, table["label"])
    ax.set(
        xlim=(0, max(0.54, float(table["eer_high"].max()) * 1.1)),
        ylim=(len(table) - 0.4, -0.6),
        xlabel="EER on eval (%), 95 % interval; dotted: guessing",
        title="Lower is better",
    )
    percent_axis(ax)
    said = [
        f"{r.label} {100 * r.eer:.1f} % ({100 * r.eer_low:.1f} to {100 * r.eer_high:.1f})"
        for r in rows_of(table)
    ]
    return describe(
        figure,
        f"EER on eval of each detector, in brackets its 95 % interval: {', '.join(said)}. 50 % is guessing.",
    )


def summary_bars(table: pd.DataFrame, ax: Axes | None = None) -> Figure:
    """Accuracy and macro-F1 of each model beside each other, values on the bars (threshold from dev)."""
    lying = len(table) > MANY
    figure, ax = canvas(
        ax, (9.8, 1.8 + 0.46 * len(table)) if lying else (max(6.4, 1.7 * len(table) + 1.5), 4.6)
    )
    long = table.melt(
        id_vars="label", value_vars=["accuracy", "macro_f1"], var_name="measure", value_name="value"
    )
    long["measure"] = long["measure"].map({"accuracy": "accuracy", "macro_f1": "macro-F1"})
    along, across = ("value", "label") if lying else ("label", "value")
    sns.barplot(long, x=along, y=across, hue="measure", palette=["#56B4E9", "#009E73"], ax=ax)
    containers: Any = ax.containers
    for bars in containers:
        ax.bar_label(bars, labels=[f"{100 * v:.0f}" for v in bars.datavalues], fontsize=11, padding=2)
    if lying:
        ax.set(xlim=(0, 1.12), xlabel="%", ylabel="")
        ax.set_xticks(np.arange(0, 1.01, 0.2))
    else:
        ax.set(ylim=(0, 1.12), xlabel="", ylabel="%")
        ax.set_yticks(np.arange(0, 1.01, 0.2))
        for text in ax.get_xticklabels():
            text.set(rotation=25 if len(table) > 3 else 0, ha="right" if len(table) > 3 else "center")
    percent_axis(ax, "x" if lying else "y")
    ax.set_title("Accuracy and macro-F1 on eval, threshold from dev")
    # Beside the axes: bars near 100 % leave no room inside.
    ax.legend(title="", loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    ax.grid(axis="y" if lying else "x", visible=False)
    said = [f"{row.label} {100 * row.accuracy:.0f} and {100 * row.macro_f1:.0f} %" for row in rows_of(table)]
    return describe(
        figure, f"Accuracy and macro-F1 on eval at dev's threshold, two bars a detector: {', '.join(said)}."
    )


def frontier_of(table: pd.DataFrame, cost: str) -> pd.Series:
    """For each row, whether no other row is both cheaper and better."""
    return pd.Series(
        [
            not ((table[cost] < row_cost) & (table["eer"] < rate)).any()
            for row_cost, rate in zip(table[cost], table["eer"], strict=True)
        ],
        index=table.index,
    )


def eer_against(table: pd.DataFrame, cost: str = "ms_per_clip", ax: Axes | None = None) -> Figure:
    """EER against milliseconds a clip or number of parameters (log axis): parameters are not cost, look at both.

    The frontier, those that no other one beats in both, is drawn as a line and named; of up to eight all are named.
    Hollow: trained on a part of the clips only.
    """
    names = {
        "ms_per_clip": "milliseconds per clip (log scale)",
        "parameters": "parameters (log scale)",
        "train_seconds": "training, seconds (log scale)",
    }
    if cost not in names:
        raise ValueError(f"cost must be one of {', '.join(names)}, not {cost!r}")
    usable = table[table[cost].fillna(0) > 0].sort_values([cost, "eer"])
    figure, ax = canvas(ax, (8.2, 5.8))
    ax.set_xscale("log")
    best = frontier_of(usable, cost)
    hollow = (
        usable["notes"].str.contains("undertrained")
        if "notes" in usable
        else pd.Series(False, index=usable.index)
    )
    for part, colour, label in (
        (best, MODEL_COLOURS[0], "on the frontier"),
        (~best, "0.6", "beaten in both by another"),
    ):
        for open_ in (False, True):
            rows = usable[part & (hollow == open_)]
            if len(rows):
                spread = [
                    np.maximum(rows["eer"] - rows["eer_low"], 0),
                    np.maximum(rows["eer_high"] - rows["eer"], 0),
                ]
                ax.errorbar(
                    rows[cost],
                    rows["eer"],
                    yerr=spread,
                    fmt="o",
                    markersize=8,
                    capsize=3,
                    elinewidth=1.2,
                    color=colour,
                    markerfacecolor="white" if open_ else colour,
                    label=label + (", undertrained" if open_ else ""),
                )
    edge = usable[best]
    ax.step(edge[cost], edge["eer"], where="post", color=MODEL_COLOURS[0], linewidth=1.2, alpha=0.6)
    named = rows_of(usable if len(usable) <= MANY else edge)
    costs = [float(getattr(row, cost)) for row in named]
    for row, here, after in zip(named, costs, [*costs[1:], np.inf], strict=True):
        above = after < 1.7 * here  # the next one's marker stands where the name would
        ax.annotate(
            str(row.label),
            (here, max(row.eer_high, row.eer) if above else min(row.eer_low, row.eer)),
            xytext=(0, 4 if above else -4),
            textcoords="offset points",
            fontsize=12,
            ha="center",
            va="bottom" if above else "top",
        )
    ax.set(
        xlabel=names[cost],
        ylabel="EER on eval (%)",
        title="What a lower EER costs",
        ylim=(0, float(usable["eer_high"].max()) * 1.12 if len(usable) else 0.5),
    )
    ratio = float(usable[cost].max() / usable[cost].min()) if len(usable) else 1.0
    if len(usable):
        room = max(ratio**0.2, 1.6)
        ax.set_xlim(float(usable[cost].min()) / room, float(usable[cost].max()) * room)
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), frameon=False, ncols=2)
    plain = FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0,) if ratio > 300 else (1.0, 2.0, 5.0)))
    ax.xaxis.set_major_formatter(plain)
    ax.xaxis.set_minor_formatter(NullFormatter())
    percent_axis(ax, "y")
    said = [
        f"{row.label} {spoken(float(getattr(row, cost)))} and {100 * row.eer:.1f} %"
        for row in rows_of(usable)
    ]
    return describe(
        figure,
        f"EER on eval against {names[cost]}, one point a detector: {', '.join(said)}. "
        f"On the frontier: {', '.join(map(str, edge['label']))}.",
    )


def dev_against_eval(table: pd.DataFrame, ax: Axes | None = None) -> Figure:
    """Eval EER against dev EER, one point a model: far above the diagonal, dev has promised too much."""
    usable = table[table["dev_eer"].notna()]
    figure, ax = canvas(ax, beside(usable["label"], (5.8, 5.6)))
    top = max(0.05, float(usable[["dev_eer", "eer_high"]].max().max()) * 1.15) if len(usable) else 0.5
    ax.plot([0, top], [0, top], color="0.5", linestyle=":", label="eval as easy as dev")
    for number, row in enumerate(rows_of(usable)):
        ax.errorbar(
            [row.dev_eer],
            [row.eer],
            yerr=[[max(row.eer - row.eer_low, 0)], [max(row.eer_high - row.eer, 0)]],
            fmt=marker(number),
            markersize=9,
            capsize=3,
            color=model_style(number)["color"],
            label=str(row.label),
        )
    ax.set(
        xlim=(0, top),
        ylim=(0, top),
        xlabel="dev EER (%), attacks seen in training",
        ylabel="eval EER (%), attacks never seen",
        title="Does dev predict eval?",
    )
    percent_axis(ax, "x")
    percent_axis(ax, "y")
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    said = [
        f"{row.label} {100 * row.dev_eer:.1f} on dev and {100 * row.eer:.1f} on eval"
        for row in rows_of(usable)
    ]
    return describe(
        figure, f"Eval EER (%) against dev EER (%), one point a detector and the diagonal: {', '.join(said)}."
    )
