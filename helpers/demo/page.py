"""The web page: one recording in, a verdict and its reasons out. `python -m helpers demo`."""

from __future__ import annotations

import argparse
import atexit
import inspect
import os
import shutil
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

LARGEST_UPLOAD = "100mb"
AT_ONCE = 2  # visitors served side by side; they share the cores
KEEP_SECONDS = 300  # an upload is deleted after so long, and all of them when the page ends
TITLE = "Is this voice real?"
INTRO = (
    "A detector of synthetic and converted speech, and how sure it may be. Nothing that you give is kept: files are deleted "
    f"within {KEEP_SECONDS // 60 + 1} minutes. At most ten minutes of audio."
)


def build_page(run: str | None = None, examples: bool = True, keep_seconds: int = KEEP_SECONDS) -> Any:
    """The Gradio Blocks, with `launch_options` as an attribute: what launch must be told. ValueError, FileNotFoundError
    where there is no detector."""
    folder = tempfile.mkdtemp(prefix="demo-uploads-")
    atexit.register(shutil.rmtree, folder, True)
    os.environ["GRADIO_TEMP_DIR"] = folder
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    import gradio as gr

    from helpers.demo.answers import EMPTY, Answers
    from helpers.demo.choice import find_run, usable_runs
    from helpers.demo.examples import find_examples
    from helpers.demo.faces import face_runs

    first = find_run(run)
    runs = {str(one.folder): one for one in [first, *usable_runs()]}
    found = find_examples(first) if examples else []
    answers = Answers(found)
    answers.detector(str(first.folder))  # now, not under the first visitor's eyes
    look = _look(gr)
    keep: dict[str, Any] = {
        "title": TITLE,
        "analytics_enabled": False,
        "delete_cache": (min(60, keep_seconds), keep_seconds),
    }
    with gr.Blocks(
        **keep, **{k: v for k, v in look.items() if k in inspect.signature(gr.Blocks).parameters}
    ) as page:
        with gr.Column(elem_classes="ad-root"):
            gr.HTML(f'<div class="ad-title"><h1>{TITLE}</h1><p>{INTRO}</p></div>')
            if face_runs():
                with gr.Tab("Voice"):
                    _voice(gr, answers, runs, found, EMPTY)
                with gr.Tab("Face"):
                    _face(gr, face_runs()[0])
            else:
                _voice(gr, answers, runs, found, EMPTY)
    page.queue(default_concurrency_limit=AT_ONCE, max_size=32)
    known = inspect.signature(page.launch).parameters
    page.launch_options = {name: value for name, value in look.items() if name in known}
    page.launch_options.update(
        {"max_file_size": LARGEST_UPLOAD, "server_name": "127.0.0.1", "share": False, "show_error": False}
    )
    if "footer_links" in known:
        page.launch_options["footer_links"] = []
    if "ssr_mode" in known:
        page.launch_options["ssr_mode"] = False
    return page


def _look(gr: Any) -> dict[str, Any]:
    """Theme and style sheet: Gradio 5 takes them in Blocks, Gradio 6 in launch. Fonts of the system: nothing is fetched."""
    fonts = ["system-ui", "sans-serif"]
    theme = gr.themes.Default(
        primary_hue="blue", neutral_hue="slate", font=fonts, font_mono=["ui-monospace", "monospace"]
    )
    css = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
    return {"theme": theme, "css": css}


def _voice(gr: Any, answers: Any, runs: dict[str, Any], examples: list[Any], empty: str) -> None:
    private = _private(gr)
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            audio = gr.Audio(
                sources=["upload", "microphone"], type="filepath", label="Recording", elem_id="recording",
                **_without_sharing(gr),
            )  # fmt: skip
            if examples:
                gr.Examples(
                    [[example.path] for example in examples], [audio], label="Examples, from easy to hard",
                    example_labels=[example.label for example in examples],
                )  # fmt: skip
                # Their copies are no uploads: delete_cache spares only the files that a component keeps.
                audio.keep_in_cache.update(
                    str(path) for path in Path(os.environ["GRADIO_TEMP_DIR"]).rglob("*") if path.is_file()
                )
            choices = [(_run_label(one), folder) for folder, one in runs.items()]
            run = gr.Dropdown(
                choices, value=choices[0][1], label="Detector", elem_id="run", visible=len(choices) > 1
            )
            limits = gr.HTML(answers.limits(choices[0][1]), elem_classes="ad-wide")
        with gr.Column(scale=5, min_width=320):
            verdict = gr.HTML(empty, elem_id="verdict")
            with gr.Column(visible=False, elem_classes="ad-breaking") as breaking:
                gr.HTML('<p class="ad-note">Does the verdict survive noise, compression and a telephone?</p>')
                button = gr.Button("Break it", elem_id="break")
                broken = gr.HTML("", elem_id="broken")
            limits_below = gr.HTML(answers.limits(choices[0][1]), elem_classes="ad-narrow")

    def judge(path: str | None, chosen: str) -> tuple[Any, ...]:
        shown = answers.judge(path, chosen)
        judged = bool(path) and "ad-refused" not in shown and "ad-void" not in shown
        return shown, gr.update(visible=judged), ""

    gr.on(
        [audio.change, run.change],
        judge,
        [audio, run],
        [verdict, breaking, broken],
        show_progress="minimal",
        **private,
    )
    run.change(
        lambda chosen: [answers.limits(chosen)] * 2,
        run,
        [limits, limits_below],
        show_progress="hidden",
        **private,
    )
    button.click(answers.break_it, [audio, run], broken, show_progress="minimal", **private)


