"""Generated cells, the form of every notebook, and what departs from it."""

import copy
import json
import subprocess
from pathlib import Path

import nbformat
import pytest
from execution_toys import TINY, notebook

from helpers.execution.plan import Notebook
from helpers.execution.setup import set_up_source
from tools.lessons import header_source, table_of_notebooks
from tools.notebooks import BEGIN, END, check_form, find_repository, read_notebook, regenerate, with_shared

PROJECT = Path(__file__).resolve().parents[1]
THERE = sorted((PROJECT / "notebooks").glob("[0-9]*.ipynb"))
TOYS = (
    Notebook("10_tiny", "Tiny", "a run", 0.5, 0.5),
    Notebook("90_end", "End", "a table", 1, 1, needs=("10_tiny",)),
)


@pytest.mark.parametrize("path", THERE, ids=lambda path: path.stem)
def test_notebook_has_the_agreed_form(path):
    assert check_form(read_notebook(path), path.stem) == []


def test_generated_cells_and_readme_are_up_to_date():
    assert regenerate(PROJECT) == []


def test_set_up_cell_is_short_and_ends_with_the_parameters():
    lines = [line for line in set_up_source().splitlines() if line]
    assert len(lines) <= 18 and lines[-1] == "parameters = read_parameters(globals())"
    compile(set_up_source(), "set-up", "exec")


def test_header_names_place_cost_and_both_badges():
    text = header_source(TOYS[1], TOYS, "student/suite")
    assert "Notebook 2 of 2" in text and "before it [10_tiny](10_tiny.ipynb)" in text
    assert "colab.research.google.com/github/" in text and "kaggle.com/kernels/welcome" in text
    assert "30 s on two cores" in header_source(TOYS[0], TOYS)
    assert "badge" not in header_source(TOYS[1], TOYS), "a badge of nobody's repository"
    table = table_of_notebooks(TOYS)
    assert table.count("notebooks/") == 2 and "| a run | 30 s |" in table


@pytest.mark.parametrize(
    "origin",
    ["git@github.com:student/suite.git", "https://github.com/student/suite", "https://example.org/a/b.git"],
)
def test_repository_comes_from_the_environment_or_from_gits_origin(tmp_path, monkeypatch, origin):
    for name in ("HELPERS_REPOSITORY", "GITHUB_REPOSITORY"):
        monkeypatch.delenv(name, raising=False)
    git = ["git", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "remote", "add", "origin", origin], check=True)
    assert find_repository(tmp_path) == ("student/suite" if "github.com" in origin else "")
    monkeypatch.setenv("HELPERS_REPOSITORY", "other/fork")
    assert find_repository(tmp_path) == "other/fork"


def test_writing_twice_changes_nothing_more(tmp_path):
    (tmp_path / "notebooks").mkdir()
    path, readme = tmp_path / "notebooks/10_tiny.ipynb", tmp_path / "README.md"
    path.write_text(json.dumps(notebook(*TINY)))
    readme.write_text(f"# Title\n{BEGIN}\nold\n{END}\nthe rest\n")
    for write in (False, True):
        assert regenerate(tmp_path, write, plan=TOYS) == ["notebooks/10_tiny.ipynb", "README.md"]
        assert ("old" in readme.read_text()) != write
    first = path.read_bytes(), readme.read_bytes()
    assert regenerate(tmp_path, write=True, plan=TOYS) == []
    assert (path.read_bytes(), readme.read_bytes()) == first
    assert readme.read_text().startswith("# Title") and readme.read_text().endswith("the rest\n")
    content = nbformat.read(path, as_version=4)
    tags = [cell["metadata"].get("tags", [""])[0] for cell in content["cells"]]
    assert tags[0] == "header" and tags.index("set-up") == tags.index("parameters") + 1
    nbformat.validate(content)


LAST = -3  # of the cells with code
SPOILED = [
    (LAST, {"outputs": [{"output_type": "stream", "name": "stdout", "text": "hello"}]}, "with its output"),
    (LAST, {"source": "f = 1\ndef g():\n    return f"}, "defines g"),
    (LAST, {"source": "if True:\n    class A:\n        pass"}, "defines A"),
    (LAST, {"source": "x = 1\n" * 26}, "26 lines"),
    (LAST, {"source": "%matplotlib inline"}, "magic"),
    (LAST, {"metadata": {"tags": ["raises-exception"]}}, "raises-exception"),
    (0, {"source": "# Another title"}, "notebooks --write"),
    (3, {"source": set_up_source() + "\nprint(1)"}, "notebooks --write"),
    (3, {"metadata": {}}, "not the one tagged `set-up`"),
    (1, {"cell_type": "code"}, "goals"),
    (-1, {"source": "The end."}, "Exercises"),
    (2, {"source": "epochs: int = 4"}, "no comment"),
    (2, {"source": "epochs = 4"}, "name: type = value"),
    (4, {"id": "set-up"}, "cell ids"),
]


def test_each_departure_from_the_form_is_named():
    toy = with_shared(notebook(*TINY), header_source(TOYS[0], TOYS))
    assert check_form(toy, "10_tiny", TOYS) == []
    for place, change, says in SPOILED:
        made = copy.deepcopy(toy)
        made["cells"][place] |= change
        assert any(says in complaint for complaint in check_form(made, "10_tiny", TOYS)), says
    toy["metadata"]["kernelspec"]["name"] = "conda-env"
    assert any("python3" in complaint for complaint in check_form(toy, "10_tiny", TOYS))


def test_a_student_may_define_the_function_that_is_handed_in():
    toy = with_shared(notebook(*TINY), header_source(TOYS[0], TOYS))
    answer = toy["cells"][LAST]
    answer["source"] = "def my_sum(x):\n    ...\n\nexercises.check_sum(my_sum)"
    assert check_form(toy, "10_tiny", TOYS) == []
    answer["source"] = "def my_sum(x):\n    ...\n\nmy_sum(3)"
    assert "defines my_sum" in check_form(toy, "10_tiny", TOYS)[0]
