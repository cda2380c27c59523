"""A verdict as HTML: what the page shows, and one self-contained file to keep."""

from __future__ import annotations

import hashlib
import html
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from jinja2 import Environment

from helpers.data.audio import Facts, read_blocks, safe_name
from helpers.demo.verdict import BONAFIDE, MIXED, SPOOF, Card, Verdict, clock
from helpers.figures import verdict as figures

WAVE_POINTS = 16_000  # kept of a recording for its outline
STYLE = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
WARNING = "Do not accuse anyone with this. Ask where the recording comes from and who vouches for it."
TEMPLATE = Environment(autoescape=True).from_string("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Report on {{ entries|length }} recording{{ "s" if entries|length > 1 }}</title><style>{{ style|safe }}
:root { color-scheme: light dark; --background-fill-secondary: color-mix(in srgb, Canvas 94%, CanvasText); --border-color-primary: GrayText; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; } th, td { text-align: left; padding: .2rem .8rem .2rem 0; overflow-wrap: anywhere; vertical-align: top; }
</style></head><body class="ad-root"><h1>Is this voice real?</h1><p>Made on {{ date }}. <b>{{ warning }}</b></p>
{% for one in entries %}<section>{{ one.shown|safe }}
<table><tr><th>File</th><td>{{ one.verdict.name }}</td></tr><tr><th>SHA-256</th><td>{{ one.sha256 }}</td></tr>
<tr><th>Length</th><td>{{ "%.1f"|format(one.verdict.duration_s) }} s at {{ one.verdict.sample_rate }} Hz</td></tr>
<tr><th>Detector</th><td>{{ one.card.name }}, trained on {{ one.card.trained_on }}{% for key, value in one.card.facts.get("left_out", {}).items() %}; {{ key }} {{ value }}{% endfor %}</td></tr>
<tr><th>Thresholds</th><td>likely spoof at or below {{ one.card.spoof }}, likely bona fide at or above {{ one.card.bonafide }}; where there is none, that answer is not given</td></tr></table>
{% if one.verdict.windows %}<details open><summary>Windows with speech</summary><table><tr><th>From</th><th>To</th><th>Score</th></tr>
{% for window in one.verdict.windows %}<tr><td>{{ clock(window.start) }}</td><td>{{ clock(window.end) }}</td><td>{{ "%.2f"|format(window.score) }}</td></tr>
{% endfor %}</table></details>{% endif %}</section>{% endfor %}</body></html>""")


@dataclass
class Entry:
    """A verdict with what a report needs of the file, which may be gone when it is written."""

    verdict: Verdict
    card: Card
    sha256: str
    shown: str


def entry(verdict: Verdict, card: Card, path: str | Path) -> Entry:
    """Reads the file once more for its outline and its SHA-256."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Entry(verdict, card, digest, as_html(verdict, card, path))


def write_report(path: Path, entries: Sequence[Entry]) -> Path:
    """One HTML file that needs nothing else."""
    date = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    text = TEMPLATE.render(entries=entries, style=STYLE, date=date, warning=WARNING, clock=clock)
    path.write_text(text, encoding="utf-8")
    return path


def as_html(verdict: Verdict, card: Card, path: str | Path) -> str:
    """Verdict first, then evidence, caveats and the places."""
    parts = [_card(verdict)]
    if verdict.caveats:
        items = "".join(f"<li>{html.escape(caveat.sentence)}</li>" for caveat in verdict.caveats)
        parts.append(f'<div class="ad-caveats"><b>Mind</b><ul>{items}</ul></div>')
    if verdict.score is not None and not verdict.emptied:
        if not verdict.caveats:
            parts.append(figures.score_bar(card, verdict.score))
        shown = figures.timeline(outline(path), verdict.windows, card, max(0.1, verdict.duration_s))
        parts.append(f'<div class="ad-timeline">{shown}</div>')
    if verdict.stretches:
        places = ", ".join(f"{clock(one.start)}–{clock(one.end)}" for one in verdict.stretches)
        parts.append(f'<p class="ad-note">Listen again to {places}.</p>')
    return "".join(parts)


def _card(verdict: Verdict) -> str:
    kind = {BONAFIDE: "bonafide", SPOOF: "spoof", MIXED: "spoof"}.get(verdict.answer, "unsure")
    lines = "".join(f"<p>{html.escape(line)}</p>" for line in (verdict.evidence, verdict.share) if line)
    score = "" if verdict.score is None else f" · score {verdict.score:.2f}"
    return (
        f'<div class="ad-card ad-{kind}" role="status"><h2>{html.escape(verdict.headline)}</h2>{lines}'
        f'<p class="ad-facts">{html.escape(verdict.name)} · {verdict.duration_s:.1f} s at {verdict.sample_rate / 1000:g} kHz'
        f"{score} · {html.escape(verdict.detector)}</p></div>"
    )


def refusal(sentence: str) -> str:
    """A card that says why there is no verdict."""
    return f'<div class="ad-card ad-refused" role="alert"><h2>No verdict</h2><p>{html.escape(sentence)}</p></div>'


def outline(path: str | Path) -> np.ndarray:
    """The recording thinned to its largest sample of each short piece, signs kept, for drawing."""
    kept = []
    for block in read_blocks(path, Facts(safe_name(path))):
        pieces = np.array_split(block, max(1, min(len(block), WAVE_POINTS)))
        kept.append(np.array([piece[np.abs(piece).argmax()] for piece in pieces if len(piece)]))
    return np.concatenate(kept)
