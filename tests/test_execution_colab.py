"""Colab without Colab: a stand-in for google.colab, its folders, and the set-up cell on a bare machine."""

import importlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from execution_toys import environment, make_project

from helpers.execution import colab, setup
from helpers.execution.cells import set_up_source
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
    assert colab.mount_drive(google) == google / "MyDrive"
    assert colab.mount_drive(google) == google / "MyDrive"


def test_child_of_the_runner_is_told_where_to_mount(google, monkeypatch):
    monkeypatch.setenv("HELPERS_RUN_FOLDER", "x")
    with pytest.raises(RuntimeError, match="in the notebook that you have open"):
        colab.mount_drive(google)
    (google / "MyDrive").mkdir(parents=True)
    assert colab.mount_drive(google) == google / "MyDrive"


def test_results_go_to_drive_as_one_zip_and_come_back(tmp_path):
    runs = tmp_path / "runs"
    write_json(runs / "a/params.json", {"notebook": "a"})
    write_json(runs / "a/metrics.json", {"complete": True})
    write_json(runs / ".locks/a.lock", {})
    made = colab.save_results(tmp_path / "drive/runs.zip", runs)
    with zipfile.ZipFile(made) as archive:
        assert sorted(archive.namelist()) == ["runs/a/metrics.json", "runs/a/params.json"]
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
    assert colab.load_results(made, tmp_path / "elsewhere") == ["a"]
    assert read_json(tmp_path / "elsewhere/a/metrics.json")["complete"] is True
    assert colab.load_results(made, tmp_path / "elsewhere") == []


def test_zip_that_leaves_its_folder_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("runs/../../evil", "x")
    with pytest.raises(ValueError, match="not unpacked"):
        colab.load_results(tmp_path / "bad.zip", tmp_path / "runs")
    assert not (tmp_path / "evil").exists()


def test_only_what_is_missing_or_too_old_is_installed_and_never_torch(tmp_path, monkeypatch):
    requirements = tmp_path / "requirements.txt"
    wanted = "torch>=2.9,<2.12\nnot-there-at-all>=1  # why\npandas>=2.2\n\n# a comment\ntorchaudio>=2.9\n"
    wanted += "kaggle>=2.0\nipykernel>=6.29\n"
    requirements.write_text(wanted)
    there = {"torch": "2.8.0+cu126", "pandas": "2.2", "kaggle": "1.7.4.5", "ipykernel": "6.17.1"}
    monkeypatch.setattr(setup.importlib.metadata, "version", fake_version(there))
    assert setup.missing_packages(requirements) == ["not-there-at-all>=1", "kaggle>=2.0"]
    there["torch"] = "2.11.0+cu126"
    called = []

    def run(command, **_):
        called.append(command)
        return subprocess.CompletedProcess(command, 1, "", "no route to host")

    monkeypatch.setattr(setup.subprocess, "run", run)
    problem = setup.install(["not-there-at-all>=1"], tmp_path / "wheels")
    assert "switch the internet on" in problem and "no route to host" in problem
    assert "torch==2.11.0+cu126" in called[0] and "--no-index" in called[0] and "--upgrade" not in called[0]


def fake_version(there):
    def version(name):
        if name not in there:
            raise setup.importlib.metadata.PackageNotFoundError(name)
        return there[name]

    return version


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
    cell = set_up_source().replace('"/content"', repr(str(content)))
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


def test_every_name_that_the_readme_imports_is_there():
    lines = re.findall(
        r"^    from (helpers[.\w]*) import (.+?)(?:  #.*)?$", (PROJECT / "README.md").read_text(), re.M
    )
    assert {home for home, _ in lines} >= {"helpers.execution.setup", "helpers.execution.colab"}
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
