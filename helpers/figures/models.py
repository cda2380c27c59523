"""Figures that set models side by side: rates with intervals, attacks, cost, dev against eval, data sets, shortcuts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from helpers.figures.palette import MODEL_COLOURS, canvas, describe, listed, model_style, spoken
from helpers.metrics import rows_of

MANY = 8  # models: beyond them names stand beside rows, not under columns
BESIDE: Any = {
    "loc": "upper left",
    "bbox_to_anchor": (1.0, 1.0),
    "frameon": False,
}  # a legend right of the axes
OFF_THE_LINE: Any = {
    "facecolor": "white",
    "edgecolor": "none",
    "pad": 1.0,
}  # a value beside a line stays legible


def room_beside(labels, size: tuple[float, float]) -> tuple[float, float]:
    """The size of a figure whose legend is to the right of its axes: room for each name and the longest one."""
    labels = [str(label) for label in labels]
    return size[0] + 0.085 * max(map(len, labels), default=0), max(size[1], 0.9 + 0.26 * len(labels))


def in_percent(table: pd.DataFrame) -> pd.DataFrame:
    """The comparison table with its rates in per cent, and `below` and `above`: the lengths of the interval's ends."""
    rates = [
        name for name in ("eer", "eer_low", "eer_high", "dev_eer", "accuracy", "macro_f1") if name in table
    ]
    shown = table.assign(**{name: 100 * table[name] for name in rates})
    below, above = shown["eer"] - shown["eer_low"], shown["eer_high"] - shown["eer"]
    return shown.assign(below=below.clip(lower=0), above=above.clip(lower=0))


def eer_bars(table: pd.DataFrame, ax: Axes | None = None) -> Figure:
    """EER of each row of the comparison table with its interval; lower is better, 50 % is guessing."""
    shown = in_percent(table)
    figure, ax = canvas(ax, (7.6, 1.6 + 0.5 * len(shown)))
    places, ends = np.arange(len(shown)), shown[["eer", "eer_high"]].max(axis=1)
    spread = [shown["below"], shown["above"]]
    ax.errorbar(
        shown["eer"],
        places,
        xerr=spread,
        fmt="o",
        markersize=8,
        capsize=4,
        linewidth=2,
        color=MODEL_COLOURS[0],
    )
    for place, value, end in zip(places, shown["eer"], ends, strict=True):
        beside: Any = {"xytext": (6, 0), "textcoords": "offset points", "va": "center", "fontsize": 11}
        ax.annotate(f"{value:.1f}", (end, place), bbox=OFF_THE_LINE, **beside)
    ax.axvline(50, color="0.5", linestyle=":")
    ax.set_yticks(places, shown["label"])
    ax.set(xlim=(0, max(54, 1.1 * ends.max())), ylim=(len(shown) - 0.4, -0.6), title="Lower is better")
    ax.set_xlabel("EER on eval (%), 95 % interval; dotted: guessing")
    said = [
        f"{row.label} {row.eer:.1f} % ({row.eer_low:.1f} to {row.eer_high:.1f})" for row in rows_of(shown)
    ]
    words = "EER on eval of each detector, in brackets its 95 % interval: {}. 50 % is guessing."
    return describe(figure, words.format(", ".join(said)))


def summary_bars(table: pd.DataFrame, ax: Axes | None = None) -> Figure:
    """Accuracy and macro-F1 of each model beside each other, values on the bars (threshold from dev)."""
    shown, lying = in_percent(table), len(table) > MANY
    size = (9.8, 1.8 + 0.46 * len(table)) if lying else (max(6.4, 1.7 * len(table) + 1.5), 4.6)
    figure, ax = canvas(ax, size)
    names = {"accuracy": "accuracy", "macro_f1": "macro-F1"}
    long = shown.rename(columns=names).melt("label", list(names.values()), "measure", "value")
    along, across = ("value", "label") if lying else ("label", "value")
    sns.barplot(long, x=along, y=across, hue="measure", palette=["#56B4E9", "#009E73"], ax=ax)
    containers: Any = ax.containers
    for bars in containers:
        ax.bar_label(bars, fmt="%.0f", fontsize=11, padding=2)
    if lying:
        ax.set(xlim=(0, 112), xticks=range(0, 101, 20), xlabel="%", ylabel="")
    else:
        ax.set(ylim=(0, 112), yticks=range(0, 101, 20), xlabel="", ylabel="%")
        for text in ax.get_xticklabels() if len(table) > 3 else []:
            text.set(rotation=25, ha="right")
    ax.set_title("Accuracy and macro-F1 on eval, threshold from dev")
    ax.legend(title="", **BESIDE)  # bars near 100 % leave no room inside
    ax.grid(axis="y" if lying else "x", visible=False)
    said = [f"{row.label} {row.accuracy:.0f} and {row.macro_f1:.0f} %" for row in rows_of(shown)]
    words = "Accuracy and macro-F1 on eval at dev's threshold, two bars a detector: {}."
    return describe(figure, words.format(", ".join(said)))


