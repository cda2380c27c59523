"""Handing out and collecting: `python -m tools course export OUT --students roster.csv [--notebooks 10,16]`.

Each student gets copies of the notebooks without links to solutions, with a seed of their own, and with a last cell
that writes one small hand-in notebook: answers, run and score. `OUT/grading/<number>` holds a test file for
otter-grader. Where `helpers` can be imported, `otter generate -t OUT/grading/16 -o 16.zip --no-environment` and
`otter run -a 16.zip hand_in-16.ipynb` grade a hand-in.
"""

from __future__ import annotations

import argparse
import re
import shutil
from pathlib import Path

import nbformat
import pandas as pd

from helpers.environment import PROJECT
from helpers.runs import digest

CHECK = re.compile(r"^exercises\.(check_\w+)\((my_\w+)\)", re.MULTILINE)
STUCK = re.compile(r" \*\*Stuck\*\*[^\n]*")
SEED = re.compile(r"^(seed: int = )\d+", re.MULTILINE)

HAND_IN = """\
# Hand in the file that this cell writes.
import inspect
import nbformat

answers = {{name: globals().get(name, ...) for name in {names}}}
plain = {{name: value.tolist() if hasattr(value, "tolist") else value for name, value in answers.items()}}
on_eval = run.metrics.get("metrics", {{}}).get("eval", {{}}) if "run" in globals() else {{}}
record = {{"student": "{student}", "notebook": "{stem}", "seed": globals().get("seed"), "eer": on_eval.get("eer")}}
record["run"] = run.folder.name if "run" in globals() else ""
cells = ["import numpy as np\\nimport pandas as pd\\nimport torch", f"record = {{record!r}}"]
for name, value in plain.items():
    cells.append(inspect.getsource(value) if inspect.isfunction(value) else f"{{name}} = {{value!r}}")
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
nbformat.write(notebook, "hand_in-{number}.ipynb")
print("hand in: hand_in-{number}.ipynb")"""

GRADING = '''\
"""Grades the answers of notebook {stem} with the course's own checkers."""

from otter.test_files import test_case

from helpers import exercises

OK_FORMAT = False
name = "{number}"
points = {points}
'''
CASE = """

@test_case(name="{check}")
def test_{check}(env):
    assert exercises.{check}(env["{answer}"])
"""


def seed_of(student: str) -> int:
    """A seed from 1 to 9,999 that follows from the student's name in the roster."""
    return 1 + int(digest(student, 8), 16) % 9999


def checked(notebook: nbformat.NotebookNode) -> list[tuple[str, str]]:
    """(checker, name of the answer) for each Build exercise."""
    return [
        pair for cell in notebook.cells if cell.cell_type == "code" for pair in CHECK.findall(cell.source)
    ]


def for_student(path: Path, student: str) -> nbformat.NotebookNode:
    """The notebook as this student gets it."""
    notebook = nbformat.read(path, as_version=4)
    names = [answer for _, answer in checked(notebook)]
    for cell in notebook.cells:
        if "header" in cell.metadata.get("tags", []):
            cell.source = STUCK.sub("", cell.source)
        if "parameters" in cell.metadata.get("tags", []):
            cell.source = SEED.sub(rf"\g<1>{seed_of(student)}", cell.source)
    source = HAND_IN.format(names=names, student=student, stem=path.stem, number=path.stem[:2])
    notebook.cells.append(nbformat.v4.new_code_cell(source))
    return notebook


def grading_file(path: Path) -> str:
    """An otter-grader test file for the answers of a notebook: one point a checker."""
    pairs = checked(nbformat.read(path, as_version=4))
    head = GRADING.format(stem=path.stem, number=path.stem[:2], points=len(pairs))
    return head + "".join(CASE.format(check=check, answer=answer) for check, answer in pairs)


def export(out: Path, students: list[str], numbers: list[str]) -> list[Path]:
    """Write OUT/<student>/*.ipynb and OUT/grading/<number>/*.py; the paths written. ValueError for an unknown notebook."""
    sources = {path.stem[:2]: path for path in sorted((PROJECT / "notebooks").glob("[0-9]*.ipynb"))}
    unknown = [number for number in numbers if number not in sources]
    if unknown:
        raise ValueError(f"no notebook has the number {', '.join(unknown)}: there are {', '.join(sources)}")
    written = []
    for number in numbers or list(sources):
        for student in students:
            target = out / student / sources[number].name
            target.parent.mkdir(parents=True, exist_ok=True)
            nbformat.write(for_student(sources[number], student), target)
            shutil.copy(PROJECT / "notebooks/GLOSSARY.md", target.parent)  # the notebooks link to it
            written.append(target)
        target = out / "grading" / number / f"q{number}.py"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(grading_file(sources[number]), encoding="utf-8")
        written.append(target)
    return written


def roster(path: Path) -> list[str]:
    """Names from the first column of a CSV with a heading. ValueError for names that cannot be a folder, or twice."""
    names = pd.read_csv(path, dtype=str).iloc[:, 0].str.strip().tolist()
    bad = [name for name in names if not re.fullmatch(r"[\w.@-]+", str(name))]
    if bad or len(set(names)) < len(names):
        raise ValueError(
            f"{path.name}: give each student one name of letters, digits, . @ _ or - ({bad or 'one is there twice'})"
        )
    return names


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools course", description=__doc__)
    parser.add_argument("action", choices=["export"])
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--students", type=Path, required=True, help="a CSV with a heading; its first column names them"
    )
    parser.add_argument("--notebooks", default="", help="as in 10,16; default: all")
    given = parser.parse_args(argv)
    written = export(given.out, roster(given.students), [n for n in given.notebooks.split(",") if n])
    print(f"{len(written)} files in {given.out}")
    return 0
