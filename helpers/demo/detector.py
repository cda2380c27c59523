"""A file -> windows with speech -> scores -> a verdict. Two kinds of detector, one way to judge."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from helpers.data.audio import LONGEST_SECONDS, SAMPLE_RATE, Facts, read_blocks, safe_name
from helpers.data.errors import BadAudio
from helpers.demo.caveats import FRAME, Meter
from helpers.demo.verdict import Card, Refusal, Verdict, Window, decide

if TYPE_CHECKING:
    from helpers.runs import Run

SHIPPED = Path(__file__).parent / "shipped"
BATCH = 8  # windows a pass of the network
SPEECH_SHARE = 0.25  # of a window that must be speech
ONNX, CARD = "detector.onnx", "card.json"


class Detector:
    """`detect` one file or `detect_many`. A detector gives `name`, `card` and `score`; everything else is shared."""

    name: str
    card: Card

    def score(self, waves: np.ndarray) -> np.ndarray:
        """(n, samples) at 16 kHz -> (n,) log-odds, higher: bona fide."""
        raise NotImplementedError

    def score_waves(self, waves: Iterable[np.ndarray]) -> np.ndarray:
        """Whole waves of any length -> (n,) the mean score of each one's windows."""
        cut = ([piece for _, piece in cut_windows([wave], self.window)] for wave in waves)
        return np.array([np.mean(self._score_pieces(pieces)) for pieces in cut])

    def detect(
        self,
        path: str | Path,
        max_seconds: float = LONGEST_SECONDS,
        progress: Callable[[float], None] = lambda seconds: None,
    ) -> Verdict:
        """The verdict on one file of any length, in bounded memory. Raises BadAudio with one sentence.

        `progress` is told how many seconds have been judged.
        """
        meter, facts, windows, waiting = Meter(), Facts(safe_name(path)), [], []

        def metered() -> Iterator[np.ndarray]:
            for block in read_blocks(path, facts, meter.raw, max_seconds):
                meter.block(block)
                yield block

        for at, piece in cut_windows(metered(), self.window):
            waiting.append((at, piece))
            if len(waiting) == BATCH:
                windows += self._windows(waiting, meter)
                waiting = []
                progress(at / SAMPLE_RATE)
        windows += self._windows(waiting, meter)
        if not np.isfinite([window.score for window in windows]).all():
            raise BadAudio(f"{facts.name} gives no finite score: its level is beyond what can be read")
        verdict = Verdict(
            facts.name, self.name, round(facts.duration_s, 3), facts.sample_rate,
            meter.caveats(facts.sample_rate), str(path), outline=meter.outline,
        )  # fmt: skip
        return decide(verdict, self.card, windows)

    def detect_many(self, paths: Iterable[str | Path]) -> Iterator[Verdict | Refusal]:
        """Verdicts in the order of `paths`; a file that cannot be judged is a Refusal."""
        for path in paths:
            try:
                yield self.detect(path)
            except BadAudio as error:
                yield Refusal(safe_name(path), str(error), self.name, str(path))

    @property
    def window(self) -> int:
        """Samples of a window."""
        return round(self.card.seconds_per_window * SAMPLE_RATE)

    def _score_pieces(self, pieces: list[np.ndarray]) -> np.ndarray:
        # What is shorter than a second is repeated: silence added would be heard.
        whole = [np.resize(piece, max(len(piece), SAMPLE_RATE)) for piece in pieces]
        batches = [whole[at : at + BATCH] for at in range(0, len(whole), BATCH)]
        return np.concatenate([self.score(np.stack(batch)) for batch in batches])

    def _windows(self, pieces: list[tuple[int, np.ndarray]], meter: Meter) -> list[Window]:
        """The scored windows among the pieces, all of one length: those with speech."""
        spoken = []
        for at, piece in pieces:
            start, end = at / SAMPLE_RATE, (at + len(piece)) / SAMPLE_RATE
            if meter.speech_seconds(start, end) >= SPEECH_SHARE * (end - start):
                spoken.append((round(start, 3), round(end, 3), piece))
        if not spoken:
            return []
        scores = self._score_pieces([piece for _, _, piece in spoken])
        return [Window(start, end, float(score)) for (start, end, _), score in zip(spoken, scores)]


def cut_windows(blocks: Iterable[np.ndarray], size: int) -> Iterator[tuple[int, np.ndarray]]:
    """(start, samples) of windows that overlap by half; the last one ends where the recording ends."""
    hop, begin, start = size // 2, 0, 0  # of the next window, and of the samples that are kept
    kept = np.zeros(0, np.float32)
    for block in blocks:
        kept = np.concatenate([kept, block])
        # silero-vad hears whole frames: a window waits for its last one.
        while begin + size + FRAME <= start + len(kept):
            yield begin, kept[begin - start : begin - start + size]
            begin += hop
        keep_from = max(start, begin - hop)
        kept, start = kept[keep_from - start :].copy(), keep_from
    last = max(0, start + len(kept) - size)
    for at in (begin, last) if begin < last else (last,):
        yield at, kept[at - start : at - start + size]


