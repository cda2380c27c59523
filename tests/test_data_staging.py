"""Staging: whole or not at all, whatever happens."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import signal
import stat
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from data_trees import protocol_csv, touch, zipped

from helpers.data import SourceError, StagingError, stage
from helpers.data import staging as staging_module
from helpers.data.manifest import PROJECT, Entry
from helpers.data.sources import Source
from helpers.data.staging import MARK
from tools.bench_staging import bench_staging


def entry(**fields) -> Entry:
    return Entry(**{"name": "mine", "title": "Mine", "source": "zip", "layout": "protocol_csv", **fields})


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != MARK)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def archive(tmp_path):
    return zipped(protocol_csv(tmp_path / "tree"), tmp_path / "mine.zip")


@pytest.fixture
def staged(tmp_path):
    def stage_it(archive=tmp_path / "mine.zip", folder=tmp_path / "data", **fields):
        return stage(Source("zip", archive), entry(**fields), folder)

    return stage_it


def test_what_is_not_a_zip_is_used_in_place_or_asked_for(tmp_path):
    assert stage(Source("folder", tmp_path), entry(), tmp_path / "data") == tmp_path
    with pytest.raises(SourceError, match="download it first"):
        stage(Source("download"), entry(), tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_staged_files_are_the_archives_and_a_changed_archive_is_staged_anew(tmp_path, archive, staged):
    root = staged()
    assert root == tmp_path / "data" / "mine" and content(root) == content(tmp_path / "tree")
    assert leftovers(tmp_path / "data") == ["mine"]
    touch(tmp_path / "tree" / "more.txt")
    os.remove(tmp_path / "tree" / "flac" / "u0.flac")
    zipped(tmp_path / "tree", archive)
    assert content(staged()) == content(tmp_path / "tree")


def test_checksum_is_compared_and_named(tmp_path, archive, staged):
    right = hashlib.sha256(archive.read_bytes()).hexdigest()
    said = f"mine.zip has sha256 {right[:8]}…, the manifest says 41414141…: download it again"
    with pytest.raises(StagingError, match=said):
        staged(sha256="41" * 32)
    assert leftovers(tmp_path / "data") == []
    mark = staged(sha256=right) / MARK
    os.utime(archive)  # a fresh clone changes the time, not the archive
    before = mark.stat().st_mtime_ns
    assert staged(sha256=right) / MARK == mark and mark.stat().st_mtime_ns == before


def test_only_the_wanted_part_is_unpacked(tmp_path, staged):
    for name in ("LA/LA/a.txt", "PA/PA/b.txt"):
        touch(tmp_path / "tree" / name)
    both = zipped(tmp_path / "tree", tmp_path / "both.zip")
    assert list(content(staged(both, layout="asvspoof", options={"members": ["LA/"]}))) == ["LA/LA/a.txt"]


@pytest.mark.parametrize(
    "name", ["../evil.txt", "a/../../evil.txt", "/evil.txt", "C:/evil.txt", "a\\..\\..\\evil.txt"]
)
def test_nothing_is_written_outside_of_the_folder(tmp_path, name, staged):
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as packed:
        packed.writestr(name, "evil")
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        packed.writestr(link, str(tmp_path))
    root = staged(tmp_path / "bad.zip")
    assert all(path.is_relative_to(root) for path in tmp_path.rglob("evil.txt"))
    assert not (root / "link").is_symlink()


def test_names_as_windows_and_macs_write_them(tmp_path, staged):
    names = ["real\\", "real\\a.txt", "fake/", "fake/bXXse.txt"]
    with zipfile.ZipFile(tmp_path / "odd.zip", "w") as packed:
        for name in names:
            info = zipfile.ZipInfo("x")
            info.filename = name
            packed.writestr(info, "" if name.endswith(("\\", "/")) else "text")
    raw = (tmp_path / "odd.zip").read_bytes()  # a Mac writes UTF-8 and does not set the flag for it
    (tmp_path / "odd.zip").write_bytes(raw.replace(b"bXXse", "böse".encode()))
    root = staged(tmp_path / "odd.zip")
    assert content(root) == {"real/a.txt": b"text", "fake/böse.txt": b"text"}


def test_zip_cut_in_the_middle_is_refused(tmp_path, archive, staged):
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    with pytest.raises(StagingError, match="cut off or not a zip: download or copy it again, or unpack it"):
        staged()
    assert leftovers(tmp_path / "data") == []


def test_zip_with_damaged_bytes_leaves_no_folder(tmp_path, archive, staged):
    damaged = bytearray(archive.read_bytes())
    middle = len(damaged) // 3
    damaged[middle : middle + 40] = bytes(40)
    archive.write_bytes(damaged)
    with pytest.raises(StagingError, match="damaged"):
        staged()
    assert not (tmp_path / "data" / "mine").exists()


# ---------------------------------------------------------------- room


def test_room_is_checked_before_the_copy(tmp_path, archive, monkeypatch, staged):
    monkeypatch.setattr(staging_module.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    with pytest.raises(StagingError, match="needs .* where 1 kB are free"):
        staged()
    assert leftovers(tmp_path / "data") == []


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 2 MB, where mounting is allowed."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small tmpfs is not allowed here")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_archive_on_another_disk_is_copied_and_the_copy_removed(small_disk, tmp_path, archive, staged):
    root = staged(folder=small_disk / "data")
    assert content(root) == content(tmp_path / "tree")
    assert leftovers(small_disk / "data") == ["mine"]


def test_full_disk_is_said_and_nothing_half_is_left(small_disk, tmp_path, monkeypatch, staged):
    for number in range(6):
        touch(tmp_path / "tree" / f"{number}.bin", os.urandom(300_000))
    zipped(tmp_path / "tree", tmp_path / "mine.zip")
    with pytest.raises(StagingError, match="needs 4 MB .* where 2 MB are free"):
        staged(folder=small_disk / "data")
    # Somebody else fills the disk after the check.
    monkeypatch.setattr(staging_module, "check_room", lambda *_: None)
    with pytest.raises(StagingError, match="the disk filled up while mine was staged"):
        staged(folder=small_disk / "data")
    assert not (small_disk / "data" / "mine").exists()


# ---------------------------------------------------------------- interruptions

STAGE = """
import sys, time
from pathlib import Path
from helpers.data import staging
from helpers.data.manifest import Entry
from helpers.data.sources import Source
real = staging.shutil.copyfileobj
def slowly(*arguments):
    time.sleep(0.004)
    real(*arguments)
