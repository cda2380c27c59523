"""The second tab: a photograph of a face, judged by the VGG16 + SVM detector of notebook 19."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from helpers.data.audio import safe_name
from helpers.data.errors import BadAudio
from helpers.demo.detector import card_of
from helpers.demo.verdict import BONAFIDE, SPOOF, UNSURE
from helpers.runs import Run, load_runs

LARGEST_PIXELS = 40_000_000
SENTENCES = {
    BONAFIDE: "Likely a photograph. It looks like the real faces that this detector was trained on.",
    UNSURE: "Cannot tell. The score lies where this detector often errs.",
    SPOOF: "Likely forged or generated.",
}


def face_runs(runs_dir: Path | None = None) -> list[Run]:
    """Complete VGG16 + SVM runs on pictures. One with random filters is left out: its filters are not kept."""
    return [run for run in load_runs(runs_dir) if _sees_faces(run)]


def _sees_faces(run: Run) -> bool:
    metrics, weights = run.metrics, run.parameters.get("weights", "imagenet")
    if (metrics.get("model"), metrics.get("features")) != ("vgg16_svm", "pictures") or not (
        run.folder / "model.skops"
    ).is_file():
        return False
    return weights == "imagenet" or (weights != "none" and Path(weights).is_file())


class FaceDetector:
    """`detect(path)` -> (answer, sentence, score)."""

    def __init__(self, run: Run) -> None:
        from helpers.models import build_model

        self.run, self.name = run, run.name
        shape = run.metrics["model_info"]["input_shape"]
        options = {name: run.parameters[name] for name in ("weights", "pooled") if name in run.parameters}
        self.model: Any = build_model("vgg16_svm", shape, **options).load(run.folder / "model.skops")
        self.side = int(shape[-1])
        self.card = card_of(run, 0.0)

    def detect(self, path: str | Path) -> tuple[str, str, float]:
        """Raises BadAudio, whose sentence names the file, where it is no picture or too large."""
        score = float(self.model.score(self.picture(path)[None])[0])
        answer = self.card.answer(score)
        return answer, SENTENCES[answer], score

    def picture(self, path: str | Path) -> np.ndarray:
        """float32 (3, side, side) in 0..1, cut as for training."""
        from PIL import Image

        from helpers.training.pictures import read_picture

        name = safe_name(path)
        try:
            with Image.open(os.fspath(path)) as image:
                if image.width * image.height > LARGEST_PIXELS:
                    raise BadAudio(f"{name} has {image.width} × {image.height} pixels: make it smaller")
            require_face(path, name)
            return read_picture(Path(path), self.side)
        except BadAudio:
            raise
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise BadAudio(f"{name} cannot be read as a picture ({type(error).__name__})") from None


def require_face(path: str | Path, name: str) -> None:
    """BadAudio where OpenCV's frontal face finder finds none."""
    import cv2

    finder = cv2.CascadeClassifier(
        str(Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_alt2.xml")
    )
    grey = cv2.imread(os.fspath(path), cv2.IMREAD_GRAYSCALE)
    if grey is not None and len(finder.detectMultiScale(grey, 1.05, 2)) == 0:
        raise BadAudio(
            f"{name} shows no face that could be found: choose a picture of one face from the front"
        )
