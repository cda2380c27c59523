"""Glossary, teachers' table and links: what notebooks point at exists, nothing is needed before it is taught."""

import dataclasses
import json
import re
import shutil
from pathlib import Path

import pytest

from helpers.__main__ import parser
from helpers.execution.parameters import source_of
from helpers.execution.plan import PLAN
from tools.lessons import LESSONS, anchor
from tools.notebooks import regenerate

PROJECT = Path(__file__).resolve().parents[1]
FOLDER = PROJECT / "notebooks"
GLOSSARY = (FOLDER / "GLOSSARY.md").read_text(encoding="utf-8")
ENTRIES = dict(re.findall(r"^### (.+)\n(.+)$", GLOSSARY, re.MULTILINE))
PAGES = [
    *sorted(FOLDER.glob("*.ipynb")),
    *sorted(FOLDER.glob("solutions/*.ipynb")),
    FOLDER / "GLOSSARY.md",
    FOLDER / "TEACHING.md",
]


def text_of(path):
    """The prose of a notebook or a page."""
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n".join(source_of(cell) for cell in cells if cell["cell_type"] == "markdown")


def test_glossary_is_in_order_and_each_term_is_taught_where_it_says():
    names = list(ENTRIES)
    assert names == sorted(names, key=str.lower) and len({anchor(name) for name in names}) == len(names)
    first = {}
    for stem, lesson in LESSONS.items():
        for term in lesson.terms:
            first.setdefault(term, stem[:2])
    assert {name: text[1:3] for name, text in ENTRIES.items()} == first


def test_terms_are_explained_in_a_few_sentences():
    words = {term: len(re.sub(r"\([^)]*\)", "", text).split()) for term, text in ENTRIES.items()}
    assert not {term: n for term, n in words.items() if not 8 <= n <= 90}


def test_lessons_follow_the_plan_and_build_on_earlier_ones_alone():
    assert list(LESSONS) == [entry.stem for entry in PLAN]
    for stem, lesson in LESSONS.items():
        assert all(number < stem[:2] for number in lesson.builds_on), stem
        core = {entry.stem[:2] for entry in PLAN if entry.core}
        assert stem[:2] not in core or set(lesson.builds_on) <= core, "the short way holds what it builds on"
        assert lesson.goal and lesson.mistake.endswith(".") and len(set(lesson.terms)) == len(lesson.terms)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_links_within_the_project_lead_somewhere(path):
    found = re.findall(r"\]\((?!https?:)([^)\s]+)\)", text_of(path))
    for target in found:
        file, _, name = target.partition("#")
        there = path.parent / file if file else path
        assert there.exists(), target
        if name:
            headings = re.findall(r"^#+ (.+)$", there.read_text(encoding="utf-8"), re.MULTILINE)
            assert name in {anchor(heading) for heading in headings}, target
    if path.parent == FOLDER and path.suffix == ".ipynb":
        assert "GLOSSARY.md" in found and f"solutions/{path.name}" in found


@pytest.mark.parametrize("path", PAGES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_references_name_the_number_that_they_link_to(path):
    text = text_of(path)
    for said, address in re.findall(r"\[(arXiv:[^\]]+|10\.[^\]]+)\]\(([^)]+)\)", text):
        home = "https://arxiv.org/abs/" if said.startswith("arXiv") else "https://doi.org/"
        assert address == home + said.removeprefix("arXiv:"), said
    assert not re.search(r"(?<![\[/])arXiv:\d", text), "a number without a link"


def test_readme_is_short_and_names_every_command():
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^    (\w+) +\S", parser().format_help(), re.MULTILINE)
    assert len(commands) == 10
    assert not [name for name in commands if f"python -m helpers {name}" not in text]
    assert len(text.split()) <= 1800


def test_table_for_teachers_follows_the_plan(tmp_path):
    """Another number of minutes in the plan is a difference in TEACHING.md."""
    (tmp_path / "notebooks").mkdir()
    shutil.copy(FOLDER / "TEACHING.md", tmp_path / "notebooks")
    assert regenerate(tmp_path) == []
    longer = (dataclasses.replace(PLAN[0], minutes_cpu=99), *PLAN[1:])
    assert regenerate(tmp_path, write=True, plan=longer) == ["notebooks/TEACHING.md"]
    table = (tmp_path / "notebooks/TEACHING.md").read_text(encoding="utf-8")
    assert "99 min" in table and all(lesson.goal in table for lesson in LESSONS.values())


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_every_figure_stands_beside_a_text_that_reads_it(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    for place, cell in enumerate(cells):
        if cell["cell_type"] == "code" and re.search(r"save_figure|figures\.class_examples", source_of(cell)):
            around = cells[max(0, place - 1)], cells[min(place + 1, len(cells) - 1)]
            assert any(other["cell_type"] == "markdown" and len(source_of(other)) > 60 for other in around), (
                f"cell {place + 1}"
            )
