"""`python -m helpers predict`: forms of output, exit codes, bad files, folders and globs."""

import csv
import io
import json
from collections import Counter

import demo_toys as toys
import pytest

from helpers.demo import predict


@pytest.fixture
def argv(capsys):
    """The arguments that choose the toy run; what its training printed is read away."""
    chosen = ["--run", str(toys.toy_run().folder)]
    capsys.readouterr()
    return chosen


def test_csv_has_one_row_a_file_in_order_and_bad_files_do_not_stop_it(tmp_path, capsys, argv):
    good = sorted(toys.toy_audio().glob("*eval*.wav"))[:40]
    bad = tmp_path / "notes.txt"
    bad.write_text("no audio")
    files = [str(path) for path in (*good[:3], bad, *good[3:])]
    code = predict.main([*files, "--csv", *argv])
    out = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(out.out)))
    assert [row["path"] for row in rows] == files
    assert (
        rows[3]["reason"] == "notes.txt cannot be read as audio (Format not recognised)"
        and not rows[3]["answer"]
    )
    assert all(
        row["answer"] in ("likely bona fide", "cannot tell", "likely spoof")
        for i, row in enumerate(rows)
        if i != 3
    )
    assert code in (1, 4) and "× real time" in out.err


def test_json_can_be_parsed_and_holds_the_windows(capsys, argv):
    path = sorted(toys.toy_audio().glob("*eval*.wav"))[0]
    predict.main([str(path), "/nowhere/x.wav", "--json", *argv])
    found = json.loads(capsys.readouterr().out)
    first, second = found["recordings"]
    assert (
        first["windows"][0]["start"] == 0
        and first["sentence"]
        and found["spoof_below"] <= found["bonafide_above"]
    )
    assert second == {"path": "/nowhere/x.wav", "reason": "x.wav is not there"}


def test_the_table_has_a_line_a_file(capsys, argv):
    path = sorted(toys.toy_audio().glob("*eval*.wav"))[0]
    predict.main([str(path), *argv])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("recording") and lines[1].startswith(path.name) and len(lines) == 2


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ({"likely bona fide": 3}, 0),
        ({"likely bona fide": 3, "cannot tell": 1}, 3),
        ({"likely bona fide": 3, "refused": 1, "cannot tell": 1}, 4),
        ({"likely spoof": 1, "refused": 1}, 1),
        ({"refused": 2}, 2),
    ],
)
def test_exit_codes(answers, code):
    assert predict.exit_code(Counter(answers)) == code


def test_folders_and_globs_are_expanded_once_each(tmp_path):
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    for name in ("one.wav", "two.FLAC", "notes.txt"):
        (deep / name).write_bytes(b"x")
    (tmp_path / "odd[1].wav").write_bytes(b"x")
    found = predict.find_files(
        [str(tmp_path / "a"), str(tmp_path / "a" / "**" / "*.wav"), str(tmp_path / "odd[1].wav"), "gone.wav"]
    )
    assert [name.rpartition("/")[2] for name in found] == ["one.wav", "two.FLAC", "odd[1].wav", "gone.wav"]


def test_an_empty_folder_and_a_missing_run_are_said_in_a_line(tmp_path, capsys):
    assert predict.main([str(tmp_path)]) == 2
    assert "no audio files" in capsys.readouterr().err
    assert predict.main(["x.wav", "--run", "nobody"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_exercise_knows_right_from_wrong(capsys):
    from helpers.exercises import check_alarm

    assert check_alarm(0.9 * 0.01 / (0.9 * 0.01 + 0.05 * 0.99))
    for wrong in (0.9, 0.9 / 0.95, 0.01, 0.5, "x"):
        assert not check_alarm(wrong)
    assert capsys.readouterr().out.count("\n") == 6
