"""What notebooks share: generated header and set-up cells, the tables in README and TEACHING, the check of their form."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

from helpers.execution import plan as plans
from helpers.execution.parameters import ParameterError, inspect_notebook, source_of, tags_of
from helpers.execution.plan import Notebook
from helpers.execution.setup import set_up_source
from tools import lessons, solutions

BRANCH = "main"
BEGIN, END = "<!-- notebooks:begin -->", "<!-- notebooks:end -->"
TEACHING = "<!-- teaching:begin -->", "<!-- teaching:end -->"
MAX_LINES = 25
MAGIC = re.compile(r"^\s*[%!]", re.MULTILINE)


def minutes(value: float) -> str:
    """`1 min`, `30 s`: a cost as a reader says it."""
    return f"{value:g} min" if value >= 1 else f"{round(value * 60)} s"


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


def written_repository(project: Path) -> str:
    """The repository that the notebooks name now, "" where none is written: the check must not depend on git."""
    for path in sorted((project / "notebooks").glob("[0-9]*.ipynb")):
        found = re.search(r'^ *"repository = \\"(.*?)\\"', path.read_text(encoding="utf-8"), re.MULTILINE)
        if found:
            return found[1]
    return ""


def badges(notebook: Notebook, repository: str) -> list[str]:
    """Links that open the notebook on Colab and Kaggle; none while the repository is not known."""
    if not repository:
        return []
    path = f"{repository}/blob/{BRANCH}/notebooks/{notebook.stem}.ipynb"
    colab = "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
    kaggle = "[![Open in Kaggle](https://kaggle.com/static/images/open-in-kaggle.svg)]"
    return [
        f"{colab}(https://colab.research.google.com/github/{path}) "
        f"{kaggle}(https://kaggle.com/kernels/welcome?src=https://github.com/{path})",
        "",
    ]


def header_source(notebook: Notebook, plan: tuple[Notebook, ...] | None = None, repository: str = "") -> str:
    """Title, one sentence, badges, place in the series and cost, from the plan alone."""
    plan = plans.PLAN if plan is None else plan
    stems = [entry.stem for entry in plan]
    place = stems.index(notebook.stem)
    around = [f"Notebook {place + 1} of {len(plan)}"]
    if place:
        around.append(f"before it [{stems[place - 1]}]({stems[place - 1]}.ipynb)")
    if place + 1 < len(plan):
        around.append(f"after it [{stems[place + 1]}]({stems[place + 1]}.ipynb)")
    needs = ", ".join(f"[{stem}]({stem}.ipynb)" for stem in notebook.needs) or "nothing"
    if notebook.reads_runs:
        needs += " and at least one trained detector"
    cost = (
        f"{minutes(notebook.minutes_cpu)} on two cores, {minutes(notebook.minutes_gpu)} on a T4 (estimated)"
    )
    terms = lessons.links(notebook.stem)
    return "\n".join(
        [
            f"# {notebook.stem[:2]} · {notebook.title}",
            "",
            f"Makes {notebook.makes}.",
            "",
            *badges(notebook, repository),
            " · ".join(around),
            "",
            f"**Needs** {needs}. **Costs** about {cost}.",
            *(["", terms] if terms else []),
        ]
    )


def table_of_notebooks(plan: tuple[Notebook, ...] | None = None) -> str:
    """The README's table, one line a notebook of the plan."""
    plan = plans.PLAN if plan is None else plan
    lines = ["| notebook | makes | two cores | T4 (estimated) | device |", "|---|---|---|---|---|"]
    for entry in plan:
        link = f"[{entry.stem}](notebooks/{entry.stem}.ipynb)"
        star = " ★" if entry.core else ""
        cost = f"{minutes(entry.minutes_cpu)} | {minutes(entry.minutes_gpu)}"
        lines.append(f"| {link}{star} | {entry.makes} | {cost} | {entry.device} |")
    return "\n".join(
        [*lines, "", "★ part of a plain `make run`; the others run with `python -m helpers run --all`."]
    )


