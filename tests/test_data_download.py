"""The real Kaggle client against a server on loopback that speaks as the service does."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from data_trees import asvspoof, zipped

from helpers.data import SourceError, StagingError, open_dataset
from helpers.data import download as download_module
from helpers.data.download import BLOCK, download
from helpers.data.manifest import PROJECT, get_entry, read_manifest
from helpers.environment import where_am_i

ENTRY = get_entry("asvspoof2019_la")
TOKEN = "Basic " + base64.b64encode(b"student:secret").decode()


class Service(ThreadingHTTPServer):
    """Requests for a data set are redirected to a storage address, as Kaggle does; faults by attribute."""

    daemon_threads = True

    def __init__(self, body: bytes):
        super().__init__(("127.0.0.1", 0), Handler)
        self.body = body
        self.etag = '"v1"'
        self.public = False  # whether the data are given without a token
        self.break_after: list[int] = []  # bytes after which each of the next transfers breaks off
        self.statuses: list[int] = []  # answers to the next requests for the data set
        self.slow = 0.0  # seconds a block
        self.ranges: list[str] = []
        self.asked: list[dict] = []
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://localhost:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append({"path": self.path, **request})
        known = self.server.public or self.headers.get("Authorization") == TOKEN
        status = 302 if known else 401
        status = self.server.statuses.pop(0) if self.server.statuses else status
        self.send_response(status)
        if status == 302:
            self.send_header("Location", f"{self.server.url}/storage/archive.zip?signature=1")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        message = json.dumps({"code": status, "message": "refused"}).encode()
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(message)))
        self.end_headers()
        self.wfile.write(message)

    def do_GET(self):
        body, wanted = self.server.body, self.headers.get("Range")
        first = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        part = body[first:]
        self.send_response(206 if wanted else 200)
        self.send_header("ETag", self.server.etag)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        # The client's own request is only looked at; the transfer asks for identity encoding.
        if self.headers.get("Accept-Encoding") != "identity":
            return
        self.server.ranges.append(wanted or "all")
        cut = self.server.break_after.pop(0) if self.server.break_after else len(part)
        for start in range(0, cut, 2**14):
            self.wfile.write(part[start : min(start + 2**14, cut)])
            time.sleep(self.server.slow)
        self.close_connection = True

    def handle(self):
        try:
            super().handle()
        except ConnectionError:
            pass  # the other side was killed

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def body(tmp_path_factory) -> bytes:
    folder = tmp_path_factory.mktemp("service")
    (folder / "tree").mkdir()
    (folder / "tree" / "filler.bin").write_bytes(os.urandom(400_000))
    return zipped(asvspoof(folder / "tree"), folder / "archive.zip").read_bytes()


@pytest.fixture
def service(body, monkeypatch, tmp_path):
    """The client pointed at loopback with a student's token; nothing of the user's own configuration is read."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY"):
        monkeypatch.delenv(name, raising=False)
    kaggle_env = pytest.importorskip("kagglesdk.kaggle_env")
    from kaggle.api.kaggle_api_extended import KaggleApi

    server = Service(body)
    monkeypatch.setenv("KAGGLE_USERNAME", "student")
    monkeypatch.setenv("KAGGLE_KEY", "secret")
    monkeypatch.setattr(KaggleApi, "args", ["--local"])
    monkeypatch.setattr(KaggleApi, "config", str(tmp_path / "home" / "kaggle.json"))
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.LOCAL, server.url)
    monkeypatch.setattr(download_module, "PAUSE", 0.01)
    yield server
    server.shutdown()
    server.server_close()


def test_archive_arrives_whole_and_only_once(service, tmp_path, capsys):
    archive = download(ENTRY, tmp_path / "downloads")
    assert archive.name == "asvpoof-2019-dataset.zip" and archive.read_bytes() == service.body
    assert service.asked[0]["path"] == "/api/v1/datasets.DatasetApiService/DownloadDataset"
    assert (service.asked[0]["ownerSlug"], service.asked[0]["datasetSlug"]) == (
        "awsaf49",
        "asvpoof-2019-dataset",
    )
    assert "100%" in capsys.readouterr().out
    download(ENTRY, tmp_path / "downloads")
    assert len(service.asked) == 1


