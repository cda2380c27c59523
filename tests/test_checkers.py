"""Ruff and mypy over helpers, and what must never be committed."""

import ast
import functools
import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
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
        [
            "ruff",
            "check",
            "--isolated",
            "--no-cache",
            "--select",
            "F",
            "notebooks",
        ],  # names: style is of the form's check
        ["mypy", "helpers"],
    ],
    ids=["ruff", "ruff on notebooks", "mypy"],
)
def test_checker_is_content(command):
    pytest.importorskip(command[0])
    if command[0] == "mypy" and np.lib.NumpyVersion(np.__version__) >= "2.5.0":
        pytest.skip(
            "the stubs of numpy 2.5 refuse a.max() without an axis: types are checked under an older numpy"
        )
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
    order = ["data", "features", "models", "training", "figures", "evaluation", "execution", "demo"]
    wrong = []
    for path in (PROJECT / "helpers").rglob("*.py"):
        stage = path.relative_to(PROJECT / "helpers").parts[0]
        if stage not in order:
            continue
        for used in re.findall(r"^\s*(?:from|import) helpers\.(\w+)", path.read_text(encoding="utf-8"), re.M):
            if used in order and order.index(used) > order.index(stage):
                wrong.append(f"{path.relative_to(PROJECT)} imports {used}")
    assert not wrong


def modules_of(path):
    """Top-level modules that a file imports, wherever in the file it does."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names


def named_in(requirements):
    lines = requirements.read_text(encoding="utf-8").splitlines()
    return {
        match[0].lower().replace("_", "-")
        for match in (re.match(r"[A-Za-z][\w.-]*", line) for line in lines)
        if match
    }


@functools.cache
def packages_by_module():
    return importlib.metadata.packages_distributions()


def unnamed_imports(folder, named):
    packages = packages_by_module()
    missing = set()
    for path in folder.rglob("*.py"):
        # google.colab and kagglehub are part of the hosted images and used only there; the corpus builder has requirements of its own.
        for module in (
            modules_of(path) - {"helpers", "google", "kagglehub"} if "starter" not in path.parts else ()
        ):
            owners = {name.lower().replace("_", "-") for name in packages.get(module, [module])}
            if not owners & named:
                missing.add(f"{path.relative_to(folder)} imports {module}")
    return missing


def test_every_package_that_helpers_imports_is_in_requirements():
    assert not unnamed_imports(PROJECT / "helpers", named_in(PROJECT / "requirements.txt"))


def test_an_import_that_requirements_do_not_name_is_found(tmp_path):
    (tmp_path / "requirements.txt").write_text("# numpy\nPyYAML>=6  # psutil\n")
    (tmp_path / "module.py").write_text(
        "import os, yaml\n\ndef late():\n    from psutil import Process\n    import numpy.linalg\n"
    )
    found = unnamed_imports(tmp_path, named_in(tmp_path / "requirements.txt"))
    assert found == {"module.py imports psutil", "module.py imports numpy"}


def test_large_files_are_the_corpus_the_shipped_detector_and_the_encoder_alone():
    large = [str(path.relative_to(PROJECT)) for path in tracked() if path.stat().st_size > 1_000_000]
    assert all(
        name.startswith(
            ("helpers/data/starter.zip", "helpers/demo/shipped/", "helpers/models/whisper_tiny_en/")
        )
        for name in large
    ), large


def test_no_notebook_is_committed_with_outputs():
    for path in tracked():
        if path.suffix == ".ipynb":
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
            assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells), path.name
