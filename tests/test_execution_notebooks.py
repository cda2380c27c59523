"""Generated cells, the form of every notebook, and the plan against the folder."""

import json
import subprocess
from pathlib import Path

import pytest
from execution_toys import TINY, notebook

from helpers.execution.cells import find_repository, set_up_source
from helpers.execution.jobs import Request, expand
from helpers.execution.parameters import inspect_notebook
from helpers.execution.plan import PLAN, PROFILES, Notebook
from tools.lessons import header_source, table_of_notebooks
from tools.notebooks import BEGIN, END, check_form, read_notebook, regenerate, with_shared

PROJECT = Path(__file__).resolve().parents[1]
FOLDER = PROJECT / "notebooks"
THERE = sorted(FOLDER.glob("[0-9]*.ipynb"))
TOYS = (
    Notebook("10_tiny", "Tiny", "a run", 0.5, 0.5),
    Notebook("90_end", "End", "a table", 1, 1, needs=("10_tiny",)),
)


@pytest.fixture
def toy():
    return with_shared(notebook(*TINY), header_source(TOYS[0], TOYS))


def test_plan_and_folder_name_the_same_notebooks():
    assert {path.stem for path in THERE} == {entry.stem for entry in PLAN}


def test_plan_is_in_order_and_needs_come_before():
    stems = [entry.stem for entry in PLAN]
    assert stems == sorted(stems) and len(set(stems)) == len(stems)
    for place, entry in enumerate(PLAN):
        assert set(entry.needs) <= set(stems[:place])
        assert set(entry.profiles) <= set(PROFILES)
    rows = [row.id for entry in PLAN for row in entry.all_rows()]
    assert len(set(rows)) == len(rows)


@pytest.mark.parametrize("profile", PROFILES)
def test_every_row_and_profile_of_the_plan_fits_its_notebook(profile):
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
    assert check_form(read_notebook(path), path.stem) == []


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
    assert table.count("notebooks/") == 2 and "| a run | 30 s |" in table


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


def test_sound_notebook_has_no_complaint_and_a_student_may_define_what_is_handed_in(toy):
    assert check_form(toy, "10_tiny", TOYS) == []
    answer = toy["cells"][-3]
    answer["source"] = "def my_sum(x):\n    ...\n\nexercises.check_sum(my_sum)"
    assert check_form(toy, "10_tiny", TOYS) == []
    answer["source"] = "def my_sum(x):\n    ...\n\nmy_sum(3)"
    assert "defines my_sum" in check_form(toy, "10_tiny", TOYS)[0]


# (what is done to the cells of a sound notebook, a word of the complaint)
SPOILT = {
    "output": (lambda cells: cells[-3].update(outputs=[{"output_type": "stream", "text": "hi"}]), "with its output"),
    "definition": (lambda cells: cells[-3].update(source="f = 1\ndef g():\n    return f"), "defines g"),
    "class": (lambda cells: cells[-3].update(source="if True:\n    class A:\n        pass"), "defines A"),
    "long": (lambda cells: cells[-3].update(source="x = 1\n" * 26), "26 lines"),
    "magic": (lambda cells: cells[-3].update(source="%matplotlib inline"), "magic"),
    "raises": (lambda cells: cells[-3].update(metadata={"tags": ["raises-exception"]}), "raises-exception"),
    "header": (lambda cells: cells[0].update(source="# Another title"), "notebooks --write"),
    "set-up": (lambda cells: cells[3]["source"].append("\nprint(1)"), "notebooks --write"),
    "order": (lambda cells: cells.insert(3, cells.pop(4)), "not the one tagged `set-up`"),
    "goals": (lambda cells: cells.pop(1), "goals"),
    "exercises": (lambda cells: cells.pop(), "Exercises"),
    "comment": (lambda cells: cells[2].update(source="epochs: int = 4"), "no comment"),
    "parameters": (lambda cells: cells[2].update(source="epochs = 4"), "name: type = value"),
    "ids": (lambda cells: cells[4].update(id=cells[5]["id"]), "cell ids"),
}  # fmt: skip


@pytest.mark.parametrize("what", SPOILT)
def test_each_departure_from_the_form_is_named(toy, what):
    spoil, says = SPOILT[what]
    spoil(toy["cells"])
    assert any(says in complaint for complaint in check_form(toy, "10_tiny", TOYS))


def test_a_kernel_that_others_lack_is_named(toy):
    toy["metadata"]["kernelspec"]["name"] = "conda-env"
    assert any("python3" in complaint for complaint in check_form(toy, "10_tiny", TOYS))
