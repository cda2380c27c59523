"""Worked answers, `notebooks/solutions/NN_….ipynb`: their header, the teachers' table, and the check of their form."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

from helpers.execution.parameters import source_of
from helpers.execution.plan import Notebook
from tools.lessons import LESSONS

FOLDER = "solutions"
KINDS = ("Recall", "Change", "Build")


def header_source(entry: Notebook) -> str:
    """Title, way back and what it needs."""
    lines = [
        f"# {entry.stem[:2]} · Solutions",
        "",
        f"Worked answers to the exercises of [{entry.stem}](../{entry.stem}.ipynb), {entry.title}. Try them first.",
    ]
    if entry.stem in LESSONS:
        lines += [
            "",
            "Tables show the runs in your own folders: an empty one means that nothing has been run yet.",
        ]
    return "\n".join(lines)


def teaching_table(plan: tuple[Notebook, ...]) -> str:
    """One line a notebook of the plan: goal, minutes, what comes before, what students get wrong."""
    from tools.notebooks import minutes

    lines = ["| notebook | goal | two cores | after | what students get wrong |", "|---|---|--:|---|---|"]
    for entry in plan:
        if entry.stem in LESSONS:
            lesson = LESSONS[entry.stem]
            link = f"[{entry.stem}]({entry.stem}.ipynb) ([solutions]({FOLDER}/{entry.stem}.ipynb))"
            before = (
                ", ".join(lesson.builds_on) + (", and a trained detector" if entry.reads_runs else "") or "–"
            )
            lines.append(
                f"| {link} | {lesson.goal} | {minutes(entry.minutes_cpu)} | {before} | {lesson.mistake} |"
            )
    return "\n".join(lines)


def questions(notebook: dict[str, Any]) -> list[str]:
    """The folded Recall questions of a notebook."""
    text = "\n".join(source_of(cell) for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    return re.findall(r"<summary>(.*?)</summary>", text)


def checkers(notebook: dict[str, Any]) -> list[str]:
    """The `exercises.check_…` that its code calls, in order."""
    found = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            for node in ast.walk(ast.parse(source_of(cell))):
                if (
                    isinstance(node, ast.Attribute)
                    and node.attr.startswith("check_")
                    and ast.unparse(node.value) == "exercises"
                ):
                    found.append(node.attr)
    return found


def check_solution(path: Path) -> list[str]:
    """Every way in which a solutions notebook departs from the agreed form or leaves out an exercise, as sentences."""
    from tools.notebooks import check_cells, read_notebook

    asked, given = read_notebook(path.parents[1] / path.name), read_notebook(path)
    complaints = check_cells(given)
    text = "\n".join(source_of(cell) for cell in given["cells"] if cell["cell_type"] == "markdown")
    complaints += [f"no heading {kind}" for kind in KINDS if f"## {kind}" not in text]
    complaints += [
        f"leaves out the question: {question}" for question in questions(asked) if question not in text
    ]
    complaints += [f"does not call {name}" for name in checkers(asked) if name not in checkers(given)]
    return complaints
