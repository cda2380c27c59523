"""`python -m helpers predict`: forms of output, exit codes, what is left out, pipes, reports."""

import csv
import io
import json
import sys
from collections import Counter

import demo_toys as toys
import pytest
import soundfile

from helpers.__main__ import dispatch
from helpers.demo import predict


@pytest.fixture
def argv(capsys):
    """The arguments that choose the toy run; what its training printed is read away."""
    chosen = ["--run", str(toys.toy_run().folder)]
    capsys.readouterr()
    return chosen


def test_csv_and_json_use_the_same_names_and_bad_files_do_not_stop_them(tmp_path, capsys, argv):
    good = sorted(toys.toy_audio().glob("*eval*.wav"))[:4]
    bad = tmp_path / "notes.txt"
    bad.write_text("no audio")
    files = [str(path) for path in (good[0], bad, *good[1:])]
    assert dispatch(["predict", *files, "--csv", *argv]) in (1, 4)
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["path"] for row in rows] == files
    assert rows[1]["reason"].startswith("notes.txt cannot be read as audio") and not rows[1]["answer"]
    dispatch(["predict", *files, "--json", *argv])
    found = json.loads(capsys.readouterr().out)["recordings"]
    assert set(found[0]) == {*rows[0], "windows"} and found[0]["windows"][0]["start"] == 0
    assert found[1]["reason"] == rows[1]["reason"] and found[1]["score"] is None


def test_a_folder_says_what_it_leaves_out_and_never_exits_as_if_all_were_fine(tmp_path, capsys, argv):
    (tmp_path / "a" / "deep").mkdir(parents=True)
    (tmp_path / "b").mkdir()
    soundfile.write(tmp_path / "a" / "deep" / "one.WAV", toys.voice(2), 16_000)
    soundfile.write(tmp_path / "b" / "linked.flac", toys.voice(3), 16_000)
    (tmp_path / "a" / "b").symlink_to(tmp_path / "b")
    (tmp_path / "a" / "._one.wav").write_bytes(b"x")
    (tmp_path / "a" / "letter.pdf").write_bytes(b"x")
    files, left_out = predict.find_files([str(tmp_path / "a")])
    assert [name.rpartition("/")[2] for name in files] == ["linked.flac", "one.WAV"]
    assert left_out == {".pdf": 1}
    assert dispatch(["predict", str(tmp_path / "a"), *argv]) in (1, 4)
    assert "1 left out" in capsys.readouterr().err
    assert dispatch(["predict", str(tmp_path / "nothing.wav"), *argv]) == 2


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ({"likely bona fide": 3}, 0),
        ({"likely bona fide": 3, "cannot tell": 1}, 3),
        ({"likely bona fide": 3, "left out": 1}, 4),
        ({"likely bona fide": 3, "refused": 1, "cannot tell": 1}, 4),
        ({"likely spoof": 1, "refused": 1}, 1),
        ({"mixed": 1, "likely bona fide": 1}, 1),
        ({"refused": 2}, 2),
    ],
)
def test_exit_codes(answers, code):
    assert predict.exit_code(Counter(answers)) == code


def test_a_pipe_is_judged_as_its_file_is(capsys, argv, monkeypatch):
    path = sorted(toys.toy_audio().glob("*eval*.wav"))[0]
    dispatch(["predict", str(path), "--json", *argv])
    first = json.loads(capsys.readouterr().out)["recordings"][0]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
    dispatch(["predict", "-", "--json", *argv])
    second = json.loads(capsys.readouterr().out)["recordings"][0]
    assert second["score"] == first["score"] and second["path"] == "-"


def test_a_report_is_one_file_with_what_one_must_know(tmp_path, capsys, argv):
    import hashlib

    path = tmp_path / "a<b>.wav"
    soundfile.write(path, toys.voice(1, seconds=7), 16_000)
    dispatch(["predict", str(path), *argv, *argv, "--report", str(tmp_path / "out.html")])
    text = (tmp_path / "out.html").read_text()
    assert hashlib.sha256(path.read_bytes()).hexdigest() in text and "Do not accuse anyone" in text
    assert "a&lt;b&gt;.wav" in text and "<b>.wav" not in text and text.count("<section>") == 2
    assert "http://" not in text and "https://" not in text and "src=" not in text


def test_an_unknown_run_is_said_in_a_line(capsys):
    assert dispatch(["predict", "x.wav", "--run", "nobody"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_exercise_knows_right_from_wrong(capsys):
    from helpers.exercises import check_alarm

    assert check_alarm(0.9 * 0.01 / (0.9 * 0.01 + 0.05 * 0.99))
    for wrong in (0.9, 0.9 / 0.95, 0.01, 0.5, "x"):
        assert not check_alarm(wrong)
    assert capsys.readouterr().out.count("\n") == 6
