"""A verdict as HTML with inline SVG, sharp at any width, light or dark: what the page shows, and one file to keep."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader

from helpers.demo.verdict import Card, Verdict, clock

HERE = Path(__file__).parent
STYLE, SCRIPT = ((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
WARNING = "Do not accuse anyone with this. Ask where the recording comes from and who vouches for it."


@dataclass
class Entry:
    """A verdict with what a report needs of the file, which may be gone by then."""

    verdict: Verdict
    card: Card
    sha256: str


def as_report(entries: list[Entry]) -> str:
    """One HTML file that needs nothing else."""
    return str(HTML.report(entries, STYLE, datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")))


def refusal(sentence: str) -> str:
    """A card that says why there is no verdict."""
    return str(HTML.refusal(sentence))


class Scale:
    """Scores -> per cent of the width: the card's bins and what else must be seen."""

    def __init__(self, card: Card, also: list[float]) -> None:
        shown = [*card.edges[1:-1], *also, *(t for t in (card.spoof, card.bonafide) if t is not None)]
        margin = 0.12 * (max(shown) - min(shown)) or 1.0
        self.low, self.high = min(shown) - margin, max(shown) + margin

    def __call__(self, score: float | None, default: float = 0.0) -> float:
        if score is None:
            return default
        return float(np.clip(100 * (score - self.low) / (self.high - self.low), 0, 100))


def envelope(wave: np.ndarray, n_columns: int = 800) -> str:
    """SVG path around the smallest and largest sample of each column, scaled to the peak."""
    parts = np.array_split(wave, min(n_columns, max(2, len(wave) // 2)))
    peak = max(1e-6, float(np.abs(wave).max()))
    x = np.linspace(0, 100, len(parts))
    upper = [f"{a:.2f} {-max(0.006, float(part.max()) / peak):.3f}" for a, part in zip(x, parts)]
    lower = [f"{a:.2f} {max(0.006, -float(part.min()) / peak):.3f}" for a, part in zip(x, parts)]
    return "M" + "L".join(upper + lower[::-1]) + "Z"


def ticks(seconds: float) -> list[int]:
    """Round times, at most seven of them, none at the very end."""
    step = next((s for s in (1, 2, 5, 10, 30, 60, 120) if seconds / s <= 7), 300)
    return list(range(0, int(0.92 * seconds) + 1, step))


def calibration(card: Any, ax: Any = None) -> Any:
    """Matplotlib figure: the share of fakes at each score of left-out recordings, and the card's thresholds."""
    from helpers.figures.palette import PALETTE, canvas

    figure, ax = canvas(ax)
    ax.stairs(
        card.fake_share, card.edges, fill=True, color=PALETTE["spoof"], alpha=0.7, label="share of fakes"
    )
    for name, at, style in (
        ("likely spoof below", card.spoof, "--"),
        ("likely bona fide above", card.bonafide, ":"),
    ):
        if at is not None:
            ax.axvline(at, color="black", linestyle=style, label=f"{name} {at:.2f}")
    ax.set(xlabel="score (log-odds)", ylabel="share of fakes", ylim=(0, 1), title="What a score has meant")
    ax.legend()
    return figure


_environment = Environment(autoescape=True, trim_blocks=True, loader=FileSystemLoader(HERE))
_environment.filters["base64"] = lambda text: base64.b64encode(str(text).encode()).decode()
_environment.globals.update(clock=clock, warning=WARNING, Scale=Scale, envelope=envelope, ticks=ticks)
HTML: Any = _environment.get_template("verdict.html.jinja").module  # its macros, as functions
