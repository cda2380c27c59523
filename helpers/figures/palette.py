"""One look for every figure: bona fide blue, spoof orange, told apart by eyes of every kind and from the last row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.figures.described import DescribedFigure

PALETTE = {"bonafide": "#0072B2", "spoof": "#E69F00"}
CLASS_NAMES = {"bonafide": "bona fide", "spoof": "spoof"}
# Okabe and Ito's colours, then line styles: eight models differ even in grey.
MODEL_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#000000", "#8C6D00", "#7F7F7F")
MODEL_LINES = ("-", "--", "-.", ":")
FEATURE_MAP = "magma"
SMALLEST_FONT = 11
LOOK: Any = {
    "font.size": 12,
    "axes.titlesize": 13,
    "axes.labelsize": 12,
    "xtick.labelsize": SMALLEST_FONT,
    "ytick.labelsize": SMALLEST_FONT,
    "legend.fontsize": SMALLEST_FONT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.axisbelow": True,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
}


def canvas(ax: Axes | None = None, size: tuple[float, float] = (7.0, 4.6)) -> tuple[Figure, Axes]:
    """(figure, axes): the given axes, or new ones in the suite's look that no notebook shows twice."""
    if ax is not None:
        found = ax.figure
        assert isinstance(found, Figure)
        return found, ax
    with plt.rc_context(LOOK):
        figure, axes = plt.subplots(figsize=size, layout="constrained", FigureClass=DescribedFigure)
    return finished(figure), axes


def canvases(rows: int, columns: int, size: tuple[float, float], **options) -> tuple[Figure, Sequence]:
    """(figure, array of axes) in the suite's look."""
    with plt.rc_context(LOOK):
        figure, axes = plt.subplots(
            rows,
            columns,
            figsize=size,
            layout="constrained",
            squeeze=False,
            FigureClass=DescribedFigure,
            **options,
        )
    return finished(figure), axes


def finished(figure: Figure) -> Figure:
    """Take a figure out of pyplot's list: it is shown where a cell returns it and freed with its last reference."""
    plt.close(figure)
    return figure


def model_style(number: int) -> dict:
    """Colour and line of the n-th model."""
    return {
        "color": MODEL_COLOURS[number % len(MODEL_COLOURS)],
        "linestyle": MODEL_LINES[(number // len(MODEL_COLOURS) + number) % len(MODEL_LINES)],
    }


def percent_axis(ax: Axes, which: str = "x") -> None:
    """Ticks of a rate (0..1) as percentages."""
    from matplotlib.ticker import FuncFormatter

    axis = ax.xaxis if which == "x" else ax.yaxis
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}"))
