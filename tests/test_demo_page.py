"""The page: sentences for hostile input, nothing shared between callers, and the whole of it in a headless browser."""

import os
import re
import shutil
import signal
import socket
import threading
from html.parser import HTMLParser
from pathlib import Path

import demo_toys as toys
import numpy as np
import pytest
import soundfile

from helpers.demo.answers import Answers
from helpers.demo.break_it import TREATMENTS, add_noise


def test_a_verdict_has_bar_timeline_overlay_and_windows(tmp_path):
    path = tmp_path / "long.mp3"
    soundfile.write(path, toys.voice(2, seconds=7), 16_000)
    shown = Answers().judge(str(path), str(toys.toy_run().folder))
    for part in ("ad-card", "ad-bar", "ad-cam", "ad-windows", "this recording", "long.mp3"):
        assert part in shown, part
    assert shown.count("<title>") == 4  # two-second windows of seven seconds


class Listener(HTMLParser):
    """Collects the pictures that have no name and stand in nothing that has one."""

    def __init__(self):
        super().__init__()
        self.above, self.pictures, self.nameless = [], 0, []

    def handle_starttag(self, tag, attrs):
        words = dict(attrs).get("alt") or dict(attrs).get("aria-label") or ""
        if tag in ("img", "svg"):
            self.pictures += 1
            if len(words) < 15 and not any(self.above):
                self.nameless.append(self.get_starttag_text())
        if tag not in ("img", "br", "input"):
            self.above.append(len(words) >= 15 and dict(attrs).get("role") == "img")

    def handle_startendtag(self, tag, attrs):
        pass  # shapes within a drawing

    def handle_endtag(self, tag):
        self.above.pop()


def test_every_picture_of_a_verdict_is_told_in_words(tmp_path):
    path = tmp_path / "long.wav"
    soundfile.write(path, toys.voice(2, seconds=7), 16_000)
    answers, run, listener = Answers(), str(toys.toy_run().folder), Listener()
    listener.feed(answers.judge(str(path), run) + answers.break_it(str(path), run))
    assert listener.pictures >= 5 and listener.nameless == []


@pytest.mark.parametrize(
    "name",
    ["<script>alert(1)</script>.wav", "a'\"><img src=x>.wav", "-rf.wav", "x" * 200 + ".wav", "нет\u202e.wav"],
)
def test_hostile_names_are_shown_as_text(tmp_path, name):
    path = tmp_path / name.replace("/", "_")
    path.write_text("no audio at all")
    shown = Answers().judge(str(path), str(toys.toy_run().folder))
    assert "No verdict" in shown and "<script" not in shown and "<img" not in shown
    soundfile.write(path, toys.voice(2), 16_000, format="WAV")
    shown = Answers().judge(str(path), str(toys.toy_run().folder))
    assert "ad-facts" in shown and "<script" not in shown and "<img src=x" not in shown


def test_a_recording_that_is_too_long_gets_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("helpers.demo.answers.LONGEST_SECONDS", 3.0)
    path = tmp_path / "long.wav"
    soundfile.write(path, toys.voice(1, seconds=5), 16_000)
    assert "lasts more than" in Answers().judge(str(path), str(toys.toy_run().folder))


def test_a_failure_inside_is_a_sentence_and_no_trace(tmp_path, monkeypatch):
    monkeypatch.setattr("helpers.demo.answers.log_mel_picture", lambda wave: 1 / 0)
    path = sorted(toys.toy_audio().glob("*.wav"))[0]
    shown = Answers().judge(str(path), str(toys.toy_run().folder))
    assert "could not be judged" in shown and "ZeroDivision" not in shown


def test_two_people_at_once_get_their_own_answers():
    answers, run = Answers(), str(toys.toy_run().folder)
    files = [str(path) for path in sorted(toys.toy_audio().glob("*eval*.wav"))[:6]]
    alone = {path: answers.judge(path, run) for path in files}
    wrong = []

    def visit(path):
        for _ in range(3):
            if answers.judge(path, run) != alone[path]:
                wrong.append(path)

    visitors = [threading.Thread(target=visit, args=(path,)) for path in files]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert not wrong


def test_treatments_keep_the_length_and_noise_has_the_level_asked_for():
    wave = toys.voice(3, seconds=4)
    for name, treat in TREATMENTS.items():
        treated = treat(wave)
        assert treated.shape == wave.shape and treated.dtype == np.float32 and np.abs(treated).max() <= 1, (
            name
        )
    noise = add_noise(0.2 * wave, snr_db=15.0) - 0.2 * wave
    assert 10 * np.log10(np.mean((0.2 * wave) ** 2) / np.mean(noise**2)) == pytest.approx(15, abs=0.1)


def test_break_it_shows_each_treatment_and_can_be_heard():
    path = sorted(toys.toy_audio().glob("*.wav"))[0]
    shown = Answers().break_it(str(path), str(toys.toy_run().folder))
    assert all(name in shown for name in TREATMENTS) and shown.count("data:audio/ogg") == len(TREATMENTS)


def test_the_page_asks_nothing_of_the_network_and_stays_local():
    pytest.importorskip("gradio")
    from helpers.demo.page import build_page

    page = build_page(str(toys.toy_run().folder), examples=False)
    assert page.launch_options["server_name"] == "127.0.0.1" and page.launch_options["share"] is False
    assert page.launch_options["max_file_size"]
    assert not page.analytics_enabled


