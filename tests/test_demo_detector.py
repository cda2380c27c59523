"""The detector's promises: training's scores, three answers from dev, any length in bounded memory, honest caveats."""

import demo_toys as toys
import numpy as np
import pandas as pd
import pytest
import soundfile

from helpers.data.audio import read_audio
from helpers.data.errors import BadAudio
from helpers.demo.audio import Cutter, Facts, read_blocks, safe_name
from helpers.demo.caveats import Meter
from helpers.demo.choice import find_run, usable_runs
from helpers.demo.detector import load_detector
from helpers.demo.verdict import BONAFIDE, SPOOF, UNSURE, Operating, Window, moments


def write(path, wave, rate=16_000, **form):
    soundfile.write(path, wave, rate, **form)
    return path


def score_table(bonafide, spoof):
    labels = ["bonafide"] * len(bonafide) + ["spoof"] * len(spoof)
    return pd.DataFrame({"label": labels, "score": [*bonafide, *spoof], "split": "dev"})


def test_scores_are_those_of_the_training_run():
    detector, stored = toys.toy_detector(), toys.toy_run().read_scores().set_index("utterance")["score"]
    names = [
        name
        for i, name in enumerate(stored.index)
        if len(read_audio(toys.toy_audio() / f"{name}.wav")) <= 48_000
    ][:12]
    for name in names:
        verdict = detector.detect(toys.toy_audio() / f"{name}.wav")
        assert verdict.score == pytest.approx(stored[name], abs=1e-4)


def test_many_files_at_once_get_the_scores_that_each_gets_alone(tmp_path):
    detector = toys.toy_detector()
    files = sorted(toys.toy_audio().glob("*eval*.wav"))[:5]
    files.insert(2, tmp_path / "missing.wav")
    files.append(write(tmp_path / "long.wav", toys.voice(1, seconds=9)))
    together = list(detector.detect_many(files, windows=True))
    assert [result.name for result in together] == [path.name for path in files]
    assert together[2].reason == "missing.wav is not there"
    for result, path in zip(together, files):
        if path.exists():
            alone = detector.detect(path)
            assert result.score == pytest.approx(alone.score, abs=1e-4)
            assert [w.start for w in result.windows] == [w.start for w in alone.windows]


def test_thresholds_leave_five_percent_of_dev_on_the_wrong_side():
    rng = np.random.default_rng(0)
    bonafide, spoof = rng.normal(1, 1, 4000), rng.normal(-1, 1, 4000)
    operating = Operating.from_scores(score_table(bonafide, spoof))
    assert (bonafide < operating.spoof_below).mean() == pytest.approx(0.05, abs=0.002)
    assert (spoof > operating.bonafide_above).mean() == pytest.approx(0.05, abs=0.002)
    assert [operating.answer(score) for score in (-2, 0, 2)] == [SPOOF, UNSURE, BONAFIDE]
    # Two Gaussians of variance 1 at -1 and 1: the log-likelihood ratio is twice the score.
    assert operating.probability(0.7) == pytest.approx(1 / (1 + np.exp(-1.4)), abs=0.02)
    assert operating.probability(1e9) == 0.99 and operating.probability(-1e9) == pytest.approx(0.01)


def test_a_detector_that_separates_nothing_cannot_tell():
    rng = np.random.default_rng(1)
    values = rng.normal(size=1000)
    operating = Operating.from_scores(score_table(values, values - 0.01))
    answers = [operating.answer(score) for score in values]
    assert answers.count(UNSURE) > 0.88 * len(answers)


def test_thresholds_stay_in_order_for_a_perfect_detector():
    operating = Operating.from_scores(score_table(np.linspace(5, 6, 50), np.linspace(-6, -5, 50)))
    assert -6 < operating.spoof_below < operating.bonafide_above < 6
    assert operating.answer(0.0) == UNSURE


def test_upside_down_scores_are_refused_in_words():
    with pytest.raises(ValueError, match="polarity"):
        Operating.from_scores(score_table(np.linspace(-2, -1, 20), np.linspace(1, 2, 20)))


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
def test_blocks_of_a_short_file_equal_read_audio(tmp_path, rate):
    wave = np.stack([toys.voice(1, seconds=2), toys.voice(2, seconds=2)], axis=1)
    path = write(tmp_path / "stereo.flac", wave, rate)
    ours = np.concatenate(list(read_blocks(path, Facts("x"))))
    np.testing.assert_array_equal(ours, read_audio(path))


