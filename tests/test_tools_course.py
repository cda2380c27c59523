"""Copies for students, their hand-ins, and the grader's files."""

import re
import sys
import types

import nbformat
import pytest
from nbclient import NotebookClient

from tools import course


@pytest.fixture
def exported(tmp_path):
    (tmp_path / "roster.csv").write_text("student\nada\nbo.li\n")
    words = [
        "export",
        str(tmp_path / "out"),
        "--students",
        str(tmp_path / "roster.csv"),
        "--notebooks",
        "10,16",
    ]
    assert course.main(words) == 0
    return tmp_path / "out"


def sources(path):
    return [cell.source for cell in nbformat.read(path, as_version=4).cells]


def test_students_get_their_own_seed_and_no_link_to_solutions(exported):
    given = ["\n".join(sources(exported / name / "16_train_vgg_like.ipynb")) for name in ("ada", "bo.li")]
    assert not any("solutions/" in text for text in given) and (exported / "ada/GLOSSARY.md").is_file()
    assert len({re.search(r"^seed: int = \d+", text, re.MULTILINE)[0] for text in given}) == 2


def hand_in(exported, student, number, answers):
    """What the last cell writes after the student's kernel has run `answers`."""
    path = next((exported / student).glob(f"{number}*.ipynb"))
    client = NotebookClient(
        nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in (answers, sources(path)[-1])]),
        resources={"metadata": {"path": str(exported)}},
    )
    client.execute()
    found = {}
    for text in sources(exported / f"hand_in-{number}.ipynb"):
        exec(text, found)
    return found


EER = """import numpy as np

def my_eer(bonafide, spoof):
    rates = [((bonafide < t).mean(), (spoof >= t).mean()) for t in np.concatenate([bonafide, spoof])]
    return np.mean(min(rates, key=lambda pair: abs(pair[0] - pair[1])))"""


@pytest.mark.parametrize(
    "number, check, right, wrong",
    [
        ("16", "check_class_weight", "my_weight = (2580 + 22800) / (2 * 2580)", "my_weight = 22800 / 2580"),
        ("10", "check_eer", EER, "def my_eer(bonafide, spoof):\n    ..."),
    ],
)
def test_a_hand_in_is_graded_by_the_courses_own_checkers(exported, monkeypatch, number, check, right, wrong):
    """A number and a function; otter-grader's decorator is replaced, its own command is no part of the tests."""
    otter = types.ModuleType("otter.test_files")
    otter.test_case = lambda **_: lambda function: function
    monkeypatch.setitem(sys.modules, "otter", types.ModuleType("otter"))
    monkeypatch.setitem(sys.modules, "otter.test_files", otter)
    grading = {}
    exec((exported / "grading" / number / f"q{number}.py").read_text(), grading)
    found = hand_in(exported, "ada", number, right)
    assert found["record"]["student"] == "ada"
    grading[f"test_{check}"](found)
    with pytest.raises(AssertionError):
        grading[f"test_{check}"](hand_in(exported, "bo.li", number, wrong))


def test_a_roster_with_a_name_twice_is_refused(tmp_path):
    (tmp_path / "roster.csv").write_text("student\nada\nada\n")
    with pytest.raises(ValueError, match="twice"):
        course.roster(tmp_path / "roster.csv")
