"""What zip-copy buys: many small files over a slow mount against one archive copied and unpacked."""

from __future__ import annotations

import argparse
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.data.manifest import Entry
from helpers.data.sources import Source
from helpers.data.staging import in_units, stage

BLOCK = 16 * 2**20  # bytes

LA_TRAIN_FILES = 25_380


def bench_staging(
    n_files: int = 300,
    file_bytes: int = 60_000,
    latency_ms: float = 60.0,
    megabytes_per_second: float = 60.0,
    folder: str | Path | None = None,
) -> pd.DataFrame:
    """Seconds to have `n_files` in memory, both ways, over a simulated mount; prints its assumptions.

    The mount is simulated by sleeping: `latency_ms` for every file opened on it (a mounted Drive answers in some tens
    of milliseconds or more), and bytes at `megabytes_per_second`. Disk and unpacking are real.
    Columns: way, seconds, files_per_second, minutes_for_la_train (25,380 files at the same rate).
    """
    with tempfile.TemporaryDirectory(dir=folder) as name:
        place = Path(name)
        mount = place / "mount"
        _fill(mount / "clips", n_files, file_bytes)
        archive = mount / "clips.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as packed:
            for path in sorted((mount / "clips").iterdir()):
                packed.write(path, f"clips/{path.name}")
        latency, rate = latency_ms / 1000, megabytes_per_second * 1e6
        one_by_one = _read_over_mount(sorted((mount / "clips").iterdir()), latency, rate)
        zip_copy = _zip_copy(archive, place / "local", latency, rate)
    rows = [
        {"way": "file by file over the mount", "seconds": one_by_one},
        {"way": "one archive, copied, unpacked, read locally", "seconds": zip_copy},
    ]
    found = pd.DataFrame(rows)
    found["files_per_second"] = n_files / found["seconds"]
    found["minutes_for_la_train"] = LA_TRAIN_FILES / found["files_per_second"] / 60
    print(
        f"assumed: {latency_ms:g} ms for each file opened on the mount, {megabytes_per_second:g} MB/s, "
        f"{n_files} files of {in_units(file_bytes)}; the waiting is simulated, disk and unpacking are real"
    )
    print(found.to_string(index=False, float_format="{:.1f}".format))
    print(f"zip-copy is {one_by_one / zip_copy:.1f} times as fast")
    return found


def main(argv: list[str] | None = None) -> int:
    """`python -m tools bench staging`."""
    parser = argparse.ArgumentParser(prog="python -m tools bench staging", description=__doc__)
    parser.add_argument("--files", type=int, default=300, help="how many small files")
    parser.add_argument(
        "--file-bytes", type=int, default=60_000, help="bytes of each (a FLAC of 3 s has about 60,000)"
    )
    parser.add_argument(
        "--latency-ms", type=float, default=60.0, help="what the mount takes to open one file"
    )
    parser.add_argument("--megabytes-per-second", type=float, default=60.0, help="what it gives once open")
    given = parser.parse_args(argv)
    bench_staging(given.files, given.file_bytes, given.latency_ms, given.megabytes_per_second)
    return 0


def _fill(folder: Path, n_files: int, file_bytes: int) -> None:
    folder.mkdir(parents=True)
    noise = np.random.default_rng(0).bytes(file_bytes)
    for number in range(n_files):
        (folder / f"clip_{number:05d}.flac").write_bytes(noise)


def _read_over_mount(paths: list[Path], latency: float, rate: float) -> float:
    started = time.perf_counter()
    for path in paths:
        time.sleep(latency + path.stat().st_size / rate)
        path.read_bytes()
    return time.perf_counter() - started


def _zip_copy(archive: Path, local: Path, latency: float, rate: float) -> float:
    """The mounted archive costs its latency once and its bytes; then the real stage() and local reading."""
    started = time.perf_counter()
    local.mkdir()
    copy = local / archive.name
    time.sleep(latency)
    with open(archive, "rb") as reader, open(copy, "wb") as writer:
        while block := reader.read(BLOCK):
            time.sleep(len(block) / rate)
            writer.write(block)
    entry = Entry(name="bench", title="bench", source="zip", layout="protocol_csv")
    root = stage(Source("zip", copy), entry, local)
    for path in sorted((root / "clips").iterdir()):
        path.read_bytes()
    return time.perf_counter() - started
