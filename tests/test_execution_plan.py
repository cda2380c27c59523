"""The plan against the folder of notebooks, and the jobs that are made of it."""

from pathlib import Path

import papermill
import pytest

from helpers.execution import plan as plans
from helpers.execution.jobs import Request, expand, needed_room
from helpers.execution.parameters import inspect_notebook
from helpers.execution.plan import PLAN

PROJECT = Path(__file__).resolve().parents[1]
THERE = sorted((PROJECT / "notebooks").glob("[0-9]*.ipynb"))


def test_plan_and_folder_name_the_same_notebooks_and_needs_come_before():
    stems = [entry.stem for entry in PLAN]
    assert stems == [path.stem for path in THERE]
    for place, entry in enumerate(PLAN):
        assert set(entry.needs) <= set(stems[:place]) and set(entry.profiles) <= set(plans.PROFILES)
    rows = [row.id for entry in PLAN for row in entry.all_rows()]
    assert len(set(rows)) == len(rows)


@pytest.mark.parametrize("profile", plans.PROFILES)
def test_every_row_and_profile_of_the_plan_fits_its_notebook(profile):
    jobs = expand(Request(everything=True, profile=profile, project=PROJECT))
    assert len({job.folder for job in jobs}) == len(jobs), "two rows of the plan end in one run folder"
    image = [job for job in jobs if job.row.model[:3] in ("res", "vgg") and "weights" in job.parameters]
    assert profile != "full" or {job.parameters["weights"] for job in image} == {"imagenet"}


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
    parameters = {"features": "waveform_picture", "balance": "none", "augment": "none"}
    jobs = expand(Request(notebooks="12,16", parameters=parameters))
    assert [job.row.id for job in jobs if job.notebook.rows] == ["resnet50", "vgg_like"]


@pytest.mark.parametrize("path", THERE, ids=lambda path: path.stem)
def test_inspected_parameters_are_those_that_papermill_reads(path):
    theirs, ours = papermill.inspect_notebook(str(path)), inspect_notebook(path)
    assert list(theirs) == list(ours)
    for name, parameter in ours.items():
        assert theirs[name]["inferred_type_name"] == parameter.type
        assert eval(theirs[name]["default"]) == parameter.default  # noqa: S307


def test_only_needed_features_are_cached_and_their_room_is_reckoned():
    request = Request(models="lcnn", notebooks="21", dataset="asvspoof2019_la", needed_caches=True)
    jobs = expand(request)
    assert next(job for job in jobs if job.notebook.caches).parameters["features"] == "loglinear"
    gigabytes = {stage: round(size / 1e9, 1) for stage, size in needed_room(jobs, attached=True).items()}
    assert gigabytes == {"asvspoof2019_la loglinear": 12.5}
