"""What notebooks, README and TEACHING.md say of the course, written from the plan and from lessons.yaml."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from helpers.execution.plan import PLAN, Notebook

BRANCH = "main"
GLOSSARY, SOLUTIONS = "GLOSSARY.md", "solutions"


@dataclass(frozen=True)
class Lesson:
    """One notebook as a teacher sees it. `builds_on`: notebooks by number whose ideas it uses, all of them earlier."""

    goal: str
    builds_on: list[str]
    mistake: str  # what students get wrong, and what to answer
    terms: list[str]  # headings of GLOSSARY.md


LESSONS: dict[str, Lesson] = {
    stem: Lesson(**lesson)
    for stem, lesson in yaml.safe_load(
        Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")
    ).items()
}


def anchor(term: str) -> str:
    """The name that GitHub and Jupyter give a heading: `Precision and recall` -> `precision-and-recall`."""
    return re.sub(r"[^\w -]", "", term.lower()).replace(" ", "-")


def minutes(value: float) -> str:
    """`1 min`, `30 s`: a cost as a reader says it."""
    return f"{value:g} min" if value >= 1 else f"{round(value * 60)} s"


def header_source(notebook: Notebook, plan: tuple[Notebook, ...] = PLAN, repository: str = "") -> str:
    """The first cell of a notebook: title, badges, place in the series, cost, terms and solutions."""
    stems = [entry.stem for entry in plan]
    place = stems.index(notebook.stem)
    around = [f"Notebook {place + 1} of {len(plan)}"]
    for word, number in (("before", place - 1), ("after", place + 1)):
        if 0 <= number < len(plan):
            around.append(f"{word} it [{stems[number]}]({stems[number]}.ipynb)")
    needs = ", ".join(f"[{stem}]({stem}.ipynb)" for stem in notebook.needs) or "nothing"
    needs += " and at least one trained detector" if notebook.reads_runs else ""
    cost = (
        f"{minutes(notebook.minutes_cpu)} on two cores, {minutes(notebook.minutes_gpu)} on a T4 (estimated)"
    )
    lines = [f"# {notebook.stem[:2]} · {notebook.title}", "", f"Makes {notebook.makes}.", ""]
    if repository:
        path = f"{repository}/blob/{BRANCH}/notebooks/{notebook.stem}.ipynb"
        lines += [
            "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
            f"(https://colab.research.google.com/github/{path}) "
            "[![Open in Kaggle](https://kaggle.com/static/images/open-in-kaggle.svg)]"
            f"(https://kaggle.com/kernels/welcome?src=https://github.com/{path})",
            "",
        ]
    lines += [" · ".join(around), "", f"**Needs** {needs}. **Costs** about {cost}."]
    if notebook.stem in LESSONS:
        terms = ", ".join(f"[{term}]({GLOSSARY}#{anchor(term)})" for term in LESSONS[notebook.stem].terms)
        stuck = f"**Stuck** on an exercise: [solutions]({SOLUTIONS}/{notebook.stem}.ipynb)."
        lines += ["", f"**Terms** {terms} · all in the [glossary]({GLOSSARY}). {stuck}"]
    return "\n".join(lines)


def solutions_header(entry: Notebook) -> str:
    """The first cell of a solutions notebook."""
    return (
        f"# {entry.stem[:2]} · Solutions\n\n"
        f"Worked answers to the exercises of [{entry.stem}](../{entry.stem}.ipynb), {entry.title}. Try them first.\n\n"
        "Tables show the runs in your own folders: an empty one means that nothing has been run yet."
    )


def table_of_notebooks(plan: tuple[Notebook, ...] = PLAN) -> str:
    """The README's table, one line a notebook of the plan."""
    lines = ["| notebook | makes | two cores |", "|---|---|---|"]
    for entry in plan:
        link = f"[{entry.stem}](notebooks/{entry.stem}.ipynb){' ★' if entry.core else ''}"
        cost = minutes(entry.minutes_cpu) + (", GPU advised" if entry.device == "gpu advised" else "")
        lines.append(f"| {link} | {entry.makes} | {cost} |")
    return "\n".join(
        [*lines, "", "★ part of a plain `make run`; the others run with `python -m helpers run --all`."]
    )


def teaching_table(plan: tuple[Notebook, ...] = PLAN) -> str:
    """One line a notebook of the plan: goal, minutes, what comes before, what students get wrong."""
    lines = ["| notebook | goal | two cores | after | what students get wrong |", "|---|---|--:|---|---|"]
    for entry in plan:
        if entry.stem in LESSONS:
            lesson = LESSONS[entry.stem]
            link = f"[{entry.stem}]({entry.stem}.ipynb) ([solutions]({SOLUTIONS}/{entry.stem}.ipynb))"
            before = ", ".join(lesson.builds_on) or "–"
            before += ", and a trained detector" if entry.reads_runs else ""
            cost = minutes(entry.minutes_cpu)
            lines.append(f"| {link} | {lesson.goal} | {cost} | {before} | {lesson.mistake} |")
    return "\n".join(lines)
