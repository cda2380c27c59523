"""The web page: one recording in, a verdict and its reasons out. `python -m helpers demo`.

A program asks the same page (the recording is deleted there after five minutes as well):

    from gradio_client import Client, handle_file
    Client("http://127.0.0.1:7860").predict(handle_file("note.ogg"), "shipped", api_name="/judge")
    # {"detector": ..., "answer": "likely spoof", "headline": ..., "score": -2.1, ...}: the names of predict --json, `name` for `path`
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from helpers.data.audio import AUDIO_ENDINGS
from helpers.demo.answers import EMPTY, LONGEST_SECONDS, Answers, add_examples, find_examples
from helpers.demo.detector import load_detector, usable_runs
from helpers.demo.report import SCRIPT, STYLE
from helpers.demo.verdict import clock

LARGEST_UPLOAD = "100mb"
AT_ONCE = 2  # visitors served side by side; they share the cores
KEEP_SECONDS = 300  # an upload is deleted after so long, and all of them when the page ends
TITLE = "Is this voice real?"
INTRO = (
    "Give a recording of speech, and read whether it shows traces of a synthetic voice. Nothing is kept: files are "
    f"deleted after five minutes. At most {LONGEST_SECONDS / 60:.0f} minutes and 100 MB."
)
PRIVATE = {"api_visibility": "private"}
SCROLL = (
    "() => { if (innerWidth < 760) document.querySelector('#verdict').scrollIntoView({behavior: 'smooth'}); }"
)


def build_page(run: str | None = None, examples: bool = True, keep_seconds: int = KEEP_SECONDS) -> Any:
    """The Gradio Blocks; its `launch_options` are what launch must be told. ValueError, FileNotFoundError: no detector."""
    folder = tempfile.mkdtemp(prefix="demo-uploads-")
    atexit.register(shutil.rmtree, folder, True)
    os.environ["GRADIO_TEMP_DIR"] = folder
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    import gradio as gr

    from helpers.demo.faces import face_runs, face_tab

    first = run or "shipped"
    detector = load_detector(first)
    choices = {first: detector.name, **{str(one.folder): one.name for one in usable_runs()}}
    choices.setdefault("shipped", "shipped")
    answers = Answers(find_examples(detector) if examples else [], choices)
    answers.detectors[first] = detector  # now, not under the first visitor's eyes
    fonts = ["system-ui", "sans-serif"]  # of the system: nothing is fetched
    theme = gr.themes.Default(primary_hue="blue", neutral_hue="slate", font=fonts, font_mono=["monospace"])
    kept = (min(60, keep_seconds), keep_seconds)
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=kept) as page:
        with gr.Column(elem_classes="ad-root"):
            faces = face_runs()
            if faces:
                with gr.Tab("Voice"):
                    _voice_tab(gr, answers)
                with gr.Tab("Face"):
                    face_tab(gr, faces[0])
            else:
                _voice_tab(gr, answers)
        gr.api(_endpoint(answers), api_name="judge")
    page.queue(default_concurrency_limit=AT_ONCE, max_size=32)
    page.launch_options = {
        "theme": theme, "css": STYLE, "head": f"<script>{SCRIPT}</script>", "max_file_size": LARGEST_UPLOAD, "server_name": "127.0.0.1",
        "share": False, "show_error": False, "footer_links": ["api"], "ssr_mode": False,
    }  # fmt: skip
    return page


def _voice_tab(gr: Any, answers: Answers) -> None:
    first = next(iter(answers.choices))
    gr.HTML(f'<div class="ad-title"><h1>{TITLE}</h1><p>{INTRO}</p></div>')
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            upload = gr.File(
                label="Recording or video", file_types=[*sorted(AUDIO_ENDINGS), "audio", "video"], type="filepath",
                elem_id="recording", height=140,
            )  # fmt: skip
            microphone = gr.Audio(
                sources=["microphone"], type="filepath", label="Microphone", elem_id="microphone", buttons=[]
            )
            add_examples(gr, answers.examples, upload)
            run = gr.Dropdown(
                [(label, key) for key, label in answers.choices.items()], value=[first], multiselect=True,
                label="Detectors, side by side where you choose several", elem_id="run",
                visible=len(answers.choices) > 1,
            )  # fmt: skip
        with gr.Column(scale=5, min_width=320):
            verdict = gr.HTML(EMPTY, elem_id="verdict")
            button = gr.Button(
                "Break it: does the answer survive a phone call or a messenger?",
                elem_id="break",
                visible=False,
            )
            broken = gr.HTML("", elem_id="broken")
    limits = gr.HTML(answers.limits(first))  # on a phone below the verdict
    recording = gr.State()  # the path of the last one given, by upload or microphone

    def show(path: str | None, chosen: list[str], progress: Any = gr.Progress()) -> tuple[Any, ...]:  # noqa: B008
        started = time.monotonic()

        def told(done: float, total: float) -> None:
            if not total:
                progress(None, desc=f"Reading and listening: {clock(done)}")
                return
            left = (time.monotonic() - started) * (total - done) / done
            words = f"Reading and listening: {clock(done)} of {clock(total)}, about {clock(left)} left"
            progress((done, total), desc=words, unit="s")

        shown = answers.judge(path, *(chosen or [first]), progress=told) if path else EMPTY
        return path, shown, gr.update(visible="ad-times" in shown), "", answers.limits(*(chosen or [first]))

    outputs = [recording, verdict, button, broken, limits]
    for given in (upload, microphone):
        given.change(None, js=SCROLL, **PRIVATE)  # to where one waits, and once more when all has its height
        given.change(
            show, [given, run], outputs, show_progress="full", show_progress_on=[verdict], **PRIVATE
        ).then(None, js=SCROLL, **PRIVATE)
    # The verdict of another detector goes at once, before the new one is there.
    run.change(lambda: (EMPTY, ""), None, [verdict, broken], show_progress="hidden", **PRIVATE).then(
        show, [recording, run], outputs, **PRIVATE
    )
    button.click(
        lambda path, chosen: answers.break_it(path, (chosen or [first])[0]), [recording, run], broken,
        show_progress="minimal", **PRIVATE,
    )  # fmt: skip


def _endpoint(answers: Answers) -> Callable[..., dict[str, Any]]:
    from gradio import FileData

    def judge(recording: FileData, detector: str = next(iter(answers.choices))) -> dict[str, Any]:
        """The verdict on a recording, under the names of predict --json; a refusal has `reason`."""
        return answers.row(recording["path"] if isinstance(recording, dict) else recording.path, detector)

    judge.__annotations__ = {"recording": FileData, "detector": str, "return": dict}
    return judge


def _end_in_order() -> None:
    """Let SIGTERM and SIGHUP end the process as Ctrl-C does, so that the uploads go; under nohup the latter stays ignored."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: sys.exit(143))


def main(run: str | None = None, port: int | None = None, share: bool = False) -> int:
    """Serve the page on this machine until interrupted."""
    _end_in_order()
    page = build_page(run)
    page.launch(**{**page.launch_options, "share": share, "server_port": port})
    return 0
