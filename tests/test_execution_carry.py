"""Run folders carried to another machine: one zip and back, a killed session in a fresh one, never over a further state."""

import subprocess
import sys
import time
import zipfile

import pytest
from execution_toys import environment, make_project

from helpers.execution.carry import import_runs, restore_runs, save_runs
from helpers.files import read_json, write_json


def test_results_go_to_drive_as_one_zip_and_come_back(tmp_path):
    runs = tmp_path / "runs"
    write_json(runs / "a/params.json", {"notebook": "a"})
    write_json(runs / "a/metrics.json", {"complete": True})
    write_json(runs / ".working/b/params.json", {"notebook": "b"})
    write_json(runs / ".locks/a.lock", {})
    made = tmp_path / "drive/runs.zip"
    save_runs(made, runs)
    with zipfile.ZipFile(made) as archive:
        assert sorted(archive.namelist()) == [
            "runs/.working/b/params.json",
            "runs/a/metrics.json",
            "runs/a/params.json",
        ]
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
    assert restore_runs(made, tmp_path / "elsewhere") == ["b", "a"]
    assert read_json(tmp_path / "elsewhere/a/metrics.json")["complete"] is True
    assert restore_runs(made, tmp_path / "elsewhere") == []


def names_in(archive):
    with zipfile.ZipFile(archive) as opened:
        return opened.namelist()


@pytest.mark.parametrize("moment", ["between notebooks", "within a training"])
def test_session_killed_with_save_goes_on_in_a_fresh_machine(tmp_path, moment):
    """Killed at once with all it started; the fresh machine has nothing but the saved file."""
    project, saved = make_project(tmp_path / "project"), tmp_path / "drive/runs.zip"
    line = [sys.executable, "-m", "helpers", "run", "--save", str(saved), "-p", "pause", "0.4"]
    line += ["-p", "epochs", "6"]
    first = {**environment(), "HELPERS_RUNS": str(tmp_path / "first")}
    slow = (
        "import helpers.execution.runner as r; r.SAVE_SECONDS = 0.2; from helpers.__main__ import dispatch; "
    )
    program = slow + f"raise SystemExit(dispatch({line[3:]!r}))"
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=project, env=first, stdout=subprocess.PIPE
    )
    wanted = "runs/01_make-" if moment == "between notebooks" else "history.csv"
    limit = time.monotonic() + 60
    while not (saved.is_file() and any(wanted in name for name in names_in(saved))):
        assert time.monotonic() < limit, "nothing was saved"
        time.sleep(0.05)
    process.kill()
    process.communicate()
    n_before = sum("history.csv" in name for name in names_in(saved))
    second = {**environment(), "HELPERS_RUNS": str(tmp_path / "second")}
    done = subprocess.run(line, cwd=project, env=second, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 skipped" in done.stdout and "restored 01_make" in done.stdout
    assert ("resumes after epoch" in done.stdout) == bool(n_before)
    assert sum(name.endswith("metrics.json") for name in names_in(saved)) == 3


def test_half_a_run_or_an_earlier_state_is_not_imported_over_a_further_one(tmp_path):
    source, runs = tmp_path / "pulled", tmp_path / "runs"
    for name in ("a", "b"):
        write_json(source / name / "params.json", {"notebook": "x"})
    write_json(source / "b/metrics.json", {"complete": True, "code": "1"})
    write_json(runs / "a/metrics.json", {"complete": True, "code": "1"})
    for place, ended in ((source, 2), (runs, 1)):  # compared anew after further trainings
        write_json(place / "e/params.json", {"notebook": "x"})
        write_json(place / "e/metrics.json", {"complete": True, "code": "1", "ended": ended})
    (source / "c").mkdir()
    (source / "c/params.json").write_text('{"notebook": ')
    for place, epochs in ((source, 1), (runs, 3)):
        write_json(place / ".working/d/params.json", {"notebook": "x"})
        (place / ".working/d/history.csv").write_text("epoch\n" + "1\n" * epochs)
    assert import_runs(source, runs) == ["b", "e"] and import_runs(source, runs) == []
    assert (runs / "a/metrics.json").is_file() and not (runs / "c").exists()
    assert len((runs / ".working/d/history.csv").read_text().split()) == 4
