"""What the set-up installs on hosted machines: what is missing, one by one, and nothing that is there is replaced."""

import subprocess
import sys
from pathlib import Path

import pytest

from helpers.environment import where_am_i
from helpers.execution import setup

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
