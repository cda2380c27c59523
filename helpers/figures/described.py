"""Figures that say in words what they show, for those who hear a page: in Jupyter, in the saved PNG, in the report."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

MOST = 12  # values read out one by one; of more, the ends


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


def describe(figure: Figure, words: str) -> Figure:
    """Add a sentence to a figure's alt text; a figure that is none of ours is left alone."""
    if isinstance(figure, DescribedFigure):
        figure.words = f"{figure.words} {words}".strip()
    return figure


def percent(rate: float) -> str:
    return f"{100 * rate:.1f} %"


def spoken(value: float) -> str:
    """Three figures, large numbers with commas, never with an exponent that a voice would read out."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{float(f'{value:.3g}'):g}"


def listed(values: Iterable[tuple[Any, Any]], form: Any = percent) -> str:
    """`a 1.0 %, b 2.0 %`; of many, the three lowest and the three highest."""
    pairs = [(str(name), float(value)) for name, value in values]
    if len(pairs) <= MOST:
        return ", ".join(f"{name} {form(value)}" for name, value in pairs)
    pairs.sort(key=lambda pair: pair[1])
    low, high = (
        ", ".join(f"{name} {form(value)}" for name, value in part) for part in (pairs[:3], pairs[-3:])
    )
    return f"lowest {low}; highest {high}"


def read_off(figure: Figure) -> str:
    """What the axes themselves tell: title, what is drawn over what, values of bars, names in the legend."""
    found = [of_axes(ax) for ax in figure.axes if ax.axison and ax.get_label() != "<colorbar>"]
    heading = figure.get_suptitle()
    return (
        " ".join(([f"{heading}."] if heading else []) + [f"{words}." for words in found if words])
        or "A figure."
    )


def of_axes(ax: Axes) -> str:
    """One panel in a sentence, without its full stop."""
    bars = any(hasattr(held, "datavalues") for held in ax.containers)
    drawn = "picture" if ax.images else "bars" if bars else "points" if ax.collections else "lines"
    title, x, y = ax.get_title(), ax.get_xlabel(), ax.get_ylabel()
    said = f"{title}: {drawn}" if title else drawn.capitalize()
    said += f", {y} against {x}" if x and y else f", {x or y}" if x or y else ""
    values = _bar_values(ax)
    said += f": {listed(values, spoken)}" if values else ""
    legend = ax.get_legend()
    names = [text.get_text() for text in legend.get_texts()] if legend else []
    return said + (f"; legend: {', '.join(names)}" if names else "")


def _bar_values(ax: Axes) -> list[tuple[str, float]]:
    """(tick label, length) of each bar of the first set of bars."""
    bars: Any = next((held for held in ax.containers if hasattr(held, "datavalues")), None)
    if bars is None:
        return []
    lying = bars.orientation == "horizontal"
    names = [text.get_text() for text in (ax.get_yticklabels() if lying else ax.get_xticklabels())]
    values = np.asarray(bars.datavalues, dtype=float)
    if len(names) != len(values):
        names = [str(place + 1) for place in range(len(values))]
    return list(zip(names, values.tolist(), strict=True))