def test_from_nothing_to_the_table_by_name(service, tmp_path, monkeypatch, capsys):
    manifest = tmp_path / "m.yaml"
    lines = "title: LA\n source: kaggle\n slug: awsaf49/asvpoof-2019-dataset\n layout: asvspoof\n"
    manifest.write_text(f"la:\n {lines} options: {{access: LA, members: [LA/]}}\n")
    monkeypatch.setenv("HELPERS_MANIFEST", str(manifest))
    opened = open_dataset("la", place=where_am_i(root=tmp_path))
    assert len(opened) == 8 and not list(opened.root.rglob("filler.bin"))
    said = capsys.readouterr().out
    assert (
        said.index("looked:") < said.index("found:") < said.index("download la:") < said.index("staged la:")
    )
    # A second notebook finds the staged archive and asks nobody.
    open_dataset("la", place=where_am_i(root=tmp_path))
    assert len(service.asked) == 1
    # Nor does a third one, after the archive was deleted to save its space.
    (where_am_i(root=tmp_path).folders.downloads / "asvpoof-2019-dataset.zip").unlink()
    again = open_dataset("la", place=where_am_i(root=tmp_path))
    assert len(service.asked) == 1 and again.root == opened.root
    assert again.table.equals(opened.table) and again.fingerprint == opened.fingerprint


def test_own_zip_that_is_gone_is_told_from_its_unpacked_files(tmp_path):
    archive = zipped(asvspoof(tmp_path / "tree"), tmp_path / "mine.zip")
    manifest = tmp_path / "m.yaml"
    manifest.write_text(f"mine:\n title: LA\n source: zip\n path: {archive}\n layout: asvspoof\n")
    place = where_am_i({"HELPERS_WORK": str(tmp_path / "work")}, tmp_path)
    root = open_dataset("mine", place=place, manifest=manifest).root
    archive.unlink()
    with pytest.raises(
        SourceError, match=f"mine.zip is gone, its unpacked files are in {root}: give that as `path`"
    ):
        open_dataset("mine", place=place, manifest=manifest)


def test_broken_transfer_goes_on_where_it_stopped(service, tmp_path, capsys):
    service.break_after = [100_000, 150_000]
    archive = download(ENTRY, tmp_path)
    assert archive.read_bytes() == service.body
    first, *later = service.ranges
    starts = [int(wanted.removeprefix("bytes=").removesuffix("-")) for wanted in later]
    # At most one block of each broken transfer is lost.
    assert first == "all" and 100_000 - BLOCK <= starts[0] <= 100_000
    assert starts[0] + 150_000 - BLOCK <= starts[1] <= starts[0] + 150_000
    assert "the transfer broke off; going on from" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.glob("*.part*")) == []


def test_transfer_that_stays_broken_is_kept_for_the_next_call(service, tmp_path):
    service.break_after = [120_000] + [0] * download_module.ATTEMPTS
    with pytest.raises(SourceError, match="times in a row; [0-9]+ kB are kept, try again later"):
        download(ENTRY, tmp_path)
    assert not (tmp_path / "asvpoof-2019-dataset.zip").exists()
    service.break_after, service.ranges = [], []
    assert download(ENTRY, tmp_path).read_bytes() == service.body
    assert len(service.ranges) == 1 and service.ranges[0] != "all"


def test_half_of_an_older_version_is_not_continued(service, tmp_path):
    service.break_after = [100_000] + [0] * download_module.ATTEMPTS
    with pytest.raises(SourceError):
        download(ENTRY, tmp_path)
    service.break_after, service.etag, service.ranges = [], '"v2"', []
    assert download(ENTRY, tmp_path).read_bytes() == service.body
    assert service.ranges == ["all"]


def test_consent_not_given_names_the_page_to_open(service, tmp_path):
    service.statuses = [403]
    with pytest.raises(SourceError) as caught:
        download(ENTRY, tmp_path)
    assert "open https://www.kaggle.com/datasets/awsaf49/asvpoof-2019-dataset, accept its terms" in str(
        caught.value
    )


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (401, "does not accept the token"),
        (404, "Kaggle has nothing at awsaf49"),
        (400, "refused the download"),
    ],
)
def test_other_refusals(service, tmp_path, status, sentence):
    service.statuses = [status]
    with pytest.raises(SourceError, match=sentence):
        download(ENTRY, tmp_path)
    assert len(service.asked) == 1  # a refusal is not asked for again


def test_service_trouble_is_waited_out(service, tmp_path):
    service.statuses = [503, 429]
    assert download(ENTRY, tmp_path).is_file()


def test_something_else_than_a_zip_is_not_kept(service, tmp_path):
    service.body = b"<html>sign in</html>" * 100
    with pytest.raises(SourceError, match="a web page came instead of the archive.*open https://www.kaggle"):
        download(ENTRY, tmp_path)
    assert not list(tmp_path.glob("*.zip")) and not list(tmp_path.glob("*.part"))


