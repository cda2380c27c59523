"""Kaggle: the real client against a stand-in for the service, and the packed kernel executed as Kaggle lays it out."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from execution_toys import helpers, make_project
from kaggle_stand_in import KaggleStandIn

from helpers.__main__ import dispatch
from helpers.execution import kaggle as kernels
from helpers.execution import kaggle_service
from helpers.execution.carry import import_runs
from helpers.execution.jobs import Request
from helpers.execution.kaggle import OneKernel, pack_project
from helpers.execution.kaggle_service import KaggleBusy, KaggleError, Service
from helpers.execution.plan import Notebook, Row
from helpers.runs import code_digest

SECRET = "a-key-that-must-not-appear"
PLAN = (
    Notebook("01_make", "Make", "numbers", 0.1, 0.1, device="cpu", core=True),
    Notebook("10_train_tiny", "Tiny", "a run", 0.2, 0.1, ("01_make",), (Row("tiny", "tiny"),)),
    Notebook("90_compare", "Compare", "a table", 0.1, 0.1, device="cpu", core=True, reads_runs=True),
)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return make_project(tmp_path_factory.mktemp("kaggle") / "project")


@pytest.fixture(params=["key", "token"])
def stand_in(request, monkeypatch, tmp_path):
    """The real client, pointed at loopback, with a credential of either form that must stay inside it."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY"):
        monkeypatch.delenv(name, raising=False)
    if request.param == "token":
        monkeypatch.setenv("KAGGLE_API_TOKEN", SECRET)
    else:
        monkeypatch.setenv("KAGGLE_USERNAME", "student")
        monkeypatch.setenv("KAGGLE_KEY", SECRET)
    kaggle_env = pytest.importorskip("kagglesdk.kaggle_env")
    server = KaggleStandIn(lambda body: {})
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.LOCAL, server.url)
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, server.url)
    from kaggle.api.kaggle_api_extended import KaggleApi

    monkeypatch.setattr(KaggleApi, "args", ["--local"])
    monkeypatch.setattr(kernels, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(KaggleApi, "config", str(tmp_path / "home/kaggle.json"))
    yield server
    server.shutdown()
    server.server_close()


def one_kernel(project, tmp_path, **more):
    chosen = {"everything": True, **more}
    return OneKernel(
        Request(**chosen, project=project, runs_dir=tmp_path / "runs", plan=PLAN), owner="student"
    )


def outputs(made, unfinished=0):
    """What the runner in a kernel leaves; with `unfinished` epochs the training is to be resumed."""

    def execute(body):
        files, resumed = {}, bool(body.get("kernelDataSources"))
        for place, job in enumerate(made.jobs):
            record = {"notebook": job.notebook.stem, "parameters": job.parameters, "data_fingerprint": ""}
            done = resumed or not unfinished or not job.notebook.rows
            folder = f"runs/{job.name}" if done else f"runs/.working/{job.name}"
            code = code_digest(job.notebook.stem, made.request.project)
            files[f"{folder}/params.json"] = json.dumps({**record, "code": code}).encode()
            files[f"{folder}/history.csv"] = b"epoch\n" + b"1\n" * unfinished
            if done:
                files[f"{folder}/metrics.json"] = json.dumps(
                    {"complete": True, "code": code, "ended": place + 9 * resumed}
                ).encode()
        return files | {f"runs/{made.jobs[0].name}/figures/{n}.png": b"x" for n in range(40)}

    return execute


def test_project_travels_without_runs_caches_or_solutions(project, tmp_path):
    (project / "work").mkdir(exist_ok=True)
    (project / "work/big.npy").write_bytes(b"x")
    (project / "wheels").mkdir(exist_ok=True)
    (project / "wheels/skops-1-py3-none-any.whl").write_bytes(b"x")
    packed = tmp_path / "packed"
    before = pack_project(project, packed, "student/adf-project")
    names = {path.relative_to(packed).as_posix() for path in packed.rglob("*") if path.is_file()}
    wanted = {"helpers/__main__.py", "notebooks/01_make.ipynb", "wheels/skops-1-py3-none-any.whl"}
    assert wanted <= names and not [name for name in names if name.startswith(("work", "runs"))]
    (project / "work/more.npy").write_bytes(b"y")
    assert pack_project(project, packed, "student/adf-project") == before
    shutil.rmtree(project / "wheels")


def test_one_kernel_runs_all_and_every_page_of_its_output_is_pulled(project, stand_in, tmp_path, capsys):
    made = one_kernel(project, tmp_path)
    stand_in.execute = outputs(made)
    assert made.run() == 0
    [pushed] = stand_in.named("SaveKernel")
    assert pushed["isPrivate"] and pushed["enableInternet"] is False
    assert pushed["machineShape"] == "NvidiaTeslaT4" and pushed["sessionTimeoutSeconds"] == 690 * 60
    assert pushed["datasetDataSources"] == ["student/adf-project"]
    assert '--minutes\\", \\"660' in pushed["text"].replace("\\\\", "\\")
    assert len(list((made.jobs[0].folder / "figures").iterdir())) == 40
    assert not [name for name, _ in stand_in.calls if "Delete" in name]
    seen = capsys.readouterr().out + json.dumps(
        [call for call in stand_in.calls if call[0] != "IntrospectToken"]
    )
    files = [path for path in tmp_path.rglob("*") if path.is_file() and "home" not in path.parts]
    assert SECRET not in seen and not any(SECRET.encode() in path.read_bytes() for path in files)
    before = len(stand_in.named("CreateDataset"))
    assert made.run() == 0 and len(stand_in.named("CreateDataset")) == before, "the same code was sent twice"


def test_a_training_that_was_saved_resumes_in_the_next_push(project, stand_in, tmp_path):
    made = one_kernel(project, tmp_path)
    stand_in.execute = outputs(made, unfinished=3)
    assert made.run() == 0
    first, second = stand_in.named("SaveKernel")
    assert not first.get("kernelDataSources") and second["kernelDataSources"] == [made.reference]
    assert first["slug"] == second["slug"]


def test_what_breaks_at_the_same_place_is_not_pushed_a_third_time(project, stand_in, tmp_path):
    made = one_kernel(project, tmp_path)
    whole = outputs(made, unfinished=3)
    stand_in.execute = lambda body: whole({})
    assert made.run() == 1 and len(stand_in.named("SaveKernel")) == 2


def test_notebooks_that_need_no_gpu_take_none(project, stand_in, tmp_path):
    one_kernel(project, tmp_path, everything=False, notebooks="01").push()
    [pushed] = stand_in.named("SaveKernel")
    assert pushed["enableGpu"] is False and not pushed.get("machineShape")


BUSY = [
    (429, {"code": 429, "message": "Too many requests"}),
    (503, {"code": 503, "message": "Unavailable"}),
    (200, {"error": "Maximum batch GPU session count of 2 reached."}),
    (200, {"error": "Your weekly GPU quota is used up."}),
]


@pytest.mark.parametrize("status, answer", BUSY)
def test_refusals_for_now_are_waited_for(project, stand_in, tmp_path, capsys, status, answer):
    made = one_kernel(project, tmp_path)
    stand_in.execute = outputs(made)
    stand_in.refuse["SaveKernel"] = [(status, answer)] * 2
    assert made.run() == 0 and "waiting: " in capsys.readouterr().out


@pytest.mark.parametrize(
    "answer, says",
    [
        ({"error": "Notebook not found"}, "Kaggle refuses the kernel"),
        (
            {"ref": "x", "versionNumber": 1, "invalidDatasetSources": ["a/b"]},
            "https://www.kaggle.com/datasets/a/b",
        ),
        (
            {"ref": "x", "versionNumber": 1, "invalidKernelSources": ["a/b"]},
            "https://www.kaggle.com/code/a/b",
        ),
    ],
)
def test_push_that_the_client_takes_for_success_is_refused(project, stand_in, tmp_path, answer, says):
    made = one_kernel(project, tmp_path)
    stand_in.refuse["SaveKernel"] = [(200, answer)]
    with pytest.raises(KaggleError, match=re.escape(says)):
        made.run()


@pytest.mark.parametrize("status, says", [(401, "does not accept the token"), (429, "429"), (503, "503")])
def test_refusals_are_sentences_with_either_credential(stand_in, status, says):
    stand_in.refuse["GetKernelSessionStatus"] = [(status, {"code": status, "message": "no"})] * 9
    with pytest.raises(KaggleError, match=says):
        Service().kernel_state("student/adf-data")


def test_no_connection_is_a_sentence(stand_in, monkeypatch):
    kaggle_env = sys.modules["kagglesdk.kaggle_env"]
    for one in (kaggle_env.KaggleEnv.LOCAL, kaggle_env.KaggleEnv.PROD):
        monkeypatch.setitem(kaggle_env._env_to_endpoint, one, "http://127.0.0.1:9")
    with pytest.raises(KaggleBusy, match="there is no connection"):
        Service().kernel_state("student/adf-data")


def test_a_client_that_pulls_one_page_is_refused(stand_in, tmp_path, monkeypatch):
    service = Service()
    monkeypatch.setattr(kaggle_service.importlib.metadata, "version", lambda name: "2.0.2")
    with pytest.raises(KaggleError, match="kaggle 2.0.2 fetches the first 20 files"):
        service.pull("student/adf", tmp_path)


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["--dataset", "my_folder"], "my_folder is audio of your own.*--attach"),
        (["--dataset", "my_folder", "-p", "source", "clips"], "clips .-p source. is a path of this machine"),
        (["--notebooks", "12", "-p", "weights", "/home/me/w.pth"], "w.pth .-p weights. is a path of this"),
        (["--profile", "full", "--models", "resnet50"], "needs weights from the internet.*--internet"),
        (["--profile", "full", "--models", "ssl"], "front_end facebook/.*--internet"),
        (["--models", "xgboost"], "saved with skops.*pip download"),
    ],
)
def test_what_kaggle_could_not_run_is_refused_before_a_token_is_asked_for(
    monkeypatch, capsys, arguments, says
):
    monkeypatch.setattr(kernels, "Service", lambda: pytest.fail("asked for a token"))
    assert dispatch(["kaggle", "run", *arguments]) == 2
    said = capsys.readouterr().err
    assert re.search(says, said) and len(said.splitlines()) == 1


