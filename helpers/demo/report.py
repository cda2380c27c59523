"""A verdict as HTML: what the page shows, and one self-contained file to keep."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from helpers.demo.verdict import Card, Verdict, clock
from helpers.figures import verdict as figures

HERE = Path(__file__).parent
STYLE, SCRIPT = ((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
WARNING = "Do not accuse anyone with this. Ask where the recording comes from and who vouches for it."
_environment = Environment(autoescape=True, trim_blocks=True, loader=FileSystemLoader(HERE))
_environment.filters["base64"] = lambda text: base64.b64encode(str(text).encode()).decode()
_environment.globals.update(clock=clock, warning=WARNING)
HTML = _environment.get_template("verdict.html.jinja").module  # its macros, as functions


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
    bar = timeline = ""
    if verdict.windows:
        timeline = figures.timeline(verdict.outline, verdict.windows, card, verdict.duration_s)
    if verdict.share:
        bar = figures.score_bar(card, verdict.score)
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Entry(verdict, card, digest, bar, timeline)


def as_report(entries: list[Entry]) -> str:
    """One HTML file that needs nothing else."""
    return str(HTML.report(entries, STYLE, datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")))


def refusal(sentence: str) -> str:
    """A card that says why there is no verdict."""
    return str(HTML.refusal(sentence))
