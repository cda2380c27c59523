"""The second tab: a photograph of a face, judged by the VGG16 + SVM detector of notebook 19."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from helpers.data.audio import safe_name
from helpers.data.errors import BadAudio
from helpers.demo.answers import add_examples, find_examples, truth_of
from helpers.demo.detector import card_of
from helpers.demo.report import HTML, refusal
from helpers.demo.verdict import BONAFIDE, SPOOF, UNSURE
from helpers.files import hash_file
from helpers.runs import Run, load_runs

LARGEST_PIXELS = 40_000_000
INTRO = (
    "Give a picture of one face from the front, and read whether it looks like a photograph or like a forged or "
    "generated face. Nothing is kept: files are deleted after five minutes."
)
ANSWERS = {
    BONAFIDE: (
        "Likely bona fide: a photograph",
        "It looks like the photographs that this detector was trained on.",
    ),
    UNSURE: ("Cannot tell", "With such a score this detector is often wrong."),
    SPOOF: (
        "Likely spoof: forged or generated",
        "It looks like the fakes that this detector was trained on.",
    ),
}


def face_runs(runs_dir: Path | None = None) -> list[Run]:
    """Complete VGG16 + SVM runs on pictures. One with random filters is left out: its filters are not kept."""
    return [run for run in load_runs(runs_dir) if _sees_faces(run)]


def _sees_faces(run: Run) -> bool:
    weights = run.parameters.get("weights", "imagenet")
    return (
        (run.metrics.get("model"), run.metrics.get("features")) == ("vgg16_svm", "pictures")
        and (run.folder / "model.skops").is_file()
        and (weights == "imagenet" or (weights != "none" and Path(weights).is_file()))
    )


class FaceDetector:
    """`detect(path)` -> (answer, score)."""

    def __init__(self, run: Run) -> None:
        from helpers.models import build_model

        self.run, self.name, self.card = run, run.name, card_of(run, 0.0)
        shape = run.metrics["model_info"]["input_shape"]
        options = {name: run.parameters[name] for name in ("weights", "pooled") if name in run.parameters}
        self.model: Any = build_model("vgg16_svm", shape, **options).load(run.folder / "model.skops")
        self.side = int(shape[-1])

    def detect(self, path: str | Path) -> tuple[str, float]:
        """Raises BadAudio as read_face does."""
        score = float(self.model.score(read_face(path, self.side)[None])[0])
        return self.card.answer(score), score


def shows_face(path: str | Path) -> bool:
    """Whether OpenCV's finder of faces from the front finds one; a picture that OpenCV cannot read passes."""
    import cv2

    cascade = Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_alt2.xml"
    grey = cv2.imread(os.fspath(path), cv2.IMREAD_GRAYSCALE)
    return grey is None or len(cv2.CascadeClassifier(str(cascade)).detectMultiScale(grey, 1.05, 2)) > 0


def read_face(path: str | Path, side: int) -> np.ndarray:
    """float32 (3, side, side) in 0..1, cut as for training. BadAudio: no picture, too large, or no face in it."""
    from PIL import Image

    from helpers.training.pictures import read_picture

    name = safe_name(path)
    try:
        with Image.open(os.fspath(path)) as image:
            if image.width * image.height > LARGEST_PIXELS:
                raise BadAudio(f"{name} has {image.width} × {image.height} pixels: make it smaller")
        picture = read_picture(Path(path), side)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, BadAudio):
            raise
        raise BadAudio(f"{name} cannot be read as a picture ({type(error).__name__})") from None
    if not shows_face(path):
        raise BadAudio(
            f"{name} shows no face that could be found: choose a picture of one face from the front"
        )
    return picture


def face_tab(gr: Any, run: Run) -> None:
    """The tab's controls inside an open gr.Tab."""
    detector = FaceDetector(run)
    examples = find_examples(detector, human="a photograph")
    gr.HTML(f'<div class="ad-title"><h1>Is this face real?</h1><p>{INTRO}</p></div>')
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            picture = gr.Image(
                type="filepath", sources=["upload"], label="Picture of a face", elem_id="picture"
            )
            add_examples(gr, examples, picture)
        with gr.Column(scale=5, min_width=320):
            empty = (
                '<div class="ad-card ad-empty"><p>Choose a picture of one face, or take an example.</p></div>'
            )
            verdict = gr.HTML(empty, elem_id="face-verdict")
    counts, measured = run.metrics["data"]["counts"]["train"], run.metrics["metrics"]["eval"]
    gr.HTML(str(HTML.face_limits(run, counts, measured)))

    def judge_face(path: str | None) -> str:  # `judge` is the name of the endpoint
        if not path:
            return empty
        if not os.path.exists(path):
            return refusal("The picture was deleted after five minutes: choose it again.")
        try:
            answer, score = detector.detect(path)
        except BadAudio as error:
            return refusal(f"{error}.")
        return str(HTML.face(detector.card, score, *ANSWERS[answer])) + truth_of(hash_file(path), examples)

    picture.change(judge_face, picture, verdict, show_progress="minimal", api_visibility="private")
