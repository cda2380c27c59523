"""What the page shows for a recording: verdict, treatments, report, limits. No state: a file in, HTML out."""

from __future__ import annotations

import html
import logging
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from helpers.data.audio import Facts, read_blocks, safe_name
from helpers.data.errors import BadAudio
from helpers.demo.break_it import TREATMENTS, as_data_uri, break_it
from helpers.demo.detector import Detector, load_detector
from helpers.demo.examples import Example, example_of
from helpers.demo.predict import as_row
from helpers.demo.report import STYLE, WARNING, as_html, entry, refusal, write_report
from helpers.demo.verdict import Refusal
from helpers.figures import verdict as figures

LONGEST_SECONDS = 1800.0
BROKEN_SECONDS = 20.0  # of a recording go through the treatments
KEPT_DETECTORS = 3
EMPTY = '<div class="ad-card ad-empty"><p>Choose a recording, speak into the microphone, or take an example.</p></div>'
GONE = "The recording was deleted after five minutes: choose it again."
CONVERT = " Convert it with: ffmpeg -i FILE -vn out.wav"


class Answers:
    """Detectors by name, loaded when first asked for; everything else belongs to one call."""

    def __init__(self, examples: list[Example] | None = None) -> None:
        self.lock, self.examples = threading.Lock(), examples or []
        self.detectors: dict[str, Detector] = {}
        self.style = STYLE

    def detector(self, name: str) -> Detector:
        """Loaded once; the one unused for longest goes when there are too many."""
        with self.lock:
            found = self.detectors.pop(name, None) or load_detector(name)
            self.detectors[name] = found
            if len(self.detectors) > KEPT_DETECTORS:
                del self.detectors[next(iter(self.detectors))]
            return found

    def judge(self, path: str | None, *names: str, progress: Callable[[float], None] = lambda s: None) -> str:
        """HTML of the whole answer, one after the other for several detectors; a refusal is a sentence."""
        if not path:
            return EMPTY
        return self._safely(lambda: self._judge(path, names, progress), path)

    def _judge(self, path: str, names: tuple[str, ...], progress: Callable[[float], None]) -> str:
        shown = []
        for name in names:
            detector = self.detector(name)
            verdict = detector.detect(path, max_seconds=LONGEST_SECONDS, progress=progress)
            shown.append(as_html(verdict, detector.card, path))
        example = example_of(path, self.examples)
        truth = f'<p class="ad-note ad-truth">{html.escape(example.truth)}</p>' if example else ""
        return "".join(f'<div class="ad-one">{one}</div>' for one in shown) + truth

    def row(self, path: str, name: str) -> dict[str, Any]:
        """What a program gets: the names of `predict --json`."""
        try:
            detector = self.detector(name)
            row = as_row(detector.detect(path, max_seconds=LONGEST_SECONDS), detector.name)
        except (BadAudio, ValueError, FileNotFoundError) as error:
            row = as_row(Refusal(safe_name(path), str(error)), name)
        # gradio's client takes anything with a path for a file to fetch.
        return {"name": safe_name(path), **{key: value for key, value in row.items() if key != "path"}}

    def break_it(self, path: str | None, name: str) -> str:
        """HTML: the same recording after each treatment."""
        if not path:
            return refusal("First choose a recording.")
        return self._safely(lambda: self._break_it(path, name), path)

    def _break_it(self, path: str, name: str) -> str:
        detector = self.detector(name)
        blocks = read_blocks(path, Facts(safe_name(path)))
        wave = np.concatenate(list(blocks))[: round(BROKEN_SECONDS * 16_000)]
        before = float(detector.score_waves([wave])[0])
        broken = break_it(lambda treated: float(detector.score_waves([treated])[0]), wave, list(TREATMENTS))
        rows = [(one.name, one.score, as_data_uri(one.wave)) for one in broken]
        same = {detector.card.answer(score) for _, score, _ in rows} == {detector.card.answer(before)}
        said = (
            "The answer stays the same." if same else "The answer changes: it does not survive every journey."
        )
        return f'<p class="ad-note">{said}</p>' + figures.broken_strips(detector.card, before, rows)

    def report(self, path: str | None, *names: str) -> str | None:
        """The report to keep, as a file beside the uploads; None where there is nothing to report on."""
        if not path or not os.path.exists(path):
            return None
        entries = []
        for name in names:
            detector = self.detector(name)
            entries.append(entry(detector.detect(path, max_seconds=LONGEST_SECONDS), detector.card, path))
        folder = Path(tempfile.mkdtemp(dir=os.environ.get("GRADIO_TEMP_DIR")))
        return str(write_report(folder / f"report-{Path(safe_name(path)).stem}.html", entries))

    def limits(self, name: str) -> str:
        """HTML: what the detector was trained on, how it errs, and what not to do with it."""
        card = self.detector(name).card
        left_out, known = card.facts.get("left_out", {}), ""
        if {"eer", "answered", "wrong_spoof"} <= set(left_out):
            known = (
                f"<p>On recordings from places that it did not train on: equal error rate {100 * left_out['eer']:.0f} %, "
                f"answers given on {100 * left_out['answered']:.0f} %, and of its answers “likely spoof” "
                f"{100 * left_out['wrong_spoof']:.0f} % were wrong.</p>"
            )
        return (
            f'<div class="ad-limits"><p><b>{html.escape(card.name)}</b>, trained on {html.escape(card.trained_on)}.</p>'
            f"{known}<p>Newer voices may pass, and an honest recording over a poor line may not. <b>{WARNING}</b></p></div>"
        )

    def _safely(self, answer: Callable[[], str], path: str) -> str:
        if not os.path.exists(path):
            return refusal(GONE)
        try:
            return answer()
        except BadAudio as error:
            hint = CONVERT if "cannot be read as audio (" in str(error) else ""
            return refusal(f"{error}.{hint}")
        except (ValueError, FileNotFoundError) as error:
            return refusal(str(error))
        except Exception:
            logging.getLogger(__name__).exception("no answer on an upload")
            return refusal(f"This file could not be judged.{CONVERT}")
