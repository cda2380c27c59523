"""What the page shows for a recording: verdict, treatments, limits, examples. No state: a file in, HTML out."""

from __future__ import annotations

import base64
import contextlib
import html
import io
import logging
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import soundfile

from helpers.data import effects
from helpers.data.audio import SAMPLE_RATE, Facts, read_audio, read_blocks, safe_name
from helpers.data.errors import BadAudio
from helpers.demo.detector import Detector, load_detector
from helpers.demo.predict import as_row
from helpers.demo.report import HTML, STYLE, Entry, as_report, refusal
from helpers.demo.verdict import Refusal, clock
from helpers.files import hash_file

LONGEST_SECONDS = 1800.0
BROKEN_SECONDS = 20.0  # of a recording go through the treatments
KEPT_DETECTORS = 3
PLAYED = frozenset(".wav .mp3 .ogg .oga .opus .flac .m4a .mp4 .webm .aac".split())
LONGEST_COPY = 300.0  # seconds that are encoded anew for the player
Progress = Callable[[float, float], None]
EMPTY = '<div class="ad-card ad-empty"><p>Choose a recording, speak into the microphone, or take an example.</p></div>'
GONE = "The recording was deleted after five minutes: choose it again."
CONVERT = " Convert it with: ffmpeg -i FILE -vn out.wav"


def _treated(wave: np.ndarray, effect: Callable[..., np.ndarray], **setting: Any) -> np.ndarray:
    """float32, the same each time, turned down where it would clip."""
    changed = effect(wave, np.random.default_rng(0), **setting)
    return np.asarray(changed / max(1.0, float(np.abs(changed).max()) / 0.99), dtype=np.float32)


# What people meet -> mono 16 kHz in, the same after its journey out.
TREATMENTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "WhatsApp voice note": partial(_treated, effect=effects.codec, name="opus", bit_rate=16_000),
    "Phone call": partial(_treated, effect=effects.telephone),
    "MP3, 64 kbit/s": partial(_treated, effect=effects.codec, name="mp3", bit_rate=64_000),
    "Café noise": partial(_treated, effect=effects.noise, snr_db=10.0),
    "Room": partial(_treated, effect=effects.reverb),
}


def as_data_uri(wave: np.ndarray) -> str:
    """Ogg Vorbis inside a data: address, for an <audio> element: nothing is written to disk."""
    buffer = io.BytesIO()
    soundfile.write(buffer, wave, SAMPLE_RATE, format="OGG", subtype="VORBIS")
    return "data:audio/ogg;base64," + base64.b64encode(buffer.getvalue()).decode()


def told_seconds(path: str | Path) -> float:
    """The length that the file's header tells; 0 where it tells none."""
    facts = Facts()
    with contextlib.suppress(BadAudio):
        for _ in read_blocks(path, facts, enough=1.0):
            pass
    return facts.told_s


def _player(path: str, seconds: float) -> str:
    """What an <audio> element plays: the upload, or for forms that browsers do not play what the detector heard."""
    if Path(path).suffix.lower() in PLAYED:
        return "gradio_api/file=" + quote(path)
    return as_data_uri(read_audio(path)) if seconds <= LONGEST_COPY else ""


@dataclass(frozen=True)
class Example:
    """A clip of the evaluation set; `truth` is told after the verdict."""

    path: str
    label: str
    truth: str
    sha256: str


