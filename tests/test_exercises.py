"""Every checker of the exercises: what is right passes, what students get wrong is told why, nothing raises."""

import ast
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from helpers import exercises, metrics

PROJECT = Path(__file__).resolve().parents[1]


def my_eer(bonafide, spoof):
    rates = [((bonafide < t).mean(), (spoof >= t).mean()) for t in np.concatenate([bonafide, spoof])]
    return np.mean(min(rates, key=lambda pair: abs(pair[0] - pair[1])))


def my_threshold(spoof, share):
    may_pass = int(share * len(spoof))
    return np.sort(spoof)[-may_pass] if may_pass else spoof.max() + 1


def too_low(spoof, share):
    return np.quantile(spoof, 1 - share - 0.1)


def my_bank(n_filters, n_bins):
    edges = np.linspace(0, n_bins - 1, n_filters + 2)
    return [np.interp(np.arange(n_bins), edges[k : k + 3], [0, 1, 0]) for k in range(n_filters)]


def my_maps(maps):
    return torch.maximum(*maps.chunk(2, dim=1))


def my_split(speakers, share, seed):
    names = np.unique(speakers)
    drawn = np.random.default_rng(seed).permutation(names)[: round(share * len(names))]
    return np.isin(speakers, drawn)


def by_rows(speakers, share, seed):
    return np.random.default_rng(seed).random(len(speakers)) < share


