"""Figures that set models side by side: rates with intervals, attacks, cost, dev against eval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from helpers.figures.described import describe, listed, spoken
from helpers.figures.palette import MODEL_COLOURS, canvas, canvases, model_style, percent_axis
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


def attack_map(table: pd.DataFrame, ax: Axes | None = None) -> Figure:
    """compare.attack_table as a shaded table: attacks down, models across (turned where they are many), EER in %."""
    turned = table.shape[1] > MANY
    shown = 100 * (table.T if turned else table)
    width = 4.2 + 0.62 * shown.shape[1] if turned else 2.6 + 1.25 * shown.shape[1]
    figure, ax = canvas(ax, (width, 1.9 + 0.36 * len(shown)))
    sns.heatmap(
        shown,
        annot=True,
        fmt=".0f" if turned else ".1f",
        cmap="YlOrBr",
        vmin=0,
        vmax=50,
        ax=ax,
        linewidths=0.5,
        cbar_kws={"label": "EER (%)"},
        annot_kws={"fontsize": 11},
    )
    ax.set(
        xlabel="attack" if turned else "",
        ylabel="" if turned else "attack",
        title="EER (%) by attack and model",
    )
    ax.tick_params(axis="y", rotation=0)
    for text in ax.get_xticklabels():
        text.set(rotation=30, ha="right")
    ax.grid(False)
    said = [f"{name}: {listed(table[name].dropna().items())}." for name in table]
    return describe(
        figure, f"EER as a shaded table, {len(table)} attacks by {table.shape[1]} detectors. {' '.join(said)}"
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


def cross_data_map(matrix: pd.DataFrame, ax: Axes | None = None) -> Figure:
    """compare.cross_data_matrix as a shaded table: trained on (rows) against tested on (columns), EER in %."""
    figure, ax = canvas(ax, (3.6 + 1.5 * matrix.shape[1], 1.9 + 0.55 * len(matrix)))
    shown = 100 * matrix
    if isinstance(shown.index, pd.MultiIndex):
        shown.index = [f"{model}, {data}" for model, data in shown.index]
    sns.heatmap(
        shown,
        annot=True,
        fmt=".1f",
        cmap="YlOrBr",
        vmin=0,
        vmax=50,
        ax=ax,
        linewidths=0.5,
        cbar_kws={"label": "EER (%)"},
        annot_kws={"fontsize": 12},
    )
    ax.set(xlabel="tested on", ylabel="trained on", title="Train on one, test on another: EER (%)")
    ax.tick_params(axis="y", rotation=0)
    ax.grid(False)
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