def frontier_of(table: pd.DataFrame, cost: str) -> pd.Series:
    """For each row, whether no other row is both cheaper and better."""
    beaten = [((table[cost] < row[cost]) & (table["eer"] < row["eer"])).any() for _, row in table.iterrows()]
    return ~pd.Series(beaten, index=table.index, dtype=bool)


def eer_against(table: pd.DataFrame, cost: str = "ms_per_clip", ax: Axes | None = None) -> Figure:
    """EER against milliseconds a clip or number of parameters (log axis): parameters are not cost, look at both.

    The frontier, those that no other one beats in both, is drawn as a line and named; of up to eight all are named.
    Hollow: trained on a part of the clips only.
    """
    names = {
        "ms_per_clip": "milliseconds per clip",
        "parameters": "parameters",
        "train_seconds": "training, seconds",
    }
    if cost not in names:
        raise ValueError(f"cost must be one of {', '.join(names)}, not {cost!r}")
    shown = in_percent(table[table[cost].fillna(0) > 0]).sort_values([cost, "eer"])
    if "notes" not in shown:
        shown["notes"] = ""
    figure, ax = canvas(ax, (8.2, 5.8))
    best, hollow = frontier_of(shown, cost), shown["notes"].str.contains("undertrained")
    kinds = (best, MODEL_COLOURS[0], "on the frontier"), (~best, "0.6", "beaten in both by another")
    for part, colour, label in kinds:
        for rows, face, more in (
            (shown[part & ~hollow], colour, ""),
            (shown[part & hollow], "white", ", undertrained"),
        ):
            if len(rows):
                look: Any = {
                    "color": colour,
                    "markerfacecolor": face,
                    "markersize": 8,
                    "capsize": 3,
                    "elinewidth": 1.2,
                }
                spread = [rows["below"], rows["above"]]
                ax.errorbar(rows[cost], rows["eer"], yerr=spread, fmt="o", label=label + more, **look)
    edge = shown[best]
    ax.step(edge[cost], edge["eer"], where="post", color=MODEL_COLOURS[0], linewidth=1.2, alpha=0.6)
    named = shown if len(shown) <= MANY else edge
    close = max(1.7, (shown[cost].max() / shown[cost].min()) ** 0.12)
    for row, after in zip(named.to_dict("records"), [*named[cost][1:], np.inf], strict=True):
        above = after < close * row[cost]  # the next one's marker is where the name would be
        place = max(row["eer_high"], row["eer"]) if above else min(row["eer_low"], row["eer"])
        beside: Any = {"xytext": (0, 4 if above else -4), "va": "bottom" if above else "top", "ha": "center"}
        ax.annotate(row["label"], (row[cost], place), textcoords="offset points", fontsize=12, **beside)
    ax.set(
        xscale="log",
        xlabel=f"{names[cost]} (log scale)",
        ylabel="EER on eval (%)",
        title="What a lower EER costs",
    )
    if len(shown):
        low, high = shown[cost].min(), shown[cost].max()
        room = max((high / low) ** 0.2, 1.6)
        ax.set(xlim=(low / room, high * room), ylim=(0, 1.12 * shown["eer_high"].max()))
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), frameon=False, ncols=2)
        ax.xaxis.set_major_locator(LogLocator(subs=(1.0,) if high / low > 300 else (1.0, 2.0, 5.0)))
    ax.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")
    )
    ax.xaxis.set_minor_formatter(NullFormatter())
    said = [f"{row['label']} {spoken(row[cost])} and {row['eer']:.1f} %" for row in shown.to_dict("records")]
    words = f"EER on eval against {names[cost]}, one point a detector: {', '.join(said)}."
    return describe(figure, f"{words} On the frontier: {', '.join(edge['label'])}.")