def read_notebook(path: Path) -> dict[str, Any]:
    """The parsed notebook; ValueError names the file where it is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path.name} is not a notebook ({error})") from error


def to_text(notebook: dict[str, Any]) -> str:
    """A notebook as nbformat writes it: one space of indent, sorted keys, a final newline."""
    return json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _shared_cell(kind: str, tag: str, source: str) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": kind, "id": tag, "metadata": {"tags": [tag]}}
    cell["source"] = source.splitlines(keepends=True)
    if kind == "code":
        cell |= {"execution_count": None, "outputs": []}
    return cell


def generated(
    notebook: dict[str, Any],
    entry: Notebook,
    plan: tuple[Notebook, ...] | None = None,
    repository: str = "",
) -> dict[str, Any]:
    """A copy with header and set-up cell as the plan has them; both are added where they are missing."""
    return with_shared(notebook, header_source(entry, plan, repository), repository)


def with_shared(notebook: dict[str, Any], header: str, repository: str = "") -> dict[str, Any]:
    """A copy with this header and the set-up cell behind the parameters."""
    cells = [cell for cell in notebook["cells"] if not {"header", "set-up"} & set(tags_of(cell))]
    after = 0
    for index, cell in enumerate(cells):
        if "parameters" in tags_of(cell):
            after = index + 1
    cells.insert(after, _shared_cell("code", "set-up", set_up_source(repository)))
    cells.insert(0, _shared_cell("markdown", "header", header))
    return {**notebook, "cells": cells}


def regenerate(project: Path, write: bool = False, plan: tuple[Notebook, ...] | None = None) -> list[str]:
    """Compare (or rewrite) the generated cells and both tables; the list names each file that differs."""
    plan = plans.PLAN if plan is None else plan
    repository = (find_repository(project) if write else "") or written_repository(project)
    new: dict[Path, str] = {}
    for entry in plan:
        folder = project / "notebooks"
        for path, header in (
            (folder / f"{entry.stem}.ipynb", header_source(entry, plan, repository)),
            (folder / solutions.FOLDER / f"{entry.stem}.ipynb", solutions.header_source(entry)),
        ):
            if path.is_file():
                content = read_notebook(path)
                made = with_shared(content, header, repository)
                if made != content or write:
                    new[path] = to_text(made)
    tables = {
        project / "README.md": (BEGIN, END, table_of_notebooks(plan)),
        project / "notebooks" / "TEACHING.md": (*TEACHING, solutions.teaching_table(plan)),
    }
    for path, (begin, end, table) in tables.items():
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        if begin in text and end in text:
            new[path] = f"{text.split(begin, 1)[0]}{begin}\n{table}\n{end}{text.split(end, 1)[1]}"
    changed = []
    for path, text in new.items():
        if path.read_text(encoding="utf-8") != text:
            changed.append(path.relative_to(project).as_posix())
            if write:
                path.write_text(text, encoding="utf-8")
    return changed


def check_form(
    notebook: Path | dict[str, Any], stem: str = "", plan: tuple[Notebook, ...] | None = None
) -> list[str]:
    """Every way in which a notebook departs from the agreed form, as sentences; [] for a sound one."""
    plan = plans.PLAN if plan is None else plan
    if isinstance(notebook, Path):
        stem = stem or notebook.stem
        notebook = read_notebook(notebook)
    complaints = check_cells(notebook)
    complaints += _check_order(notebook["cells"])
    complaints += _check_generated(notebook, stem, plan)
    return complaints


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
    except ParameterError as error:
        complaints.append(str(error))
    else:
        complaints += [f"parameter {p.name} has no comment" for p in declared.values() if not p.comment]
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
    names = [node.name for node in ast.walk(tree) if isinstance(node, kinds)]
    return complaints + [f"defines {name}: that belongs to helpers" for name in names]


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
    headings: dict[str, int] = {}
    for index, cell in enumerate(cells):
        if cell["cell_type"] == "markdown":
            for line in source_of(cell).lower().splitlines():
                if line.startswith("#"):
                    headings.setdefault(line.lstrip("# "), index)
    closing = [
        next((i for text, i in headings.items() if word in text), -1) for word in ("take away", "exercises")
    ]
    if -1 in closing:
        complaints.append("it does not end with a heading `What to take away` and one `Exercises`")
    elif closing[0] > closing[1]:
        complaints.append("`Exercises` stands before `What to take away`")
    return complaints


def _check_generated(notebook: dict[str, Any], stem: str, plan: tuple[Notebook, ...]) -> list[str]:
    try:
        entry = plans.notebook_named(stem, plan)
    except KeyError as error:
        return [str(error.args[0])]
    found = re.search(r'^repository = "(.*?)"', "".join(map(source_of, notebook["cells"])), re.MULTILINE)
    if generated(notebook, entry, plan, found[1] if found else "") == notebook:
        return []
    return ["header or set-up cell differ from the plan: python -m tools notebooks --write"]
