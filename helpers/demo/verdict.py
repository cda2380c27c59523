"""What the detector answers: a verdict in words, its score, its probability, where in the recording, and what to mind."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from helpers import metrics
from helpers.demo.caveats import Caveat

BONAFIDE, UNSURE, SPOOF = "likely bona fide", "cannot tell", "likely spoof"
ANSWERS = (BONAFIDE, UNSURE, SPOOF)
ERROR = 0.05  # of dev's clips that may lie on the wrong side of a threshold
CERTAIN = 0.99  # no probability beyond it is shown: dev has not enough clips to say more


@dataclass(frozen=True)
class Operating:
    """The detector's two thresholds and its probability, all from the scores of its dev set.

    Of dev's bona fide clips 5 % lie below `miss_5`, of dev's spoofs 5 % above `false_alarm_5`. The lower of the two is
    `spoof_below`, the higher `bonafide_above`; between them the answer is "cannot tell". A detector that hardly
    separates the classes has them far apart and answers little; a very good one has them in reversed order, and what
    lies between is then typical of neither class. `slope * score + offset` is the log-likelihood ratio that
    evaluation.calibration fits on dev; the probability assumes bona fide and spoof equally likely beforehand.
    """

    spoof_below: float
    bonafide_above: float
    eer: float
    eer_threshold: float
    slope: float
    offset: float

    @classmethod
    def from_scores(cls, scores: pd.DataFrame) -> Operating:
        """From the dev rows of a score table. ValueError where dev lacks a class or the polarity is upside down."""
        dev = scores[scores["split"] == "dev"]
        is_bonafide = (dev["label"] == "bonafide").to_numpy()
        values = dev["score"].to_numpy(dtype=np.float64)
        bonafide, spoof = values[is_bonafide], values[~is_bonafide]
        if len(bonafide) < 5 or len(spoof) < 5:
            raise ValueError(
                f"thresholds need 5 dev clips of each class, got {len(bonafide)} bona fide, {len(spoof)} spoof"
            )
        eer, threshold = metrics.eer(bonafide, spoof)
        low, high = sorted([float(np.quantile(bonafide, ERROR)), float(np.quantile(spoof, 1 - ERROR))])
        from helpers.evaluation import calibration

        fitted = calibration.fit(values, dev["label"])  # refuses scores that are upside down
        return cls(low, high, float(eer), float(threshold), fitted.weights[0], fitted.offset)

    def probability(self, score: float) -> float:
        """P(bona fide) at even odds beforehand, kept within 1..99 %."""
        raw = 1 / (1 + np.exp(-np.clip(self.slope * score + self.offset, -50, 50)))
        return float(np.clip(raw, 1 - CERTAIN, CERTAIN))

    def answer(self, score: float) -> str:
        """One of ANSWERS."""
        if score > self.bonafide_above:
            return BONAFIDE
        return SPOOF if score < self.spoof_below else UNSURE


@dataclass(frozen=True)
class Window:
    """A stretch of the recording, in seconds, and its score."""

    start: float
    end: float
    score: float


@dataclass
class Verdict:
    """The answer on one recording. `answer` is "cannot tell" where a caveat says that there is nothing to judge."""

    name: str
    answer: str
    score: float
    probability: float  # of bona fide, at even odds beforehand
    duration_s: float
    sample_rate: int
    detector: str
    windows: list[Window] = field(default_factory=list)  # two seconds each
    moments: list[Window] = field(default_factory=list)  # of the windows, those that speak most for a spoof
    caveats: list[Caveat] = field(default_factory=list)
    path: str = ""

    @property
    def sentence(self) -> str:
        """The verdict as one would say it."""
        voiding = next((caveat for caveat in self.caveats if caveat.voids), None)
        if voiding is not None:
            return f"Cannot tell. {voiding.sentence}"
        if self.answer == UNSURE:
            return "Cannot tell. The score lies where this detector often errs."
        if self.answer == BONAFIDE:
            return f"Likely bona fide. At even odds beforehand, {percent(self.probability)} that this is a human recording."
        return f"Likely spoof. At even odds beforehand, {percent(1 - self.probability)} that this is synthetic or converted speech."

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "sentence": self.sentence}


@dataclass
class Refusal:
    """A file that cannot be judged, and why, in a sentence."""

    name: str
    reason: str
    path: str = ""


def percent(share: float) -> str:
    """`87 %`; `more than 98 %` at the edge of what is claimed."""
    return f"more than {100 * CERTAIN - 1:.0f} %" if share >= CERTAIN - 1e-9 else f"{100 * share:.0f} %"


def moments(windows: list[Window], operating: Operating, most: int = 5) -> list[Window]:
    """The windows that stand out: below the spoof threshold, or else far below the recording's own others; worst first."""
    if len(windows) < 2:
        return []
    scores = np.array([window.score for window in windows])
    spread = float(np.median(np.abs(scores - np.median(scores)))) * 1.4826
    limit = (
        max(operating.spoof_below, float(np.median(scores)) - 4 * spread) if spread else operating.spoof_below
    )
    chosen = [window for window in windows if window.score < limit]
    return sorted(chosen, key=lambda window: window.score)[:most]
