"""Filling a cache: independent shards, each decoded, computed and renamed into place by itself.

A shard is two files, `shard-00007.json` (which rows it holds, which were rejected and why) and then
`shard-00007.npy`; the second one's presence says that the shard is done. Nothing is ever rewritten once it has its
name, so a process killed at any instant loses at most the shards that it was working on.
"""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import joblib
import numpy as np
import pandas as pd
import torch

from helpers.data import BadAudio, read_audio
from helpers.data.staging import only_one
from helpers.environment import cpu_threads, where_am_i
from helpers.features.cache import CODE, SCHEMA, Cache, cache_folder, open_cache, shard_path, table_digest
from helpers.features.computation import compute, fit_length
from helpers.features.progress import Progress
from helpers.features.settings import FeatureSetting, setting_name
from helpers.runs import read_json

MAX_REJECTED = 0.01  # share of clips that may be unusable
CLIPS_A_SHARD = 512  # at most
SHARDS_WANTED = 32  # small sets are cut finer, so that all cores have work and progress is seen
CLIPS_AT_ONCE = 16  # of one transform: their spectra stay within the processor's cache
LARGEST = float(np.finfo(np.float16).max)  # 65,504
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
    Clips that cannot be used are listed in rejected.csv; ValueError where they are more than `max_rejected` (a share;
    None: what was allowed for another feature of this table, as in 03, else MAX_REJECTED),
    where the table is empty, or where `folder` holds something else.
    """
    if len(table) == 0:
        raise ValueError("the utterance table is empty: there is nothing to cache")
    name = setting_name(setting)
    if folder is None:
        datasets = "+".join(dict.fromkeys(table["dataset"])) if "dataset" in table else "data"
        folder = cache_folder(where_am_i().folders.cache, datasets, name, table, setting)
    folder = Path(folder)
    digest = table_digest(table)
    plan = {"schema": SCHEMA, "code": CODE, "setting": setting.to_dict(), "table": digest}
    if max_rejected is None:
        max_rejected = _accepted(folder.parent, digest)
    if not (folder / "index.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        waiting = f"another process is filling {folder.name}: waiting for it"
        # Without a lock both fill: the shards are the same, and renamed whole.
        with only_one(folder / ".lock", waiting) as alone:
            if not (folder / "index.json").is_file():
                _check_plan(folder / "build.json", plan)
                _fill(table.reset_index(drop=True), setting, folder, workers, max_rejected, name, plan)
            if alone:
                for part in folder.glob("*.part"):  # of processes that were killed
                    part.unlink(missing_ok=True)
    else:
        _check_plan(folder / "index.json", plan)
    cache = open_cache(folder)
    cache.table["path"] = cache.table["utterance"].map(dict(zip(table["utterance"], table["path"], strict=True)))
    _check_rejected(cache.rejected, len(table), max_rejected, folder)
    return cache


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
        _write_json(path, plan)
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
    records = {i: r for i in range(len(bounds)) if (r := read_shard_record(folder, i)) is not None}
    tasks = [
        joblib.delayed(fill_shard)(paths[start:end], setting, folder, number)
        for number, (start, end) in enumerate(bounds)
        if number not in records
    ]
    if records:
        print(f"{name:<20}{len(records)} of {len(bounds)} shards are there already")
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
    _write_table(folder / "rejected.csv", rejected)
    _check_rejected(rejected, len(table), max_rejected, folder)
    kept = np.concatenate(
        [np.array(records[i]["kept"], dtype=int) + bounds[i][0] for i in range(len(bounds))]
    )
    if len(kept) == 0:
        raise ValueError(f"none of the {len(table)} clips can be used, first: {rejected['reason'].iloc[0]}")
    _write_table(folder / "utterances.csv", table.iloc[kept])
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
    _write_json(folder / "index.json", index)
    progress.end(len(kept), len(rejected), folder)


def fill_shard(
    paths: list[str], setting: FeatureSetting, folder: Path, number: int
) -> tuple[int, dict[str, Any]]:
    """Decode, compute, write one shard; what it holds. Once more with the same arguments: the same, at once."""
    done = read_shard_record(folder, number)
    if done is not None:
        return number, done
    if torch.get_num_threads() != 1:
        torch.set_num_threads(1)  # one process or thread a shard: more would fight over the cores
    rows: list[np.ndarray] = []
    kept: list[int] = []
    rejected: list[dict[str, Any]] = []
    for start in range(0, len(paths), CLIPS_AT_ONCE):
        waves, readable = [], []
        for row in range(start, min(start + CLIPS_AT_ONCE, len(paths))):
            try:
                waves.append(fit_length(read_audio(paths[row], setting.sample_rate), setting.n_samples))
                readable.append(row)
            except BadAudio as error:
                rejected.append({"row": row, "reason": str(error)})
        if not waves:
            continue
        values = compute(torch.from_numpy(np.stack(waves)), setting)
        largest = values.abs().flatten(1).amax(1).numpy()
        fits = largest <= LARGEST  # False for NaN as well
        rows.append(values[torch.from_numpy(fits)].to(torch.float16).numpy())
        kept += [row for row, good in zip(readable, fits, strict=True) if good]
        for i in np.flatnonzero(~fits):
            reason = f"{setting.kind} reaches {largest[i]:.3g}, float16 holds at most {LARGEST:.0f}"
            rejected.append({"row": readable[i], "reason": reason})
    values16 = np.concatenate(rows) if rows else np.zeros((0,), dtype=np.float16)
    record = {"kept": kept, "rejected": rejected, "shape": list(values16.shape[1:])}
    _write_json(_record_path(folder, number), record)
    _write_whole(shard_path(folder, number), lambda file: np.save(file, values16, allow_pickle=False))
    return number, record


def read_shard_record(folder: Path, number: int) -> dict[str, Any] | None:
    """What a finished shard holds, None where it is not finished."""
    if not shard_path(folder, number).is_file():
        return None
    return read_json(_record_path(folder, number))


def _record_path(folder: Path, number: int) -> Path:
    return folder / f"shard-{number:05d}.json"


def _write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """By rename from a name of its own: others may write the same file, and a half one never has its name."""
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        with open(part, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _write_json(path: Path, value: dict[str, Any]) -> None:
    text = json.dumps(value, allow_nan=False) + "\n"
    _write_whole(path, lambda file: file.write(text.encode()))


def _write_table(path: Path, table: pd.DataFrame) -> None:
    text = table.to_csv(index=False)
    _write_whole(path, lambda file: file.write(text.encode()))


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
