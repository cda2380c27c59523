"""From the zip to the report: the notebooks themselves, by papermill, in the smoke profile on a thin cut of the starter corpus.

The core notebooks by default; `HELPERS_TEST_NOTEBOOKS=all` runs every row of the plan (some minutes more).
"""

import csv
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from helpers.execution.plan import PLAN

PROJECT = Path(__file__).resolve().parents[1]
STARTER = PROJECT / "helpers" / "data" / "starter.zip"
CLIPS = 30  # of each split and class
ALL = os.environ.get("HELPERS_TEST_NOTEBOOKS") == "all"


def cut_thin(path: Path) -> None:
    """Every n-th line of each protocol and class, with its audio: real clips in the same layout."""
    with zipfile.ZipFile(STARTER) as whole, zipfile.ZipFile(path, "w") as thin:
        for name in (name for name in whole.namelist() if "cm_protocols" in name):
            lines = whole.read(name).decode().splitlines()
            kept = []
            for label in ("bonafide", "spoof"):
                of_class = [line for line in lines if line.endswith(label)]
                kept += of_class[:: max(1, len(of_class) // CLIPS)][:CLIPS]
            thin.writestr(name, "".join(f"{line}\n" for line in kept))
            split = name.split(".cm.")[1].split(".")[0]
            for line in kept:
                audio = f"LA/ASVspoof2019_LA_{split}/flac/{line.split()[1]}.ogg"
                thin.writestr(audio, whole.read(audio))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("path")
    cut_thin(folder / "thin.zip")
    (folder / "manifest.yaml").write_text(
        f"thin:\n  title: A thin cut of the starter corpus\n  source: zip\n  path: {folder / 'thin.zip'}\n  layout: asvspoof\n  sample_rate: 16000\n"
    )
    return folder


def run(place: Path, *more: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "HELPERS_WORK": str(place / "work"), "HELPERS_RUNS": str(place / "runs"),
                   "HELPERS_MANIFEST": str(place / "manifest.yaml")}  # fmt: skip
    command = [
        sys.executable,
        "-m",
        "helpers",
        "run",
        "--dataset",
        "thin",
        "--profile",
        "smoke",
        "-p",
        "device",
        "cpu",
        *more,
    ]
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=1500)


def test_every_notebook_runs_and_learns(place):
    done = run(place, *(["--all"] if ALL else []))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    expected = sum(len(notebook.all_rows()) for notebook in PLAN if notebook.core or ALL)
    if not ALL:  # of a notebook with several rows, `run` takes those that belong to the core
        expected = done.stdout.count(" started ")
    found = [json.loads(path.read_text()) for path in (place / "runs").glob("*/metrics.json")]
    assert len(found) == expected and all(metrics["complete"] for metrics in found)
    lcnn = next((place / "runs").glob("21_train_lcnn-*"))
    losses = [float(row["train_loss"]) for row in csv.DictReader((lcnn / "history.csv").open())]
    assert losses[-1] < losses[0]
    report = next((place / "runs").glob("90_compare-*")) / "report.html"
    assert "lcnn" in report.read_text() and "lfcc_gmm" in report.read_text()


def test_second_run_repeats_nothing(place):
    before = {path: path.stat().st_mtime_ns for path in (place / "runs").glob("*/metrics.json")}
    assert before, "the first run left nothing"
    done = run(place, *(["--all"] if ALL else []))
    assert done.returncode == 0 and " started " not in done.stdout
    assert before == {path: path.stat().st_mtime_ns for path in (place / "runs").glob("*/metrics.json")}


def test_trained_run_scores_another_data_set_as_it_scored_its_own(place):
    environment = {**os.environ, "HELPERS_WORK": str(place / "work"), "HELPERS_RUNS": str(place / "runs"),
                   "HELPERS_MANIFEST": str(place / "manifest.yaml")}  # fmt: skip
    for stem in ("20_train", "21_train"):
        command = [sys.executable, "-m", "helpers", "test", stem, "thin"]
        done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        folder = next((place / "runs").glob(f"{stem}*"))
        own, again = ({(row["utterance"], row["split"]): float(row["score"]) for row in csv.DictReader(open(folder / name))}
                      for name in ("scores.csv", "scores.thin.csv"))  # fmt: skip
        assert own and max(abs(again[key] - score) for key, score in own.items()) < 1e-5
