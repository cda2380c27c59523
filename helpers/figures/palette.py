"""One look for every figure, bona fide blue and spoof orange, and words for those who hear a page instead of seeing it."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

PALETTE = {"bonafide": "#0072B2", "spoof": "#E69F00"}
CLASS_NAMES = {"bonafide": "bona fide", "spoof": "spoof"}
# Okabe and Ito's colours, then line styles: eight models differ even in grey.
MODEL_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#000000", "#8C6D00", "#7F7F7F")
MODEL_LINES = ("-", "--", "-.", ":")
FEATURE_MAP = "magma"
MOST = 12  # values read out one by one; of more, the ends
LOOK: Any = {
    "font.size": 12,
    "axes.titlesize": 13,
    "axes.labelsize": 12,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "legend.fontsize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.axisbelow": True,
}


class DescribedFigure(Figure):
    """A figure with alt text: what the drawing function said of it, or else what its axes and legends tell."""

    words: str = ""

    @property
    def alt(self) -> str:
        return self.words or read_off(self)

    def savefig(self, fname: Any, **options: Any) -> None:  # type: ignore[override]
        """As matplotlib's; a PNG carries the words as its Description."""
        suffix = Path(fname).suffix.lstrip(".") if isinstance(fname, (str, Path)) else "png"
        if options.get("format", suffix) in ("", "png"):
            options["metadata"] = {"Description": self.alt, **(options.get("metadata") or {})}
        super().savefig(fname, **options)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict, dict]:
        """What Jupyter shows. HTML, because every front end honours an <img>'s alt, few that of a bare PNG's metadata;
        the PNG stands beside it for nbconvert's PDF."""
        held = io.BytesIO()
        self.savefig(held, format="png", dpi=100, bbox_inches="tight")
        data = base64.b64encode(held.getvalue()).decode()
        html = f'<img alt="{escape(self.alt)}" style="max-width:100%" src="data:image/png;base64,{data}">'
        bundle = {"text/html": html, "image/png": data, "text/plain": self.alt}
        return bundle, {"image/png": {"alt": self.alt}}


def canvas(ax: Axes | None = None, size: tuple[float, float] = (7.0, 4.6)) -> tuple[Figure, Axes]:
    """(figure, axes): the given axes, or new ones in the suite's look."""
    if ax is None:
        figure, axes = canvases(1, 1, size)
        return figure, axes[0][0]
    assert isinstance(ax.figure, Figure)
    return ax.figure, ax


def canvases(rows: int, columns: int, size: tuple[float, float], **options) -> tuple[Figure, Sequence]:
    """(figure, array of axes) in the suite's look, taken out of pyplot's list: no notebook shows it twice."""
    options |= {"figsize": size, "layout": "constrained", "squeeze": False, "FigureClass": DescribedFigure}
    with plt.rc_context(LOOK):
        figure, axes = plt.subplots(rows, columns, **options)
    plt.close(figure)
    return figure, axes


def model_style(number: int) -> dict:
    """Colour and line of the n-th model."""
    return {
        "color": MODEL_COLOURS[number % len(MODEL_COLOURS)],
        "linestyle": MODEL_LINES[(number // len(MODEL_COLOURS) + number) % len(MODEL_LINES)],
    }


def describe(figure: Figure, words: str) -> Figure:
    """Add a sentence to a figure's alt text; a figure that is none of ours is left alone."""
    if isinstance(figure, DescribedFigure):
        figure.words = f"{figure.words} {words}".strip()
    return figure


def spoken(value: float) -> str:
    """Three figures, large numbers with commas, never with an exponent that a voice would read out."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{float(f'{value:.3g}'):g}"


def listed(values: Iterable[tuple[Any, Any]]) -> str:
    """`a 1, b 2`; of many, the three lowest and the three highest."""
    pairs = [(str(name), float(value)) for name, value in values]
    if len(pairs) > MOST:
        pairs.sort(key=lambda pair: pair[1])
        return f"lowest {listed(pairs[:3])}; highest {listed(pairs[-3:])}"
    return ", ".join(f"{name} {spoken(value)}" for name, value in pairs)


def read_off(figure: Figure) -> str:
    """What the axes themselves tell: title, what is drawn over what, values of bars, names in the legend."""
    found = [of_axes(ax) for ax in figure.axes if ax.axison and ax.get_label() != "<colorbar>"]
    return " ".join(f"{words}." for words in [figure.get_suptitle(), *found] if words) or "A figure."


def of_axes(ax: Axes) -> str:
    """One panel in a sentence, without its full stop."""
    bars: Any = next((held for held in ax.containers if hasattr(held, "datavalues")), None)
    drawn = "bars" if bars else "points" if ax.collections else "lines"
    if ax.images:
        drawn = "picture of {} by {} values".format(*np.asarray(ax.images[0].get_array()).shape)
    title, x, y = ax.get_title(), ax.get_xlabel(), ax.get_ylabel()
    said = f"{title}: {drawn}" if title else drawn.capitalize()
    said += f", {y} against {x}" if x and y else f", {x or y}" if x or y else ""
    if bars is not None:
        names = ax.get_yticklabels() if bars.orientation == "horizontal" else ax.get_xticklabels()
        if len(names) == len(bars.datavalues):
            said += f": {listed(zip((name.get_text() for name in names), bars.datavalues, strict=True))}"
    legend = ax.get_legend()
    keys = ", ".join(text.get_text() for text in legend.get_texts()) if legend else ""
    return said + (f"; legend: {keys}" if keys else "")
