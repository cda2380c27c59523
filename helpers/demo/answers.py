"""What the page shows for a recording: verdict, score bar, pictures, caveats, limits. No state: a file in, HTML out."""

from __future__ import annotations

import html
import logging
import threading
from collections import OrderedDict
from pathlib import Path

import numpy as np

from helpers.data.errors import BadAudio
from helpers.demo import drawing
from helpers.demo.audio import Facts, read_blocks, safe_name
from helpers.demo.break_it import TREATMENTS, as_data_uri, break_it
from helpers.demo.detector import Detector, load_detector
from helpers.demo.examples import Example, example_of
from helpers.demo.explain import grad_cam_picture, log_mel_picture
from helpers.demo.verdict import BONAFIDE, SPOOF, UNSURE, Verdict

LONGEST_SECONDS = 600.0
BROKEN_SECONDS = 20.0  # of a recording go through the treatments
KEPT_DETECTORS = 3
EMPTY = '<div class="ad-card ad-empty"><p>Choose a recording, speak into the microphone, or take an example.</p></div>'


class Answers:
    """Detectors by name, loaded when first asked for; everything else belongs to one call."""

    def __init__(self, examples: list[Example] = ()) -> None:  # type: ignore[assignment]
        self.lock = threading.Lock()
        self.detectors: OrderedDict[str, tuple[Detector, np.ndarray, np.ndarray]] = OrderedDict()
        self.examples = list(examples)

    @property
    def style(self) -> str:
        """The style sheet of what the methods return."""
        return (Path(__file__).parent / "page.css").read_text(encoding="utf-8")

    def detector(self, name: str) -> tuple[Detector, np.ndarray, np.ndarray]:
        """The detector and its dev scores of bona fide and of spoof."""
        with self.lock:
            if name not in self.detectors:
                detector = load_detector(name)
                dev = detector.run.read_scores().query("split == 'dev'")
                is_bonafide = (dev["label"] == "bonafide").to_numpy()
                values = dev["score"].to_numpy(dtype=float)
                self.detectors[name] = (detector, values[is_bonafide], values[~is_bonafide])
            self.detectors.move_to_end(name)
            while len(self.detectors) > KEPT_DETECTORS:
                self.detectors.popitem(last=False)
            return self.detectors[name]

    def judge(self, path: str | None, run: str) -> str:
        """HTML of the whole answer; a refusal is a sentence."""
        if not path:
            return EMPTY
        try:
            detector, bonafide, spoof = self.detector(run)
            verdict = detector.detect(path, max_seconds=LONGEST_SECONDS)
            wave = _whole(path)
            towards = "bonafide" if verdict.score >= detector.operating.eer_threshold else "spoof"
            heat = grad_cam_picture(detector, wave, towards)
            time_axis = drawing.timeline(
                wave, log_mel_picture(wave), heat, verdict.windows, detector.operating
            )
            bar = drawing.score_bar(detector.operating, bonafide, spoof, verdict.score)
        except (BadAudio, ValueError, FileNotFoundError) as error:
            return refusal(str(error))
        except Exception:
            logging.getLogger(__name__).exception("no answer on an upload")
            return refusal("This file could not be judged. Try another form of it, such as WAV or FLAC.")
        return "".join(
            [
                _card(verdict, example_of(path, self.examples)),
                bar,
                _caveats(verdict),
                _cam_switch(heat is not None, towards),
                f'<div class="ad-timeline">{time_axis}</div>',
                _moments(verdict),
            ]
        )

    def break_it(self, path: str | None, run: str) -> str:
        """HTML: the same recording after each treatment."""
        if not path:
            return '<p class="ad-note">First choose a recording.</p>'
        try:
            detector, bonafide, spoof = self.detector(run)
            wave = _whole(path)[: round(BROKEN_SECONDS * 16_000)]
            size = detector.setting.n_samples

            def score_of(whole: np.ndarray) -> float:
                from helpers.demo.audio import Cutter

                cutter = Cutter(size)
                return float(
                    detector.score_waves([piece for _, piece in cutter.push(whole) + cutter.end()])[0].mean()
                )

            before = score_of(wave)
            broken = break_it(score_of, wave, list(TREATMENTS))
        except (BadAudio, ValueError, FileNotFoundError) as error:
            return refusal(str(error))
        except Exception:
            logging.getLogger(__name__).exception("could not break an upload")
            return refusal(
                "This recording could not be treated. Try another form of it, such as WAV or FLAC."
            )
        rows = [(one.name, one.score, as_data_uri(one.wave)) for one in broken]
        answers = {detector.operating.answer(score) for _, score, _ in rows}
        same = answers == {detector.operating.answer(before)}
        said = (
            "The answer stays the same."
            if same
            else "The answer changes: what this detector hears does not survive every journey."
        )
        return f'<p class="ad-note">{said}</p>' + drawing.broken_strips(
            detector.operating, np.concatenate([bonafide, spoof]), before, rows
        )

    def limits(self, run: str) -> str:
        """HTML: what the detector was trained on, how it errs, and what not to do with it."""
        try:
            detector, _, _ = self.detector(run)
        except (ValueError, FileNotFoundError) as error:
            return refusal(str(error))
        metrics = detector.metrics
        counts = metrics.get("data", {}).get("counts", {}).get("train", {})
        dev, evaluation = metrics["metrics"]["dev"], metrics["metrics"].get("eval")
        known = f"{100 * dev['eer']:.1f}&nbsp;% on the systems of its dev set"
        if evaluation and "eer" in evaluation:
            known += f", {100 * evaluation['eer']:.1f}&nbsp;% on others that it had never met"
        return (
            f'<div class="ad-limits"><p><b>{html.escape(metrics["model"])}</b> on {html.escape(metrics["features"])}, trained on '
            f"{html.escape(metrics['dataset'])}: {counts.get('bonafide', 0):,} human and {counts.get('spoof', 0):,} synthetic or converted clips. "
            f"Equal error rate: {known}.</p>"
            "<p>Newer voices may pass, and an honest recording over a poor line may not. "
            "<b>Do not accuse anyone with this.</b> Ask where the recording comes from.</p></div>"
        )


