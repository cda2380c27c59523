"""Every checker of the exercises: what is right passes, what students get wrong is told why."""

import ast
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from helpers import exercises

PROJECT = Path(__file__).resolve().parents[1]

_generator = np.random.default_rng(0)
SCORES = pd.DataFrame(
    {
        "label": ["bonafide"] * 500 + ["spoof"] * 500,
        "score": np.concatenate([_generator.normal(1, 1, 500), _generator.normal(-1, 1, 500)]),
    }
)
BONAFIDE, SPOOFED = (
    np.sort(SCORES.loc[SCORES["label"] == label, "score"]) for label in ("bonafide", "spoof")
)
EQUAL = next(t for t in np.linspace(-1, 1, 2001) if np.mean(BONAFIDE < t) >= np.mean(SPOOFED >= t))
SPEAKERS = ["a", "a", "b", "b", "c", "c"]

# checker -> (further arguments, a right answer, {wrong answer: a word of what is said to it})
CASES = {
    "check_layout": ((), "real_fake_folders", [("asvspoof", "protocol"), ("faces", "column")]),
    "check_staging_seconds": ((), 101.52, [(25_380, "4 ms"), (101_520, "1,000"), ("long", "number")]),
    "check_n_frames": ((), 188, [(187, "sample 0"), (48_000, "hops")]),
    "check_ann_parameters": (
        (), 12_978_177, [(12_976_384, "bias"), (12_032 * 1024, "neighbouring")],
    ),
    "check_linear_parameters": (
        (), 64 * 16 * 47 * 1024 + 1024, [(64 * 16 * 47 * 1024, "bias"), (64 * 1024, "connected")],
    ),
    "check_residual": ((), [1.5, 0.0], [([0.5, -2.0], "shortcut"), ([1.0, 2.0], "Add")]),
    "check_lstm_steps": ((), 6, [(5, "round up"), (188, "halves"), (12, "five times")]),
    "check_bottleneck_weights": ((), 69_632, [(1_179_648, "avoids"), (331_776, "middle"), (1, "products")]),
    "check_macro_f1": ((), 0.7301, [(0.905, "accuracy"), (0.9474, "one class"), (0.5, "mean"), (73.01, "percentage")]),
    "check_class_weight": ((), 4.9186, [(8.837, "ratio"), (0.5566, "rarer"), (1, "half"), ("4", "number")]),
    "check_flattened_size": ((), 6144, [(5632, "47 becomes 24"), (48, "128"), (12_032, "Halve")]),
    "check_zero_crossings": ((), 0.055, [(0.0275, "twice"), (880, "share"), (0.5, "Count"), (5.5, "percentage")]),
    "check_number_of_fits": ((), 121, [(120, "once more"), (24, "fold"), (5, "Candidates")]),
    "check_likelihood_ratio": ((), 0.25, [(-0.25, "sign"), (0.5, "sum"), (3, "Subtract"), (None, "number")]),
    "check_equal_error_threshold": ((SCORES,), EQUAL, [(2.0, "Lower"), (-2.0, "Raise")]),
    "check_rawnet_steps": ((), 29, [(88, "seven"), (64_472, "samples"), (10, "129")]),
    "check_attention": ((), 5.0, [(4.0, "mean"), (8.0, "highest"), (1.0, "exp"), ([], "number")]),
    "check_ssl_frames": ((), 201, [(202, "400"), (64_600, "hops")]),
    "check_posterior": (
        (), 1 / 3, [(2 / 3, "recording"), (0.905, "twenty"), (0.05, "prior"), (0.5, "odds"), (33.3, "percentage")],
    ),
    "check_frontier": ((), ["A", "C"], [(["A", "B", "C"], "faster"), (["A"], "neither"), (["E"], "letters"), (1, "list")]),
    "check_groups": (
        (pd.DataFrame({"speaker": SPEAKERS}),), SPEAKERS,
        [(list("123456"), "random"), (list("aabb"), "6 rows"), (list("xyxyxy"), "both sides"), (list("aaaabb"), "coarser"), (None, "column")],
    ),
    "check_blind_accuracy": ((), 0.8967, [(0.1032, "bona fide"), (89.67, "share"), (0.5, "spoofs"), ("?", "share")]),
    "check_alarm": ((), 0.009 / 0.0585, [(0.9, "how often"), (0.9 / 0.95, "one call"), (0.01, "before"), (15.4, "percentage"), (0.846, "share")]),
    "check_evidence": ((), 2 / 3, [(8 / 9, "one to four"), (2.0, "odds"), (0.2, "before the alarm"), (66.7, "percentage")]),
}  # fmt: skip