def test_own_audio_on_kaggle_is_named_by_its_path_there():
    own = SimpleNamespace(dataset="my_folder")
    assert kernels.attached_data([own], "me/clips", "/kaggle/input/clips") == ["me/clips"]
    with pytest.raises(ValueError, match="mine is in a manifest of your own.*data_manifest.yaml"):
        kernels.attached_data([SimpleNamespace(dataset="mine")], "")


LAY_OUT = """set -e
mount -t tmpfs tmpfs "$1"
for d in /*; do
  n=${d#/}
  if [ -L "$d" ]; then cp -P "$d" "$1/$n"; elif [ -d "$d" ]; then mkdir "$1/$n"; mount --rbind "$d" "$1/$n"; fi
done
mkdir -p "$1/kaggle/working" "$1/kaggle/temp" "$1/kaggle/input"
mount --bind "$2" "$1/kaggle/input"
mount -o remount,bind,ro "$1/kaggle/input"
if [ -n "$3" ]; then mount --bind "$3" "$1/kaggle/working"; fi
shift 3
exec chroot "$@"
"""


def on_kaggle(tmp_path, given, working, *command):
    """Run a command where / has a /kaggle as Kaggle lays it out, its input read-only; skipped where it cannot be done."""
    if not shutil.which("unshare"):
        pytest.skip("no unshare: cannot lay out /kaggle")
    (tmp_path / "lay_out.sh").write_text(LAY_OUT)
    root = tmp_path / "root"
    root.mkdir(exist_ok=True)
    space = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    line = [*space, "sh", tmp_path / "lay_out.sh", root, given, working, root]
    tried = subprocess.run([*line, "true"], capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"cannot lay out /kaggle here: {tried.stderr.strip().splitlines()[-1:]}")
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HELPERS_") and k != "PYTHONPATH"}
    kept |= {"KAGGLE_KERNEL_RUN_TYPE": "Batch", "KAGGLE_DOCKER_IMAGE_INTERNET": "False"}
    return subprocess.run([*line, *command], capture_output=True, text=True, env=kept, timeout=120)