def find_examples(detector: Any, n: int = 6, human: str = "a human recording") -> list[Example]:
    """Up to `n` clips, half bona fide and half spoofs, ever harder for a run; [] where no audio is staged.

    Without a run's scores (the shipped detector) they are clips of the starter, in no order of difficulty.
    """
    from helpers.data import open_dataset
    from helpers.data.errors import DataError

    run = getattr(detector, "run", None)
    try:
        dataset = run.metrics["dataset"] if run else "starter"
        table = open_dataset(dataset, run.parameters.get("source", "") if run else "").table
    except (DataError, OSError, ValueError, KeyError):
        return []
    table = table[table["split"] == ("eval" if (table["split"] == "eval").any() else "dev")]
    scores = run.read_scores()[["utterance", "score"]] if run else table[["utterance"]].assign(score=0.0)
    table = table.merge(scores, on="utterance")
    chosen = []
    for label, sign in (("bonafide", 1), ("spoof", -1)):
        # How right the detector is, as a rank within the class: clear, middling, wrong or nearly.
        own = table[table["label"] == label]
        if own.empty:
            continue
        order = (sign * own["score"]).rank(method="first", pct=True)
        for aim in np.linspace(0.9, 0.05, max(1, n // 2)):
            row = own.loc[(order - aim).abs().idxmin()]
            if os.path.isfile(row["path"]):
                chosen.append((float(aim), row, hash_file(row["path"])))
    chosen.sort(key=lambda one: (-one[0], one[2]))  # in no order of truth
    examples = []
    for number, (aim, row, sha256) in enumerate(chosen, 1):
        hard = f" · {'easy' if aim > 0.7 else 'middling' if aim > 0.3 else 'hard'}" if run else ""
        attack = "" if row["attack"] == "unknown" else f", attack {row['attack']}"
        truth = f"This example is {human if row['label'] == 'bonafide' else f'a spoof{attack}'}."
        examples.append(Example(row["path"], f"{number}{hard}", truth, sha256))
    return examples


def truth_of(sha256: str, examples: Sequence[Example]) -> str:
    """HTML: what the example with this checksum is in truth; "" for any other file."""
    found = next((one.truth for one in examples if one.sha256 == sha256), "")
    return f'<p class="ad-note ad-truth">{html.escape(found)}</p>' if found else ""


def add_examples(gr: Any, examples: Sequence[Example], component: Any) -> None:
    """Buttons that put an example into the component. Its copy is no upload: delete_cache spares what a component keeps."""
    if examples:
        labels = [example.label for example in examples]
        gr.Examples(
            [[example.path] for example in examples], [component], label="Examples", example_labels=labels
        )
        uploads = Path(os.environ["GRADIO_TEMP_DIR"])
        component.keep_in_cache.update(str(path) for path in uploads.rglob("*") if path.is_file())


class Answers:
    """Detectors by name, loaded when first asked for; everything else belongs to one call.

    `choices` are the names that a visitor may give, key -> label; without it any that load_detector takes.
    """

    style = STYLE

    def __init__(self, examples: Sequence[Example] = (), choices: dict[str, str] | None = None) -> None:
        self.examples, self.choices, self.lock = examples, choices or {}, threading.Lock()
        self.detectors: dict[str, Detector] = {}

    def detector(self, name: str) -> Detector:
        """Loaded once; the one unused for longest goes when there are too many."""
        if self.choices:
            known = {Path(key).name: key for key in self.choices} | {key: key for key in self.choices}
            if name not in known:
                names = " or ".join(Path(key).name for key in self.choices)
                raise ValueError(f"no detector is called {name} here: choose {names}")
            name = known[name]
        with self.lock:
            found = self.detectors.pop(name, None) or load_detector(name)
            self.detectors[name] = found
            if len(self.detectors) > KEPT_DETECTORS:
                del self.detectors[next(iter(self.detectors))]
            return found

    def judge(self, path: str, *names: str, progress: Progress = lambda done, told: None) -> str:
        """HTML of the whole answer, one after the other for several detectors; a refusal is a sentence.

        `progress` gets the seconds that were judged, and those that the file's header tells (0: nothing told).
        """
        return self._safely(lambda: self._judge(path, names, progress), path)

    def _judge(self, path: str, names: tuple[str, ...], progress: Progress) -> str:
        told = told_seconds(path)
        if told > LONGEST_SECONDS:
            raise BadAudio(
                f"{safe_name(path)} lasts {clock(told)}, and 30:00 is the most: cut out the part in question"
            )
        entries, sha256 = [], hash_file(path)
        for name in names:
            detector = self.detector(name)
            verdict = detector.detect(path, LONGEST_SECONDS, progress=lambda done: progress(done, told))
            entries.append(Entry(verdict, detector.card, sha256))
        player = _player(path, entries[0].verdict.duration_s)
        return str(HTML.answer(entries, truth_of(sha256, self.examples), as_report(entries), player))

    def row(self, path: str, name: str) -> dict[str, Any]:
        """What a program gets: the names of `predict --json`."""
        try:
            row = as_row(self.detector(name).detect(path, max_seconds=LONGEST_SECONDS))
        except (BadAudio, ValueError, FileNotFoundError) as error:
            row = as_row(Refusal(safe_name(path), str(error), name))
        # gradio's client takes anything with a path for a file to fetch.
        return {"name": safe_name(path), **{key: value for key, value in row.items() if key != "path"}}

    def break_it(self, path: str | None, name: str) -> str:
        """HTML: the same recording after each treatment."""
        if not path:
            return refusal("First choose a recording.")
        return self._safely(lambda: self._break_it(path, name), path)

    def _break_it(self, path: str, name: str) -> str:
        detector = self.detector(name)
        size = round(BROKEN_SECONDS * SAMPLE_RATE)
        wave = read_audio(path, n_samples=size)[:size]
        waves = [wave, *(treat(wave) for treat in TREATMENTS.values())]
        before, *after = [float(score) for score in detector.score_waves(waves)]
        rows = [
            {"name": name, "score": score, "answer": detector.card.answer(score), "audio": as_data_uri(wave)}
            for name, score, wave in zip(TREATMENTS, after, waves[1:])
        ]
        return str(HTML.broken(detector.card, before, rows))

    def limits(self, *names: str) -> str:
        """HTML: what the detectors were trained on, how they err, and what not to do with them."""
        return str(HTML.limits([self.detector(name).card for name in names]))

    def _safely(self, answer: Callable[[], str], path: str) -> str:
        if not os.path.exists(path):
            return refusal(GONE)
        try:
            return answer()
        except (BadAudio, ValueError, FileNotFoundError) as error:
            return refusal(f"{error}." + (CONVERT if "cannot be read as audio (" in str(error) else ""))
        except Exception:
            logging.getLogger(__name__).exception("no answer on an upload")
            return refusal(f"This file could not be judged.{CONVERT}")
