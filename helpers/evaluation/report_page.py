"""The HTML under a report: one file, images inside, legible in light and dark, on a desk and on a telephone."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from html import escape, unescape
from pathlib import Path

import pandas as pd
from jinja2 import Environment
from matplotlib.figure import Figure

CONTENTS = re.compile(r"<h2>(.*?)</h2>")


def page(title: str, body: str, made: str = "") -> str:
    """A whole HTML document that asks nothing of the network; its second headings are its contents."""
    names: list[str] = []

    def numbered(match: re.Match) -> str:
        names.append(unescape(match[1]))
        return f'<h2 id="part-{len(names)}">{match[1]}</h2>'

    body = CONTENTS.sub(numbered, body)
    template = Path(__file__).with_name("report.html.jinja").read_text(encoding="utf-8")
    contents = [(f"part-{number}", name) for number, name in enumerate(names, 1)] + [("limits", "Limits")]
    made_of = Environment(autoescape=True).from_string(template)
    return made_of.render(title=title, body=body, made=made, contents=contents) + "\n"


def csv_link(frame: pd.DataFrame, name: str) -> str:
    """A link that saves a table as CSV, the data inside the page."""
    data = base64.b64encode(frame.to_csv(index=False).encode()).decode()
    return f'<p><a download="{escape(name)}" href="data:text/csv;base64,{data}">{escape(name)}</a></p>'


def picture(figure: Figure, caption: str) -> str:
    """A matplotlib figure as an inlined PNG with its caption; what it shows in words is its alt text."""
    held = io.BytesIO()
    figure.patch.set_alpha(0)
    for ax in figure.axes:
        ax.patch.set_alpha(0)
    figure.savefig(held, format="png", dpi=100, bbox_inches="tight", facecolor="none")
    data = base64.b64encode(held.getvalue()).decode()
    return (
        f'<figure><img alt="{escape(getattr(figure, "alt", caption))}" src="data:image/png;base64,{data}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def table(frame: pd.DataFrame, chosen: str = "", words: Sequence[str] = ()) -> str:
    """A table of text that scrolls by itself where it is too wide; the row of `chosen` in bold."""
    heads = "".join(f"<th{css(name, words)}>{escape(str(name))}</th>" for name in frame.columns)
    lines = []
    for row in frame.itertuples(index=False):
        mark = ' class="chosen"' if chosen and str(row[0]) == chosen else ""
        cells = "".join(
            f"<td{css(name, words)}>{escape(str(value))}</td>"
            for name, value in zip(frame.columns, row, strict=True)
        )
        lines.append(f"<tr{mark}>{cells}</tr>")
    return f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'


def css(name: object, words: Sequence[str]) -> str:
    return ' class="words"' if str(name) in words else ""


def card(question: str, answer: str, text: str, kind: str = "") -> str:
    """One question, its answer in large letters, and a sentence."""
    return (
        f'<div class="card {kind}"><b>{escape(question)}</b><strong>{escape(answer)}</strong>'
        f"<p>{escape(text)}</p></div>"
    )


def paragraph(text: str, faint: bool = False) -> str:
    return f"<p{' class=faint' if faint else ''}>{escape(text)}</p>"
