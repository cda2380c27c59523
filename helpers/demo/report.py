"""A verdict as HTML with inline SVG, sharp at any width, light or dark: what the page shows, and one file to keep."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Sequence
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
_environment = Environment(autoescape=True, trim_blocks=True, loader=FileSystemLoader(HERE))
_environment.filters["base64"] = lambda text: base64.b64encode(str(text).encode()).decode()
_environment.globals.update(clock=clock, warning=WARNING)
HTML = _environment.get_template("verdict.html.jinja").module  # its macros, as functions
BLUE, ORANGE, GREY = "#0072B2", "#E69F00", "#8a8f98"
COLOURS = {"likely bona fide": BLUE, "likely spoof": ORANGE}


@dataclass
class Entry:
    """A verdict with its pictures and what a report needs of the file, which may be gone by then."""

    verdict: Verdict
    card: Card
    sha256: str
    bar: str  # HTML; empty where there is nothing to show
    timeline: str


def entry(verdict: Verdict, card: Card, path: str | Path) -> Entry:
    """Reads the file once more for its SHA-256."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Entry(
        verdict, card, digest,
        bar=score_bar(card, verdict.score) if verdict.share and verdict.score is not None else "",
        timeline=timeline(verdict.outline, verdict.windows, card, verdict.duration_s) if verdict.windows else "",
    )  # fmt: skip


