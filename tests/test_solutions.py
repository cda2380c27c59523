"""Worked answers: one a notebook, none left out, each right when run on real runs of the smoke profile."""

import ast
import contextlib
import dataclasses
import json
from pathlib import Path

import pytest

from helpers.execution.parameters import full_parameters, inspect_notebook, source_of
from helpers.execution.plan import PLAN, notebook_named
from tools.lessons import LESSONS
from tools.notebooks import check_solution, checkers, questions, read_notebook

PROJECT = Path(__file__).resolve().parents[1]
FOLDER = PROJECT / "notebooks" / "solutions"
THERE = sorted(FOLDER.glob("*.ipynb"))
CLIPS = 40  # of each split and class: real clips, fewer of them


def cells_of(path):
    return [source_of(cell) for cell in read_notebook(path)["cells"] if cell["cell_type"] == "code"]


def test_every_notebook_has_its_solutions():
    assert [path.stem for path in THERE] == [entry.stem for entry in PLAN] == list(LESSONS)


@pytest.mark.parametrize("path", THERE, ids=lambda path: path.stem)
def test_solution_has_the_agreed_form_and_leaves_no_exercise_out(path):
    asked = read_notebook(PROJECT / "notebooks" / path.name)
    assert check_solution(read_notebook(path), asked) == []
    assert questions(asked) and checkers(asked)


def test_an_exercise_without_its_solution_is_named():
    """A question, a heading and a checker taken away are each missed."""
    asked = read_notebook(PROJECT / "notebooks" / "11_train_simple_cnn.ipynb")
    given = json.loads(
        json.dumps(read_notebook(FOLDER / "11_train_simple_cnn.ipynb"), ensure_ascii=False)
        .replace(questions(asked)[0], "")
        .replace("## Change", "## Other")
        .replace("exercises.check_", "exercises.see_")
    )
    said = "\n".join(check_solution(given, asked))
    for complaint in ("no heading Change", "leaves out the question", "does not call check_threshold"):
        assert complaint in said


@pytest.fixture(scope="module")
def classroom(tmp_path_factory):
    """Two detectors trained as the smoke profile sets them, on real clips: (work folder, runs folder, thin data set)."""
    from helpers.data import open_dataset
    from helpers.evaluation import summarise
    from helpers.features import FEATURES, build_cache
    from helpers.runs import open_run
    from helpers.training import check_settings, describe, fit, fit_classical

    work, runs = tmp_path_factory.mktemp("work"), tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(None):
        patch.setenv("HELPERS_WORK", str(work))
        patch.setenv("HELPERS_RUNS", str(runs))
        data = open_dataset("starter")
        table = data.table.groupby(["split", "label"]).sample(CLIPS, random_state=0).reset_index(drop=True)
        thin = dataclasses.replace(data, table=table)
        for stem in ("20_train_lfcc_gmm", "21_train_lcnn"):
            declared = inspect_notebook(PROJECT / "notebooks" / f"{stem}.ipynb")
            parameters = full_parameters(
                declared, {**notebook_named(stem).profiles["smoke"], "device": "cpu"}
            )
            parameters = {name: parameters[name] for name in declared}
            settings = check_settings(parameters)
            run = open_run(stem, parameters, thin.fingerprint)
            cache = build_cache(table, FEATURES[settings.features], workers=1)
            trained = (fit if "epochs" in declared else fit_classical)(settings, cache, run)
            run.finish(
                metrics=summarise(run.read_scores(), rounds=100, polarity="note"),
                **describe(trained, cache, settings),
            )
    return work, runs, thin


@pytest.fixture
def at_school(classroom, monkeypatch):
    """As a student who has run the smoke profile and opens a solution; cross-validations take the thin data set."""
    work, runs, thin = classroom
    monkeypatch.setenv("HELPERS_WORK", str(work))
    monkeypatch.setenv("HELPERS_RUNS", str(runs))
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    monkeypatch.chdir(FOLDER)
    return lambda: monkeypatch.setattr("helpers.data.open_dataset", lambda *_: thin)


@pytest.mark.parametrize("path", THERE, ids=lambda path: path.stem)
def test_every_answer_is_right_when_the_solution_is_run(path, at_school, capsys):
    """In this process, cell by cell: two dozen kernels would take longer than what they run."""
    if path.stem.startswith("27"):
        at_school()
    names = {"__name__": "__main__"}
    values = []
    for number, source in enumerate(cells_of(path), 1):
        tree = ast.parse(source)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, f"{path.stem}, cell {number}", "exec"), names)
        if last is not None:
            values.append(
                eval(compile(ast.Expression(last.value), f"{path.stem}, cell {number}", "eval"), names)
            )
    said = capsys.readouterr().out
    asked = checkers(read_notebook(PROJECT / "notebooks" / path.name))
    assert values[-1] is True and said.count("Right. ") == len(asked) and "Not yet." not in said


def test_tables_of_solutions_show_the_runs_that_are_there(classroom):
    from helpers.evaluation import compare
    from helpers.runs import load_runs

    finished = load_runs(classroom[1])
    found = compare.by_parameter(finished, "21_train_lcnn", "crop_frames", "features")
    metrics = next(run for run in finished if run.notebook == "21_train_lcnn").metrics["metrics"]
    assert list(found["crop_frames"]) == [200] and list(found["features"]) == ["loglinear"]
    assert found["eval EER %"][0] == pytest.approx(100 * metrics["eval"]["eer"], abs=0.051)
    assert compare.by_parameter(finished, "10_train_simple_ann", "features").empty


def test_a_solution_runs_in_a_kernel_of_its_own(at_school, tmp_path):
    papermill = pytest.importorskip("papermill")
    path = FOLDER / "19_train_vgg16_svm.ipynb"
    done = papermill.execute_notebook(
        str(path),
        str(tmp_path / "done.ipynb"),
        parameters={"dataset": "starter"},
        kernel_name="python3",
        cwd=str(FOLDER),
        progress_bar=False,
    )
    printed = "".join(output.get("text", "") for output in done.cells[-1].outputs)
    assert printed.startswith("Right. ")