@pytest.mark.parametrize("ending", ["ogg", "mp3"])
def test_a_cut_off_upload_is_refused_as_in_training(tmp_path, ending):
    path = write(tmp_path / f"cut.{ending}", np.tile(toys.voice(4, seconds=10), 2), 44_100)
    path.write_bytes(path.read_bytes()[:20_000])
    said = []
    for read in (read_audio, lambda file: list(read_blocks(file, Facts("x")))):
        with pytest.raises(BadAudio, match=f"cut.{ending} is cut off") as caught:
            read(path)
        said.append(str(caught.value))
    assert said[0] == said[1]


def test_a_long_file_streams_and_agrees_with_one_piece(tmp_path):
    wave = np.tile(toys.voice(4, seconds=10), 20)  # 145 s: beyond what is held in one piece
    path = write(tmp_path / "long.flac", wave, 22_050)
    blocks = list(read_blocks(path, Facts("x")))
    whole = read_audio(path)
    assert max(map(len, blocks)) < 1_000_000
    streamed = np.concatenate(blocks)
    assert abs(len(streamed) - len(whole)) <= 2
    n = min(len(streamed), len(whole))
    np.testing.assert_allclose(streamed[:n], whole[:n], atol=1e-3)


def test_an_hour_of_audio_is_read_in_bounded_memory(tmp_path):
    import tracemalloc

    path = tmp_path / "hour.wav"
    with soundfile.SoundFile(path, "w", 8_000, 1, subtype="PCM_U8") as file:
        minute = toys.voice(6, seconds=60)[::2]
        for _ in range(60):
            file.write(minute)
    tracemalloc.start()
    facts, cutter, n = Facts("x"), Cutter(48_000), 0
    for block in read_blocks(path, facts):
        n += len(cutter.push(block))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert facts.duration_s == pytest.approx(3600, abs=0.1) or facts.duration_s == pytest.approx(
        3600 * len(minute) / 480_000, abs=0.1
    )
    assert n > 1000 and peak < 60e6


def test_pieces_cover_everything_and_the_last_is_full():
    cutter, wave = Cutter(100), np.arange(257, dtype=np.float32)
    pieces = [
        piece for start in range(0, 257, 33) for piece in cutter.push(wave[start : start + 33])
    ] + cutter.end()
    assert [(start, len(piece)) for start, piece in pieces] == [(0, 100), (100, 100), (157, 100)]
    assert all((piece == wave[start : start + 100]).all() for start, piece in pieces)
    exact = Cutter(100)
    assert len(exact.push(wave[:200])) == 2 and exact.end() == []
    short = Cutter(100)
    assert short.push(wave[:30]) == [] and len(short.end()[0][1]) == 30


def codes(wave, rate=16_000):
    meter = Meter()
    meter.raw(wave[:, None])
    meter.block(wave)
    return {caveat.code for caveat in meter.caveats(rate)}


def test_caveats_name_what_is_wrong_and_nothing_else():
    rng = np.random.default_rng(0)
    time = np.arange(48_000) / 16_000
    speech = toys.voice(7, seconds=3)
    assert "short" in codes(speech[:8_000])
    assert "silent" in codes(np.concatenate([speech[:16_000], np.zeros(96_000, np.float32)]))
    assert "clipped" in codes(np.clip(20 * speech, -1, 1))
    assert "clipped" not in codes(speech)
    assert "narrow_band" in codes(speech, rate=8_000) and "narrow_band" not in codes(speech)
    assert "no_speech" in codes((0.1 * rng.standard_normal(48_000)).astype(np.float32))
    assert "no_speech" in codes((0.3 * np.sin(2 * np.pi * 440 * time)).astype(np.float32))


def test_real_speech_raises_hardly_any_caveat(shared):
    files = sorted((shared / "data" / "speech_pairs" / "flac").glob("*.flac"))[::40]
    found = [code for path in files for code in codes(read_audio(path)) if code != "short"]
    assert len(files) > 20 and len(found) <= 1, found


def test_telephone_band_of_real_speech_is_noticed(shared):
    from helpers.demo.break_it import telephone_band

    files = sorted((shared / "data" / "speech_pairs" / "flac").glob("*.flac"))[::120]
    found = ["narrow_band" in codes(telephone_band(read_audio(path))) for path in files]
    assert sum(found) >= len(found) - 1


def test_noise_alone_is_no_ground_for_a_verdict(tmp_path):
    noise = 0.1 * np.random.default_rng(0).standard_normal(48_000)
    verdict = toys.toy_detector().detect(write(tmp_path / "noise.wav", noise))
    assert verdict.answer == UNSURE and verdict.caveats[0].voids and "nothing to judge" in verdict.sentence


def test_audio_unlike_the_training_data_is_said_to_be(tmp_path):
    detector = toys.toy_detector()
    near = [detector.detect(path) for path in sorted(toys.toy_audio().glob("*eval*.wav"))[:10]]
    far = detector.detect(write(tmp_path / "far.wav", 0.001 * np.sign(toys.voice(1))))
    assert sum("unfamiliar" in {c.code for c in verdict.caveats} for verdict in near) <= 3
    assert "unfamiliar" in {c.code for c in far.caveats}


