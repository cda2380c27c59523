"""The page's figures as HTML with inline SVG: sharp at any width, in the page's own colours, light or dark."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence

import numpy as np

from helpers.demo.verdict import BONAFIDE, SPOOF, Operating, Window
from helpers.figures.palette import FEATURE_MAP, PALETTE

BLUE, ORANGE = PALETTE["bonafide"], PALETTE["spoof"]
GREY = "#8a8f98"
COLOURS = {BONAFIDE: BLUE, SPOOF: ORANGE}
HEAT = (0, 255, 190)  # stands out on the dark and on the bright end of the feature map


class Scale:
    """Scores -> per cent of the width, from the dev scores and what else must be seen."""

    def __init__(self, dev: np.ndarray, also: Sequence[float] = ()) -> None:
        low, high = np.quantile(dev, [0.005, 0.995])
        low, high = min(low, *also, high), max(high, *also, low)
        margin = 0.05 * (high - low) or 1.0
        self.low, self.high = float(low - margin), float(high + margin)

    def __call__(self, score: float) -> float:
        return float(np.clip(100 * (score - self.low) / (self.high - self.low), 0, 100))


def score_bar(operating: Operating, bonafide: np.ndarray, spoof: np.ndarray, score: float) -> str:
    """Two dev histograms, both thresholds, the three zones and where this recording stands."""
    scale = Scale(np.concatenate([bonafide, spoof]), [score, operating.spoof_below, operating.bonafide_above])
    shapes = "".join(
        f'<path d="{_silhouette(values, scale)}" fill="{colour}" fill-opacity=".55" stroke="{colour}" '
        'vector-effect="non-scaling-stroke"/>'
        for values, colour in ((spoof, ORANGE), (bonafide, BLUE))
    )
    low, high, here = scale(operating.spoof_below), scale(operating.bonafide_above), scale(score)
    zones = (
        f'<rect x="0" width="{low:.2f}" height="100" fill="{ORANGE}" fill-opacity=".10"/>'
        f'<rect x="{high:.2f}" width="{100 - high:.2f}" height="100" fill="{BLUE}" fill-opacity=".10"/>'
    )
    lines = "".join(_upright(x, "currentColor", "4 4", 0.6) for x in (low, high))
    marker = f'<div class="ad-marker" style="left:{here:.2f}%"><span style="transform:translateX({-here:.0f}%)">this recording</span></div>'
    label = f"Score {score:.2f}; likely spoof below {operating.spoof_below:.2f}, likely bona fide above {operating.bonafide_above:.2f}"
    return (
        f'<div class="ad-bar" role="img" aria-label="{label}">{marker}'
        f'<svg viewBox="0 0 100 100" preserveAspectRatio="none">{zones}{shapes}{lines}{_upright(here, "currentColor", "", 1, 3)}</svg></div>'
        f'<div class="ad-zones">{_zone_names(low, high)}</div>'
        f'<p class="ad-key"><i style="background:{ORANGE}"></i>spoofs of the dev set <i style="background:{BLUE}"></i>bona fide clips of the dev set '
        "<b>┆</b>thresholds: 5&nbsp;% of a class on the wrong side</p>"
    )


def _zone_names(low: float, high: float) -> str:
    names = [("likely spoof", 0.0, low), ("cannot tell", low, high), ("likely bona fide", high, 100.0)]
    return "".join(
        f'<span style="width:{max(0.0, right - left):.2f}%">{name}</span>' for name, left, right in names
    )


def _silhouette(values: np.ndarray, scale: Scale, n_bins: int = 48) -> str:
    counts, edges = np.histogram(np.clip(values, scale.low, scale.high), n_bins, (scale.low, scale.high))
    heights = 88 * counts / max(1, counts.max())
    steps = [f"M{scale(edges[0]):.2f} 100"]
    for height, left, right in zip(heights, edges[:-1], edges[1:]):
        steps.append(f"L{scale(left):.2f} {100 - height:.2f}L{scale(right):.2f} {100 - height:.2f}")
    return "".join(steps) + "L100 100Z"


def _upright(x: float, colour: str, dashes: str, opacity: float, width: float = 1.5) -> str:
    dash = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<line x1="{x:.2f}" x2="{x:.2f}" y1="0" y2="100" stroke="{colour}" stroke-width="{width}" stroke-opacity="{opacity}"'
        f'{dash} vector-effect="non-scaling-stroke"/>'
    )


def timeline(
    wave: np.ndarray,
    log_mel: np.ndarray,
    heat: np.ndarray | None,
    windows: list[Window],
    operating: Operating,
    rate: int = 16_000,
) -> str:
    """Waveform, log-mel (bands, columns), Grad-CAM (bands, columns) in 0..1 or None, and window scores, on one time axis."""
    seconds = len(wave) / rate
    panels = [
        '<p class="ad-caption">waveform</p>',
        f'<svg class="ad-wave" role="img" aria-label="Waveform of {seconds:.1f} seconds" viewBox="0 -1 100 2" preserveAspectRatio="none">'
        f'<path d="{_envelope(wave)}" fill="currentColor"/></svg>',
        '<p class="ad-caption">log-mel: low to high frequency, dark is quiet</p>',
        f'<div class="ad-mel"><img alt="Log-mel of {seconds:.1f} seconds, frequency upwards, time to the right" '
        f'src="{_png(_coloured(log_mel))}">{_overlay(heat)}</div>',
        '<p class="ad-caption">score of each two seconds: blue speaks for a person, orange for a machine</p>',
        _window_bars(windows, operating, seconds),
        _ticks(seconds),
    ]
    return "".join(panels)


def _overlay(heat: np.ndarray | None) -> str:
    if heat is None:
        return ""
    pixels = np.zeros((*heat.shape, 4), np.uint8)
    pixels[..., :3] = HEAT
    pixels[..., 3] = (180 * np.sqrt(np.clip(heat, 0, 1))).astype(np.uint8)
    band, column = np.unravel_index(int(np.argmax(heat)), heat.shape)
    alt = f"Grad-CAM over it, strongest at {band / heat.shape[0]:.0%} of the height and {column / heat.shape[1]:.0%} of the time"
    return f'<img class="ad-cam" alt="{alt}" src="{_png(pixels[::-1])}">'


def _envelope(wave: np.ndarray, n_columns: int = 800) -> str:
    """Outline of the smallest and largest sample of each column, scaled to the peak."""
    parts = np.array_split(wave, min(n_columns, max(2, len(wave) // 2)))
    peak = max(1e-6, float(np.abs(wave).max()))
    x = np.linspace(0, 100, len(parts))
    upper = [f"{a:.2f} {-max(0.006, float(part.max()) / peak):.3f}" for a, part in zip(x, parts)]
    lower = [f"{a:.2f} {max(0.006, -float(part.min()) / peak):.3f}" for a, part in zip(x, parts)]
    return "M" + "L".join(upper + lower[::-1]) + "Z"


def _coloured(values: np.ndarray) -> np.ndarray:
    """(rows, columns) -> (rows, columns, 3) uint8, the low rows below."""
    from matplotlib import colormaps

    low, high = np.quantile(values, [0.02, 0.998])
    scaled = np.clip((values - low) / max(1e-6, high - low), 0, 1)
    return (255 * colormaps[FEATURE_MAP](scaled[::-1])[..., :3]).astype(np.uint8)


def _png(pixels: np.ndarray) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", compress_level=3)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _window_bars(windows: list[Window], operating: Operating, seconds: float) -> str:
    """A bar a window, up for bona fide and down for spoof from the middle of the two thresholds."""
    middle = (operating.spoof_below + operating.bonafide_above) / 2
    reach = max(
        [abs(window.score - middle) for window in windows] + [1.5 * (operating.bonafide_above - middle), 1e-9]
    )
    bars = []
    for i, window in enumerate(windows):
        end = windows[i + 1].start if i + 1 < len(windows) else window.end
        start = (
            max(window.start, windows[i - 1].end) if i else window.start
        )  # the last one overlaps the one before
        height = 48 * (window.score - middle) / reach
        height = height if abs(height) > 1 else 1.0
        colour = COLOURS.get(operating.answer(window.score), GREY)
        left, width = 100 * start / seconds, 100 * max(0.0, max(end, window.end) - start) / seconds
        bars.append(
            f'<rect x="{left + 0.05:.2f}" width="{max(0.1, width - 0.1):.2f}" y="{50 - max(height, 0):.2f}" '
            f'height="{abs(height):.2f}" fill="{colour}"><title>{window.start:.1f}–{window.end:.1f} s: {window.score:.2f}</title></rect>'
        )
    thresholds = "".join(
        f'<line x1="0" x2="100" y1="{50 - 48 * (value - middle) / reach:.2f}" y2="{50 - 48 * (value - middle) / reach:.2f}" '
        'stroke="currentColor" stroke-opacity=".5" stroke-dasharray="3 4" vector-effect="non-scaling-stroke"/>'
        for value in (operating.spoof_below, operating.bonafide_above)
    )
    answers = [operating.answer(window.score) for window in windows]
    label = "Windows: " + ", ".join(f"{answers.count(name)} {name}" for name in sorted(set(answers)))
    return f'<svg class="ad-windows" role="img" aria-label="{label}" viewBox="0 0 100 100" preserveAspectRatio="none">{"".join(bars)}{thresholds}</svg>'


def _ticks(seconds: float) -> str:
    step = next((s for s in (0.2, 0.5, 1, 2, 5, 10, 30, 60, 120) if seconds / s <= 7), 300)
    marks = np.arange(0, seconds + 1e-9, step)
    spans = [
        f'<span style="left:{100 * mark / seconds:.2f}%">{_clock(mark)}</span>'
        for mark in marks
        if mark < 0.9 * seconds
    ]
    return f'<div class="ad-ticks">{"".join(spans)}</div>'


def _clock(seconds: float) -> str:
    return f"{int(seconds // 60)}:{int(seconds % 60):02d}" if seconds >= 60 else f"{seconds:g} s"


def broken_strips(
    operating: Operating, dev: np.ndarray, before: float, broken: Sequence[tuple[str, float, str]]
) -> str:
    """A row a treatment: (name, score, audio address); an arrow from the score before to the score after."""
    scale = Scale(
        dev, [before, operating.spoof_below, operating.bonafide_above, *[score for _, score, _ in broken]]
    )
    low, high, start = scale(operating.spoof_below), scale(operating.bonafide_above), scale(before)
    rows = []
    for name, score, audio in broken:
        end, answer = scale(score), operating.answer(score)
        colour = COLOURS.get(answer, GREY)
        drawing = (
            f'<rect x="0" width="{low:.2f}" height="100" fill="{ORANGE}" fill-opacity=".12"/>'
            f'<rect x="{high:.2f}" width="{100 - high:.2f}" height="100" fill="{BLUE}" fill-opacity=".12"/>'
            + _upright(low, "currentColor", "4 4", 0.5) + _upright(high, "currentColor", "4 4", 0.5)
            + f'<line x1="{start:.2f}" x2="{end:.2f}" y1="50" y2="50" stroke="{colour}" stroke-width="3" vector-effect="non-scaling-stroke"/>'
        )  # fmt: skip
        rows.append(
            f'<div class="ad-row"><span class="ad-name">{html.escape(name)}</span>'
            f'<audio controls preload="none" src="{audio}" aria-label="{html.escape(name)}"></audio>'
            f'<span class="ad-answer" style="color:color-mix(in srgb, {colour} 75%, currentColor)">{answer}</span>'
            f'<div class="ad-strip" role="img" aria-label="score from {before:.2f} to {score:.2f}"><svg viewBox="0 0 100 100" preserveAspectRatio="none">{drawing}</svg>'
            f'<i class="ad-before" style="left:{start:.2f}%"></i><i class="ad-after" style="left:{end:.2f}%;background:{colour}"></i></div></div>'
        )
    key = '<p class="ad-key"><i class="ad-before ad-still"></i>as you gave it <i class="ad-after ad-still"></i>after the treatment</p>'
    return f'<div class="ad-broken">{"".join(rows)}</div>{key}'
