"""Generated cells and tables of the notebooks, and the check of their form, solutions included."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

from helpers.execution.parameters import ParameterError, inspect_notebook, source_of, tags_of
from helpers.execution.plan import PLAN, Notebook, notebook_named
from helpers.execution.setup import set_up_source
from tools.lessons import SOLUTIONS, header_source, solutions_header, table_of_notebooks, teaching_table

BEGIN, END = "<!-- notebooks:begin -->", "<!-- notebooks:end -->"
TEACHING = "<!-- teaching:begin -->", "<!-- teaching:end -->"
MAX_LINES = 25
MAGIC = re.compile(r"^\s*[%!]", re.MULTILINE)
REPOSITORY = re.compile(r'^ *"?repository = \\?"(.*?)\\?"', re.MULTILINE)


def find_repository(project: Path) -> str:
    """`owner/name` on GitHub, by HELPERS_REPOSITORY, GITHUB_REPOSITORY or git's origin; "" where none of them knows."""
    for name in ("HELPERS_REPOSITORY", "GITHUB_REPOSITORY"):
        if os.environ.get(name):
            return os.environ[name]
    try:
        line = ["git", "-C", str(project), "remote", "get-url", "origin"]
        origin = subprocess.run(line, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""
    found = re.search(r"github\.com[:/]([\w.-]+/[\w.-]+?)(?:\.git)?/?$", origin)
    return found[1] if found else ""


def read_notebook(path: Path) -> dict[str, Any]:
    """The parsed notebook; ValueError names the file where it is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path.name} is not a notebook ({error})") from error


def to_text(notebook: dict[str, Any]) -> str:
    """A notebook as nbformat writes it: one space of indent, sorted keys, a final newline."""
    return json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def text_of(notebook: dict[str, Any], kind: str = "markdown") -> str:
    """All cells of one kind, joined."""
    return "\n".join(source_of(cell) for cell in notebook["cells"] if cell["cell_type"] == kind)


def with_shared(notebook: dict[str, Any], header: str, repository: str = "") -> dict[str, Any]:
    """A copy with this header in front and the set-up cell behind the parameters; both replace older ones."""
    cells = [cell for cell in notebook["cells"] if not {"header", "set-up"} & set(tags_of(cell))]
    after = next((index + 1 for index, cell in enumerate(cells) if "parameters" in tags_of(cell)), 0)
    set_up: dict[str, Any] = {
        "cell_type": "code",
        "execution_count": None,
        "id": "set-up",
        "metadata": {"tags": ["set-up"]},
    }
    set_up |= {"outputs": [], "source": set_up_source(repository).splitlines(keepends=True)}
    title: dict[str, Any] = {"cell_type": "markdown", "id": "header", "metadata": {"tags": ["header"]}}
    title |= {"source": header.splitlines(keepends=True)}
    return {**notebook, "cells": [title, *cells[:after], set_up, *cells[after:]]}


def regenerate(project: Path, write: bool = False, plan: tuple[Notebook, ...] = PLAN) -> list[str]:
    """Compare (or rewrite) the generated cells and both tables; the list names each file that differs."""
    folder = project / "notebooks"
    # Without --write the repository is the one that the notebooks name: the check must not depend on git.
    repository = find_repository(project) if write else ""
    for path in sorted(folder.glob("[0-9]*.ipynb")):
        repository = repository or named_repository(path.read_text(encoding="utf-8"))
    new: dict[Path, str] = {}
    for entry in plan:
        for path, header in (
            (folder / f"{entry.stem}.ipynb", header_source(entry, plan, repository)),
            (folder / SOLUTIONS / f"{entry.stem}.ipynb", solutions_header(entry)),
        ):
            if path.is_file():
                content = read_notebook(path)
                made = with_shared(content, header, repository)
                if made != content or write:
                    new[path] = to_text(made)
    for path, (begin, end), table in (
        (project / "README.md", (BEGIN, END), table_of_notebooks(plan)),
        (folder / "TEACHING.md", TEACHING, teaching_table(plan)),
    ):
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        if begin in text and end in text:
            new[path] = f"{text.split(begin, 1)[0]}{begin}\n{table}\n{end}{text.split(end, 1)[1]}"
    changed = [path for path, text in new.items() if path.read_text(encoding="utf-8") != text]
    for path in changed if write else ():
        path.write_text(new[path], encoding="utf-8")
    return [path.relative_to(project).as_posix() for path in changed]


def named_repository(text: str) -> str:
    """The repository in a set-up cell, from the text of a notebook or of the cell."""
    found = REPOSITORY.search(text)
    return found[1] if found else ""


def check_form(notebook: dict[str, Any], stem: str, plan: tuple[Notebook, ...] = PLAN) -> list[str]:
    """Every way in which a notebook departs from the agreed form, as sentences; [] for a sound one."""
    complaints = check_cells(notebook) + _check_order(notebook["cells"])
    header = header_source(notebook_named(stem, plan), plan, named_repository(text_of(notebook, "code")))
    if with_shared(notebook, header, named_repository(text_of(notebook, "code"))) != notebook:
        complaints.append("header or set-up cell differ from the plan: python -m tools notebooks --write")
    return complaints


def check_solution(given: dict[str, Any], asked: dict[str, Any]) -> list[str]:
    """Every way in which a solutions notebook departs from the agreed form or leaves out an exercise, as sentences."""
    text, code = text_of(given), text_of(given, "code")
    complaints = check_cells(given)
    complaints += [f"no heading {kind}" for kind in ("Recall", "Change", "Build") if f"## {kind}" not in text]
    complaints += [
        f"leaves out the question: {question}" for question in questions(asked) if question not in text
    ]
    return complaints + [
        f"does not call {name}" for name in checkers(asked) if f"exercises.{name}(" not in code
    ]


def questions(notebook: dict[str, Any]) -> list[str]:
    """The folded Recall questions of a notebook."""
    return re.findall(r"<summary>(.*?)</summary>", text_of(notebook))


def checkers(notebook: dict[str, Any]) -> list[str]:
    """The `exercises.check_…` that its code calls, in order."""
    return re.findall(r"^exercises\.(check_\w+)\(", text_of(notebook, "code"), re.MULTILINE)


def check_cells(notebook: dict[str, Any]) -> list[str]:
    """Kernel, ids, parameters and each code cell: what every notebook must keep to, solutions included."""
    cells = notebook["cells"]
    complaints = []
    if notebook.get("metadata", {}).get("kernelspec", {}).get("name") != "python3":
        complaints.append("kernelspec is not python3: Kaggle's papermill will not find it")
    if (notebook.get("nbformat"), notebook.get("nbformat_minor", 0)) < (4, 5):
        complaints.append("nbformat is below 4.5: cells have no ids")
    identities = [cell.get("id") for cell in cells]
    if None in identities or len(set(identities)) != len(identities):
        complaints.append("cell ids are missing or occur twice")
    try:
        declared = inspect_notebook(notebook)
        complaints += [f"parameter {p.name} has no comment" for p in declared.values() if not p.comment]
    except ParameterError as error:
        complaints.append(str(error))
    for number, cell in enumerate(cells, 1):
        if cell["cell_type"] == "code":
            complaints += [f"cell {number}: {complaint}" for complaint in _check_code_cell(cell)]
    return complaints


def _check_code_cell(cell: dict[str, Any]) -> list[str]:
    source, complaints = source_of(cell), []
    if cell.get("outputs") or cell.get("execution_count") is not None:
        complaints.append("is committed with its output")
    if len(source.splitlines()) > MAX_LINES:
        complaints.append(f"has {len(source.splitlines())} lines, {MAX_LINES} is the limit")
    if not source.strip():
        complaints.append("is empty")
    if MAGIC.search(source):
        return [*complaints, "uses a magic or a shell line: plain Python runs everywhere"]
    if "raises-exception" in tags_of(cell):
        complaints.append("is tagged raises-exception, which papermill takes for success")
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        return [*complaints, f"is not Python: {error.msg}"]
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    names = {node.name for node in ast.walk(tree) if isinstance(node, kinds)}
    # A student's own function, and its worked answer, are handed to a checker in the same cell.
    handed_in = set(re.findall(r"^exercises\.check_\w+\((my_\w+)\)", source, re.MULTILINE))
    return complaints + [f"defines {name}: that belongs to helpers" for name in sorted(names - handed_in)]


def _check_order(cells: list[dict[str, Any]]) -> list[str]:
    """Header, goals, parameters, set-up, settings ... what to take away, exercises."""
    complaints = []
    code = [index for index, cell in enumerate(cells) if cell["cell_type"] == "code"]
    if not cells or "header" not in tags_of(cells[0]):
        complaints.append("the first cell is not the header")
    if len(cells) < 2 or cells[1]["cell_type"] != "markdown":
        complaints.append("no text with the goals follows the header")
    for place, tag in enumerate(("parameters", "set-up")):
        if len(code) <= place or tag not in tags_of(cells[code[place]]):
            complaints.append(f"code cell {place + 1} is not the one tagged `{tag}`")
    headings = [
        heading.lower()
        for cell in cells
        if cell["cell_type"] == "markdown"
        for heading in re.findall(r"^#+ (.+)$", source_of(cell), re.MULTILINE)
    ]
    closing = [
        next((i for i, text in enumerate(headings) if word in text), -1)
        for word in ("take away", "exercises")
    ]
    if -1 in closing:
        complaints.append("it does not end with a heading `What to take away` and one `Exercises`")
    elif closing[0] > closing[1]:
        complaints.append("`Exercises` stands before `What to take away`")
    return complaints
