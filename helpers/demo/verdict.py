"""What the detector answers: a verdict in words, its score, where in the recording, and what to mind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from helpers.demo.caveats import Caveat

BONAFIDE, UNSURE, SPOOF, MIXED = "likely bona fide", "cannot tell", "likely spoof", "mixed"
HEADLINES = {
    BONAFIDE: "Likely bona fide: a human voice",
    UNSURE: "Cannot tell",
    SPOOF: "Likely spoof: a synthetic or converted voice",
}
ADJACENT, MEAN_OF = 2, 3  # windows in a row that make a stretch, and whose mean is looked at
DROP = 4.5  # chosen on recordings spliced from left-out projects: 12 of 30 found, 1 of 30 whole ones called mixed


@dataclass(frozen=True)
class Window:
    """A stretch of the recording, in seconds, and its score (log-odds, higher: bona fide)."""

    start: float
    end: float
    score: float


@dataclass(frozen=True)
class Card:
    """What a detector says of itself: thresholds and the measured share of fakes at each score.

    `spoof` and `bonafide` are None where no threshold keeps its promise: that answer is then never given.
    """

    name: str
    trained_on: str
    seconds_per_window: float
    spoof: float | None
    bonafide: float | None
    edges: tuple[float, ...]  # of the bins of scores, one more than there are bins
    fake_share: tuple[float, ...]  # of recordings whose score is in the bin, both classes equally common
    facts: dict[str, Any] = field(default_factory=dict)  # everything that card.json holds

    @classmethod
    def from_dict(cls, card: dict[str, Any]) -> Card:
        """From card.json; KeyError where it lacks what is needed."""
        thresholds, calibration = card["thresholds"], card["calibration"]
        return cls(
            card["name"], trained_on_in_words(card["trained_on"]), float(card["seconds_per_window"]),
            thresholds["spoof"], thresholds["bonafide"],
            tuple(calibration["edges"]), tuple(calibration["fake_share"]), card,
        )  # fmt: skip

    @property
    def answers(self) -> list[str]:
        """Those that this detector can give."""
        spoof, bonafide = [SPOOF][self.spoof is None :], [BONAFIDE][self.bonafide is None :]
        return [*spoof, UNSURE, *bonafide]

    def answer(self, score: float) -> str:
        """`likely spoof`, `cannot tell` or `likely bona fide`."""
        if self.spoof is not None and score <= self.spoof:
            return SPOOF
        return BONAFIDE if self.bonafide is not None and score >= self.bonafide else UNSURE

    def fake_share_of(self, score: float) -> float:
        """0..1: of recordings with such a score, how many were fake."""
        return float(self.fake_share[int(np.searchsorted(self.edges[1:-1], score, side="right"))])

    def evidence(self, score: float) -> str:
        """How much speaks for a machine, in words."""
        if self.spoof is not None and score <= self.spoof:
            return "Strong traces of synthesis."
        if self.fake_share_of(score) > 0.5:
            return "Some traces of synthesis."
        return "No traces of synthesis found, which proves nothing: newer voices may leave none."


@dataclass
class Verdict:
    """The answer on one recording. Where a caveat leaves no ground for a number, `share` is empty, `fake_share` None."""

    name: str
    detector: str
    duration_s: float
    sample_rate: int
    caveats: list[Caveat]
    path: str = ""
    answer: str = UNSURE
    headline: str = "Cannot tell"
    evidence: str = ""
    share: str = ""
    score: float | None = None  # mean log-odds of the windows; None where there is nothing to judge
    fake_share: float | None = None
    windows: list[Window] = field(default_factory=list)
    stretches: list[Window] = field(default_factory=list)  # they look synthetic; adjacent windows merged
    outline: np.ndarray = field(default_factory=lambda: np.zeros(0), repr=False)  # see Meter

    @property
    def sentence(self) -> str:
        """The verdict as one would say it."""
        return " ".join(part for part in (f"{self.headline}.", self.evidence, self.share) if part)


@dataclass
class Refusal:
    """A file that cannot be judged, and why, in a sentence."""

    name: str
    reason: str
    detector: str = ""
    path: str = ""


def trained_on_in_words(trained_on: Any) -> str:
    """{data set: {bonafide: n, spoof: n}} -> `starter (1,022 human and 900 fake clips) and …`; words stay as they are."""
    if not isinstance(trained_on, dict):
        return str(trained_on)
    return " and ".join(
        f"{name} ({n['bonafide']:,} human and {n['spoof']:,} fake clips)" for name, n in trained_on.items()
    )


def clock(seconds: float) -> str:
    """`1:40`."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def share_in_words(share: float) -> str:
    """0.17 -> `1 in 6`. Nothing beyond 19 in 20 is claimed."""
    if share < 0.05:
        return "fewer than 1 in 20"
    if share > 0.95:
        return "more than 19 in 20"
    return f"1 in {round(1 / share)}" if share < 0.4 else f"{round(10 * share)} in 10"


