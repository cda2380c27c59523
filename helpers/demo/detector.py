"""A run folder and a file -> a verdict. One detector serves many threads."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from helpers.data.audio import SAMPLE_RATE
from helpers.data.errors import BadAudio
from helpers.demo.audio import LONGEST_SECONDS, Cutter, Facts, read_blocks, safe_name
from helpers.demo.caveats import Caveat, Meter
from helpers.demo.choice import find_run
from helpers.demo.familiar import Familiar, familiar_of, summarised
from helpers.demo.verdict import UNSURE, Operating, Refusal, Verdict, Window, moments
from helpers.environment import cpu_threads
from helpers.features import compute, fit_length
from helpers.runs import Run, read_json
from helpers.training.load import load_model

WINDOW_SECONDS = 2.0
BATCH = 8  # clips a pass of the network; more cost memory and win no time on a CPU
IN_ONE_PIECE_SECONDS = 130.0  # longer recordings are scored while they are read


@dataclass
class _Prepared:
    """A short recording, read and measured, waiting for its turn in a batch."""

    facts: Facts
    meter: Meter
    pieces: list[np.ndarray] = field(default_factory=list)
    windows: list[tuple[int, np.ndarray]] = field(default_factory=list)


class Detector:
    """`detect` one file, or `detect_many`, batched over files. Scores are those of training: for a recording no longer
    than the network's clip the very same, for a longer one the mean over clips one after another."""

    def __init__(self, run: Run) -> None:
        self.run, self.name, self.metrics = run, run.name, run.metrics
        self.model, self.setting = load_model(run)
        self.operating = _operating(run)
        self.familiar: Familiar | None = familiar_of(run, self.setting)
        self.lock = threading.Lock()  # Grad-CAM hangs a hook on the network: nobody else may pass meanwhile
        self.session = _onnx_session(run)

    @property
    def is_network(self) -> bool:
        return isinstance(self.model, torch.nn.Module)

    def features(self, waves: list[np.ndarray]) -> torch.Tensor:
        """Clips of any length -> (n, *shape) float32, as the training saw them."""
        fitted = np.stack([fit_length(wave, self.setting.n_samples) for wave in waves])
        features = compute(torch.from_numpy(fitted), self.setting)
        # The cache of the training is float16: the same rounding keeps the scores equal to the run's own.
        return features.half().float()

    @torch.inference_mode()
    def score_features(self, features: torch.Tensor) -> np.ndarray:
        """(n, *shape) -> (n,) scores, float64, higher is more likely bona fide."""
        if self.session is not None:
            return self.session.run(None, {"clips": features.numpy()})[0].astype(np.float64)
        if self.is_network:
            with self.lock:
                return self.model(features).double().numpy()
        return np.asarray(self.model.score(_for_classical(features.numpy(), self.model)), dtype=np.float64)

    def score_waves(self, waves: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Clips -> their scores, and how far each is from the training data in units of the limit (0 where unknown)."""
        scores, distances = [], []
        for start in range(0, len(waves), BATCH):
            features = self.features(waves[start : start + BATCH])
            scores.append(self.score_features(features))
            if self.familiar is None:
                distances.append(np.zeros(len(features)))
            else:
                distances.append(
                    self.familiar.distance(summarised(features, self.setting)) / self.familiar.limit
                )
        return np.concatenate(scores), np.concatenate(distances)

    def detect(self, path: str | Path, windows: bool = True, max_seconds: float = LONGEST_SECONDS) -> Verdict:
        """The verdict on one file of any length, in bounded memory. Raises BadAudio with one sentence."""
        meter, facts = Meter(), Facts(safe_name(path))
        clips, stretches = _Scorer(self, self.setting.n_samples), _Scorer(self, _window_samples())
        for block in read_blocks(path, facts, meter.raw, max_seconds):
            meter.block(block)
            clips.push(block)
            if windows:
                stretches.push(block)
        clips.end()
        if windows:
            stretches.end()
        return self._verdict(
            str(path), facts, meter, np.array(clips.scores), clips.distances, stretches.windows()
        )

    def detect_many(
        self, paths: Iterable[str | Path], windows: bool = False, workers: int | None = None
    ) -> Iterator[Verdict | Refusal]:
        """Verdicts in the order of `paths`; a file that cannot be judged is a Refusal. Reading runs ahead in threads."""
        waiting: list[tuple[str, Future[_Prepared | Refusal | None]]] = []
        with ThreadPoolExecutor(workers or cpu_threads()) as pool:
            for path in paths:
                waiting.append((str(path), pool.submit(self._prepare, str(path), windows)))
                if len(waiting) >= 2 * BATCH:
                    yield from self._judge(waiting[:BATCH], windows)
                    del waiting[:BATCH]
            while waiting:
                yield from self._judge(waiting[:BATCH], windows)
                del waiting[:BATCH]

    def _prepare(self, path: str, windows: bool) -> _Prepared | Refusal | None:
        """None for a recording that is too long to be held."""
        prepared = _Prepared(Facts(safe_name(path)), Meter())
        clips, stretches = Cutter(self.setting.n_samples), Cutter(_window_samples())
        try:
            for block in read_blocks(path, prepared.facts, prepared.meter.raw):
                if prepared.facts.duration_s > IN_ONE_PIECE_SECONDS:
                    return None
                prepared.meter.block(block)
                prepared.pieces += [piece for _, piece in clips.push(block)]
                if windows:
                    prepared.windows += stretches.push(block)
        except BadAudio as error:
            return Refusal(prepared.facts.name, str(error), path)
        except Exception as error:  # noqa: BLE001 - one odd file must not end the pass over all the others
            return Refusal(
                prepared.facts.name, f"{prepared.facts.name} cannot be judged ({type(error).__name__})", path
            )
        prepared.pieces += [piece for _, piece in clips.end()]
        if windows:
            prepared.windows += stretches.end()
        return prepared

    def _judge(
        self, part: list[tuple[str, Future[_Prepared | Refusal | None]]], windows: bool
    ) -> Iterator[Verdict | Refusal]:
        results = [(path, future.result()) for path, future in part]
        ready = [prepared for _, prepared in results if isinstance(prepared, _Prepared)]
        waves = [wave for one in ready for wave in (*one.pieces, *(piece for _, piece in one.windows))]
        scores, distances = self.score_waves(waves) if waves else (np.zeros(0), np.zeros(0))
        at = 0
        for path, result in results:
            if isinstance(result, Refusal):
                yield result
            elif result is None:
                try:
                    yield self.detect(path, windows)
                except BadAudio as error:
                    yield Refusal(safe_name(path), str(error), path)
            else:
                n, n_windows = len(result.pieces), len(result.windows)
                stretches = _windows(result.windows, scores[at + n : at + n + n_windows])
                own = slice(at, at + n)
                at += n + n_windows
                try:
                    yield self._verdict(
                        path, result.facts, result.meter, scores[own], distances[own], stretches
                    )
                except BadAudio as error:
                    yield Refusal(result.facts.name, str(error), path)

    def _verdict(
        self,
        path: str,
        facts: Facts,
        meter: Meter,
        scores: np.ndarray,
        distances: np.ndarray | list[float],
        windows: list[Window],
    ) -> Verdict:
        if not np.isfinite(scores).all():
            raise BadAudio(
                f"{facts.name} gives no finite score: its level or content is beyond what the detector can read"
            )
        score = float(scores.mean())
        caveats = meter.caveats(facts.sample_rate)
        if np.median(distances) > 1:
            sentence = "It is unlike anything in the training data: the score is a guess."
            caveats.append(Caveat("unfamiliar", sentence))
        standing_out = moments(windows, self.operating)
        answer = UNSURE if any(caveat.voids for caveat in caveats) else self.operating.answer(score)
        probability = self.operating.probability(score)
        return Verdict(
            facts.name, answer, score, probability, round(facts.duration_s, 3), facts.sample_rate, self.name,
            windows, standing_out, caveats, path,
        )  # fmt: skip


class _Scorer:
    """Cuts a stream into pieces and scores them a batch at a time."""

    def __init__(self, detector: Detector, size: int) -> None:
        self.detector, self.cutter = detector, Cutter(size)
        self.waiting: list[tuple[int, np.ndarray]] = []
        self.places: list[tuple[int, int]] = []  # start and length in samples
        self.scores: list[float] = []
        self.distances: list[float] = []

    def push(self, block: np.ndarray) -> None:
        self.waiting += self.cutter.push(block)
        while len(self.waiting) >= BATCH:
            self._score(self.waiting[:BATCH])
            del self.waiting[:BATCH]

    def end(self) -> None:
        self.waiting += self.cutter.end()
        if self.waiting:
            self._score(self.waiting)

    def _score(self, pieces: list[tuple[int, np.ndarray]]) -> None:
        scores, distances = self.detector.score_waves([piece for _, piece in pieces])
        self.places += [(start, len(piece)) for start, piece in pieces]
        self.scores += scores.tolist()
        self.distances += distances.tolist()

    def windows(self) -> list[Window]:
        return [_window(start, n, score) for (start, n), score in zip(self.places, self.scores)]


def _windows(pieces: list[tuple[int, np.ndarray]], scores: np.ndarray) -> list[Window]:
    return [_window(start, len(piece), score) for (start, piece), score in zip(pieces, scores)]


def _window(start: int, n_samples: int, score: float) -> Window:
    return Window(round(start / SAMPLE_RATE, 3), round((start + n_samples) / SAMPLE_RATE, 3), float(score))


def _window_samples() -> int:
    return round(WINDOW_SECONDS * SAMPLE_RATE)


def _for_classical(features: np.ndarray, model: Any) -> np.ndarray:
    """(n, rows, frames) as it is for frame-wise models, its mean over time for those fitted on vectors."""
    return features.mean(axis=2) if features.ndim == 3 and len(model.shape) == 1 else features


def _operating(run: Run) -> Operating:
    """From operating.json, which shipped runs carry, else from the run's dev scores."""
    path = run.folder / "operating.json"
    return Operating(**read_json(path)) if path.is_file() else Operating.from_scores(run.read_scores())


def weights_digest(run: Run) -> str:
    """sha256 of best.safetensors."""
    return hashlib.sha256((run.folder / "best.safetensors").read_bytes()).hexdigest()


def _onnx_session(run: Run) -> Any | None:
    """onnxruntime on the run's model.onnx, where it is there and made from the weights that are there."""
    path = run.folder / "model.onnx"
    if not path.is_file():
        return None
    try:
        import onnxruntime
    except ImportError:
        return None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cpu_threads()
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    made_from = session.get_modelmeta().custom_metadata_map.get("weights_sha256")
    return session if made_from == weights_digest(run) else None


def load_detector(run: Path | str | None = None) -> Detector:
    """The detector of a run folder, of a run's name, of `shipped`; for None the best one there is (see `find_run`).

    Raises ValueError or FileNotFoundError with a sentence.
    """
    return Detector(find_run(run))
