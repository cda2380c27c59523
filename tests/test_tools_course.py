"""Copies for students, their hand-ins, and the grader's files."""

import contextlib
import io
import sys
import types

import nbformat
import pytest

from tools import course


@pytest.fixture
def exported(tmp_path):
    (tmp_path / "roster.csv").write_text("student\nada\nbo.li\n")
    out = tmp_path / "out"
    assert (
        course.main(["export", str(out), "--students", str(tmp_path / "roster.csv"), "--notebooks", "16,19"])
        == 0
    )
    return out


def sources(path):
    return [cell.source for cell in nbformat.read(path, as_version=4).cells]


def test_students_get_their_own_seed_and_no_link_to_solutions(exported):
    ada, bo = (sources(exported / name / "16_train_vgg_like.ipynb") for name in ("ada", "bo.li"))
    assert not any("solutions/" in text for text in ada)
    seeds = {
        next(line for text in given for line in text.splitlines() if line.startswith("seed: int"))
        for given in (ada, bo)
    }
    assert len(seeds) == 2


def hand_in(exported, student, answer, tmp_path, monkeypatch):
    """What the last cell writes after the student has answered."""
    monkeypatch.chdir(tmp_path)
    names = {"my_weight": answer, "seed": 3}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(sources(exported / student / "16_train_vgg_like.ipynb")[-1], names)
    found = {}
    for text in sources(tmp_path / "hand_in-16.ipynb"):
        exec(text, found)
    return found


def test_a_hand_in_is_graded_by_the_courses_own_checkers(exported, tmp_path, monkeypatch):
    otter = types.ModuleType("otter.test_files")
    otter.test_case = lambda **_: lambda function: function
    monkeypatch.setitem(sys.modules, "otter", types.ModuleType("otter"))
    monkeypatch.setitem(sys.modules, "otter.test_files", otter)
    grading = {}
    exec((exported / "grading" / "16" / "q16.py").read_text(), grading)
    right = hand_in(exported, "ada", (2580 + 22800) / (2 * 2580), tmp_path, monkeypatch)
    assert right["record"]["student"] == "ada"
    grading["test_check_class_weight"](right)
    wrong = hand_in(exported, "bo.li", 22800 / 2580, tmp_path, monkeypatch)
    with pytest.raises(AssertionError):
        grading["test_check_class_weight"](wrong)


def test_a_roster_with_a_name_twice_is_refused(tmp_path):
    (tmp_path / "roster.csv").write_text("student\nada\nada\n")
    with pytest.raises(ValueError, match="twice"):
        course.roster(tmp_path / "roster.csv")
