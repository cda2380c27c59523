"""The HTML under a report: one file, images inside, legible in light and dark, on a desk and on a telephone."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape

import pandas as pd
from matplotlib.figure import Figure

STYLE = """
:root{--ground:#fbfaf7;--card:#fff;--text:#1d2126;--faint:#5c6670;--line:#dcdfe3;--blue:#005a91;--orange:#a35c00}
@media(prefers-color-scheme:dark){:root{--ground:#15181c;--card:#1e2329;--text:#e8eaed;--faint:#a4adb7;
--line:#363d46;--blue:#6db9ee;--orange:#f2b552}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:78rem;padding:1.2rem;background:var(--ground);color:var(--text);
font:16px/1.5 system-ui,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
h1{font-size:1.55rem;line-height:1.2;margin:.2rem 0 .3rem}h2{font-size:1.25rem;margin:2.2rem 0 .5rem}
h3{font-size:1.02rem;margin:1.3rem 0 .3rem}p{margin:.4rem 0;max-width:52rem}.faint{color:var(--faint);font-size:.92rem}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(15rem,1fr));gap:.8rem;margin:1rem 0}
.card{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.8rem 1rem}
.card b{display:block;color:var(--faint);font-size:.88rem;font-weight:600}
.card strong{display:block;font-size:1.45rem;line-height:1.25;margin:.15rem 0 .2rem;overflow-wrap:anywhere}
.card.warn{border-left:.35rem solid var(--orange)}.card.good{border-left:.35rem solid var(--blue)}
.card p{font-size:.94rem;margin:.15rem 0}
.scroll{overflow-x:auto;margin:.6rem 0;border:1px solid var(--line);border-radius:.5rem;background:var(--card)}
table{border-collapse:collapse;width:100%;font-size:.92rem;font-variant-numeric:tabular-nums}
th,td{padding:.36rem .55rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th{color:var(--faint);font-weight:600}th:first-child,td:first-child,.words{text-align:left}
td.words{white-space:normal}td.words:last-child{min-width:24rem}tr:last-child td{border-bottom:0}tr.chosen td{font-weight:650}
figure{margin:.8rem 0;text-align:center;background:#fff;border:1px solid var(--line);border-radius:.5rem;padding:.5rem}
figure img{max-width:100%;height:auto}figcaption{color:#4c555e;font-size:.9rem;padding:.2rem .4rem;text-align:left}
nav{font-size:.92rem}nav a{color:var(--blue);margin-right:.9rem;white-space:nowrap}
@media(max-width:34rem){body{padding:.8rem}h1{font-size:1.3rem}.cards{gap:.5rem;margin:.6rem 0}
.card{padding:.5rem .75rem}.card strong{font-size:1.15rem}.card p{font-size:.86rem;line-height:1.38}}
"""


def page(title: str, body: str) -> str:
    """A whole HTML document that asks nothing of the network."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )


def picture(figure: Figure, caption: str) -> str:
    """A matplotlib figure as an inlined PNG with its caption; what it shows in words is its alt text."""
    held = io.BytesIO()
    figure.savefig(held, format="png", dpi=100, bbox_inches="tight")
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
