"""The detector's promises: training's scores, any length, honest caveats, mixed recordings named by time."""

import json
import shutil
import subprocess
import sys

import demo_toys as toys
import numpy as np
import pytest
import soundfile

from helpers.data.audio import read_audio, safe_name
from helpers.data.errors import BadAudio
from helpers.demo.caveats import Meter
from helpers.demo.detector import CARD, ONNX, load_detector
from helpers.demo.export import LINES, export_onnx
from helpers.demo.verdict import BONAFIDE, MIXED, SPOOF, UNSURE, Card, Verdict, Window, decide, share_in_words


def write(path, wave, rate=16_000, **form):
    soundfile.write(path, wave, rate, **form)
    return path


def card(spoof=-1.0, bonafide=1.0):
    facts = {"name": "c", "trained_on": "x", "seconds_per_window": 4.0, "left_out": {}}
    facts["thresholds"] = {"spoof": spoof, "bonafide": bonafide}
    facts["calibration"] = {"edges": [-9, -1, 1, 9], "fake_share": [0.9, 0.5, 1 / 6], "count": [9, 9, 9]}
    return Card.from_dict(facts)


def judged(scores, given=None, caveats=()):
    windows = [Window(2.0 * i, 2.0 * i + 4, score) for i, score in enumerate(scores)]
    verdict = Verdict("x.wav", "c", 2.0 * len(scores) + 2, 16_000, list(caveats))
    return decide(verdict, given or card(), windows)


def test_scores_are_those_of_the_training_run():
    detector, stored = toys.toy_detector(), toys.toy_run().read_scores().set_index("utterance")["score"]
    paths = {name: toys.toy_audio() / f"{name}.wav" for name in stored.index}
    short = [name for name, path in paths.items() if len(read_audio(path)) <= detector.setting.n_samples][:8]
    assert len(short) == 8
    for name in short:
        assert detector.detect(paths[name]).score == pytest.approx(stored[name], abs=1e-3)


@pytest.mark.parametrize("seconds", [1.2, 4.0, 9.3, 40.0])
def test_the_windows_of_any_length_are_those_of_the_whole_wave(tmp_path, seconds):
    detector = toys.toy_detector()
    path = write(tmp_path / "x.wav", toys.voice(1, seconds=seconds), subtype="FLOAT")
    found = detector.detect(path).windows
    size, hop = detector.window / 16_000, detector.window / 32_000
    assert found[-1].end == pytest.approx(seconds, abs=1e-3) or seconds == 40.0
    assert all(w.end - w.start == pytest.approx(min(size, seconds), abs=1e-3) for w in found)
    assert all(b.start > a.start for a, b in zip(found, found[1:])) and len(found) <= seconds / hop + 1
    wave = read_audio(path)
    for window in found:
        piece = wave[round(window.start * 16_000) : round(window.end * 16_000)]
        assert window.score == pytest.approx(detector.score_waves([piece])[0], abs=1e-3)


def test_answers_and_shares_come_from_the_card():
    assert [judged([s]).answer for s in (-2, 0, 2)] == [SPOOF, UNSURE, BONAFIDE]
    assert (
        judged([2]).share == "In tests with as many fakes as human voices, 1 in 6 with such a score was fake."
    )
    assert "proves nothing" in judged([2]).evidence and "Strong" in judged([-2]).evidence
    assert (
        judged([5], card(bonafide=None)).answer == UNSURE
    )  # a threshold that keeps no promise is not offered
    assert share_in_words(1.0).startswith("more than 19 in 20") and share_in_words(0.0).startswith("fewer")


def test_a_mixed_recording_is_named_by_time():
    verdict = judged([2] * 50 + [-3] * 4 + [2] * 30)
    assert verdict.answer == MIXED and "1:40–1:50" in verdict.headline and verdict.share == ""
    assert [(one.start, one.end) for one in verdict.stretches] == [(100.0, 110.0)]
    assert judged([2] * 50 + [-3] + [2] * 30).answer == BONAFIDE  # one window is no stretch
    assert judged([-3] * 9).answer == SPOOF


def codes(wave, rate=16_000):
    meter = Meter()
    meter.raw(wave[:, None])
    meter.block(wave)
    return {caveat.code for caveat in meter.caveats(rate)}


def test_caveats_name_what_is_wrong_and_nothing_else():
    rng = np.random.default_rng(0)
    time = np.arange(48_000) / 16_000
    speech = toys.voice(7)
    assert codes(speech) == set() and codes(0.01 * speech) == set()
    assert "short" in codes(speech[:8_000])
    assert "clipped" in codes(np.clip(20 * speech, -1, 1))
    assert "narrow_band" in codes(speech, rate=8_000)
    assert "no_speech" in codes((0.1 * rng.standard_normal(48_000)).astype(np.float32))
    assert "no_speech" in codes((0.3 * np.sin(2 * np.pi * 440 * time)).astype(np.float32))


