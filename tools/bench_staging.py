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
from helpers.data.staging import stage

LA_TRAIN_FILES = 25_380


def bench_staging(
    n_files: int = 300, file_bytes: int = 60_000, latency_ms: float = 60.0, megabytes_per_second: float = 60.0
) -> pd.DataFrame:
    """Seconds to have `n_files` in memory, both ways, over a simulated mount.

    The mount is simulated by sleeping: `latency_ms` for every file opened on it (a mounted Drive answers in some tens
    of milliseconds or more), and bytes at `megabytes_per_second`. Disk and unpacking are real.
    Columns: way, seconds, files_per_second, minutes_for_la_train (25,380 files at the same rate).
    """

    def wait(opened: int, n_bytes: int) -> None:
        time.sleep(opened * latency_ms / 1000 + n_bytes / (megabytes_per_second * 1e6))

    with tempfile.TemporaryDirectory() as name:
        mount, local = Path(name) / "mount", Path(name) / "local"
        (mount / "clips").mkdir(parents=True)
        local.mkdir()
        noise = np.random.default_rng(0).bytes(file_bytes)
        with zipfile.ZipFile(mount / "clips.zip", "w", zipfile.ZIP_STORED) as packed:
            for number in range(n_files):
                packed.writestr(f"clips/clip_{number:05d}.flac", noise)
                (mount / "clips" / f"clip_{number:05d}.flac").write_bytes(noise)
        started = time.perf_counter()
        for path in sorted((mount / "clips").iterdir()):
            wait(1, file_bytes)
            path.read_bytes()
        one_by_one = time.perf_counter() - started
        started = time.perf_counter()
        copy = local / "clips.zip"
        wait(1, (mount / "clips.zip").stat().st_size)
        copy.write_bytes((mount / "clips.zip").read_bytes())
        root = stage(
            Source("zip", copy),
            Entry(name="bench", title="bench", source="zip", layout="protocol_csv"),
            local,
        )
        for path in sorted((root / "clips").iterdir()):
            path.read_bytes()
        zip_copy = time.perf_counter() - started
    found = pd.DataFrame(
        {"way": ["file by file over the mount", "one archive, copied, unpacked, read locally"]}
    )
    found["seconds"] = [one_by_one, zip_copy]
    found["files_per_second"] = n_files / found["seconds"]
    found["minutes_for_la_train"] = LA_TRAIN_FILES / found["files_per_second"] / 60
    return found


def main(argv: list[str] | None = None) -> int:
    """`python -m tools bench staging`."""
    parser = argparse.ArgumentParser(prog="python -m tools bench staging", description=__doc__)
    parser.add_argument("--files", type=int, default=300, help="how many small files, of 60,000 bytes each")
    parser.add_argument(
        "--latency-ms", type=float, default=60.0, help="what the mount takes to open one file"
    )
    asked = parser.parse_args(argv)
    found = bench_staging(asked.files, latency_ms=asked.latency_ms)
    print(
        f"assumed: {asked.latency_ms:g} ms a file opened, 60 MB/s; the waiting is simulated, the rest is real"
    )
    print(found.to_string(index=False, float_format="{:.1f}".format))
    print(f"zip-copy is {found['seconds'][0] / found['seconds'][1]:.1f} times as fast")
    return 0
