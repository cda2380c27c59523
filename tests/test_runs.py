"""A run folder: nobody's finished run is lost, whoever starts what; interrupted ones resume, other data and code do not mix."""

import json
import subprocess
import sys

import pytest
from execution_toys import environment

from helpers import runs as module
from helpers.runs import load_runs, open_run, read_json, run_name

PARAMETERS = {"dataset": "starter", "seed": 3, "lr": 0.1, "device": "cpu"}


def start(folder, fingerprint="data", **more):
    return open_run("10_x", {**PARAMETERS, **more}, fingerprint, folder)


def test_name_says_notebook_dataset_seed_and_what_matters():
    name = run_name("10_x", PARAMETERS)
    assert name.startswith("10_x-starter-3-")
    assert name == run_name("10_x", {**PARAMETERS, "device": "cuda", "max_minutes": 5})
    assert name != run_name("10_x", {**PARAMETERS, "lr": 0.2})


def test_finished_run_stays_readable_until_the_next_is_complete(tmp_path):
    start(tmp_path).finish(headline="first")
    again = start(tmp_path)
    again.write_history([{"epoch": 1}])
    assert [run.metrics["headline"] for run in load_runs(tmp_path)] == ["first"]
    again.finish(complete=False)
    assert [run.metrics["headline"] for run in load_runs(tmp_path)] == ["first"]
    start(tmp_path).finish(headline="second")
    assert [run.metrics["headline"] for run in load_runs(tmp_path)] == ["second"]
    [earlier] = tmp_path.glob(".replaced/10_x-*/metrics.json")
    assert read_json(earlier)["headline"] == "first"


def test_interrupted_run_goes_on_in_the_same_folder_and_nothing_of_it_is_removed(tmp_path):
    first = start(tmp_path)
    first.path("last.pt").write_bytes(b"state")
    again = start(tmp_path)
    assert again.folder == first.folder and (again.folder / "last.pt").read_bytes() == b"state"
    assert again.finish() and not (again.folder / "last.pt").exists()
    assert again.folder == tmp_path / again.name


@pytest.mark.parametrize("changed", ["data", "code"])
def test_interrupted_run_on_other_data_or_of_other_code_moves_aside(tmp_path, monkeypatch, changed):
    start(tmp_path).path("last.pt").write_bytes(b"state")
    if changed == "code":
        monkeypatch.setattr(module, "code_digest", lambda notebook: "changed")
    again = start(tmp_path, "other" if changed == "data" else "data")
    assert not (again.folder / "last.pt").exists()
    [aside] = tmp_path.glob(".replaced/10_x-*/last.pt")
    assert aside.read_bytes() == b"state"


STUDENT = """
import json, sys
from pathlib import Path
from helpers.runs import open_run
run = open_run("10_x", json.loads(sys.argv[1]), "data", Path(sys.argv[2]))
print(run.folder, flush=True)
sys.stdin.readline()
run.finish(headline=sys.argv[3])
"""


def test_two_students_in_one_folder_lose_nothing(tmp_path):
    students = []
    for who in ("ada", "bela"):
        line = [sys.executable, "-c", STUDENT, json.dumps(PARAMETERS), str(tmp_path), who]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        environ = environment(PYTHONPATH=str(module.PROJECT))
        environ["PYTHONPATH"] = str(module.PROJECT)
        students.append(subprocess.Popen(line, env=environ, **pipes))
        students[-1].folder = students[-1].stdout.readline().strip()
    assert students[0].folder != students[1].folder, "both write into one folder"
    for student in students:
        student.communicate("\n", timeout=30)
    assert [run.metrics["headline"] for run in load_runs(tmp_path)] == ["bela"]
    [replaced] = tmp_path.glob(".replaced/*/metrics.json")
    assert read_json(replaced)["headline"] == "ada"


def test_killed_between_its_end_and_its_move_a_run_is_published_by_the_next_start(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(module, "publish", lambda folder: folder)
        start(tmp_path).finish(headline="first")
    assert load_runs(tmp_path) == []
    start(tmp_path)
    assert [run.metrics["headline"] for run in load_runs(tmp_path)] == ["first"]


def test_a_child_of_the_runner_works_in_the_folder_it_was_handed(tmp_path, monkeypatch):
    folder = tmp_path / ".working" / "10_x-named-by-the-runner"
    monkeypatch.setenv("HELPERS_RUN_FOLDER", str(folder))
    run = start(tmp_path)
    run.finish()
    assert run.folder == folder, "the runner moves it once the notebook has ended"
    assert open_run("25_y", PARAMETERS, "data", tmp_path).folder.name.startswith("25_y-")