def spoof_stretches(windows: list[Window], card: Card) -> list[Window]:
    """Where a recording differs from its rest: windows in a row, merged, with their mean score.

    The mean of three windows lies on the fakes' side of the middle between the thresholds, and below the recording's
    median by more than DROP times what two windows in a row usually differ.
    """
    if card.spoof is None or card.bonafide is None or len(windows) < MEAN_OF:
        return []
    scores = np.array([window.score for window in windows])
    middle, usual = (card.spoof + card.bonafide) / 2, np.median(scores)
    step = np.median(np.abs(np.diff(scores)))
    means = np.convolve(scores, np.full(MEAN_OF, 1 / MEAN_OF), "valid")
    low = (means <= middle) & (means < usual - DROP * step)
    inside = (np.convolve(low, np.ones(MEAN_OF)) > 0) & (scores <= middle)
    runs: list[list[Window]] = [[]]
    for window, is_low in zip(windows, inside, strict=True):
        if not is_low or (runs[-1] and window.start > runs[-1][-1].end):
            runs.append([])
        if is_low:
            runs[-1].append(window)
    return [
        Window(run[0].start, run[-1].end, float(np.mean([window.score for window in run])))
        for run in runs
        if len(run) >= ADJACENT
    ]


def decide(verdict: Verdict, card: Card, windows: list[Window]) -> Verdict:
    """Fill in the answer, from the windows with speech and the caveats that the verdict holds."""
    void = next((caveat for caveat in verdict.caveats if caveat.voids), None)
    if void or not windows:
        verdict.evidence = void.sentence if void else "Nowhere is there enough speech to judge."
        return verdict
    score = verdict.score = float(np.mean([window.score for window in windows]))
    verdict.windows, verdict.stretches = windows, spoof_stretches(windows, card)
    verdict.answer, verdict.evidence = card.answer(score), card.evidence(score)
    verdict.headline = HEADLINES[verdict.answer]
    if verdict.answer == UNSURE and card.bonafide is None and card.fake_share_of(score) <= 0.5:
        verdict.headline = "Cannot tell: no traces found"
    if verdict.stretches and verdict.answer != SPOOF:
        places = [f"{clock(stretch.start)}–{clock(stretch.end)}" for stretch in verdict.stretches]
        more = f" and {len(places) - 3} more" if len(places) > 3 else ""
        verdict.answer = MIXED
        verdict.headline = f"Mixed: {', '.join(places[:3])}{more} looks synthetic"
        verdict.evidence = "More traces of synthesis there than in the rest."
    elif not verdict.caveats:
        verdict.fake_share = card.fake_share_of(score)
        words = share_in_words(verdict.fake_share)
        verb = "was" if words.startswith("1 ") else "were"
        verdict.share = f"In tests with as many fakes as human voices, {words} with such a score {verb} fake."
    return verdict