def refusal(sentence: str) -> str:
    return f'<div class="ad-card ad-refused" role="alert"><h2>No verdict</h2><p>{html.escape(sentence)}</p></div>'


def _whole(path: str | Path) -> np.ndarray:
    return np.concatenate(list(read_blocks(path, Facts(safe_name(path)), max_seconds=LONGEST_SECONDS)))


def _card(verdict: Verdict, example: Example | None) -> str:
    kind = {BONAFIDE: "bonafide", UNSURE: "unsure", SPOOF: "spoof"}[verdict.answer]
    if any(caveat.voids for caveat in verdict.caveats):
        kind += " ad-void"  # no verdict that the page could offer to break
    head, _, rest = verdict.sentence.partition(". ")
    truth = f'<p class="ad-truth">{html.escape(example.truth)}</p>' if example else ""
    return (
        f'<div class="ad-card ad-{kind}" role="status"><h2>{html.escape(head)}</h2><p>{html.escape(rest).replace(" %", "&nbsp;%")}</p>'
        f'<p class="ad-facts">{html.escape(verdict.name)} · {verdict.duration_s:.1f} s at {verdict.sample_rate / 1000:g} kHz · '
        f"score {verdict.score:.2f}</p>{truth}</div>"
    )


def _caveats(verdict: Verdict) -> str:
    if not verdict.caveats:
        return ""
    items = "".join(f"<li>{html.escape(caveat.sentence)}</li>" for caveat in verdict.caveats)
    return f'<div class="ad-caveats"><b>Mind</b><ul>{items}</ul></div>'


def _cam_switch(there: bool, towards: str) -> str:
    """A checkbox that style sheets alone act on: the overlay goes without asking the server."""
    if not there:
        return '<p class="ad-caption">This detector has no layer that Grad-CAM could look into.</p>'
    what = "a human voice" if towards == "bonafide" else "a machine"
    return f'<label class="ad-cam-switch"><input type="checkbox" class="ad-cam-box" checked> Grad-CAM: what spoke for {what}</label>'


def _moments(verdict: Verdict) -> str:
    if not verdict.moments:
        return ""
    places = ", ".join(f"{w.start:.0f}–{w.end:.0f} s" for w in sorted(verdict.moments, key=lambda w: w.start))
    return f'<p class="ad-note">Listen again to {places}: these moments speak most for a spoof.</p>'
