"""The page: sentences for hostile input, nothing shared between callers, and a visit in a headless browser."""

import re
import shutil
import signal
import threading

import demo_toys as toys
import numpy as np
import pytest
import soundfile

from helpers.demo.answers import TREATMENTS, Answers
from helpers.demo.page import build_page


@pytest.fixture
def run():
    return str(toys.toy_run().folder)


def test_the_verdict_comes_first_and_a_caveat_takes_the_bars_with_it(tmp_path, run):
    soundfile.write(tmp_path / "long.mp3", toys.voice(2, seconds=9), 16_000)
    shown = Answers().judge(str(tmp_path / "long.mp3"), run)
    places = [shown.index(part) for part in ("<h2>", "ad-bar", "<audio", "ad-windows", "ad-save")]
    assert places == sorted(places) and "long.mp3" in shown
    soundfile.write(tmp_path / "tone.wav", 0.3 * np.sin(np.arange(48_000) / 4), 16_000)
    shown = Answers().judge(str(tmp_path / "tone.wav"), run)
    assert "Cannot tell" in shown and "nothing to judge" in shown
    assert not any(part in shown for part in ("ad-bar", "ad-windows", " in 20"))


def test_moments_are_buttons_that_play_them(tmp_path, run):
    parts = [toys.voice(1, seconds=12), toys.voice(2, spoof=True, seconds=12), toys.voice(3, seconds=12)]
    soundfile.write(tmp_path / "mixed.flac", np.concatenate(parts), 16_000)
    shown = Answers().judge(str(tmp_path / "mixed.flac"), run)
    (start, end), *more = re.findall(r"adPlay\(this, ([\d.]+), ([\d.]+)\)", shown)
    assert "Mixed:" in shown and not more and abs(float(start) - 12) <= 4 and abs(float(end) - 24) <= 4


def test_what_is_too_long_is_refused_before_it_is_read(tmp_path, run):
    soundfile.write(tmp_path / "long.flac", np.tile(toys.voice(1, seconds=61), 31), 16_000)
    heard = []
    shown = Answers().judge(str(tmp_path / "long.flac"), run, progress=lambda *told: heard.append(told))
    assert "lasts 31:31" in shown and "No verdict" in shown and not heard


@pytest.mark.parametrize("name", ["<script>alert(1)<script>.wav", "a'\"><img src=x>.wav", "нет\u202e.wav"])
def test_hostile_names_are_shown_as_text(tmp_path, name, run):
    path = tmp_path / name
    path.write_bytes(b"\x93\x02" * 2000)
    shown = Answers().judge(str(path), run)
    assert "No verdict" in shown and "ffmpeg" in shown and "<script" not in shown and "<img" not in shown
    soundfile.write(path, toys.voice(2), 16_000, format="WAV")
    shown = Answers().judge(str(path), run)
    assert "ad-facts" in shown and "<script" not in shown and "<img src=x" not in shown


def test_what_was_deleted_is_said_by_every_control(tmp_path, run):
    answers, gone = Answers(), str(tmp_path / "gone.wav")
    for shown in (answers.judge(gone, run), answers.break_it(gone, run)):
        assert "deleted after five minutes: choose it again" in shown


def test_a_failure_inside_is_a_sentence_and_no_trace(monkeypatch, run):
    monkeypatch.setattr("helpers.demo.answers.Entry", lambda *_: 1 / 0)
    shown = Answers().judge(str(sorted(toys.toy_audio().glob("*.wav"))[0]), run)
    assert "could not be judged" in shown and "ZeroDivision" not in shown


def test_many_people_at_once_get_their_own_answers(run):
    answers, wrong = Answers(), []
    files = [str(path) for path in sorted(toys.toy_audio().glob("*eval*.wav"))[:20]]
    alone = {path: answers.judge(path, run) for path in files}
    visit = lambda path: answers.judge(path, run) == alone[path] or wrong.append(path)  # noqa: E731
    visitors = [threading.Thread(target=visit, args=(path,)) for path in files]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert not wrong


def test_break_it_shows_each_treatment_and_can_be_heard(run):
    shown = Answers().break_it(str(sorted(toys.toy_audio().glob("*.wav"))[0]), run)
    assert all(name in shown for name in TREATMENTS) and shown.count("data:audio/ogg") == len(TREATMENTS)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_page_that_is_ended_from_outside_takes_its_uploads_with_it(name, monkeypatch):
    from helpers.demo import page

    number = getattr(signal, name)
    before = {one: signal.signal(one, signal.SIG_DFL) for one in (signal.SIGTERM, signal.SIGHUP)}
    signal.signal(number, lambda *_: None)  # this very process is to live on where the page does not ask
    monkeypatch.setattr(page, "build_page", lambda run: signal.raise_signal(number))
    try:
        with pytest.raises(SystemExit) as ended:  # by which atexit removes them
            page.main()
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    assert ended.value.code == 143


@pytest.fixture
def address(run):
    """The page on this machine."""
    page = build_page(run, examples=False)
    assert page.launch_options["server_name"] == "127.0.0.1" and not page.analytics_enabled
    _, address, _ = page.launch(**page.launch_options, prevent_thread_lock=True, quiet=True)
    yield address
    page.close()


def test_a_program_gets_the_names_of_predict(address, tmp_path, run):
    gradio_client = pytest.importorskip("gradio_client")
    soundfile.write(tmp_path / "note.ogg", toys.voice(4), 16_000)
    client = gradio_client.Client(address, verbose=False)
    row = client.predict(gradio_client.handle_file(tmp_path / "note.ogg"), run, api_name="/judge")
    assert (
        row["answer"]
        and row["headline"]
        and row["score"] == pytest.approx(toys.toy_detector().detect(tmp_path / "note.ogg").score, abs=1e-3)
    )
    row = client.predict(gradio_client.handle_file(tmp_path / "note.ogg"), "nobody", api_name="/judge")
    assert row["answer"] is None and row["reason"].startswith("no detector is called nobody here: choose ")


def test_a_visit_in_the_browser(address, tmp_path):
    sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    soundfile.write(tmp_path / "voice.wav", toys.voice(5, seconds=10), 16_000)
    (tmp_path / "liar.wav").write_text("no audio")
    outside = []

    def watch(request):
        if not re.match(rf"{address}|data:|blob:", request.url):
            outside.append(request.url)

    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.set_default_timeout(60_000)
        page.on("request", watch)
        for name, expected in (("liar.wav", ".ad-refused"), ("voice.wav", ".ad-facts:has-text('voice.wav')")):
            page.goto(address)
            page.wait_for_selector("#recording input[type=file]", state="attached")
            page.set_input_files("#recording input[type=file]", tmp_path / name)
            page.wait_for_selector(f"#verdict {expected}")
            wide = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
            assert not wide, "the page is wider than a phone"
        page.click("#break")
        page.wait_for_selector("#broken .ad-row")
        assert page.locator("#broken .ad-row").count() == len(TREATMENTS)
        browser.close()
    assert not outside, outside