def test_examples_outlive_the_uploads(monkeypatch):
    pytest.importorskip("gradio")
    from gradio.route_utils import delete_files_created_by_app

    from helpers.demo import examples
    from helpers.demo.page import build_page

    files = sorted(toys.toy_audio().glob("*eval*.wav"))[:2]
    shown = [examples.Example(str(file), file.stem, "", "") for file in files]
    monkeypatch.setattr(examples, "find_examples", lambda run: shown)
    delete_files_created_by_app(build_page(str(toys.toy_run().folder)), None)
    assert {path.name for path in Path(os.environ["GRADIO_TEMP_DIR"]).rglob("*.wav")} == {
        file.name for file in files
    }


def test_nothing_to_judge_is_nothing_to_break(tmp_path):
    pytest.importorskip("gradio")
    from helpers.demo.page import build_page

    run = str(toys.toy_run().folder)
    judge = next(one.fn for one in build_page(run, examples=False).fns.values() if one.name == "judge")
    soundfile.write(tmp_path / "voice.wav", toys.voice(2), 16_000)
    soundfile.write(tmp_path / "tone.wav", 0.3 * np.sin(np.arange(48_000) / 4), 16_000)
    assert [judge(str(tmp_path / name), run)[1]["visible"] for name in ("voice.wav", "tone.wav")] == [
        True,
        False,
    ]


@pytest.mark.parametrize(
    "port, says",
    [("0", "between 1 and 65535"), ("-1", "between"), ("70000", "between"), ("taken", "cannot be used")],
)
def test_a_port_that_cannot_be_had_is_refused_before_anything_is_loaded(port, says, monkeypatch, capsys):
    from helpers.demo import page

    monkeypatch.setattr(page, "build_page", lambda run: pytest.fail("the page was built"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert page.main(["--port", str(taken.getsockname()[1]) if port == "taken" else port]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_page_that_is_ended_from_outside_takes_its_uploads_with_it(name, monkeypatch):
    from helpers.demo import page

    number = getattr(signal, name)
    before = {one: signal.signal(one, signal.SIG_DFL) for one in (signal.SIGTERM, signal.SIGHUP)}
    signal.signal(number, lambda *_: None)  # this very process is to live on where the page does not ask
    monkeypatch.setattr(page, "build_page", lambda run: signal.raise_signal(number))
    try:
        with pytest.raises(SystemExit) as ended:  # by which atexit removes them
            page.main([])
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    assert ended.value.code == 143


@pytest.fixture
def address(tmp_path):
    """The page on this machine, and a headless browser."""
    pytest.importorskip("gradio")
    pytest.importorskip("playwright", reason="playwright is not installed: pip install playwright")
    if not _chromium():
        pytest.skip("no chromium on this machine: apt-get install chromium")
    from helpers.demo.page import build_page

    page = build_page(str(toys.toy_run().folder), examples=False)
    _, address, _ = page.launch(**page.launch_options, prevent_thread_lock=True, quiet=True)
    yield address
    page.close()


def _chromium():
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def test_a_visit_in_the_browser(address, tmp_path):
    from playwright.sync_api import sync_playwright

    soundfile.write(tmp_path / "voice.wav", toys.voice(5, seconds=10), 16_000)
    soundfile.write(tmp_path / "voice.mp3", toys.voice(6, True, seconds=5), 16_000)
    (tmp_path / "text.txt").write_text("no audio")
    (tmp_path / "liar.wav").write_text("no audio")
    outside = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=_chromium(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.set_default_timeout(60_000)
        page.on(
            "request",
            lambda request: (
                outside.append(request.url) if not re.match(rf"{address}|data:|blob:", request.url) else None
            ),
        )
        page.goto(address)
        give = "#recording input[type=file]"
        page.wait_for_selector(give, state="attached")
        page.set_input_files(give, tmp_path / "text.txt")
        page.wait_for_selector("text=Invalid file type")
        page.set_input_files(give, tmp_path / "voice.wav")
        page.wait_for_selector("#verdict .ad-facts:has-text('voice.wav')")
        assert page.locator("#verdict .ad-windows rect").count() == 5
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (
            "the page is wider than a phone"
        )
        overlay = page.locator("#verdict .ad-cam")
        assert overlay.is_visible()
        page.click(".ad-cam-box")
        assert not overlay.is_visible()
        page.click("#break")
        page.wait_for_selector("#broken .ad-row")
        assert page.locator("#broken .ad-row").count() == len(TREATMENTS)
        for name, expected in (("voice.mp3", ".ad-facts:has-text('voice.mp3')"), ("liar.wav", ".ad-refused")):
            page.reload()
            page.wait_for_selector(give, state="attached")
            page.set_input_files(give, tmp_path / name)
            page.wait_for_selector(f"#verdict {expected}")
        browser.close()
    assert not outside, outside


@pytest.mark.parametrize("features", ["logmel", "logspec", "spectrogram_picture"])
def test_overlay_and_log_mel_share_their_axes(features):
    from helpers.demo.explain import log_mel_picture, on_mel_axis
    from helpers.features import FEATURES, axis_labels

    time = np.arange(10 * 16_000) / 16_000
    tone = (np.sin(2 * np.pi * 2000 * time) * (time > 8)).astype(
        np.float32
    )  # 2 kHz, in the last two of ten seconds
    drawn = log_mel_picture(tone)
    loudest = np.unravel_index(drawn.argmax(), drawn.shape)
    assert loudest[1] > 0.78 * drawn.shape[1]
    setting = FEATURES[features]
    hertz = axis_labels(setting).y
    heat = np.exp(-(((hertz - 2000) / 60) ** 2))[:, None] * np.ones(4)
    laid = on_mel_axis(heat, setting)
    assert laid.shape[0] == drawn.shape[0] and abs(int(laid[:, 0].argmax()) - int(loudest[0])) <= 1