class OnnxDetector(Detector):
    """A folder with detector.onnx (wave in, log-odds out) and card.json: the shipped one, or an exported run."""

    def __init__(self, folder: Path) -> None:
        import onnxruntime

        self.folder = folder
        self.card = Card.from_dict(json.loads((folder / CARD).read_text(encoding="utf-8")))
        self.name = self.card.name
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(
            str(folder / ONNX), options, providers=["CPUExecutionProvider"]
        )

    def score(self, waves: np.ndarray) -> np.ndarray:
        return self.session.run(["log_odds"], {"wave": waves.astype(np.float32)})[0].astype(np.float64)


class RunDetector(Detector):
    """A trained run folder. Its window is the clip it was trained on, its thresholds come from its dev scores."""

    def __init__(self, run: Run) -> None:
        import torch

        from helpers.training.load import load_model

        self.run, self.name = run, run.name
        self.model, self.setting = load_model(run)
        self.is_network = isinstance(self.model, torch.nn.Module)
        self.card = card_of(run, self.setting.seconds)

    def score(self, waves: np.ndarray) -> np.ndarray:
        import torch

        from helpers.features import compute

        waves = np.ascontiguousarray(waves, np.float32)
        # Rounded as in the cache from which the training read.
        features = compute(torch.from_numpy(waves), self.setting).half().float()
        if self.is_network:
            with torch.inference_mode():
                return self.model(features).double().numpy()
        return np.asarray(self.model.score(features.numpy()), float)


def card_of(run: Run, seconds: float) -> Card:
    """The card of a run from its dev scores: 5 % of a class lie beyond the other's threshold.

    ValueError where dev lacks a class or its scores are upside down.
    """
    from sklearn.isotonic import IsotonicRegression

    from helpers import metrics

    dev = run.read_scores().query("split == 'dev'")
    values, (bonafide, spoof) = dev["score"].to_numpy(dtype=float), metrics.by_class(dev)
    if min(len(bonafide), len(spoof)) < 5:
        counts = f"{len(bonafide)} bona fide and {len(spoof)} spoof"
        raise ValueError(f"{run.name}: thresholds need 5 dev clips of each class, got {counts}")
    eer = float(metrics.eer(bonafide, spoof)[0])
    metrics.refuse_wrong_polarity(eer, f"{run.name}, dev")
    low, high = sorted([float(np.quantile(bonafide, 0.05)), float(np.quantile(spoof, 0.95))])
    edges = np.unique(np.quantile(values, np.linspace(0, 1, 11)))
    fakes, humans = (np.histogram(part, edges)[0] / len(part) for part in (spoof, bonafide))
    weight = fakes + humans + 1e-9
    places = np.arange(len(weight))
    share = IsotonicRegression(increasing=False).fit(places, fakes / weight, weight).predict(places)
    counts = np.histogram(values, edges)[0].tolist()
    trained_on = (
        f"{run.metrics.get('dataset', '')}; its thresholds come from the dev set, not from left-out groups"
    )
    return Card.from_dict(
        {
            "name": run.name, "trained_on": trained_on, "seconds_per_window": seconds,
            "thresholds": {"spoof": low, "bonafide": high},
            "calibration": {"edges": edges.tolist(), "fake_share": share.tolist(), "count": counts},
            "left_out": {}, "dev_eer": eer,
        }
    )  # fmt: skip


def usable_runs() -> list[Run]:
    """Complete runs that hold a model of speech and the dev scores that give its thresholds."""
    from helpers.runs import load_runs

    return [run for run in load_runs() if _hears(run)]


def _hears(run: Run) -> bool:
    from helpers.features import FEATURES
    from helpers.models import MODELS

    model, setting = run.metrics.get("model", ""), FEATURES.get(run.metrics.get("features", ""))
    return (
        model in MODELS
        and model != "vgg16_svm"
        and setting is not None
        and setting.sample_rate == SAMPLE_RATE
        and "eer" in run.metrics.get("metrics", {}).get("dev", {})
        and any((run.folder / name).is_file() for name in ("best.safetensors", "model.skops", "model.npz"))
    )


def load_detector(name: Path | str | None = None) -> Detector:
    """`shipped` (the default), a folder with detector.onnx, a run folder, or the name of a run or its beginning.

    Raises ValueError or FileNotFoundError with a sentence.
    """
    folder = SHIPPED if name is None or str(name) == "shipped" else Path(name)
    if (folder / ONNX).is_file():
        return OnnxDetector(folder)
    run = find_run(folder)
    if not run.complete:
        raise ValueError(f"{run.name} is not complete: run {run.notebook} again, it resumes")
    if not _hears(run):
        raise ValueError(f"{run.name} holds no detector of speech: choose another run")
    return RunDetector(run)


def find_run(name: str | Path) -> Run:
    """A run folder, or the finished run whose name this is or begins so; FileNotFoundError names those there are."""
    from helpers.environment import where_am_i
    from helpers.runs import read_run

    if (Path(name) / "params.json").is_file():
        return read_run(Path(name))
    runs = where_am_i().folders.runs
    found = sorted(
        path.parent for path in runs.glob("*/metrics.json") if path.parent.name.startswith(str(name))
    )
    found = [path for path in found if path.name == str(name)] or found
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise FileNotFoundError(
            f"{name} is no run folder, and of the runs in {runs} that begin so there are: {names}"
        )
    return read_run(found[0])