staging.shutil.copyfileobj = slowly
print("begun", flush=True)
entry = Entry(name="mine", title="Mine", source="zip", layout="protocol_csv")
staging.stage(Source("zip", Path(sys.argv[1])), entry, Path(sys.argv[2]))
"""


def test_interrupted_staging_leaves_only_part_files_and_a_rerun_ends_complete(tmp_path, staged):
    """kill -9 at random moments, each on top of the ruins of the last."""
    for number in range(60):
        touch(tmp_path / "tree" / f"clips/{number}.bin", os.urandom(20_000))
    archive = zipped(tmp_path / "tree", tmp_path / "mine.zip")
    data, wanted = tmp_path / "data", content(tmp_path / "tree")
    moments = random.Random(0)
    killed_inside = 0
    for _ in range(8):
        child = subprocess.Popen(
            [sys.executable, "-c", STAGE, archive, data], cwd=PROJECT, stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None and child.stdout.readline() == "begun\n"
        time.sleep(moments.uniform(0, 0.25))
        child.send_signal(signal.SIGKILL)
        child.communicate()
        names = leftovers(data) if data.exists() else []
        if (data / "mine").exists():
            assert content(data / "mine") == wanted  # a final name is whole
        else:
            assert all(name.endswith(".part") for name in names)
            killed_inside += "mine.part" in names
    assert killed_inside >= 2
    assert content(staged()) == wanted
    assert leftovers(data) == ["mine"]


def test_two_at_once_stage_once(tmp_path):
    for number in range(40):
        touch(tmp_path / "tree" / f"{number}.bin", os.urandom(20_000))
    archive = zipped(tmp_path / "tree", tmp_path / "mine.zip")
    command = [sys.executable, "-c", STAGE, archive, tmp_path / "data"]
    both = [subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [child.communicate(timeout=30)[0] for child in both]
    assert [child.returncode for child in both] == [0, 0]
    assert sum("staged mine" in words for words in said) == 1
    assert content(tmp_path / "data" / "mine") == content(tmp_path / "tree")


def test_file_system_without_locks_is_staged_on(tmp_path, archive, monkeypatch, staged):
    fcntl = pytest.importorskip("fcntl", reason="no file locks on this system at all")

    def refuse(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert content(staged()) == content(tmp_path / "tree")


def test_what_a_teacher_staged_is_used_where_students_may_not_write(tmp_path, archive, staged, monkeypatch):
    root = staged()

    def refuse(path, *_):  # to root no folder is read-only
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(staging_module, "only_one", refuse)
    assert staged() == root
    os.remove(root / MARK)
    with pytest.raises(StagingError, match="permission is denied"):
        staged()


def test_one_archive_is_faster_than_many_files():
    found = bench_staging(n_files=30, file_bytes=20_000, latency_ms=25)
    # The latency alone costs file-by-file reading 30 x 25 ms.
    assert found["seconds"][0] > 0.75 > found["seconds"][1]


# ---------------------------------------------------------------- the outside world


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.EIO, "input/output error: a drive over its quota or a broken mount: copy the file"),
        (errno.ENOTCONN, "the drive is not connected any more"),
        (errno.ENAMETOOLONG, "a file's name is too long"),
        (errno.EACCES, "permission is denied"),
        (errno.EMFILE, "too many files are open"),
        (errno.ENOSPC, "the disk filled up"),
    ],
)
@pytest.mark.parametrize("function", ["list_members", "unpack", "files_of"])
def test_errors_of_drives_become_one_sentence(
    tmp_path, archive, monkeypatch, number, sentence, function, staged
):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(staging_module, function, fail)
    with pytest.raises(StagingError, match=sentence):
        staged()
    assert not (tmp_path / "data" / "mine").exists()


def test_names_that_no_disk_takes_are_said_and_nothing_half_is_left(tmp_path, staged):
    clash = tmp_path / "clash.zip"
    with zipfile.ZipFile(clash, "w") as packed:
        packed.writestr("real", b"x")
        packed.writestr("real/a.wav", b"x")
    long = tmp_path / "long.zip"
    with zipfile.ZipFile(long, "w") as packed:
        packed.writestr("real/" + "я" * 141 + ".wav", b"x")
    for path, sentence in ((clash, "a file and a folder have the same name"), (long, "name is too long")):
        with pytest.raises(StagingError, match=sentence):
            staged(path)
        assert not (tmp_path / "data" / "mine").exists()