def test_packed_kernel_stopped_in_a_training_resumes_in_the_next_one(project, tmp_path, monkeypatch):
    """Two sessions: the first training stops in time after an epoch, the second kernel finds its output below input."""
    monkeypatch.setattr(kernels, "Service", lambda: SimpleNamespace(owner="student"))
    made = one_kernel(project, tmp_path, everything=False, notebooks="10")
    given = tmp_path / "input"
    pack_project(project, given / "datasets/student/adf-project", "student/adf-project")
    printed = []
    for minutes in (["-p", "max_minutes", "0.01"], []):
        made.arguments = ["--notebooks", "10", "--models", "tiny", "-p", "epochs", "2", *minutes]
        made.pack([])
        working = tmp_path / f"working{len(printed)}"
        working.mkdir()
        shutil.copy(next((made.folder / "kernel").glob("*.ipynb")), working / "kernel.ipynb")
        run = f"cd /kaggle/working && {sys.executable} -m papermill kernel.ipynb out.ipynb -k python3"
        done = on_kaggle(tmp_path, given, working, "sh", "-c", run)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
        printed.append((working / "out.ipynb").read_text())
        assert not (working / "cache").exists(), "the cache takes the room of the output"
        shutil.copytree(working, given / "adf-kernel", dirs_exist_ok=True)
    assert "kaggle · project /kaggle/input/datasets/student/adf-project" in printed[0]
    assert "from an earlier kernel: runs/01_make" in printed[1] and "1 done, 1 skipped" in printed[1]
    assert "resumes there" in printed[1]
    assert import_runs(tmp_path / "working1/runs", tmp_path / "runs")
    # Here, too, it now counts as finished: the same code and data there and here.
    monkeypatch.setenv("HELPERS_RUNS", str(tmp_path / "runs"))
    arguments = ["--notebooks", "10", "--models", "tiny", "-p", "epochs", "2"]
    assert "2 skipped" in helpers(project, "run", *arguments).stdout


def test_notebook_itself_runs_on_kaggle_with_nothing_but_the_attached_project(project, tmp_path):
    given, working = tmp_path / "input", tmp_path / "working"
    working.mkdir()
    pack_project(project, given / "adf-project", "student/adf-project")
    shutil.copy(project / "notebooks/01_make.ipynb", working)
    line = f"cd /kaggle/working && {sys.executable} -m papermill 01_make.ipynb out.ipynb -p numbers 5"
    done = on_kaggle(tmp_path, given, working, "sh", "-c", line)
    assert done.returncode == 0, done.stderr[-3000:]
    metrics = json.loads(next(Path(working).glob("runs/01_make-*/metrics.json")).read_text())
    assert metrics["environment"]["place"] == "kaggle" and metrics["data"]["counts"]["train"]["spoof"] == 5
