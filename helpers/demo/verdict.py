"""What the detector answers: a verdict in words, its score, where in the recording, and what to mind."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from helpers.demo.caveats import Caveat

BONAFIDE, UNSURE, SPOOF, MIXED = "likely bona fide", "cannot tell", "likely spoof", "mixed"
ANSWERS = (BONAFIDE, UNSURE, SPOOF, MIXED)
ADJACENT = 2  # windows in a row that make a stretch


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
    """The answer on one recording. `share` is empty and `fake_share` None where a caveat leaves no ground for a number."""

    name: str
    answer: str
    headline: str
    evidence: str
    share: str
    score: float | None  # mean log-odds of the windows with speech; None where there is no speech
    fake_share: float | None
    duration_s: float
    sample_rate: int
    detector: str
    windows: list[Window] = field(default_factory=list)
    stretches: list[Window] = field(default_factory=list)  # they look synthetic; adjacent windows merged
    caveats: list[Caveat] = field(default_factory=list)
    path: str = ""

    @property
    def sentence(self) -> str:
        """The verdict as one would say it."""
        return " ".join(part for part in (f"{self.headline}.", self.evidence, self.share) if part)

    @property
    def emptied(self) -> bool:
        """Whether a caveat says that there is nothing to judge."""
        return any(caveat.voids for caveat in self.caveats)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "sentence": self.sentence}


@dataclass
class Refusal:
    """A file that cannot be judged, and why, in a sentence."""

    name: str
    reason: str
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
    return f"{int(round(seconds)) // 60}:{int(round(seconds)) % 60:02d}"


def share_in_words(share: float) -> str:
    """0.17 -> `1 in 6`. Nothing beyond 19 in 20 is claimed."""
    if share < 0.05:
        return "fewer than 1 in 20"
    if share > 0.95:
        return "more than 19 in 20"
    return f"1 in {round(1 / share)}" if share < 0.4 else f"{round(10 * share)} in 10"


def spoof_stretches(windows: list[Window], threshold: float | None) -> list[Window]:
    """Runs of at least two adjacent windows at or below the threshold, merged; the score is their mean."""
    runs: list[list[Window]] = [[]]
    for window in windows:
        if threshold is None or window.score > threshold:
            runs.append([])
        elif runs[-1] and window.start > runs[-1][-1].end:
            runs.append([window])
        else:
            runs[-1].append(window)
    return [
        Window(run[0].start, run[-1].end, float(np.mean([window.score for window in run])))
        for run in runs
        if len(run) >= ADJACENT
    ]


def decide(
    name: str, card: Card, windows: list[Window], caveats: list[Caveat], duration_s: float, sample_rate: int, path: str = ""
) -> Verdict:  # fmt: skip
    """The windows with speech and the caveats -> the verdict."""
    score = float(np.mean([window.score for window in windows])) if windows else None
    void = next((caveat for caveat in caveats if caveat.voids), None)
    common = (duration_s, sample_rate, card.name, windows)
    if void is not None or score is None:
        sentence = void.sentence if void else ""
        return Verdict(name, UNSURE, "Cannot tell", sentence, "", score, None, *common, [], caveats, path)
    answer, stretches = card.answer(score), spoof_stretches(windows, card.spoof)
    outside = [w for w in windows if not any(s.start <= w.start and w.end <= s.end for s in stretches)]
    if stretches and len(outside) >= ADJACENT:
        answer = MIXED
    headline = answer.capitalize()
    if answer == UNSURE and card.bonafide is None and "No traces" in card.evidence(score):
        headline = "Cannot tell: no traces found"
    evidence = card.evidence(score)
    if answer == MIXED:
        places = [f"{clock(stretch.start)}–{clock(stretch.end)}" for stretch in stretches]
        more = f" and {len(places) - 3} more" if len(places) > 3 else ""
        headline = f"Mixed: {', '.join(places[:3])}{more} looks synthetic"
        evidence = "Strong traces of synthesis there, not in the rest."
    share = fake_share = None
    if not caveats and answer != MIXED:
        fake_share = card.fake_share_of(score)
        share = f"Of recordings with such a score, {share_in_words(fake_share)} {'was' if share_in_words(fake_share)[:2] == '1 ' else 'were'} fake."
    return Verdict(
        name, answer, headline, evidence, share or "", score, fake_share, *common, stretches, caveats, path
    )