def test_real_speech_is_found(shared):
    files = sorted((shared / "data" / "speech_pairs" / "flac").glob("*.flac"))[::40]
    silent = [path.name for path in files if "no_speech" in codes(read_audio(path))]
    assert len(files) > 20 and len(silent) <= 1, silent


def test_a_caveat_takes_the_number_with_it(tmp_path):
    noise = 0.1 * np.random.default_rng(0).standard_normal(48_000)
    verdict = toys.toy_detector().detect(write(tmp_path / "noise.wav", noise))
    assert verdict.answer == UNSURE and "nothing to judge" in verdict.sentence
    assert (verdict.score, verdict.share, verdict.fake_share, verdict.windows) == (None, "", None, [])
    clipped = toys.toy_detector().detect(write(tmp_path / "c.wav", np.clip(20 * toys.voice(3), -1, 1)))
    assert clipped.caveats and clipped.share == "" and clipped.fake_share is None


def test_refusals_are_sentences(tmp_path):
    detector = toys.toy_detector()
    cases = {
        "empty.wav": (lambda path: path.write_bytes(b""), "is empty"),
        "text.mp3": (lambda path: path.write_text("hello " * 50), "cannot be read as audio"),
        "silent.wav": (lambda path: write(path, np.zeros(16_000)), "is silent"),
        "nan.wav": (lambda path: write(path, np.full(16_000, np.nan), subtype="FLOAT"), "NaN"),
    }
    for name, (make, words) in cases.items():
        make(tmp_path / name)
        with pytest.raises(BadAudio, match=words):
            detector.detect(tmp_path / name)
    assert [one.reason for one in detector.detect_many([tmp_path / "gone.wav"])] == ["gone.wav is not there"]


def test_damaged_files_get_a_verdict_or_a_sentence(tmp_path):
    sources = toys.sound_files()
    for i in range(80):
        suffix, content = sources[i % len(sources)]
        path = tmp_path / f"damaged.{suffix}"
        path.write_bytes(toys.mutate(content, np.random.default_rng(i)))
        for result in toys.toy_detector().detect_many([path]):
            text = getattr(result, "reason", "") or result.sentence
            assert text.isprintable() and len(text) < 300, text


def test_names_are_made_fit_to_print():
    assert safe_name("/a/b\x1b[31m\n.wav") == "b\ufffd[31m\ufffd.wav"
    assert len(safe_name("x" * 300 + ".wav")) == 80 and safe_name("a\u202egnp.wav") == "a\ufffdgnp.wav"


def test_a_run_is_found_by_folder_name_and_beginning(monkeypatch):
    run = toys.toy_run()
    monkeypatch.setenv("HELPERS_RUNS", str(run.folder.parent))
    for name in (run.folder, run.name, "26_train"):
        assert load_detector(name).run.folder == run.folder
    with pytest.raises(FileNotFoundError, match="no run folder"):
        load_detector("nobody")


def test_upside_down_scores_are_refused_in_words(tmp_path):
    folder = shutil.copytree(toys.toy_run().folder, tmp_path / "upside")
    scores = toys.toy_run().read_scores().assign(score=lambda table: -table["score"])
    scores.to_csv(folder / "scores.csv", index=False)
    with pytest.raises(ValueError, match="polarity"):
        load_detector(folder)


def test_export_gives_the_same_scores_without_torch(tmp_path):
    detector = toys.toy_detector()
    path = export_onnx(detector, tmp_path / ONNX)
    assert json.loads((tmp_path / CARD).read_text())["thresholds"]["spoof"] == detector.card.spoof
    wave = write(tmp_path / "recording.wav", toys.voice(5, seconds=7.3), subtype="FLOAT")
    check = "\nimport sys; assert not {'torch', 'helpers', 'librosa', 'pandas'} & set(sys.modules)"
    lines = LINES.format(path=path) + check
    done = subprocess.run(
        [sys.executable, "-c", lines], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    ours = detector.score_waves([read_audio(wave)])[0]
    assert float(done.stdout) == pytest.approx(ours, abs=2e-3 * max(1, abs(ours)))
    again = load_detector(tmp_path)
    assert again.detect(wave).score == pytest.approx(detector.detect(wave).score, abs=1e-2)


def test_what_cannot_be_exported_is_refused_in_words(tmp_path):
    run = toys.train(tmp_path / "audio", tmp_path / "runs", model="logistic_regression")
    detector = load_detector(run.folder)
    assert detector.detect(
        sorted((tmp_path / "audio").glob("*eval*.wav"))[0]
    ).answer  # it judges all the same
    with pytest.raises(ValueError, match="only networks"):
        export_onnx(detector)
