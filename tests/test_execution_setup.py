"""The set-up cell and what it does on hosted machines: nothing that is there is replaced; Drive without Colab."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from execution_toys import environment, make_project

from helpers.environment import where_am_i
from helpers.execution import setup
from helpers.execution.setup import set_up_source

PROJECT = Path(__file__).resolve().parents[1]
REQUIREMENTS = (PROJECT / "requirements.txt").read_text()
NAMES = [
    setup.Requirement(line.split("#")[0]).name for line in REQUIREMENTS.splitlines() if line[:1].isalpha()
]

# Facts: versions on the public package lists of both images, of 2026-08 (what is not named has no version noted).
COLAB = {
    "torch": "2.11.0+cu128", "numpy": "2.1.3", "pandas": "2.2.3", "scikit-learn": "1.6.1", "transformers": "5.15",
    "gradio": "6.24", "kaggle": "2.0.2", "ipykernel": "6.17.1", "protobuf": "5.29.6",
}  # fmt: skip
KAGGLE = {
    "torch": "2.10.0+cu128", "numpy": "2.0.2", "pandas": "2.2.2", "transformers": "5.0.0", "gradio": "5.50",
    "kaggle": "2.0.2", "papermill": "2.7.0", "onnx": "1.22", "torchinfo": "1.8",
}  # fmt: skip
MISSING = {
    "colab": ["papermill", "skops", "onnx", "onnxscript", "onnxruntime", "torchinfo"],
    "kaggle": ["skops", "onnxscript", "onnxruntime"],
}


def image(name):
    """Every requirement that the image has; where its version is not noted, one above every floor."""
    known = {"colab": COLAB, "kaggle": KAGGLE}[name]
    there = {one: known.get(one, "99") for one in NAMES if one not in MISSING[name]}
    return {setup.canonicalize_name(one): version for one, version in {**there, **known}.items()}


@pytest.mark.parametrize("name", ["colab", "kaggle"])
def test_only_what_is_missing_is_installed_and_onnx_for_export_alone(name):
    there = image(name)
    for export, left_out in ((False, {"onnx", "onnxscript"}), (True, set())):
        missing, _ = setup.compare(REQUIREMENTS, there, export)
        assert {setup.Requirement(line).name for line in missing} == set(MISSING[name]) - left_out


def test_each_package_is_asked_for_by_itself_under_constraints_of_all_that_is_there(monkeypatch, tmp_path):
    called = []

    def run(command, **_):
        held = Path(command[command.index("-c") + 1]).read_text()
        called.append((command, held))
        failed = "skops" in command[-1]
        return subprocess.CompletedProcess(command, int(failed), "", "no route to host" if failed else "")

    monkeypatch.setattr(setup.subprocess, "run", run)
    (tmp_path / "wheels").mkdir()
    problems = setup.install(["skops>=0.11", "papermill>=2.6"], image("colab"), tmp_path / "wheels")
    assert [command[-1] for command, _ in called] == ["skops>=0.11", "papermill>=2.6"]
    assert (
        len(problems) == 1 and "switch the internet on" in problems[0] and "no route to host" in problems[0]
    )
    assert all("protobuf==5.29.6\n" in held and "--no-index" in command for command, held in called)
    assert not any("--upgrade" in command for command, _ in called)


def test_pip_itself_refuses_to_replace_what_is_there(tmp_path):
    """The real pip, against the packages of this very Python: one that is here in an older version stays."""
    there = setup.installed()
    here = there["papermill"]
    [problem] = setup.install([f"papermill>{here}"], there, tmp_path)
    assert f"papermill>{here} is not installed" in problem
    shown = subprocess.run(
        [sys.executable, "-c", "import papermill; print(papermill.__version__)"], capture_output=True
    )
    assert shown.stdout.decode().strip() == here


def test_caches_and_data_of_hosted_machines_are_on_scratch(tmp_path):
    (tmp_path / "kaggle/working").mkdir(parents=True)
    place = where_am_i({}, tmp_path)
    assert place.folders.cache == tmp_path / "kaggle/temp/cache"
    assert place.folders.runs == tmp_path / "kaggle/working/runs"
    place = where_am_i({"COLAB_GPU": "1"}, tmp_path / "other")
    assert place.folders.cache == tmp_path / "other/content/work/cache"


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
    yield tmp_path / "drive"
    for name in [name for name in sys.modules if name == "google" or name.startswith("google.colab")]:
        del sys.modules[name]  # the next notebook that a test runs is on no Colab


def test_parent_mounts_drive_once(google):
    assert setup.mount_drive(google) == google / "MyDrive"
    assert setup.mount_drive(google) == google / "MyDrive"


def test_child_of_the_runner_is_told_where_to_mount(google, monkeypatch):
    monkeypatch.setenv("HELPERS_RUN_FOLDER", "x")
    with pytest.raises(RuntimeError, match="in the notebook that you have open"):
        setup.mount_drive(google)
    (google / "MyDrive").mkdir(parents=True)
    assert setup.mount_drive(google) == google / "MyDrive"


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
