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

from helpers.execution import kaggle_campaign, kaggle_cli
from helpers.execution.child import Lock, is_held
from helpers.execution.jobs import Request, expand
from helpers.execution.kaggle_campaign import Campaign, import_runs
from helpers.execution.kaggle_pack import Kernel, arrange, pack_kernel, pack_project, project_digest, slug_of
from helpers.execution.kaggle_service import KaggleBusy, KaggleError, Service
from helpers.execution.plan import Notebook, Row
from helpers.runs import write_json

SECRET = "a-key-that-must-not-appear"
PLAN = (
    Notebook("01_make", "Make", "numbers", 0.1, 0.1, core=True),
    Notebook(
        "10_train_tiny",
        "Tiny",
        "a run",
        0.2,
        0.1,
        ("01_make",),
        (Row("tiny", "tiny"), Row("big", "big", {"width": 64})),
    ),
    Notebook("90_compare", "Compare", "a table", 0.1, 0.1, core=True, reads_runs=True),
)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return make_project(tmp_path_factory.mktemp("kaggle") / "project")


@pytest.fixture
def jobs(project, tmp_path):
    request = Request(everything=True, seeds="0,1", project=project, runs_dir=tmp_path / "runs", plan=PLAN)
    return expand(request)


def outputs_of(jobs, complete=True):
    """What a kernel would leave: the run folders of the jobs its arguments choose."""

    def execute(body):
        arguments = json.loads(body["text"].split("arguments = ")[1].split("\\n")[0].replace('\\"', '"'))
        stems = arguments[arguments.index("--notebooks") + 1].split(",")
        rows = arguments[arguments.index("--models") + 1].split(",") if "--models" in arguments else []
        seed = int(arguments[arguments.index("--seeds") + 1]) if "--seeds" in arguments else None
        files = {}
        for job in jobs:
            if (
                job.notebook.stem in stems
                and (not rows or job.row.id in rows)
                and seed in (None, job.parameters.get("seed"))
            ):
                record = {"notebook": job.notebook.stem, "parameters": job.parameters}
                files[f"runs/{job.folder.name}/params.json"] = json.dumps(record).encode()
                done = complete or body["slug"].endswith("-2") or not job.notebook.rows
                files[f"runs/{job.folder.name}/metrics.json"] = json.dumps(
                    {"complete": done, "code": "x"}
                ).encode()
                files["cache/big.npy"] = b"not pulled"
        return files

    return execute