def test_every_checker_has_its_cases():
    assert set(CASES) == set(exercises.__all__)


@pytest.mark.parametrize("name", sorted(CASES))
def test_right_answer_is_told_so(name, capsys):
    more, right, _ = CASES[name]
    assert getattr(exercises, name)(right, *more) is True
    assert capsys.readouterr().out.startswith("Right. ")


@pytest.mark.parametrize("name", sorted(CASES))
def test_wrong_answers_get_a_hint_that_fits_and_never_raise(name, capsys):
    more, _, wrong = CASES[name]
    assert len(wrong) >= 2
    hints = set()
    for answer, word in wrong:
        assert getattr(exercises, name)(answer, *more) is False, answer
        said = capsys.readouterr().out
        assert said.startswith("Not yet. ") and word in said, (answer, said)
        hints.add(said)
    assert len(hints) >= 2, "different mistakes deserve different hints"


ODD = [None, True, "188", "", b"1", [], [[1.5, 0]], [1.5, None], {}, 1j, float("nan"), np.float16("inf"), np.arange(3),
       pd.Series([1.0, 2.0]), torch.zeros(2), object(), len]  # fmt: skip


@pytest.mark.parametrize("name", sorted(CASES))
def test_answers_of_any_type_get_a_hint_and_never_raise(name, capsys):
    more, _, _ = CASES[name]
    for answer in ODD:
        assert getattr(exercises, name)(answer, *more) is False, answer
        said = capsys.readouterr().out
        assert said.startswith("Not yet. "), (answer, said)


@pytest.mark.parametrize(
    "name", sorted(name for name, case in CASES.items() if isinstance(case[1], (int, float)))
)
def test_right_number_may_come_from_numpy_torch_or_pandas(name):
    more, answer, _ = CASES[name]
    for form in (
        np.float64,
        np.array,
        pd.Series,
        lambda x: torch.tensor(x, dtype=torch.float64),
        lambda x: np.array([x]),
    ):
        assert getattr(exercises, name)(form(answer), *more) is True, form


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_blank_is_not_judged_and_help_comes_only_when_asked(name, capsys):
    more, right, wrong = CASES[name]
    check = getattr(exercises, name)
    assert check(..., *more) is False
    assert capsys.readouterr().out.startswith("Nothing to check yet")
    check.hint()
    assert capsys.readouterr().out.startswith("Hint: ")
    check.solution()
    assert "Solution: " in capsys.readouterr().out


def test_messages_name_the_mistake_in_how_the_answer_is_written(capsys):
    exercises.check_n_frames("188")
    exercises.check_layout(" real_fake_folders")
    exercises.check_macro_f1("73 %")
    exercises.check_blind_accuracy(89.7)
    said = capsys.readouterr().out.splitlines()
    assert "without quotation marks" in said[0] and "space" in said[1]
    assert "is text" in said[2] and "percentage" in said[3]


def test_frontier_may_be_written_as_text_and_one_class_has_no_equal_error():
    assert exercises.check_frontier("A, C") and exercises.check_frontier("ac")
    assert not exercises.check_equal_error_threshold(0.0, SCORES[SCORES["label"] == "spoof"])


@pytest.mark.parametrize("path", sorted((PROJECT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebook_asks_for_something_and_its_blank_is_not_the_solution(path):
    """A Build exercise that is solved as committed asks nothing."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    build = [source for source in sources if "exercises.check_" in source]
    assert build, "no Build exercise"
    called = [
        node.func.attr
        for source in build
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr.startswith("check_")
    ]
    assert set(called) <= set(exercises.__all__)
    for source in build:
        tree = ast.parse(source)
        blanks = {
            node.targets[0].id: node.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id.startswith("my_")
        }
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in CASES
            ):
                blank = blanks.get(getattr(node.args[0], "id", ""))
                more = CASES[node.func.attr][0]
                if blank is not None and not more:
                    answer = eval(
                        compile(ast.Expression(blank), path.name, "eval"), {}
                    )  # literals and arithmetic
                    assert getattr(exercises, node.func.attr)(answer) is False
