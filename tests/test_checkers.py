"""Ruff and mypy over helpers, and what must never be committed."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
LARGEST = 300  # lines of a file below helpers: above, it is two files


def tracked():
    listed = subprocess.run(["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [PROJECT / name for name in listed.stdout.splitlines() if (PROJECT / name).is_file()]


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "helpers", "tests"],
        ["ruff", "check", "--isolated", "--no-cache", "--select", "F", "notebooks"],  # names: style is of the form's check
        ["mypy", "helpers"],
    ],
    ids=["ruff", "ruff on notebooks", "mypy"],
)
def test_checker_is_content(command):
    pytest.importorskip(command[0])
    done = subprocess.run([sys.executable, "-m", *command], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]


def test_no_file_of_helpers_is_too_long():
    long = {
        str(path.relative_to(PROJECT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in (PROJECT / "helpers").rglob("*.py")
        if len(path.read_text(encoding="utf-8").splitlines()) > LARGEST
    }
    assert not long


def test_a_stage_imports_only_from_stages_above_it():
    order = ["data", "features", "models", "training", "evaluation", "execution", "demo"]
    wrong = []
    for path in (PROJECT / "helpers").rglob("*.py"):
        stage = path.relative_to(PROJECT / "helpers").parts[0]
        if stage not in order:
            continue
        for used in re.findall(r"^\s*(?:from|import) helpers\.(\w+)", path.read_text(encoding="utf-8"), re.M):
            if used in order and order.index(used) > order.index(stage):
                wrong.append(f"{path.relative_to(PROJECT)} imports {used}")
    assert not wrong


def test_large_files_are_the_corpus_and_the_shipped_detector_alone():
    large = [str(path.relative_to(PROJECT)) for path in tracked() if path.stat().st_size > 1_000_000]
    assert all(name.startswith(("helpers/data/starter/", "helpers/demo/shipped/")) for name in large), large


def test_no_notebook_is_committed_with_outputs():
    for path in tracked():
        if path.suffix == ".ipynb":
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
            assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells), path.name
