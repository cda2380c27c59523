"""Generated cells, the form of every notebook, and the plan against the folder."""

import copy
import json
import subprocess
from pathlib import Path

import pytest
from execution_toys import TINY, notebook

from helpers.execution import plan as plans
from helpers.execution.jobs import Request, expand
from helpers.execution.parameters import inspect_notebook
from helpers.execution.plan import PLAN, Notebook
from helpers.execution.setup import set_up_source
from tools.notebooks import (
    BEGIN,
    END,
    check_form,
    find_repository,
    generated,
    header_source,
    regenerate,
    table_of_notebooks,
)

PROJECT = Path(__file__).resolve().parents[1]
FOLDER = PROJECT / "notebooks"
THERE = sorted(FOLDER.glob("[0-9]*.ipynb"))
TOYS = (
    Notebook("10_tiny", "Tiny", "a run", 0.5, 0.5),
    Notebook("90_end", "End", "a table", 1, 1, needs=("10_tiny",)),
)


@pytest.fixture
def toy():
    return generated(notebook(*TINY), TOYS[0], TOYS)


def test_plan_and_folder_name_the_same_notebooks():
    assert {path.stem for path in THERE} == {entry.stem for entry in PLAN}


def test_plan_is_in_order_and_needs_come_before():
    stems = [entry.stem for entry in PLAN]
    assert stems == sorted(stems) and len(set(stems)) == len(stems)
    for place, entry in enumerate(PLAN):
        assert set(entry.needs) <= set(stems[:place])
        assert set(entry.profiles) <= set(plans.PROFILES)
    rows = [row.id for entry in PLAN for row in entry.all_rows()]
    assert len(set(rows)) == len(rows)


@pytest.mark.parametrize("profile", plans.PROFILES)
def test_every_row_and_profile_of_the_plan_fits_its_notebook(profile):
    if not THERE:
        pytest.skip("no notebooks yet")
    jobs = expand(Request(everything=True, profile=profile, project=PROJECT))
    folders = [job.folder for job in jobs]
    assert len(set(folders)) == len(folders), "two rows of the plan end in one run folder"


def test_in_full_every_image_network_starts_from_imagenet():
    jobs = [
        job for job in expand(Request(everything=True, profile="full")) if job.row.model[:3] in ("res", "vgg")
    ]
    started = {job.row.id: job.parameters["weights"] for job in jobs if "weights" in job.parameters}
    assert len(started) == 7 and set(started.values()) == {"imagenet"}, started


@pytest.mark.parametrize(
    "models, wanted",
    [
        *[(row.id, [row.id]) for notebook in PLAN for row in notebook.rows],
        ("svm", ["deep_voice_svm"]),
        ("vgg_like_unbalanced,lcnn", ["vgg_like_unbalanced", "lcnn"]),
    ],
)
def test_a_variant_is_chosen_by_its_name_and_brings_no_other(models, wanted):
    jobs = expand(Request(models=models, everything=True))
    assert [job.row.id for job in jobs if job.notebook.rows] == wanted


def test_variants_that_a_parameter_makes_equal_run_once():
    jobs = expand(
        Request(
            notebooks="12,16",
            parameters={"features": "waveform_picture", "balance": "none", "augment": "none"},
        )
    )
    assert [job.row.id for job in jobs if job.notebook.rows] == ["resnet50", "vgg_like"]


@pytest.mark.parametrize("path", THERE, ids=lambda path: path.stem)
def test_notebook_has_the_agreed_form(path):
    assert check_form(path) == []


@pytest.mark.parametrize("path", THERE, ids=lambda path: path.stem)
def test_inspected_parameters_are_those_the_cell_assigns(path):
    papermill = pytest.importorskip("papermill")
    assert list(papermill.inspect_notebook(str(path))) == list(inspect_notebook(path))


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


def test_readme_table_has_a_line_a_notebook():
    table = table_of_notebooks(TOYS)
    assert table.count("notebooks/") == 2 and "| 30 s | 30 s |" in table


def test_writing_twice_changes_nothing_more(tmp_path):
    (tmp_path / "notebooks").mkdir()
    path = tmp_path / "notebooks/10_tiny.ipynb"
    path.write_text(json.dumps(notebook(*TINY)))
    readme = tmp_path / "README.md"
    readme.write_text(f"# Title\n{BEGIN}\nold\n{END}\nthe rest\n")
    assert regenerate(tmp_path, plan=TOYS) == ["notebooks/10_tiny.ipynb", "README.md"]
    assert "old" in readme.read_text()
    assert regenerate(tmp_path, write=True, plan=TOYS) == ["notebooks/10_tiny.ipynb", "README.md"]
    first = path.read_bytes(), readme.read_bytes()
    assert regenerate(tmp_path, write=True, plan=TOYS) == []
    assert (path.read_bytes(), readme.read_bytes()) == first
    assert readme.read_text().startswith("# Title") and readme.read_text().endswith("the rest\n")
    content = json.loads(path.read_text())
    tags = [cell["metadata"].get("tags", [""])[0] for cell in content["cells"]]
    assert tags[0] == "header" and tags.index("set-up") == tags.index("parameters") + 1
    nbformat = pytest.importorskip("nbformat")
    nbformat.validate(nbformat.read(path, as_version=4))


def test_sound_notebook_has_no_complaint(toy):
    assert check_form(toy, "10_tiny", TOYS) == []


def spoil(toy, what):
    made = copy.deepcopy(toy)
    cells, last = made["cells"], made["cells"][-3]
    if what == "kernel":
        made["metadata"]["kernelspec"]["name"] = "conda-env"
    elif what == "output":
        last["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "hello"}]
    elif what == "definition":
        last["source"] = "f = 1\ndef g():\n    return f"
    elif what == "class":
        last["source"] = "if True:\n    class A:\n        pass"
    elif what == "long":
        last["source"] = "x = 1\n" * 26
    elif what == "magic":
        last["source"] = "%matplotlib inline"
    elif what == "raises":
        last["metadata"] = {"tags": ["raises-exception"]}
    elif what == "header":
        cells[0]["source"] = "# Another title"
    elif what == "set-up":
        cells[3]["source"] = cells[3]["source"] + ["\nprint(1)"]
    elif what == "order":
        cells[3], cells[4] = cells[4], cells[3]
    elif what == "goals":
        del cells[1]
    elif what == "exercises":
        del cells[-1]
    elif what == "comment":
        cells[2]["source"] = "epochs: int = 4"
    elif what == "parameters":
        cells[2]["source"] = "epochs = 4"
    elif what == "ids":
        cells[4]["id"] = cells[5]["id"]
    return made


@pytest.mark.parametrize(
    "what, says",
    [
        ("kernel", "python3"),
        ("output", "with its output"),
        ("definition", "defines g"),
        ("class", "defines A"),
        ("long", "26 lines"),
        ("magic", "magic"),
        ("raises", "raises-exception"),
        ("header", "notebooks --write"),
        ("set-up", "notebooks --write"),
        ("order", "not the one tagged `set-up`"),
        ("goals", "goals"),
        ("exercises", "Exercises"),
        ("comment", "no comment"),
        ("parameters", "name: type = value"),
        ("ids", "cell ids"),
    ],
)
def test_each_departure_from_the_form_is_named(toy, what, says):
    assert any(says in complaint for complaint in check_form(spoil(toy, what), "10_tiny", TOYS))
