"""Colab without Colab: a stand-in for google.colab, its folders, and the set-up cell on a bare machine."""

import importlib
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from execution_toys import environment, make_project

from helpers.execution import setup
from helpers.execution.carry import restore_runs, save_runs
from helpers.execution.setup import set_up_source
from helpers.runs import read_json, write_json

PROJECT = Path(__file__).resolve().parents[1]


@pytest.fixture
def google(tmp_path, monkeypatch):
    """A google.colab whose drive.mount makes MyDrive, as the real one does after the click."""
    package = tmp_path / "stand_in/google/colab"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("")
    (package / "__init__.py").write_text("")
    (package / "drive.py").write_text("import os\ndef mount(folder):\n    os.makedirs(folder + '/MyDrive')\n")
    monkeypatch.syspath_prepend(str(tmp_path / "stand_in"))
    for name in [name for name in sys.modules if name == "google" or name.startswith("google.colab")]:
        monkeypatch.delitem(sys.modules, name)
    return tmp_path / "drive"


def test_parent_mounts_drive_once(google):
    assert setup.mount_drive(google) == google / "MyDrive"
    assert setup.mount_drive(google) == google / "MyDrive"


def test_child_of_the_runner_is_told_where_to_mount(google, monkeypatch):
    monkeypatch.setenv("HELPERS_RUN_FOLDER", "x")
    with pytest.raises(RuntimeError, match="in the notebook that you have open"):
        setup.mount_drive(google)
    (google / "MyDrive").mkdir(parents=True)
    assert setup.mount_drive(google) == google / "MyDrive"


def test_results_go_to_drive_as_one_zip_and_come_back(tmp_path):
    runs = tmp_path / "runs"
    write_json(runs / "a/params.json", {"notebook": "a"})
    write_json(runs / "a/metrics.json", {"complete": True})
    write_json(runs / ".working/b/params.json", {"notebook": "b"})
    write_json(runs / ".locks/a.lock", {})
    made = tmp_path / "drive/runs.zip"
    save_runs(made, runs)
    with zipfile.ZipFile(made) as archive:
        assert sorted(archive.namelist()) == [
            "runs/.working/b/params.json",
            "runs/a/metrics.json",
            "runs/a/params.json",
        ]
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
    assert restore_runs(made, tmp_path / "elsewhere") == ["b", "a"]
    assert read_json(tmp_path / "elsewhere/a/metrics.json")["complete"] is True
    assert restore_runs(made, tmp_path / "elsewhere") == []


@pytest.mark.parametrize("moment", ["between notebooks", "within a training"])
def test_session_killed_with_save_goes_on_in_a_fresh_machine(tmp_path, moment):
    """Killed at once with all it started; the fresh machine has nothing but the saved file."""
    project, saved = make_project(tmp_path / "project"), tmp_path / "drive/runs.zip"
    line = [sys.executable, "-m", "helpers", "run", "--save", str(saved), "-p", "pause", "0.4"]
    line += ["-p", "epochs", "6"]
    first = {**environment(), "HELPERS_RUNS": str(tmp_path / "first")}
    slow = (
        "import helpers.execution.runner as r; r.SAVE_SECONDS = 0.2; from helpers.__main__ import dispatch; "
    )
    program = slow + f"raise SystemExit(dispatch({line[3:]!r}))"
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=project, env=first, stdout=subprocess.PIPE
    )
    wanted = "runs/01_make-" if moment == "between notebooks" else "history.csv"
    limit = time.monotonic() + 60
    while not (saved.is_file() and any(wanted in name for name in names_in(saved))):
        assert time.monotonic() < limit, "nothing was saved"
        time.sleep(0.05)
    process.kill()
    process.communicate()
    n_before = sum("history.csv" in name for name in names_in(saved))
    second = {**environment(), "HELPERS_RUNS": str(tmp_path / "second")}
    done = subprocess.run(line, cwd=project, env=second, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 skipped" in done.stdout and "restored 01_make" in done.stdout
    assert ("resumes after epoch" in done.stdout) == bool(n_before)
    assert sum(name.endswith("metrics.json") for name in names_in(saved)) == 3


def names_in(archive):
    with zipfile.ZipFile(archive) as opened:
        return opened.namelist()


def test_set_up_cell_finds_the_project_from_the_notebooks_folder(tmp_path):
    project = make_project(tmp_path / "project")
    program = "epochs: int = 3\n" + set_up_source() + "\nprint(parameters, project)"
    environ = environment(COLAB_RELEASE_TAG="release")
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=project / "notebooks",
        env=environ,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert f"{{'epochs': 3}} {project}" in done.stdout and done.stdout.startswith("colab · project")


def test_bare_notebook_fetches_the_project(tmp_path):
    """`git` is replaced by a copy, /content by a folder: only what the cell itself decides is tried."""
    project, content = make_project(tmp_path / "project"), tmp_path / "content"
    (tmp_path / "bin").mkdir()
    content.mkdir()
    git = tmp_path / "bin/git"
    git.write_text(f'#!/bin/sh\n[ "$1 $2" = "clone --depth=1" ] || exit 9\nexec cp -r {project} "$4"\n')
    git.chmod(0o755)
    cell = set_up_source("student/suite").replace('"/content"', repr(str(content)))
    environ = environment(COLAB_RELEASE_TAG="release", PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    for attempt in ("fetched", "found again"):
        done = subprocess.run(
            [sys.executable, "-c", "epochs: int = 3\n" + cell],
            cwd=content,
            env=environ,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, attempt + done.stderr
    assert len(list(content.iterdir())) == 1


def test_bare_notebook_of_nobodys_repository_refuses_in_a_sentence(tmp_path):
    program = "epochs: int = 3\n" + set_up_source("")
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1 and "no helpers here: open this notebook" in done.stderr.splitlines()[-1]


def test_every_name_that_the_readme_imports_is_there():
    lines = re.findall(
        r"^ *from (helpers[.\w]*) import (.+?)(?:  #.*)?$", (PROJECT / "README.md").read_text(), re.M
    )
    assert {home for home, _ in lines} >= {"helpers.execution.setup"}
    for home, names in lines:
        for name in names.split(", "):
            assert hasattr(importlib.import_module(home), name), f"{home} has no {name}"


BESIDE = Path(sys.executable).with_name("snakemake")  # `python -m pytest` does not put its folder on the PATH
SNAKEMAKE = (
    os.environ.get("SNAKEMAKE") or shutil.which("snakemake") or (str(BESIDE) if BESIDE.is_file() else None)
)


@pytest.mark.skipif(
    not SNAKEMAKE, reason="snakemake is not installed (pip install snakemake, or name it in SNAKEMAKE)"
)
def test_snakefile_runs_the_notebooks_and_a_second_call_does_nothing(tmp_path):
    project = make_project(tmp_path / "project")
    shutil.copy(PROJECT / "notebooks/Snakefile", project / "notebooks")
    line = [SNAKEMAKE, "-s", "notebooks/Snakefile", "--cores", "2", "--config", "models=tiny", "seeds=0,1"]
    done = subprocess.run(line, cwd=project, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    complete = [read_json(path)["complete"] for path in (tmp_path / "runs").glob("*/metrics.json")]
    assert complete == [True] * 4
    again = subprocess.run(line, cwd=project, env=environment(), capture_output=True, text=True, timeout=300)
    assert again.returncode == 0 and "Nothing to be done" in again.stdout + again.stderr