def test_moments_are_the_windows_that_speak_for_a_spoof():
    operating = Operating(-1.0, 1.0, 0.05, 0.0, 2.0, 0.0)
    windows = [
        Window(2.0 * i, 2.0 * i + 2, score) for i, score in enumerate([2.0, 2.1, -3.0, 2.2, -1.5, 1.9])
    ]
    assert [w.start for w in moments(windows, operating)] == [4.0, 8.0]
    assert moments(windows[:1], operating) == []


def test_refusals_are_sentences(tmp_path):
    detector = toys.toy_detector()
    cases = {
        "empty.wav": (lambda path: path.write_bytes(b""), "is empty"),
        "text.mp3": (lambda path: path.write_text("hello " * 50), "cannot be read as audio"),
        "naked.raw": (lambda path: path.write_bytes(b"\1" * 4000), "no header"),
        "silent.wav": (lambda path: write(path, np.zeros(16_000)), "is silent"),
        "blink.wav": (lambda path: write(path, np.ones(200)), "less than 0.1 s"),
        "nan.wav": (lambda path: write(path, np.full(16_000, np.nan), subtype="FLOAT"), "NaN"),
        "slow.wav": (
            lambda path: write(path, np.ones(2_000) * 0.1, rate=100),
            "claims a sample rate of 100 Hz",
        ),
    }
    for name, (make, words) in cases.items():
        make(tmp_path / name)
        with pytest.raises(BadAudio, match=words):
            detector.detect(tmp_path / name)
    (tmp_path / "folder.wav").mkdir()
    with pytest.raises(BadAudio, match="is not a file"):
        detector.detect(tmp_path / "folder.wav")
    with pytest.raises(BadAudio, match="more than 0.05 minutes"):
        detector.detect(write(tmp_path / "four.wav", toys.voice(1, seconds=4)), max_seconds=3)


def test_names_are_made_fit_to_print():
    assert safe_name("/a/b\x1b[31m\n.wav") == "b\ufffd[31m\ufffd.wav"
    assert len(safe_name("x" * 300 + ".wav")) == 80 and safe_name("x" * 300 + ".wav").endswith("x.wav")
    assert safe_name("a\u202egnp.wav") == "a\ufffdgnp.wav"
    assert safe_name("a\udcff.wav").encode()


def test_a_run_is_found_by_name_by_its_beginning_and_by_being_the_best(monkeypatch, tmp_path):
    run = toys.toy_run()
    monkeypatch.setenv("HELPERS_RUNS", str(run.folder.parent))
    monkeypatch.setattr("helpers.demo.choice.SHIPPED", tmp_path / "none")
    assert (
        find_run(run.name).folder == find_run("26_train").folder == find_run(run.folder).folder == run.folder
    )
    assert [one.name for one in usable_runs()] == [run.name] and find_run().name == run.name
    with pytest.raises(FileNotFoundError, match="no run folder"):
        find_run("nobody")


def test_without_any_run_the_sentence_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr("helpers.demo.choice.SHIPPED", tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="train one"):
        load_detector()


def test_weights_of_another_network_are_refused_in_words(tmp_path, monkeypatch):
    import shutil

    import torch
    from safetensors.torch import save_file

    folder = tmp_path / "broken"
    shutil.copytree(toys.toy_run().folder, folder)
    save_file({"network.head.weight": torch.zeros(3)}, folder / "best.safetensors")
    with pytest.raises(ValueError, match="do not fit small"):
        load_detector(folder)
    (folder / "best.safetensors").write_bytes(b"rubbish")
    with pytest.raises(ValueError, match="do not fit small"):
        load_detector(folder)


def test_the_shipped_detector_judges_as_its_run_does(tmp_path):
    from tools.ship import ship

    detector = toys.toy_detector()
    folder = ship(detector, tmp_path / "shipped")
    path = sorted(toys.toy_audio().glob("*eval*.wav"))[0]
    ours, theirs = load_detector(folder).detect(path), detector.detect(path)
    assert (ours.answer, ours.score, ours.probability) == (theirs.answer, theirs.score, theirs.probability)
    card = (folder / "README.md").read_text()
    assert "Do not accuse anyone" in card and "| dev |" in card
    assert str(tmp_path) not in "".join(file.read_text() for file in folder.glob("*.json"))
    assert sum(file.stat().st_size for file in folder.iterdir()) < 1e6
    ship(detector, tmp_path / "shipped")  # a second time replaces it
    assert sorted(p.name for p in tmp_path.iterdir()) == ["shipped"]