# checker -> (a right answer, [(wrong answer, a word of what is said to it)])
CASES = {
    "check_layout": ("real_fake_folders", [("asvspoof", "protocol"), ("faces", "column"), (" faces", "space")]),
    "check_staging_seconds": (101.52, [(25_380, "4 ms"), (101_520, "1,000"), ("long", "number")]),
    "check_filter_bank": (my_bank, [
        (lambda n, bins: np.eye(n, bins), "hidden case"), (lambda n, bins: np.array(my_bank(n, bins)).T, "shape"),
        (lambda n, bins: np.array(my_bank(n, bins)) > 0, "boxes"), (lambda n: n, "TypeError")]),
    "check_eer": (my_eer, [
        (lambda b, s: 100 * my_eer(b, s), "percentage"), (lambda b, s: 1 - my_eer(b, s), "Upside down"),
        (lambda b, s: metrics.eer(b, s)[1], "threshold"), (lambda b, s: 0.5, "hidden case"), (0.1, "function")]),
    "check_threshold": (my_threshold, [
        (too_low, "Raise"), (lambda spoof, share: spoof.max() + 1, "refuses fewer"), (lambda spoof, share: spoof, "one number")]),
    "check_residual": ([1.5, 0.0], [([0.5, -2.0], "shortcut"), ([1.0, 2.0], "adds")]),
    "check_lstm_steps": (10, [(9, "round up"), (313, "halves"), (12, "five times")]),
    "check_bottleneck_weights": (69_632, [(1_179_648, "avoids"), (331_776, "middle"), (1, "products")]),
    "check_macro_f1": (0.7301, [(0.905, "accuracy"), (0.9474, "one class"), (0.5, "mean"), (73.01, "percentage")]),
    "check_class_weight": (4.9186, [(8.837, "ratio"), (0.5566, "rarer"), (1, "half"), ("4", "quotation marks")]),
    "check_flattened_size": (3072, [(1792, "round up"), (24, "128"), (5040, "Halve")]),
    "check_zero_crossings": (0.055, [(0.0275, "twice"), (880, "share"), (0.5, "Count"), (5.5, "percentage")]),
    "check_number_of_fits": (121, [(120, "once more"), (24, "fold"), (5, "Candidates")]),
    "check_likelihood_ratio": (0.25, [(-0.25, "sign"), (0.5, "sum"), (3, "Subtract"), (None, "number")]),
    "check_max_feature_map": (my_maps, [
        (lambda maps: maps[:, : maps.shape[1] // 2].relu(), "ReLU"), (lambda maps: maps[:, ::2].maximum(maps[:, 1::2]), "neighbouring"),
        (lambda maps: maps, "shape"), (lambda maps: "high", "numbers")]),
    "check_rawnet_steps": (43, [(131, "seven"), (95_872, "samples"), (10, "129")]),
    "check_attention": (5.0, [(4.0, "mean"), (8.0, "highest"), (1.0, "exp"), ([], "number")]),
    "check_ssl_frames": (149, [(150, "400"), (48_000, "hops")]),
    "check_posterior": (
        1 / 3, [(2 / 3, "bona fide"), (0.905, "twenty"), (0.05, "prior"), (0.5, "odds"), (33.3, "percentage"), ("33 %", "text")]),
    "check_frontier": (["A", "C"], [(["A", "B", "C"], "faster"), (["A"], "fewest"), (["E"], "letters"), (1, "letters")]),
    "check_split": (my_split, [
        (by_rows, "not rows"), (lambda speakers, share, seed: speakers == speakers[0], "were asked for"),
        (lambda speakers, share, seed: my_split(speakers, share, 1), "Every seed"), (lambda speakers, share, seed: [1], "each row")]),
    "check_blind_accuracy": (0.8967, [(0.1032, "bona fide"), (89.67, "share"), (0.5, "spoofs"), ("?", "number")]),
    "check_alarm": (
        0.009 / 0.0585, [(0.9, "how often"), (0.9 / 0.95, "one call"), (0.01, "before"), (15.4, "percentage"), (0.846, "share")]),
    "check_evidence": (2 / 3, [(8 / 9, "one to four"), (2.0, "odds"), (0.2, "before the alarm"), (66.7, "percentage")]),
}  # fmt: skip
ODD = [None, True, "188", "", b"1", [], [[1.5, 0]], [1.5, None], {}, 1j, float("nan"), np.float16("inf"), np.arange(3),
       pd.Series([1.0, 2.0]), torch.zeros(2), object(), len, lambda *_: None, lambda *_: ..., lambda *_: {}, int]  # fmt: skip


def test_every_checker_has_its_cases():
    assert {*CASES, "show_source"} == set(exercises.__all__)


@pytest.mark.parametrize("name", sorted(CASES))
def test_right_and_wrong_answers_are_told_so_and_nothing_raises(name, capsys):
    right, wrong = CASES[name]
    check = getattr(exercises, name)
    assert check(right) is True and capsys.readouterr().out.startswith("Right. ")
    for answer, word in wrong:
        assert check(answer) is False
        said = capsys.readouterr().out
        assert said.startswith("Not yet. ") and word in said, (answer, said)
    for answer in ODD:
        assert check(answer) is False and capsys.readouterr().out.startswith("Not yet. "), answer
    check(...)
    check.hint()
    check.solution()
    blank, hint, solution = capsys.readouterr().out.splitlines()
    assert "Nothing to check" in blank and hint.startswith("Hint: ") and solution.startswith("Solution: ")


@pytest.mark.parametrize(
    "name", sorted(name for name, case in CASES.items() if isinstance(case[0], (int, float)))
)
@pytest.mark.parametrize(
    "form", [np.float64, np.array, pd.Series, torch.DoubleTensor, lambda x: np.array([x])]
)
def test_right_number_may_come_from_numpy_torch_or_pandas(name, form):
    value = CASES[name][0]
    assert getattr(exercises, name)(form([value]) if form is torch.DoubleTensor else form(value)) is True


def test_other_ways_to_a_right_answer_pass():
    assert exercises.check_eer(lambda bonafide, spoof: metrics.eer(bonafide, spoof)[0])
    assert exercises.check_frontier("A, C") and exercises.check_frontier("ac")
    assert exercises.check_split(lambda *given: my_split(*given).tolist())


def test_source_is_shown_as_python(capsys):
    exercises.show_source(my_eer)
    assert "Markdown" in capsys.readouterr().out


@pytest.mark.parametrize("path", sorted((PROJECT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebook_asks_for_something_and_its_blank_is_left_open(path, capsys):
    """Each checker is called on a `my_…` that is `...`, or a function with `...` as its body."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    build = [source for source in sources if "exercises.check_" in source]
    assert build, "no Build exercise"
    for source in build:
        blanks, calls = {}, []
        for node in ast.parse(source).body:
            if isinstance(node, ast.Assign):
                blanks[node.targets[0].id] = ast.unparse(node.value)
            elif isinstance(node, ast.FunctionDef):
                blanks[node.name] = ast.unparse(node.body[-1])
            elif isinstance(node, ast.Expr):
                calls.append((node.value.func.attr, node.value.args))
        assert calls
        for check, (answer,) in calls:
            assert check in CASES and blanks[answer.id] == "..."
