"""Filling a cache: independent shards, each made by itself, then the tables and, last, index.json.

A finished shard is made again only where a clip that it rejected can be read by now: a process killed at any instant
loses at most the shards that it was working on.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import torch

from helpers.data.staging import check_room, disk_errors, only_one
from helpers.environment import cpu_threads, where_am_i
from helpers.features.cache import (
    CODE,
    SCHEMA,
    Cache,
    folder_name,
    open_cache,
    read_table,
    shard_path,
    table_digest,
)
from helpers.features.computation import feature_shape
from helpers.features.progress import Progress
from helpers.features.settings import FeatureSetting, setting_name
from helpers.features.shards import can_be_read, fill_shard, read_shard_record, write_json, write_table
from helpers.runs import read_json

MAX_REJECTED = 0.01  # share of clips that may be unusable
CLIPS_A_SHARD = 512  # at most
SHARDS_WANTED = 32  # small sets are cut finer, so that all cores have work and progress is seen
REJECTED_COLUMNS = ["utterance", "path", "label", "split", "reason"]


def build_cache(
    table: pd.DataFrame,
    setting: FeatureSetting,
    folder: Path | None = None,
    workers: int | None = None,
    max_rejected: float | None = None,
) -> Cache:
    """An utterance table and a setting -> their cache; at once where it is complete, onwards where it is half done.

    `folder` defaults to the place's cache folder, named by data set, feature and hash. `workers` defaults to the cores
    of this process (threads: decoding and transforms run outside the interpreter's lock); inside
    `joblib.parallel_config(backend="dask")` the shards go to that cluster, which must see the same files.
    Clips that cannot be used are listed in rejected.csv, and tried again once their files have changed; ValueError
    where they are more than `max_rejected` (a share; None: what was allowed for another feature of this table, as in
    03, else MAX_REJECTED), where the table is empty, or where `folder` holds something else.
    """
    if len(table) == 0:
        raise ValueError("the utterance table is empty: there is nothing to cache")
    name, digest = setting_name(setting), table_digest(table)
    if folder is None:
        datasets = "+".join(dict.fromkeys(table["dataset"])) if "dataset" in table else "data"
        folder = where_am_i().folders.cache / folder_name(datasets, name, digest, setting)
    folder = Path(folder)
    plan = {"schema": SCHEMA, "code": CODE, "setting": setting.to_dict(), "table": digest}
    if max_rejected is None:
        max_rejected = _accepted(folder.parent, digest)
    index = folder / "index.json"
    if index.is_file():
        _check_plan(index, plan)
        if _any_mended(folder, table, setting):
            with contextlib.suppress(OSError):  # where we may not write, the cache stays as it is
                index.unlink()
    if not index.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        waiting = f"another process is filling {folder.name}: waiting for it"
        # Without a lock both fill: the shards are the same, and renamed whole.
        full = disk_errors(f"the {name} cache", "filled", "the next call goes on")
        with full, only_one(folder / ".lock", waiting) as alone:
            if not index.is_file():
                _check_plan(folder / "build.json", plan)
                _fill(table.reset_index(drop=True), setting, folder, workers, max_rejected, name, plan)
            if alone:
                for part in folder.glob("*.part"):  # of processes that were killed
                    part.unlink(missing_ok=True)
    cache = open_cache(folder)
    cache.table["path"] = cache.table["utterance"].map(
        dict(zip(table["utterance"], table["path"], strict=True))
    )
    _check_rejected(cache.rejected, len(table), max_rejected, folder)
    return cache


def _any_mended(folder: Path, table: pd.DataFrame, setting: FeatureSetting) -> bool:
    """Whether a clip that the finished cache rejected can be read by now; only files newer than it are read."""
    built = (folder / "index.json").stat().st_mtime_ns
    rejected = read_table(folder / "rejected.csv", str)
    paths = table["path"][table["utterance"].isin(rejected["utterance"])]
    return any(_changed_ns(path) > built and can_be_read(path, setting) for path in paths.astype(str))


def _changed_ns(path: str) -> int:
    """When the file last became what it is (or moved here, or was opened to us); 0 where it is not there."""
    try:
        return os.stat(path).st_ctime_ns
    except OSError:
        return 0


def _accepted(folder: Path, table: str) -> float:
    """The share of rejected clips that was accepted when another feature of the same table was cached."""
    shares = [MAX_REJECTED]
    for path in folder.glob("*/index.json"):
        with contextlib.suppress(ValueError):  # another cache, damaged: its own reader will say so
            found = read_json(path)
            shares += [found.get("max_rejected", MAX_REJECTED)] if found.get("table") == table else []
    return max(shares)


def _check_plan(path: Path, plan: dict[str, Any]) -> None:
    """The folder must be of this setting and table; what was begun in it is then ours to go on with."""
    if not path.is_file():
        write_json(path, plan)
        return
    found = read_json(path)
    for key, word in (
        ("schema", "format"),
        ("code", "code"),
        ("setting", "setting"),
        ("table", "utterance table"),
    ):
        if found.get(key) != plan[key]:
            raise ValueError(
                f"{path.parent} holds features of another {word}: name another folder, or remove it"
            )


def _fill(
    table: pd.DataFrame,
    setting: FeatureSetting,
    folder: Path,
    workers: int | None,
    max_rejected: float,
    name: str,
    plan: dict[str, Any],
) -> None:
    """Fill what is missing, then write rejected.csv, utterances.csv and, last, index.json."""
    size = min(CLIPS_A_SHARD, max(16, -(-len(table) // SHARDS_WANTED)))
    bounds = [(start, min(start + size, len(table))) for start in range(0, len(table), size)]
    paths = table["path"].astype(str).tolist()
    found = {number: read_shard_record(folder, number) for number in range(len(bounds))}
    # Shards with rejected clips go to the workers once more: the clips may have been mended.
    records = {number: record for number, record in found.items() if record and not record["rejected"]}
    tasks = [
        joblib.delayed(fill_shard)(paths[start:end], setting, folder, number)
        for number, (start, end) in enumerate(bounds)
        if number not in records
    ]
    if records:
        print(f"{name:<20}{len(records)} of {len(bounds)} shards are there already")
    absent = sum(end - start for number, (start, end) in enumerate(bounds) if found[number] is None)
    check_room(
        folder, absent * 2 * math.prod(feature_shape(setting)), f"the {name} cache"
    )  # float16: 2 bytes
    progress = Progress(name, len(bounds), sum(bounds[i][1] - bounds[i][0] for i in records), len(table))
    with _one_thread_each(), contextlib.closing(_parallel(workers)(tasks)) as results:
        for number, record in results:
            records[number] = record
            start, end = bounds[number]
            progress.add(end - start, len(records))
            n_bad = sum(len(r["rejected"]) for r in records.values())
            if n_bad > max_rejected * len(table):
                break  # The rest cannot mend it.
    rejected = _rejected_table(table, bounds, records)
    write_table(folder / "rejected.csv", rejected)
    _check_rejected(rejected, len(table), max_rejected, folder)
    kept = np.concatenate(
        [np.array(records[i]["kept"], dtype=int) + bounds[i][0] for i in range(len(bounds))]
    )
    if len(kept) == 0:
        raise ValueError(f"none of the {len(table)} clips can be used, first: {rejected['reason'].iloc[0]}")
    write_table(folder / "utterances.csv", table.iloc[kept])
    shards = [shard_path(folder, i) for i in range(len(bounds))]
    index = {
        **plan,
        "dtype": "float16",
        "max_rejected": max_rejected,
        "shape": list(next(records[i]["shape"] for i in sorted(records) if records[i]["kept"])),
        "rows": [len(records[i]["kept"]) for i in range(len(bounds))],
        "bytes": [path.stat().st_size for path in shards],
        "rejected": len(rejected),
    }
    write_json(folder / "index.json", index)
    progress.end(len(kept), len(rejected), folder)


def _rejected_table(
    table: pd.DataFrame, bounds: list[tuple[int, int]], records: dict[int, dict[str, Any]]
) -> pd.DataFrame:
    rows = [
        {**table.iloc[bounds[number][0] + bad["row"]].to_dict(), "reason": bad["reason"]}
        for number in sorted(records)
        for bad in records[number]["rejected"]
    ]
    return pd.DataFrame(rows, columns=REJECTED_COLUMNS)


def _check_rejected(rejected: pd.DataFrame, n_clips: int, max_rejected: float, folder: Path) -> None:
    if len(rejected) > max_rejected * n_clips:
        examples = "; ".join(f"{row.utterance}: {row.reason}" for row in rejected.head(3).itertuples())
        raise ValueError(
            f"{len(rejected)} of {n_clips} clips cannot be used, more than max_rejected = {max_rejected:.2%}. {examples}. "
            f"All so far are in {folder / 'rejected.csv'}: mend or remove them, or raise max_rejected"
        )


@contextlib.contextmanager
def _one_thread_each() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _parallel(workers: int | None) -> joblib.Parallel:
    """Threads here, unless `joblib.parallel_config` has named another back end: then that one decides."""
    backend, _ = joblib.parallel.get_active_backend(prefer="threads")
    n_jobs = workers or (cpu_threads() if isinstance(backend, joblib.parallel.ThreadingBackend) else None)
    return joblib.Parallel(
        n_jobs=n_jobs, prefer="threads", return_as="generator_unordered", pre_dispatch="all"
    )
