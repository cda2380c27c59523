"""The runner on small real notebooks: what it starts, skips, refuses, continues and reports."""

import functools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from execution_toys import PROJECT, environment, helpers, make_project

from helpers.__main__ import parser, request_from
from helpers.execution import child
from helpers.files import read_json


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return make_project(tmp_path_factory.mktemp("toys") / "project")


@pytest.fixture(scope="module")
def finished(project, tmp_path_factory):
    """Runs folder of one plain run, and what it printed."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HELPERS_RUNS", str(folder))
        return folder, helpers(project, "run")


def run_folder(runs, stem):
    folders = [path for path in runs.glob(f"{stem}-*") if path.is_dir()]
    assert len(folders) == 1, folders
    return folders[0]


def expected_value(epochs=4, width=8, lr=1e-3, seed=0):
    value = float(seed)
    for epoch in range(1, epochs + 1):
        value = (value * 1.7 + width * lr + epoch) % 7
    return value


def score_of(folder):
    last = (folder / "scores.csv").read_text().splitlines()[1]
    return float(last.split(",")[4])


def marked(folder):
    """Living processes that belong to a run folder below `folder`."""
    found = []
    for process in psutil.process_iter():
        try:
            mark = process.environ().get("HELPERS_RUN_FOLDER", "")
        except (psutil.Error, OSError):
            continue
        if mark.startswith(str(folder)) and process.status() != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def test_plain_run_ends_with_complete_folders_and_a_table(finished):
    runs, done = finished
    for stem in ("01_make", "10_train_tiny", "90_compare"):
        folder = run_folder(runs, stem)
        assert read_json(folder / "metrics.json")["complete"] is True
        assert (folder / "papermill.log").is_file()
        executed = json.loads((folder / "notebook.ipynb").read_text())
        assert any(cell.get("outputs") for cell in executed["cells"])
    assert "eval EER 12.50 %" in done.stdout and "3 done in" in done.stdout
    assert score_of(run_folder(runs, "10_train_tiny")) == pytest.approx(expected_value(), rel=1e-6)
    assert "epoch 4 of 4" in (run_folder(runs, "10_train_tiny") / "papermill.log").read_text()


def test_paths_are_those_of_the_user_and_not_of_the_notebooks_folder(project, tmp_path, monkeypatch):
    monkeypatch.setenv("HELPERS_RUNS", "my runs")
    assert "1 done" in helpers(project, "run", "--notebooks", "01").stdout
    assert run_folder(project / "my runs", "01_make").is_dir()
    monkeypatch.chdir(tmp_path)

    def parameters(*given):
        return request_from(parser().parse_args(["run", *given]), hosted=False).parameters

    assert parameters("-p", "source", "mine") == {"source": str(tmp_path / "mine")}
    (tmp_path / "w.pth").touch()
    given = ["-p", "weights", "w.pth", "-p", "front_end", "facebook/wav2vec2-base"]
    assert parameters(*given) == {"weights": str(tmp_path / "w.pth"), "front_end": "facebook/wav2vec2-base"}


def test_second_run_takes_seconds_and_starts_nothing(project, finished, monkeypatch):
    runs, _ = finished
    monkeypatch.setenv("HELPERS_RUNS", str(runs))
    before = {path: path.stat().st_mtime_ns for path in runs.rglob("*") if path.is_file()}
    began = time.monotonic()
    done = helpers(project, "run")
    assert time.monotonic() - began < 5
    assert "3 skipped" in done.stdout and "started" not in done.stdout
    assert before == {path: path.stat().st_mtime_ns for path in runs.rglob("*") if path.is_file()}


def test_looking_at_finished_runs_imports_no_torch(project, finished, monkeypatch):
    monkeypatch.setenv("HELPERS_RUNS", str(finished[0]))
    program = (
        "import sys; from helpers.__main__ import dispatch; code = dispatch(['run']);"
        "heavy = {'torch', 'pandas', 'sklearn', 'librosa', 'matplotlib'} & set(sys.modules);"
        "sys.exit(code or (str(heavy) if heavy else 0))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=project, env=environment(), capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()


def test_status_tells_finished_from_not_yet(project, finished, monkeypatch):
    monkeypatch.setenv("HELPERS_RUNS", str(finished[0]))
    lines = helpers(project, "status").stdout.splitlines()
    assert [line for line in lines if line.startswith("10_train_tiny tiny")][0].split()[2] == "finished"
    assert [line for line in lines if line.startswith("10_train_tiny big")][0].split()[2:4] == ["not", "yet"]


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["-p", "epohcs", "3"], "did you mean epochs"),
        (["-p", "epochs", "many"], "epochs is int"),
        (["--notebooks", "10_train_tini"], "did you mean 10_train_tiny"),
        (["--models", "tinny"], "did you mean tiny"),
        (["--profile", "smok"], "did you mean smoke"),
        (["--seeds", "0,a"], "whole numbers"),
        (["--seeds", "0,1,2", "-p", "seed", "7"], "-p seed contradicts seed 0,1,2"),
        (["--dataset", "a", "-p", "dataset", "b"], "-p dataset contradicts dataset a"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_starts(project, tmp_path, arguments, says):
    done = helpers(project, "run", *arguments, check=False)
    assert done.returncode == 2 and says in done.stderr
    assert not (tmp_path / "runs").exists()


def test_prepare_injects_parameters_and_executes_nothing(project, tmp_path):
    words = "run --notebooks 10 --models tiny -p lr 1e-5 --prepare-only".split()
    done = helpers(project, *words, tmp_path / "made")
    made = json.loads((tmp_path / "made/10_train_tiny-tiny.ipynb").read_text())
    assert "10_train_tiny-tiny.ipynb" in done.stdout
    injected = [cell for cell in made["cells"] if "injected-parameters" in cell["metadata"].get("tags", [])]
    assert len(injected) == 1 and "lr = 1e-05" in "".join(injected[0]["source"])
    assert not any(cell.get("outputs") for cell in made["cells"])
    assert not (tmp_path / "runs").exists()


def test_seeds_profiles_and_jobs_side_by_side(project, finished, monkeypatch):
    runs, _ = finished
    monkeypatch.setenv("HELPERS_RUNS", str(runs))
    done = helpers(project, *"run --models tiny --seeds 1,2 --profile smoke --jobs 2 -p lr 1e-5".split())
    folders = [next(runs.glob(f"10_train_tiny-all-{seed}-*")) for seed in (1, 2)]
    for seed, folder in enumerate(folders, 1):
        assert read_json(folder / "params.json")["parameters"]["lr"] == 1e-5
        assert score_of(folder) == pytest.approx(expected_value(epochs=2, lr=1e-5, seed=seed), rel=1e-6)
    starts = [line for line in done.stdout.splitlines() if "started" in line]
    # Both trainings at once, `01_make` not again, the comparison after both since there are newer runs to read.
    assert len(starts) == 3 and "90_compare" in starts[2] and "anew" in starts[2]
    assert "3 runs" in done.stdout


def test_training_out_of_time_is_continued_with_the_same_scores(project, finished, monkeypatch):
    runs, _ = finished
    monkeypatch.setenv("HELPERS_RUNS", str(runs))
    arguments = ["--notebooks", "10", "--models", "tiny", "--seeds", "50", "-p", "epochs", "2"]
    done = helpers(project, "run", *arguments, "-p", "max_minutes", "0.01", check=False)
    assert done.returncode == 3 and "saved, run again" in done.stdout
    folder = next(runs.glob(".working/10_train_tiny-all-50-*"))
    assert len((folder / "history.csv").read_text().split()) == 2
    assert "resumes there" in helpers(project, "status", *arguments).stdout
    helpers(project, "run", *arguments)  # max_minutes is no part of the identity: the same folder
    folder = next(runs.glob("10_train_tiny-all-50-*"))
    assert score_of(folder) == pytest.approx(expected_value(epochs=2, seed=50), rel=1e-6)
    assert len((folder / "history.csv").read_text().split()) == 3


def test_changed_notebook_runs_anew_and_again_forces(project, tmp_path):
    helpers(project, "run", "--notebooks", "01")
    path = project / "notebooks/01_make.ipynb"
    original = path.read_text()
    try:
        path.write_text(original.replace("train", "dev"))
        assert "outdated" in helpers(project, "status", "--notebooks", "01").stdout
        done = helpers(project, "run", "--notebooks", "01", "--again")
        assert "anew" in done.stdout and "1 done" in done.stdout
        counts = read_json(run_folder(tmp_path / "runs", "01_make") / "metrics.json")["data"]["counts"]
        assert list(counts) == ["dev"]
    finally:
        path.write_text(original)
    [earlier] = (tmp_path / "runs/.replaced").glob("01_make-*/metrics.json")
    assert list(read_json(earlier)["data"]["counts"]) == ["train"], "the run that was replaced is lost"


@pytest.mark.parametrize(
    "fault, says",
    [
        ("raise", ["it raised in cell 6", "ValueError: need both classes", "run again"]),
        ("memory", ["the kernel was killed in cell 7", "the fault is memory", "batch_size"]),
        ("hang", ["did not end in time", "cell 7", "--minutes"]),
        ("disk", ["the disk is full in cell 7", "HELPERS_WORK"]),
        ("silent", ["without metrics.json", "run.finish"]),
        ("late", ["it raised in cell 7", "KeyError: 'model'"]),  # after its results are written
    ],
)
def test_fault_in_a_notebook_is_told_with_cell_and_advice(project, finished, monkeypatch, fault, says):
    monkeypatch.setenv("HELPERS_RUNS", str(finished[0]))
    # A hanging cell is given seconds instead of hours.
    program = (
        f"import sys, helpers.execution.runner as r; r.CELL_MINUTES = {0.04 if fault == 'hang' else 1}; "
    )
    program += "from helpers.__main__ import dispatch; sys.exit(dispatch(sys.argv[1:]))"
    line = [sys.executable, "-c", program, "run", "--notebooks", "11", "-p", "fault", fault]
    ascii_only = environment(PYTHONIOENCODING="ascii")  # a terminal that lacks the arrow before the advice
    done = subprocess.run(line, cwd=project, env=ascii_only, capture_output=True, text=True)
    assert done.returncode == 1 and "\\u2192" in done.stdout
    for words in says:
        assert words in done.stdout
    assert not marked(finished[0])


PORT_THIEF = """
import json, os, socket, sys, time
from pathlib import Path