def dev_against_eval(table: pd.DataFrame, ax: Axes | None = None) -> Figure:
    """Eval EER against dev EER, one point a model: far above the diagonal, dev has promised too much."""
    shown = in_percent(table[table["dev_eer"].notna()])
    figure, ax = canvas(ax, room_beside(shown["label"], (5.8, 5.6)))
    top = max(5.0, 1.15 * shown[["dev_eer", "eer_high"]].max().max()) if len(shown) else 50.0
    ax.plot([0, top], [0, top], color="0.5", linestyle=":", label="eval as easy as dev")
    for number, row in enumerate(rows_of(shown)):
        marker = "osD^vPX*"[(number + number // 8) % 8]  # with its colour unlike any other of sixty-four
        look: Any = {"fmt": marker, "markersize": 9, "capsize": 3, "color": model_style(number)["color"]}
        ax.errorbar(row.dev_eer, row.eer, yerr=[[row.below], [row.above]], label=row.label, **look)
    ax.set(xlim=(0, top), ylim=(0, top), title="Does dev predict eval?")
    ax.set(xlabel="dev EER (%), attacks seen in training", ylabel="eval EER (%), attacks never seen")
    ax.legend(**BESIDE)
    said = [f"{row.label} {row.dev_eer:.1f} on dev and {row.eer:.1f} on eval" for row in rows_of(shown)]
    words = "Eval EER (%) against dev EER (%), one point a detector and the diagonal: {}."
    return describe(figure, words.format(", ".join(said)))


def attack_bars(section: Mapping, name: str = "EER by attack", ax: Axes | None = None) -> Figure:
    """EER of every attack in one split's figures with its interval, the pooled rate as a line."""
    found = pd.DataFrame(section.get("per_attack", {})).T
    ends = np.array(list(found["eer_interval"])) if len(found) else np.empty((0, 2))
    rates = 100 * found["eer"].astype(float) if len(found) else pd.Series(dtype=float)
    longest = max(map(len, found.index), default=0)
    figure, ax = canvas(ax, (max(4.6, 1.6 + 0.42 * len(found)), 3.7 + 0.085 * longest))
    spread = np.clip([rates - 100 * ends[:, 0], 100 * ends[:, 1] - rates], 0, None)
    ax.bar(range(len(found)), rates, color=MODEL_COLOURS[0], alpha=0.75, yerr=spread, capsize=3)
    ax.axhline(50, color="0.5", linestyle=":", linewidth=1.2)
    ax.axhline(100 * section["eer"], color="black", linestyle="--", linewidth=1.2)
    ax.set_xticks(range(len(found)), found.index, rotation=90)
    title = f"{name}: {100 * section['eer']:.1f} % pooled (dashed)"
    if (rates > 50).any():
        title += "\nabove 50 % (dotted): these spoofs look more genuine to it than recordings"
    ax.set(title=title, ylabel="EER (%)", ylim=(0, min(100, 108 * ends[:, 1].max(initial=0.5))))
    ax.grid(axis="x", visible=False)
    words = f"{name}, bars with 95 % intervals: pooled {100 * section['eer']:.1f} %; by attack (%) {listed(rates.items())}."
    return describe(figure, words)


def _shade(shown: pd.DataFrame, ax: Axes, fmt: str) -> None:
    """A table of EER in % as shades from 0 to 50, each cell with its number."""
    look: Any = {"linewidths": 0.5, "cbar_kws": {"label": "EER (%)"}, "annot_kws": {"fontsize": 11}}
    sns.heatmap(shown, annot=True, fmt=fmt, cmap="YlOrBr", vmin=0, vmax=50, ax=ax, **look)
    ax.tick_params(axis="y", rotation=0)
    ax.grid(False)


def attack_map(table: pd.DataFrame, ax: Axes | None = None) -> Figure:
    """compare.attack_table as a shaded table: attacks down, models across (turned where they are many), EER in %."""
    turned = table.shape[1] > MANY
    shown = 100 * (table.T if turned else table)
    width = 4.2 + 0.62 * shown.shape[1] if turned else 2.6 + 1.25 * shown.shape[1]
    figure, ax = canvas(ax, (width, 1.9 + 0.36 * len(shown)))
    _shade(shown, ax, ".0f" if turned else ".1f")
    ax.set(title="EER (%) by attack and model", **{"xlabel" if turned else "ylabel": "attack"})
    ax.set(**{"ylabel" if turned else "xlabel": ""})
    for text in ax.get_xticklabels():
        text.set(rotation=30, ha="right")
    said = [f"{name}: {listed((100 * table[name].dropna()).items())}." for name in table]
    words = f"EER (%) as a shaded table, {len(table)} attacks by {table.shape[1]} detectors."
    return describe(figure, f"{words} {' '.join(said)}")


def cross_data_map(matrix: pd.DataFrame, ax: Axes | None = None) -> Figure:
    """compare.cross_data as a shaded table: trained on (rows) against tested on (columns), EER in %."""
    figure, ax = canvas(ax, (3.6 + 1.5 * matrix.shape[1], 1.9 + 0.55 * len(matrix)))
    shown = (100 * matrix).set_axis([", ".join(map(str, names)) for names in matrix.index.to_list()])
    _shade(shown, ax, ".1f")
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
    rates = 100 * pd.Series({**audits, **model_rates}, dtype=float)
    figure, ax = canvas(ax, (7.6, 1.6 + 0.45 * len(rates)))
    colours = ["#8C6D00"] * len(audits) + [MODEL_COLOURS[0]] * len(model_rates)
    bars = ax.barh(rates.index, rates, color=colours, alpha=0.85)
    ax.bar_label(bars, fmt="%.1f", padding=4, fontsize=11, bbox=OFF_THE_LINE)
    ax.axvline(50, color="0.5", linestyle=":")
    ax.invert_yaxis()
    ax.set(xlim=(0, max(58, 1.12 * rates.max())), title="Shortcuts (brown) beside detectors (blue)")
    ax.set_xlabel("EER on eval (%); dotted: guessing")
    ax.grid(axis="y", visible=False)
    return figure
