"""The real Kaggle client against a server on loopback that speaks as the service does."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from data_trees import asvspoof, zipped
from kaggle_stand_in import KaggleStandIn

from helpers.data import SourceError, StagingError, find_source, get_entry, open_dataset, staging
from helpers.data import download as download_module
from helpers.data.download import BLOCK, download
from helpers.data.manifest import PROJECT
from helpers.environment import where_am_i

ENTRY = get_entry("asvspoof2019_la")
PAGE = "https://www.kaggle.com/datasets/awsaf49/asvpoof-2019-dataset"
KAGGLE = {"KAGGLE_KERNEL_RUN_TYPE": "Batch"}


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
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    monkeypatch.delenv("KAGGLE_API_TOKEN", raising=False)
    kaggle_env = pytest.importorskip("kagglesdk.kaggle_env")
    monkeypatch.setenv("KAGGLE_USERNAME", "student")
    monkeypatch.setenv("KAGGLE_KEY", "secret")
    from kaggle.api.kaggle_api_extended import KaggleApi

    server = KaggleStandIn(archive=body)
    monkeypatch.setattr(KaggleApi, "config", str(tmp_path / "home" / "kaggle.json"))
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.LOCAL, server.url)
    monkeypatch.setattr(download_module, "PAUSE", 0.01)
    yield server
    server.shutdown()
    server.server_close()


def asked(service) -> list[dict]:
    return service.named("DownloadDataset")


def refuse(service, *statuses: int) -> None:
    answers = [(status, {"code": status, "message": "refused"}) for status in statuses]
    service.refuse = {"DownloadDataset": answers}


# ---------------------------------------------------------------- who asks


def test_public_data_come_without_a_token_and_only_once(service, tmp_path, monkeypatch, capsys):
    service.public = True
    monkeypatch.setenv("KAGGLE_API_TOKEN", "outdated")
    archive = download(ENTRY, tmp_path / "downloads")
    assert archive.name == "asvpoof-2019-dataset.zip" and archive.read_bytes() == service.archive
    assert asked(service) == [{"ownerSlug": "awsaf49", "datasetSlug": "asvpoof-2019-dataset"}]
    assert "IntrospectToken" not in [method for method, _ in service.calls]
    assert "/s  complete" in capsys.readouterr().out
    download(ENTRY, tmp_path / "downloads")
    assert len(asked(service)) == 1


@pytest.mark.parametrize("token", ["old", "new"])
def test_data_that_are_refused_without_a_token_are_asked_for_with_it(service, tmp_path, monkeypatch, token):
    if token == "new":
        monkeypatch.delenv("KAGGLE_USERNAME")
        monkeypatch.delenv("KAGGLE_KEY")
        monkeypatch.setenv("KAGGLE_API_TOKEN", "KGAT_1234")
    assert download(ENTRY, tmp_path).read_bytes() == service.archive
    assert len(asked(service)) == 2


def test_missing_token_says_where_to_make_one(service, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("KAGGLE_USERNAME")
    monkeypatch.delenv("KAGGLE_KEY")
    said = f"no valid token here: make one at https://www.kaggle.com/settings.*page of the data is {PAGE}"
    with pytest.raises(SourceError, match=said):
        download(ENTRY, tmp_path)
    assert capsys.readouterr().out == ""
    with pytest.raises(
        SourceError, match="or attach the data to this Kaggle session: Add Input, search for awsaf49/"
    ):
        download(ENTRY, tmp_path, where_am_i(KAGGLE, tmp_path))


@pytest.mark.parametrize(
    ("statuses", "sentence"),
    [
        ([403, 403], "asks for consent or permission first: open its page in a browser and accept the terms"),
        ([401, 401], "does not accept the token: make a new one"),
        ([404], "has nothing at this address"),
        ([400], "refused"),
    ],
)
def test_refusals_say_what_to_do_and_name_the_page(service, tmp_path, statuses, sentence):
    service.public = True
    refuse(service, *statuses)
    with pytest.raises(SourceError, match=f"{sentence}.*the page of the data is {PAGE}"):
        download(ENTRY, tmp_path)
    assert len(asked(service)) == len(statuses)  # a refusal is not asked for again


@pytest.mark.parametrize("status", [429, 503])
def test_service_trouble_is_waited_out_or_said(service, tmp_path, status):
    refuse(service, *[status] * download_module.ATTEMPTS)
    with pytest.raises(SourceError, match=rf"\(status {status}\) \(6 times in a row\)"):
        download(ENTRY, tmp_path)
    refuse(service, status, 500)
    assert download(ENTRY, tmp_path).is_file()


def test_no_internet_is_said(service, tmp_path, monkeypatch):
    from kagglesdk import kaggle_env

    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.LOCAL, "http://localhost:9")
    with pytest.raises(SourceError, match="there is no connection: check the network and call again$"):
        download(ENTRY, tmp_path)
    with pytest.raises(
        SourceError, match="no connection.* or attach the data .*awsaf49/asvpoof-2019-dataset"
    ):
        download(ENTRY, tmp_path, where_am_i(KAGGLE, tmp_path))


def test_data_not_on_kaggle_are_not_downloaded(tmp_path):
    with pytest.raises(SourceError, match="is not on Kaggle"):
        download(get_entry("my_zip"), tmp_path)


# ---------------------------------------------------------------- what comes


def test_broken_transfer_goes_on_where_it_stopped(service, tmp_path, capsys):
    service.break_after = [100_000, 150_000]
    archive = download(ENTRY, tmp_path)
    assert archive.read_bytes() == service.archive
    first, *later = service.ranges
    starts = [int(wanted.removeprefix("bytes=").removesuffix("-")) for wanted in later]
    # At most one block of each broken transfer is lost.
    assert first == "all" and 100_000 - BLOCK <= starts[0] <= 100_000
    assert starts[0] + 150_000 - BLOCK <= starts[1] <= starts[0] + 150_000
    assert "the transfer broke off; going on from" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.glob("*.part*")) == []


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_transfer_that_stays_broken_is_kept_for_the_next_call_unless_the_archive_changed(
    service, tmp_path, version
):
    service.break_after = [120_000] + [0] * download_module.ATTEMPTS
    with pytest.raises(SourceError, match=r"\(6 times in a row\); the first [0-9]+ kB are kept"):
        download(ENTRY, tmp_path)
    assert not (tmp_path / "asvpoof-2019-dataset.zip").exists()
    service.break_after, service.ranges = [], []
    service.storage_headers = {"ETag": f'"{version}"'}
    assert download(ENTRY, tmp_path).read_bytes() == service.archive
    assert len(service.ranges) == 1 and (service.ranges == ["all"]) == (version == "v2")


def test_the_services_md5_is_compared(service, tmp_path):
    right = base64.b64encode(hashlib.md5(service.archive).digest()).decode()
    for md5 in (base64.b64encode(bytes(16)).decode(), right):
        service.storage_headers = {"ETag": '"v1"', "x-goog-hash": f"crc32c=n03x6A==, md5={md5}"}
        if md5 == right:
            assert download(ENTRY, tmp_path).is_file()
        else:
            with pytest.raises(SourceError, match="the MD5 of what came is not the one .* download it again"):
                download(ENTRY, tmp_path)
            assert not list(tmp_path.glob("*.zip*.part")) and not list(tmp_path.glob("*.zip"))


def test_something_else_than_a_zip_is_not_kept(service, tmp_path):
    service.archive = b"<html>sign in</html>" * 100
    with pytest.raises(SourceError, match=f"not a zip, perhaps a login or consent page.*{PAGE}"):
        download(ENTRY, tmp_path)
    assert not list(tmp_path.glob("*.zip")) and not list(tmp_path.glob("*.part"))


def test_room_is_checked_before_the_first_byte(service, tmp_path, monkeypatch):
    monkeypatch.setattr(staging.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    with pytest.raises(StagingError, match="needs .* are free"):
        download(ENTRY, tmp_path)
    assert service.ranges == []


CHILD = """
import sys
from pathlib import Path
from kagglesdk import kaggle_env
kaggle_env._env_to_endpoint[kaggle_env.KaggleEnv.LOCAL] = sys.argv[1]
from helpers.data.download import download
from helpers.data.manifest import get_entry
print("begun", flush=True)
download(get_entry("asvspoof2019_la"), Path(sys.argv[2]))
"""


def test_killed_download_ends_complete_when_run_again(service, tmp_path):
    service.slow = 0.05
    for pause in (0.1, 0.25):
        command = [sys.executable, "-c", CHILD, service.url, tmp_path / "d"]
        child = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
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
    assert archive.read_bytes() == service.archive and zipfile.ZipFile(archive).testzip() is None
    assert service.ranges[-1].startswith("bytes=")  # what had come was kept


# ---------------------------------------------------------------- from a name to the table


def test_from_nothing_to_the_table_by_name(service, tmp_path, monkeypatch, capsys):
    service.public = True
    manifest = tmp_path / "m.yaml"
    lines = "title: LA\n source: kaggle\n slug: awsaf49/asvpoof-2019-dataset\n layout: asvspoof\n"
    manifest.write_text(f"la:\n {lines} options: {{access: LA, members: [LA/]}}\n")
    monkeypatch.setenv("HELPERS_MANIFEST", str(manifest))
    place = where_am_i(root=tmp_path)
    opened = open_dataset("la", place=place)
    assert len(opened) == 8 and not list(opened.root.rglob("filler.bin"))
    said = capsys.readouterr().out
    places = [said.index(word) for word in ("looked:", "found:", "download la:", "staged la:")]
    assert places == sorted(places)
    # A second notebook finds the staged archive and asks nobody.
    open_dataset("la", place=place)
    # Nor does a third one, after the archive was deleted to save its space.
    (place.folders.downloads / "asvpoof-2019-dataset.zip").unlink()
    again = open_dataset("la", place=place)
    assert len(asked(service)) == 1 and again.root == opened.root
    assert again.table.equals(opened.table) and again.fingerprint == opened.fingerprint


def test_notebook_01_downloads_what_is_not_there(service, tmp_path, monkeypatch):
    entry = "here: {title: A copy on loopback, source: kaggle, slug: owner/corpus, layout: asvspoof}"
    (tmp_path / "manifest.yaml").write_text(entry)
    for name, value in {"MANIFEST": "manifest.yaml", "WORK": "work", "RUNS": "runs"}.items():
        monkeypatch.setenv(f"HELPERS_{name}", str(tmp_path / value))
    cells = json.loads((PROJECT / "notebooks/01_download.ipynb").read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    names = {"dataset": "here", "source": "", "parameters": {"dataset": "here", "source": ""}}
    for source in code[2:-1]:  # between the set-up and the exercise
        exec(compile(source, "01_download", "exec"), names)
    assert [at.kind for at in names["found"].values()] == ["download"]
    assert [archive.read_bytes() for archive in names["archives"]] == [service.archive]
    assert list((tmp_path / "runs").glob("01_download-here-*/metrics.json"))


@pytest.mark.parametrize("host", ["kaggle", "colab"])
def test_what_the_host_shares_is_attached_and_neither_copied_nor_downloaded(
    service, tmp_path, monkeypatch, capsys, host
):
    pytest.importorskip("kagglehub", reason="kagglehub is part of the hosted images")
    mounted = tmp_path / "mount" / "datasets" / ENTRY.slug
    asvspoof(mounted)
    service.public, service.shared = True, {ENTRY.slug: f"datasets/{ENTRY.slug}"}
    if host == "kaggle":
        given = {**KAGGLE, "KAGGLE_DATA_PROXY_URL": service.url, "KAGGLE_USER_SECRETS_TOKEN": "a"}
        given |= {"KAGGLE_DATA_PROXY_TOKEN": "b", "KAGGLE_CACHE_MOUNT_FOLDER": str(tmp_path / "mount")}
    else:
        given = {"COLAB_RELEASE_TAG": "1", "TBE_RUNTIME_ADDR": service.url.removeprefix("http://")}
        given["COLAB_CACHE_MOUNT_FOLDER"] = str(tmp_path / "mount")
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    place = where_am_i({**given, "HELPERS_WORK": str(tmp_path / "work")}, tmp_path)
    opened = open_dataset("asvspoof2019_la", place=place, allow_mismatch=True)
    assert len(opened) == 8 and opened.root == mounted and not asked(service)
    assert "attached at" in capsys.readouterr().out
    service.shared = {}  # not shared: said, and downloaded
    assert find_source(ENTRY, place).kind == "download" and "looked: kagglehub (" in capsys.readouterr().out