def test_missing_token_says_where_to_make_one(service, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("KAGGLE_USERNAME")
    monkeypatch.delenv("KAGGLE_KEY")
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    said = "no valid token here: make one at https://www.kaggle.com/settings.*then open https://www.kaggle.com/datasets"
    with pytest.raises(SourceError, match=said):
        download(ENTRY, tmp_path)
    assert capsys.readouterr().out == ""
    service.public = True
    assert download(ENTRY, tmp_path).read_bytes() == service.body


def test_missing_token_in_a_kaggle_session_says_attach(service, tmp_path, monkeypatch):
    monkeypatch.delenv("KAGGLE_USERNAME")
    place = where_am_i({"KAGGLE_KERNEL_RUN_TYPE": "Batch"}, tmp_path)
    with pytest.raises(
        SourceError, match="not attached to this Kaggle session: Add Input, search for awsaf49/"
    ):
        download(ENTRY, tmp_path, place)


@pytest.fixture
def unreachable(service, monkeypatch):
    from kagglesdk import kaggle_env

    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.LOCAL, "http://localhost:9")


def test_kaggle_session_without_internet_says_attach(unreachable, tmp_path):
    place = where_am_i({"KAGGLE_KERNEL_RUN_TYPE": "Batch"}, tmp_path)
    with pytest.raises(
        SourceError, match="no internet; attach the data instead: .*awsaf49/asvpoof-2019-dataset"
    ):
        download(ENTRY, tmp_path, place)


def test_no_internet_elsewhere(unreachable, tmp_path):
    with pytest.raises(SourceError, match="Kaggle cannot be reached"):
        download(ENTRY, tmp_path)


def test_room_is_checked_before_the_first_byte(service, tmp_path, monkeypatch):
    from helpers.data import staging

    monkeypatch.setattr(staging.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    with pytest.raises(StagingError, match="needs .* are free"):
        download(ENTRY, tmp_path)
    assert service.ranges == []


MANIFEST = """
here: {title: A copy on loopback, source: kaggle, slug: owner/corpus, layout: asvspoof}
"""


def test_notebook_01_downloads_what_is_not_there(service, tmp_path, monkeypatch):
    (tmp_path / "manifest.yaml").write_text(MANIFEST)
    for name, value in {"MANIFEST": "manifest.yaml", "WORK": "work", "RUNS": "runs"}.items():
        monkeypatch.setenv(f"HELPERS_{name}", str(tmp_path / value))
    cells = json.loads((PROJECT / "notebooks/01_download.ipynb").read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    names = {"dataset": "here", "source": "", "parameters": {"dataset": "here", "source": ""}}
    for source in code[2:-1]:  # between the set-up and the exercise
        exec(compile(source, "01_download", "exec"), names)
    assert [at.kind for at in names["found"].values()] == ["download"]
    assert [archive.read_bytes() for archive in names["archives"]] == [service.body]
    assert list((tmp_path / "runs").glob("01_download-here-*/metrics.json"))


def test_data_not_on_kaggle_are_not_downloaded(tmp_path):
    with pytest.raises(SourceError, match="is not on Kaggle"):
        download(read_manifest().entries["my_zip"], tmp_path)


CHILD = """
import sys
from pathlib import Path
from kagglesdk import kaggle_env
kaggle_env._env_to_endpoint[kaggle_env.KaggleEnv.LOCAL] = sys.argv[1]
from helpers.data.download import BLOCK, download
from helpers.data.manifest import get_entry
print("begun", flush=True)
download(get_entry("asvspoof2019_la"), Path(sys.argv[2]))
"""


def test_killed_download_ends_complete_when_run_again(service, tmp_path):
    service.slow = 0.05
    environment = {**os.environ, "KAGGLE_API_ENVIRONMENT": "LOCALHOST"}
    for pause in (0.1, 0.25):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, service.url, tmp_path / "d"],
            cwd=PROJECT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None and child.stdout.readline() == "begun\n"
        part = Path(tmp_path / "d" / "asvpoof-2019-dataset.zip.part")
        while not (part.exists() and part.stat().st_size) and child.poll() is None:
            time.sleep(0.01)
        time.sleep(pause)
        child.send_signal(signal.SIGKILL)
        child.communicate()
        assert not (tmp_path / "d" / "asvpoof-2019-dataset.zip").exists()
    service.slow = 0.0
    archive = download(ENTRY, tmp_path / "d")
    assert archive.read_bytes() == service.body and zipfile.ZipFile(archive).testzip() is None
    assert service.ranges[-1].startswith("bytes=")  # what had come was kept