starts = Path(__file__).with_name("starts")
starts.write_text(starts.read_text() + "x" if starts.exists() else "x")
if len(starts.read_text()) <= {thefts}:
    told = json.loads(Path(sys.argv[sys.argv.index("-f") + 1]).read_text())
    taken = socket.create_server((told["ip"], told["shell_port"]))
    os.set_inheritable(taken.fileno(), True)
os.execv(sys.executable, [sys.executable, "-m", "ipykernel_launcher", *sys.argv[1:]])
"""


def with_kernel(tmp_path, monkeypatch, *argv):
    """What Jupyter will start as `python3`."""
    folder = tmp_path / "jupyter/kernels/python3"
    folder.mkdir(parents=True)
    spec = {"argv": [*map(str, argv)], "display_name": "Python 3", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))


@pytest.mark.parametrize("thefts", [1, 2])
def test_kernel_whose_port_is_taken_is_started_again(project, tmp_path, monkeypatch, thefts):
    """Two kernels that start in one moment can be told the same port; here the port is taken before the kernel comes."""
    thief = tmp_path / "thief.py"
    thief.write_text(PORT_THIEF.replace("{thefts}", str(thefts)))
    with_kernel(tmp_path, monkeypatch, sys.executable, thief, "-f", "{connection_file}")
    done = helpers(project, "run", "--notebooks", "01", check=False)
    assert (done.returncode, (tmp_path / "starts").read_text()) == ((0, "xx") if thefts == 1 else (1, "xx"))
    assert done.stdout.count("took its kernel's port: once more") == 1
    assert ("1 done" in done.stdout, "port\n    → run again" in done.stdout) == (thefts == 1, thefts == 2)
    assert not marked(tmp_path / "runs")


def test_kernel_of_a_python_that_cannot_start_it_is_a_sentence(project, tmp_path, monkeypatch):
    with_kernel(
        tmp_path, monkeypatch, sys.executable, "-c", "import nothing_of_that_name", "{connection_file}"
    )
    said = helpers(project, "run", "--notebooks", "01", check=False).stdout
    assert "the kernel did not start" in said and "-m ipykernel install --sys-prefix" in said


def test_others_go_on_when_one_notebook_breaks(project, finished, monkeypatch):
    monkeypatch.setenv("HELPERS_RUNS", str(finished[0]))
    done = helpers(project, "run", "--notebooks", "11,12,90", "--again", check=False)
    assert done.returncode == 1
    states = {
        line.split()[0]: line.split()[1]
        for line in done.stdout.splitlines()
        if line[:2] in ("11", "12", "90")
    }
    assert states == {"11_train_bad": "failed", "12_after_bad": "blocked", "90_compare": "done"}


def start(project, *arguments):
    line = [sys.executable, "-m", "helpers", "run", *map(str, arguments)]
    # A suite started in the background ignores Ctrl-C, and what it starts would, too.
    heed = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(
        line, cwd=project, env=environment(), stdout=subprocess.PIPE, text=True, preexec_fn=heed
    )


def wait_for(condition, seconds=30):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "waited too long"
        time.sleep(0.05)


def test_runner_stopped_by_ctrl_c_leaves_no_process_and_goes_on_later(project, finished, monkeypatch):
    monkeypatch.setenv("HELPERS_RUNS", str(finished[0]))
    seed = 100
    arguments = ["--notebooks", "10", "--models", "tiny", "--seeds", seed, "-p", "pause", "0.3"]
    process = start(project, *arguments)
    wait_for(lambda: list(finished[0].glob(f".working/10_train_tiny-all-{seed}-*/last.pt")))
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=20)
    assert process.returncode == 130 and "resumes where this stopped" in printed
    assert not marked(finished[0])
    assert "resumes after epoch" in helpers(project, "run", *arguments).stdout
    folder = next(finished[0].glob(f"10_train_tiny-all-{seed}-*"))
    assert score_of(folder) == pytest.approx(expected_value(seed=seed), rel=1e-6)


def test_two_runners_at_once_share_the_work(project, tmp_path):
    processes = [start(project, "--notebooks", "01") for _ in range(2)]
    printed = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted("1 done" in text for text in printed) == [False, True]


def test_slots_follow_gpus_then_groups_of_four_cores(monkeypatch):
    monkeypatch.setattr(child, "cpu_threads", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert child.slots() == [child.Slot(2)]
    monkeypatch.setattr(child, "cpu_threads", lambda: 16)
    assert child.slots() == [child.Slot(4)] * 4
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,3")
    assert [slot.gpu for slot in child.slots()] == ["0", "3"]
    assert child.slots(3)[2].environ({})["CUDA_VISIBLE_DEVICES"] == "0"


def victim(runs, runner, kind):
    """The process to kill: the runner, papermill, or the kernel; None while there is no such process."""
    if kind == "runner":
        return psutil.Process(runner.pid)
    word = "papermill" if kind == "papermill" else "ipykernel_launcher"
    for process in marked(runs):
        try:
            if any(word in part for part in process.cmdline()[:4]):
                return process
        except psutil.Error:
            continue
    return None


def epochs_saved(runs):
    return sum(
        len(path.read_text().split()) - 1 for path in runs.glob(".working/10_train_tiny-all-70-*/history.csv")
    )


def wait_for_epoch(runner, runs):
    before = epochs_saved(runs)
    wait_for(lambda: epochs_saved(runs) > before or runner.poll() is not None, seconds=60)


VICTIMS = [
    ("kernel", True),
    ("kernel", False),
    ("papermill", True),
    ("papermill", False),
    ("runner", True),
    ("runner", False),
]


def test_killed_at_random_moments_it_ends_with_the_same_scores(project, finished, monkeypatch):
    """kill -9 of kernel, papermill or runner, within the training or at any moment of the start, again and again in one
    training. HELPERS_KILLS=20 for the long form."""
    runs = finished[0]
    monkeypatch.setenv("HELPERS_RUNS", str(runs))
    n_kills, chance = int(os.environ.get("HELPERS_KILLS", len(VICTIMS))), random.Random(7)
    n_epochs = 4 * n_kills
    arguments = ["--notebooks", "10", "--models", "tiny", "--seeds", "70"]
    arguments += ["-p", "pause", "0.2", "-p", "epochs", n_epochs]
    for number in range(n_kills):
        kind, in_training = VICTIMS[number % len(VICTIMS)]
        runner = start(project, *arguments)
        if in_training:
            wait_for_epoch(runner, runs)
        else:
            wait_for(lambda kind=kind, runner=runner: victim(runs, runner, kind))
        time.sleep(chance.uniform(0, 0.5 if in_training or kind != "runner" else 2))
        try:
            prey = victim(runs, runner, kind)
            if prey is None:  # just gone, or just being replaced
                kind, prey = "runner", psutil.Process(runner.pid)
            prey.kill()
        except psutil.NoSuchProcess:
            kind = "nobody"
        printed = runner.communicate(timeout=60)[0]
        told = "killed" in printed or "the kernel did not start" in printed
        assert kind not in ("kernel", "papermill") or told, printed
        folder = next(runs.glob(".working/10_train_tiny-all-70-*"), runs)
        assert not (folder / "metrics.json").exists(), "a killed run was taken for a finished one"
    helpers(project, "run", *arguments)
    [folder] = runs.glob("10_train_tiny-all-70-*")
    assert not list(folder.rglob("*.part"))
    epochs = [int(row.split(",")[0]) for row in (folder / "history.csv").read_text().split()[1:]]
    assert epochs == list(range(1, n_epochs + 1)), "an epoch twice or missing"
    assert score_of(folder) == pytest.approx(expected_value(epochs=n_epochs, seed=70), rel=1e-6)
    assert not marked(runs)


BESIDE = Path(sys.executable).with_name("snakemake")  # `python -m pytest` does not put its folder on the PATH
SNAKEMAKE = (
    os.environ.get("SNAKEMAKE") or shutil.which("snakemake") or (str(BESIDE) if BESIDE.is_file() else None)
)


@pytest.mark.skipif(
    not SNAKEMAKE, reason="snakemake is not installed (pip install snakemake, or name it in SNAKEMAKE)"
)
def test_snakefile_runs_the_notebooks_and_a_second_call_does_nothing(tmp_path):
    project = make_project(tmp_path / "project")
    shutil.copy(PROJECT / "notebooks/Snakefile", project / "notebooks")
    line = [SNAKEMAKE, "-s", "notebooks/Snakefile", "--cores", "2", "--config", "models=tiny", "seeds=0,1"]
    done = subprocess.run(line, cwd=project, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    complete = [read_json(path)["complete"] for path in (tmp_path / "runs").glob("*/metrics.json")]
    assert complete == [True] * 4
    again = subprocess.run(line, cwd=project, env=environment(), capture_output=True, text=True, timeout=300)
    assert again.returncode == 0 and "Nothing to be done" in again.stdout + again.stderr
