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
STYLE = (HERE / "page.css").read_text(encoding="utf-8")
WARNING = "Do not accuse anyone with this. Ask where the recording comes from and who vouches for it."
_environment = Environment(autoescape=True, trim_blocks=True, loader=FileSystemLoader(HERE))
_environment.filters["base64"] = lambda text: base64.b64encode(str(text).encode()).decode()
_environment.globals.update(clock=clock, warning=WARNING)
HTML = _environment.get_template("verdict.html.jinja").module  # its macros, as functions


@dataclass
class Entry:
    """A verdict with what a report needs of the file, which may be gone when it is written."""

    verdict: Verdict
    card: Card
    sha256: str
    shown: str


def entry(verdict: Verdict, card: Card, path: str | Path) -> Entry:
    """Reads the file once more for its SHA-256."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Entry(verdict, card, digest, as_html(verdict, card))


def as_report(entries: list[Entry]) -> str:
    """One HTML file that needs nothing else."""
    return str(HTML.report(entries, STYLE, datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")))


def as_html(verdict: Verdict, card: Card) -> str:
    """Verdict first, then caveats, evidence and the places."""
    bar = timeline = ""
    if verdict.windows:
        timeline = figures.timeline(verdict.outline, verdict.windows, card, max(0.1, verdict.duration_s))
        bar = "" if verdict.caveats else figures.score_bar(card, verdict.score)
    return str(HTML.judged(verdict, bar, timeline))


def refusal(sentence: str) -> str:
    """A card that says why there is no verdict."""
    return str(HTML.refusal(sentence))