@pytest.fixture
def stand_in(jobs, monkeypatch, tmp_path):
    """The real client, pointed at loopback, with a token that must stay inside it."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
    monkeypatch.delenv("KAGGLE_API_TOKEN", raising=False)
    monkeypatch.setenv("KAGGLE_USERNAME", "student")
    monkeypatch.setenv("KAGGLE_KEY", SECRET)
    kaggle_env = pytest.importorskip("kagglesdk.kaggle_env")
    from kaggle.api.kaggle_api_extended import KaggleApi

    server = KaggleStandIn(outputs_of(jobs))
    monkeypatch.setattr(KaggleApi, "args", ["--local"])
    monkeypatch.setattr(KaggleApi, "config", str(tmp_path / "home/kaggle.json"))
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.LOCAL, server.url)
    yield server
    server.shutdown()
    server.server_close()


def campaign(project, jobs, tmp_path, said=None, **more):
    kernels = arrange(jobs, [], gpu=True)
    options = {"poll_seconds": 0.01, "say": (said if said is not None else []).append, **more}
    return Campaign(Service(), kernels, project, tmp_path / "kaggle", tmp_path / "runs", "student", **options)


def test_kernels_are_data_then_pairs_of_trainings_then_comparison(jobs):
    kernels = arrange(jobs, ["--profile", "smoke"], gpu=True)
    assert [kernel.stage for kernel in kernels] == ["data", "tiny-big", "tiny-big-s1", "compare"]
    assert [kernel.gpu for kernel in kernels] == [False, True, True, False]
    assert kernels[-1].after == ["data", "tiny-big", "tiny-big-s1"] and kernels[1].after == ["data"]
    assert kernels[2].arguments[:6] == [
        "--notebooks",
        "10_train_tiny",
        "--models",
        "tiny,big",
        "--seeds",
        "1",
    ]
    assert "max_minutes" in kernels[1].arguments and "max_minutes" not in kernels[0].arguments
    slugs = [slug_of(kernel, "adf", "code") for kernel in kernels]
    assert len(set(slugs)) == 4 and all(len(slug) <= 50 for slug in slugs)


def test_project_travels_without_runs_caches_or_solutions(project, tmp_path):
    (project / "work").mkdir(exist_ok=True)
    (project / "work/big.npy").write_bytes(b"x")
    packed = pack_project(project, tmp_path / "packed", "student/adf-project")
    names = {path.relative_to(packed).as_posix() for path in packed.rglob("*") if path.is_file()}
    assert {"helpers/__main__.py", "notebooks/01_make.ipynb", "requirements.txt"} <= names
    assert not [name for name in names if name.startswith(("work", "runs")) or "__pycache__" in name]
    assert json.loads((packed / "dataset-metadata.json").read_text())["id"] == "student/adf-project"
    before = project_digest(project)
    (project / "work/more.npy").write_bytes(b"y")
    assert project_digest(project) == before


def test_campaign_pushes_in_order_and_pulls_every_run(project, jobs, stand_in, tmp_path):
    said = []
    made = campaign(project, jobs, tmp_path, said)
    assert made.run(max_seconds=60) is True, said
    assert all((job.folder / "metrics.json").is_file() for job in jobs)
    pushed = stand_in.named("SaveKernel")
    assert len(pushed) == 4 and stand_in.running_gpu_at_once == 2
    assert all(body["isPrivate"] and body["enableInternet"] is False for body in pushed)
    assert [body.get("machineShape") for body in pushed] == [None, "NvidiaTeslaT4", "NvidiaTeslaT4", None]
    assert all(body["sessionTimeoutSeconds"] == 690 * 60 for body in pushed)
    assert all("student/adf-project" in body["datasetDataSources"] for body in pushed)
    assert len(pushed[3]["kernelDataSources"]) == 3
    assert not [name for name, _ in stand_in.calls if "Delete" in name]
    assert not list((tmp_path / "runs").rglob("big.npy")) and not list((tmp_path / "kaggle").rglob("big.npy"))


def test_credentials_are_written_nowhere(project, jobs, stand_in, tmp_path):
    said = []
    campaign(project, jobs, tmp_path, said).run(max_seconds=60)
    for folder in (tmp_path / "kaggle", tmp_path / "runs"):
        for path in folder.rglob("*"):
            assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path
    assert SECRET not in "\n".join(said)
    assert SECRET not in json.dumps(stand_in.calls)


def test_stopped_campaign_pushes_nothing_twice(project, jobs, stand_in, tmp_path):
    first = campaign(project, jobs, tmp_path)
    first.step()
    state = json.loads((tmp_path / "kaggle/state.json").read_text())
    # Killed between the push and the note of it: the state says pushing, Kaggle has the kernel.
    next(iter(state["kernels"].values()))["status"] = "pushing"
    write_json(tmp_path / "kaggle/state.json", state)
    assert campaign(project, jobs, tmp_path).run(max_seconds=60) is True
    assert len(stand_in.named("SaveKernel")) == 4 and len(stand_in.named("CreateDataset")) == 1
    assert campaign(project, jobs, tmp_path).run(max_seconds=60) is True
    assert len(stand_in.named("SaveKernel")) == 4


def test_saved_trainings_go_on_in_another_kernel(project, jobs, stand_in, tmp_path):
    stand_in.execute = outputs_of(jobs, complete=False)
    assert campaign(project, jobs, tmp_path).run(max_seconds=60) is True
    slugs = [body["slug"] for body in stand_in.named("SaveKernel")]
    parts = [slug for slug in slugs if slug.endswith("-2")]
    assert len(slugs) == 6 and len(parts) == 2
    second = next(body for body in stand_in.named("SaveKernel") if body["slug"] == parts[0])
    assert parts[0][:-2] in second["kernelDataSources"]
    assert len(stand_in.named("SaveKernel")[-1]["kernelDataSources"]) == 5


@pytest.mark.parametrize(
    "status, answer",
    [
        (429, {"code": 429, "message": "Too many requests"}),
        (503, {"code": 503, "message": "Unavailable"}),
        (200, {"error": "Maximum batch GPU session count of 2 reached."}),
        (200, {"error": "Your weekly GPU quota is used up."}),
    ],
)
def test_refusals_for_now_are_waited_for(project, jobs, stand_in, tmp_path, status, answer):
    stand_in.refuse["SaveKernel"] = [(status, answer)] * 2
    said = []
    assert campaign(project, jobs, tmp_path, said).run(max_seconds=60) is True
    assert any(line.startswith("waiting: ") for line in said)


@pytest.mark.parametrize(
    "answer, says",
    [
        ({"error": "Notebook not found"}, "Kaggle refuses the kernel"),
        (
            {"ref": "x", "versionNumber": 1, "invalidDatasetSources": ["awsaf49/asvpoof-2019-dataset"]},
            "https://www.kaggle.com/datasets/awsaf49/asvpoof-2019-dataset",
        ),
        (
            {"ref": "x", "versionNumber": 1, "invalidKernelSources": ["student/adf-data"]},
            "https://www.kaggle.com/code/",
        ),
    ],
)
def test_push_that_the_client_takes_for_success_is_refused(project, jobs, stand_in, tmp_path, answer, says):
    stand_in.refuse["SaveKernel"] = [(200, answer)]
    said = []
    assert campaign(project, jobs, tmp_path, said).run(max_seconds=60) is False
    assert any(says in line for line in said), said
    assert len(stand_in.named("SaveKernel")) == 1, "went on without its data stage"


def test_a_refused_training_is_left_out_and_pushed_again_by_the_next_command(
    project, jobs, stand_in, tmp_path
):
    refusal = (200, {"ref": "x", "versionNumber": 1, "invalidDatasetSources": ["owner/name"]})
    first = campaign(project, jobs, tmp_path)
    first.push_project()
    first.push(first.kernels[0])
    stand_in.refuse["SaveKernel"] = [refusal]
    assert first.run(max_seconds=60) is False
    statuses = [first.records[kernel.stage]["status"] for kernel in first.kernels]
    assert statuses == ["pulled", "refused", "pulled", "pulled"], "one refusal kept the others from running"
    sources = stand_in.named("SaveKernel")[-1]["kernelDataSources"]
    assert not any("tiny-big-" in one and "s1" not in one for one in sources), sources
    second = campaign(project, jobs, tmp_path)
    assert second.table()[2][1] == "refused" and "owner/name" in second.table()[2][5], (
        "a look at it forgot the refusal"
    )
    second.try_again()
    assert second.run(max_seconds=60) is True


def test_what_failed_is_tried_again_by_a_new_kernel_and_compared_anew(
    project, jobs, stand_in, tmp_path, monkeypatch
):
    whole = stand_in.execute
    stand_in.execute = lambda body: {} if "tiny-big-s1" in body["slug"] else whole(body)
    assert campaign(project, jobs, tmp_path).run(max_seconds=60) is False
    n_first, [comparison] = (
        len(stand_in.named("SaveKernel")),
        (tmp_path / "runs").glob("90_compare-*/metrics.json"),
    )
    write_json(comparison, {"complete": True, "code": "x", "headline": "without a training"})
    stand_in.execute = whole
    second = campaign(project, jobs, tmp_path)
    monkeypatch.setattr(kaggle_cli, "build", lambda arguments: second)
    assert kaggle_cli.main(["run"]) == 0
    training, compare = stand_in.named("SaveKernel")[n_first:]
    assert "tiny-big-s1" in training["slug"] and training["slug"].endswith("-2")
    assert compare["slug"].endswith("-2") and training["slug"] in compare["kernelDataSources"]
    assert (
        compare["slug"][:-2] not in compare["kernelDataSources"] and "headline" not in comparison.read_text()
    )
    assert training["slug"][:-2] not in compare["kernelDataSources"], "attached a kernel that left nothing"
    assert kaggle_cli.main(["run"]) == 0 and len(stand_in.named("SaveKernel")) == n_first + 2


def test_a_training_that_breaks_at_the_same_place_is_not_pushed_a_third_time(
    project, jobs, stand_in, tmp_path
):
    whole = stand_in.execute

    def breaks_in_its_second_epoch(body):
        files = whole(body)
        for name in [name for name in files if "10_train" in name and name.endswith("metrics.json")]:
            files[name.replace("metrics.json", "last.pt")] = files.pop(name)
            files[name.replace("metrics.json", "history.csv")] = b"epoch\n1\n"
        return files

    stand_in.execute = breaks_in_its_second_epoch
    assert campaign(project, jobs, tmp_path).run(max_seconds=60) is False
    trained = [body["slug"] for body in stand_in.named("SaveKernel") if "tiny-big" in body["slug"]]
    assert len(trained) == 4 and sum(slug.endswith("-2") for slug in trained) == 2


def test_one_command_at_a_time_works_on_a_prefix(project, jobs, stand_in, tmp_path, monkeypatch, capsys):
    made, held = campaign(project, jobs, tmp_path), []
    monkeypatch.setattr(kaggle_cli, "build", lambda arguments: made)
    monkeypatch.setattr(Campaign, "run", lambda self: held.append(is_held(self.folder, "campaign")) or True)
    assert kaggle_cli.main(["run"]) == 0 and held == [True]
    other = Lock(made.folder, "campaign")
    assert other.take() and kaggle_cli.main(["push"]) == 2
    assert "another command works on the kernels named adf-" in capsys.readouterr().err


def test_data_of_a_manifest_that_stays_here_are_refused():
    with pytest.raises(ValueError, match="mine stands in a manifest of your own.*data_manifest.yaml"):
        kaggle_cli.attached_data([SimpleNamespace(dataset="mine")], "")


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["--dataset", "my_folder"], "my_folder is audio of your own.*--attach"),
        (
            ["--dataset", "my_folder", "-p", "source", "clips"],
            "clips .-p source. is a path of this machine.*--attach",
        ),
        (
            ["--notebooks", "12", "-p", "weights", "/home/me/w.pth"],
            "/home/me/w.pth .-p weights. is a path of this machine",
        ),
        (["--prefix", "../other"], "--prefix takes .* small letters"),
        (["--prefix", "ADF"], "--prefix takes .* small letters"),
        (["--poll", "-5"], "--poll lies between 1"),
        (["--poll", "nan"], "--poll lies between 1"),
    ],
)
def test_what_kaggle_could_not_run_is_refused_before_a_token_is_asked_for(
    monkeypatch, capsys, arguments, says
):
    monkeypatch.setattr(kaggle_cli, "Service", lambda: pytest.fail("asked for a token"))
    assert kaggle_cli.main(["run", *arguments]) == 2
    assert re.search(says, capsys.readouterr().err)


def test_own_audio_on_kaggle_is_named_by_its_path_there():
    own = SimpleNamespace(dataset="my_folder")
    assert kaggle_cli.attached_data([own], "me/clips", "/kaggle/input/clips") == ["me/clips"]
    kaggle_cli.refuse_paths_from_home(
        {"source": "/kaggle/input/clips", "weights": "imagenet", "front_end": "facebook/wav2vec2-base"}
    )


def test_without_cards_each_training_has_a_kernel_of_its_own(jobs):
    kernels = arrange(jobs, [], gpu=False)
    assert [kernel.stage for kernel in kernels] == ["data", "tiny", "big", "tiny-s1", "big-s1", "compare"]


def test_on_kaggle_a_fusion_waits_for_the_trainings_and_each_of_them_ends_in_time():
    kernels = arrange(expand(Request(everything=True)), [], gpu=True)
    fusing = [kernel for kernel in kernels if any(job.notebook.stem == "25_fuse" for job in kernel.jobs)]
    assert [kernel.stage for kernel in fusing] == ["compare"]
    for kernel in kernels:
        if any(
            "max_minutes" in job.parameters
            for job in kernel.jobs
            if job.notebook.rows and kernel.stage != "compare"
        ):
            assert "max_minutes" in kernel.arguments, kernel.stage


def test_wrong_token_and_no_connection_are_told_apart(stand_in, monkeypatch):
    stand_in.refuse["GetKernelSessionStatus"] = [(401, {"code": 401, "message": "Unauthenticated"})]
    with pytest.raises(KaggleError, match="does not accept this token"):
        Service().kernel_state("student/adf-data")
    kaggle_env = sys.modules["kagglesdk.kaggle_env"]
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.LOCAL, "http://127.0.0.1:9")
    with pytest.raises(KaggleBusy, match="no connection"):
        Service().kernel_state("student/adf-data")


def test_half_a_run_folder_is_not_imported_over_a_finished_one(tmp_path):
    source, runs = tmp_path / "pulled", tmp_path / "runs"
    write_json(source / "a/params.json", {"notebook": "x"})
    write_json(runs / "a/metrics.json", {"complete": True, "code": "1"})
    write_json(source / "b/params.json", {"notebook": "x"})
    write_json(source / "b/metrics.json", {"complete": True, "code": "1"})
    (source / "c").mkdir()
    (source / "c/params.json").write_text('{"notebook": ')
    assert import_runs(source, runs) == ["b"]
    assert (runs / "a/metrics.json").is_file() and not (runs / "c").exists()


def test_a_further_state_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(kaggle_campaign, "code_digest", lambda notebook: "now")
    monkeypatch.setattr(kaggle_campaign, "epochs_done", lambda folder: int((folder / "epochs").read_text()))
    source, runs = tmp_path / "pulled", tmp_path / "runs"
    for root, paused, code in ((runs, "30", "now"), (source, "10", "before")):
        write_json(root / "paused/params.json", {"notebook": "x"})
        write_json(root / "paused/metrics.json", {"complete": False, "code": "now"})
        (root / "paused/epochs").write_text(paused)
        write_json(root / "newer/params.json", {"notebook": "x"})
        write_json(root / "newer/metrics.json", {"complete": True, "code": code})
    assert import_runs(source, runs) == []


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


def on_kaggle(tmp_path, given, working, *command, **environ):
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
    kept |= {"KAGGLE_KERNEL_RUN_TYPE": "Batch", "KAGGLE_DOCKER_IMAGE_INTERNET": "False", **environ}
    return subprocess.run([*line, *command], capture_output=True, text=True, env=kept, timeout=120)


def test_packed_kernels_run_by_papermill_alone_as_on_kaggle(project, tmp_path, monkeypatch):
    jobs = expand(
        Request(notebooks="10", models="tiny", project=project, runs_dir=tmp_path / "runs", plan=PLAN)
    )
    given = tmp_path / "input"
    # The newer form of mount for the project, the older one for an earlier kernel.
    pack_project(project, given / "datasets/student/adf-project", "student/adf-project")
    data = Kernel("data", jobs[:1], False, [], ["--notebooks", "01"])
    training = Kernel("tiny", jobs[1:], True, ["data"], ["--notebooks", "10", "--models", "tiny"])
    for place, kernel in enumerate((data, training)):
        name = f"adf-{kernel.stage}"
        folder = pack_kernel(kernel, tmp_path / name, f"student/{name}", ["student/adf-project"], [], False)
        working = tmp_path / f"working{place}"
        working.mkdir()
        shutil.copy(folder / f"{name}.ipynb", working)
        line = [
            "sh",
            "-c",
            f"cd /kaggle/working && {sys.executable} -m papermill {name}.ipynb out.ipynb -k python3",
        ]
        done = on_kaggle(tmp_path, given, working, *line)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
        shutil.copytree(working, given / name)
        printed = (working / "out.ipynb").read_text()
        assert "kaggle · project /kaggle/input/datasets/student/adf-project" in printed
    assert "from an earlier kernel: runs/01_make" in printed and "1 done, 1 skipped" in printed
    assert import_runs(tmp_path / "working1/runs", tmp_path / "runs")
    assert all(json.loads((job.folder / "metrics.json").read_text())["complete"] for job in jobs)
    # Here, too, it now counts as finished: the same fingerprint there and here.
    monkeypatch.setenv("HELPERS_RUNS", str(tmp_path / "runs"))
    assert "2 skipped" in helpers(project, "run", "--notebooks", "10", "--models", "tiny").stdout


def test_notebook_itself_runs_on_kaggle_with_nothing_but_the_attached_project(project, tmp_path):
    given, working = tmp_path / "input", tmp_path / "working"
    working.mkdir()
    pack_project(project, given / "adf-project", "student/adf-project")
    shutil.copy(project / "notebooks/01_make.ipynb", working)
    line = [
        "sh",
        "-c",
        f"cd /kaggle/working && {sys.executable} -m papermill 01_make.ipynb out.ipynb -p numbers 5",
    ]
    done = on_kaggle(tmp_path, given, working, *line)
    assert done.returncode == 0, done.stderr[-3000:]
    metrics = json.loads(next(Path(working).glob("runs/01_make-*/metrics.json")).read_text())
    assert metrics["environment"]["place"] == "kaggle" and metrics["data"]["counts"]["train"]["spoof"] == 5