def _face(gr: Any, run: Any) -> None:
    from helpers.data.errors import BadAudio
    from helpers.demo.answers import refusal
    from helpers.demo.faces import FaceDetector

    detector = FaceDetector(run)
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            picture = gr.Image(
                type="filepath", sources=["upload"], label="Picture of a face", elem_id="picture"
            )
            submit = gr.Button("Submit", variant="primary", elem_id="submit-face")
        with gr.Column(scale=5, min_width=320):
            verdict = gr.HTML(
                '<div class="ad-card ad-empty"><p>Choose a picture of one face.</p></div>',
                elem_id="face-verdict",
            )

    def judge(path: str | None) -> str:
        from helpers.demo import drawing

        if not path:
            return refusal("First choose a picture.")
        try:
            answer, sentence, score = detector.detect(path)
        except BadAudio as error:
            return refusal(str(error))
        dev = detector.scores[detector.scores["split"] == "dev"]
        human = dev["label"] == "bonafide"
        kind = {"likely bona fide": "bonafide", "likely spoof": "spoof"}.get(answer, "unsure")
        head, _, rest = sentence.partition(". ")
        card = f'<div class="ad-card ad-{kind}"><h2>{head.rstrip(".")}</h2><p>{rest}</p></div>'
        return card + drawing.score_bar(
            detector.operating, dev["score"][human].to_numpy(), dev["score"][~human].to_numpy(), score
        )

    submit.click(judge, picture, verdict, show_progress="minimal", **_private(gr))


def _private(gr: Any) -> dict[str, Any]:
    """Keep the page's functions out of the public API, in the words of the Gradio that is installed."""
    known = inspect.signature(gr.Button.click).parameters if hasattr(gr.Button, "click") else {}
    return {"api_visibility": "private"} if "api_visibility" in known else {"api_name": False}


def _without_sharing(gr: Any) -> dict[str, Any]:
    """No button that would send the recording elsewhere: Gradio 6 lists the buttons, Gradio 5 has a switch."""
    known = inspect.signature(gr.Audio).parameters
    return {"buttons": ["download"]} if "buttons" in known else {"show_share_button": False}


def _run_label(run: Any) -> str:
    metrics = run.metrics
    shipped = ", ships with the suite" if run.folder.name == "shipped" else ""
    return f"{metrics['model']} on {metrics['features']}, {metrics['dataset']}: dev EER {100 * metrics['metrics']['dev']['eer']:.1f} %{shipped}"


def _check_port(port: int) -> None:
    """ValueError for a port that cannot be had, in time: Gradio would say so only after the detector is loaded."""
    if not 1 <= port <= 65535:
        raise ValueError(f"--port lies between 1 and 65535, {port} does not")
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        raise ValueError(
            f"port {port} cannot be used ({error.strerror}): choose another, or leave --port out"
        ) from None


def _end_in_order() -> None:
    """Let SIGTERM and SIGHUP end the process as Ctrl-C does, so that the uploads go; under nohup the latter stays ignored."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: sys.exit(143))


def main(argv: list[str] | None = None) -> int:
    """Serve the page on this machine until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m helpers demo", description=main.__doc__)
    parser.add_argument("--run", help="the detector to begin with; the best there is by default")
    parser.add_argument("--port", type=int, help="7860 by default, or the next that is free")
    parser.add_argument(
        "--share", action="store_true", help="a public address for 72 hours, over Gradio's servers"
    )
    options = parser.parse_args(argv)
    import torch

    from helpers.environment import cpu_threads

    # A clip is too little work for many threads: on busy cores they wait for each other longer than they compute.
    torch.set_num_threads(max(1, cpu_threads() // AT_ONCE))
    try:
        if options.port is not None:
            _check_port(options.port)
        _end_in_order()
        page = build_page(options.run)
    except (ValueError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 2
    if options.share:
        print(
            "share: anyone who has the address can use this page, and recordings pass through Gradio's servers"
        )
    page.launch(**{**page.launch_options, "share": options.share, "server_port": options.port})
    return 0
