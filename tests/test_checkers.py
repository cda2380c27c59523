"""Ruff and mypy over helpers, and what must never be committed."""

import ast
import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PROJECT = Path(__file__).resolve().parents[1]
HELPERS = sorted((PROJECT / "helpers").rglob("*.py"))
LARGEST = 300  # lines of a file below helpers: above, it is two files


def tracked():
    listed = subprocess.run(["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [PROJECT / name for name in listed.stdout.splitlines() if (PROJECT / name).is_file()]


COMMANDS = {
    "ruff": "ruff check helpers tests tools",
    "ruff on notebooks": "ruff check --isolated --no-cache --select F notebooks",  # names: style is of the form's check
    "mypy": "mypy helpers",
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_checker_is_content(command):
    pytest.importorskip(command.split()[0])
    if command.startswith("mypy") and np.lib.NumpyVersion(np.__version__) >= "2.5.0":
        pytest.skip("the stubs of numpy 2.5 refuse a.max() without an axis: an older numpy checks the types")
    done = subprocess.run(
        [sys.executable, "-m", *command.split()], cwd=PROJECT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]


def test_no_file_of_helpers_is_too_long():
    lines = {path.name: path.read_text(encoding="utf-8").count("\n") for path in HELPERS}
    assert not {name: n for name, n in lines.items() if n > LARGEST}


def test_a_stage_imports_only_from_stages_above_it():
    order = ["data", "features", "models", "training", "figures", "evaluation", "execution", "demo"]
    wrong = []
    for path in HELPERS:
        stage = path.relative_to(PROJECT / "helpers").parts[0]
        if stage not in order:
            continue
        for used in re.findall(r"^\s*(?:from|import) helpers\.(\w+)", path.read_text(encoding="utf-8"), re.M):
            if used in order and order.index(used) > order.index(stage):
                wrong.append(f"{path.relative_to(PROJECT)} imports {used}")
    assert not wrong


def unnamed_imports(folder, requirements):
    """`file imports module` for each package that a file imports, wherever in it, and the requirements do not name."""
    named = {
        match.lower().replace("_", "-")
        for match in re.findall(r"^[A-Za-z][\w.-]*", requirements, re.MULTILINE)
    }
    owners = importlib.metadata.packages_distributions()
    missing = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules = {alias.name.partition(".")[0] for alias in node.names}
            else:
                level_0 = isinstance(node, ast.ImportFrom) and not node.level
                modules = {node.module.partition(".")[0]} if level_0 else set()
            # google.colab and kagglehub are part of the hosted images and used only there.
            for module in modules - sys.stdlib_module_names - {"helpers", "google", "kagglehub"}:
                if not {name.lower().replace("_", "-") for name in owners.get(module, [module])} & named:
                    missing.add(f"{path.relative_to(folder)} imports {module}")
    return missing


def test_every_package_that_helpers_imports_is_in_requirements():
    assert not unnamed_imports(
        PROJECT / "helpers", (PROJECT / "requirements.txt").read_text(encoding="utf-8")
    )


def test_an_import_that_requirements_do_not_name_is_found(tmp_path):
    (tmp_path / "module.py").write_text(
        "import os, yaml\n\ndef late():\n    from psutil import Process\n    import numpy.linalg\n"
    )
    found = unnamed_imports(tmp_path, "# numpy\nPyYAML>=6  # psutil\n")
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