def as_report(entries: list[Entry]) -> str:
    """One HTML file that needs nothing else."""
    return str(HTML.report(entries, STYLE, datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")))


def refusal(sentence: str) -> str:
    """A card that says why there is no verdict."""
    return str(HTML.refusal(sentence))


class Scale:
    """Scores -> per cent of the width: the card's bins and what else must be seen."""

    def __init__(self, card: Any, also: Sequence[float] = ()) -> None:
        shown = [*card.edges[1:-1], *also, *(t for t in (card.spoof, card.bonafide) if t is not None)]
        margin = 0.12 * (max(shown) - min(shown)) or 1.0
        self.low, self.high = min(shown) - margin, max(shown) + margin

    def __call__(self, score: float | None, default: float = 0.0) -> float:
        if score is None:
            return default
        return float(np.clip(100 * (score - self.low) / (self.high - self.low), 0, 100))


def score_bar(card: Any, score: float, what: str = "recording", real: str = "human recordings") -> str:
    """Where this recording is between the thresholds, over the share of fakes at each score."""
    scale = Scale(card, [score])
    low, high, here = scale(card.spoof, 0.0), scale(card.bonafide, 100.0), scale(score)
    bars = []
    for left, right, share in zip(card.edges[:-1], card.edges[1:], card.fake_share):
        x, width = scale(left), scale(right) - scale(left)
        bars.append(_rect(x, width, 100 - 92 * share, 92 * share, ORANGE, 0.65))
        bars.append(_rect(x, width, 8, 92 - 92 * share, BLUE, 0.25))
    lines = "".join(_upright(x, "4 4", 1.5) for x in (low, high) if 0 < x < 100)
    marker = f'<div class="ad-marker" style="left:{here:.2f}%"><span style="transform:translateX({-here:.0f}%)">this {what}</span></div>'
    names = (("likely spoof", 0.0, low), ("cannot tell", low, high), ("likely bona fide", high, 100.0))
    zones = "".join(
        f'<span style="width:{right - left:.2f}%">{name}</span>'
        for name, left, right in names
        if right > left
    )
    label = f"Score {score:.2f} on a line from fake to real; at such a score {100 * card.fake_share_of(score):.0f} % were fake"
    return (
        f'<p class="ad-caption">What this score has meant in tests with as many fakes as {real}</p>'
        f'<div class="ad-bar" role="img" aria-label="{label}">{marker}<svg viewBox="0 0 100 100" '
        f'preserveAspectRatio="none">{"".join(bars)}{lines}{_upright(here, "", 3)}</svg></div>'
        f'<div class="ad-zones">{zones}</div><p class="ad-key">{_key(ORANGE, "share of fakes at this score")}'
        f"{_key(BLUE, f'share of {real}', 0.4)}<span><b>┆</b>where the answer changes</span></p>"
    )


def _key(colour: str, words: str, opacity: float = 1.0) -> str:
    return f'<span><i style="background:{colour};opacity:{opacity}"></i>{words}</span> '


def _answers(card: Any) -> list[str]:
    """Those that this card can give."""
    spoof, bonafide = ["likely spoof"][card.spoof is None :], ["likely bona fide"][card.bonafide is None :]
    return [*spoof, "cannot tell", *bonafide]


def timeline(wave: np.ndarray, windows: Sequence[Any], card: Any, seconds: float) -> str:
    """Waveform and window scores on one time axis; windows without speech are left out."""
    bars = []
    # Windows overlap: the suspicious ones lie on top.
    for window in sorted(windows, key=lambda window: -window.score):
        colour = COLOURS.get(card.answer(window.score), GREY)
        title = f"<title>{window.start:.1f}–{window.end:.1f} s: {window.score:.2f}</title>"
        left, width = 100 * window.start / seconds, 100 * (window.end - window.start) / seconds
        bars.append(_rect(left, width, 0, 100, colour, 1.0, title))
    answers = [card.answer(window.score) for window in windows]
    key = "".join(_key(COLOURS.get(name, GREY), name) for name in _answers(card))
    label = "Windows: " + ", ".join(f"{answers.count(name)} {name}" for name in sorted(set(answers)))
    return (
        f'<p class="ad-caption">The recording, and what each stretch with speech looks like</p><div class="ad-times">'
        f'<svg class="ad-wave" role="img" aria-label="Waveform of {seconds:.1f} seconds" viewBox="0 -1 100 2" '
        f'preserveAspectRatio="none"><path d="{_envelope(wave)}" fill="currentColor"/></svg>'
        f'<svg class="ad-windows" role="img" aria-label="{label}" viewBox="0 0 100 100" preserveAspectRatio="none">'
        f'{"".join(bars)}</svg><i class="ad-head"></i></div>{_ticks(seconds)}<p class="ad-key">{key}empty: no speech</p>'
    )


def broken_strips(card: Any, before: float, broken: Sequence[tuple[str, float, str]]) -> str:
    """A row a treatment: (name, score, audio address); a line from the score before to the score after."""
    scale = Scale(card, [before, *[score for _, score, _ in broken]])
    low, high, start = scale(card.spoof, 0.0), scale(card.bonafide, 100.0), scale(before)
    rows = []
    for name, score, audio in broken:
        end, answer = scale(score), card.answer(score)
        colour = COLOURS.get(answer, GREY)
        zones = _rect(0, low, 0, 100, ORANGE, 0.15) + _rect(high, 100 - high, 0, 100, BLUE, 0.15)
        line = f'<line x1="{start:.2f}" x2="{end:.2f}" y1="50" y2="50" stroke="{colour}" stroke-width="3" vector-effect="non-scaling-stroke"/>'
        rows.append(
            f'<div class="ad-row"><span class="ad-name">{html.escape(name)}</span>'
            f'<audio controls preload="none" src="{audio}" aria-label="{html.escape(name)}"></audio>'
            f'<span class="ad-answer">{answer}</span><div class="ad-strip" role="img" aria-label="score from {before:.2f} to {score:.2f}">'
            f'<svg viewBox="0 0 100 100" preserveAspectRatio="none">{zones}{line}</svg><i class="ad-before" style="left:{start:.2f}%"></i>'
            f'<i class="ad-after" style="left:{end:.2f}%;background:{colour}"></i></div></div>'
        )
    bands = "".join(
        _key(COLOURS[name], f"coloured part: {name}", 0.5) for name in _answers(card) if name in COLOURS
    )
    key = (
        '<p class="ad-key"><span><i class="ad-before ad-still"></i>score as you gave it</span> '
        f'<span><i class="ad-after ad-still"></i>score after it</span> {bands}</p>'
    )
    return f'<div class="ad-broken">{"".join(rows)}</div>{key}'


def calibration(card: Any, ax: Any = None) -> Any:
    """Matplotlib figure: the share of fakes at each score of left-out recordings, and the card's thresholds."""
    from helpers.figures.palette import canvas

    figure, ax = canvas(ax)
    ax.stairs(card.fake_share, card.edges, fill=True, color=ORANGE, alpha=0.7, label="share of fakes")
    for name, at, style in (
        ("likely spoof below", card.spoof, "--"),
        ("likely bona fide above", card.bonafide, ":"),
    ):
        if at is not None:
            ax.axvline(at, color="black", linestyle=style, label=f"{name} {at:.2f}")
    ax.set(xlabel="score (log-odds)", ylabel="share of fakes", ylim=(0, 1), title="What a score has meant")
    ax.legend()
    return figure


def _rect(
    x: float, width: float, y: float, height: float, colour: str, opacity: float, inside: str = ""
) -> str:
    return (
        f'<rect x="{x:.2f}" width="{max(0.0, width):.2f}" y="{y:.2f}" height="{max(0.0, height):.2f}" '
        f'fill="{colour}" fill-opacity="{opacity}">{inside}</rect>'
    )


def _upright(x: float, dashes: str, width: float) -> str:
    return (
        f'<line x1="{x:.2f}" x2="{x:.2f}" y1="0" y2="100" stroke="currentColor" stroke-width="{width}" '
        f'stroke-dasharray="{dashes}" vector-effect="non-scaling-stroke"/>'
    )


def _envelope(wave: np.ndarray, n_columns: int = 800) -> str:
    """Outline of the smallest and largest sample of each column, scaled to the peak."""
    parts = np.array_split(wave, min(n_columns, max(2, len(wave) // 2)))
    peak = max(1e-6, float(np.abs(wave).max()))
    x = np.linspace(0, 100, len(parts))
    upper = [f"{a:.2f} {-max(0.006, float(part.max()) / peak):.3f}" for a, part in zip(x, parts)]
    lower = [f"{a:.2f} {max(0.006, -float(part.min()) / peak):.3f}" for a, part in zip(x, parts)]
    return "M" + "L".join(upper + lower[::-1]) + "Z"


def _ticks(seconds: float) -> str:
    step = next((s for s in (1, 2, 5, 10, 30, 60, 120) if seconds / s <= 7), 300)
    marks = [mark for mark in np.arange(0, seconds + 1e-9, step) if mark < 0.92 * seconds]
    spans = (
        f'<span style="left:{100 * m / seconds:.2f}%">{int(m) // 60}:{m % 60:02.0f}</span>' for m in marks
    )
    return f'<div class="ad-ticks">{"".join(spans)}</div>'
