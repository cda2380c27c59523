"""A cache on disk: one float16 array of all clips, and one byte a clip that says whether its row is done.

features.npy   (clips, *shape) float16, its room taken at the start, read through a memory map
done.npy       (clips,) uint8: 0 not yet, 1 done, 2 rejected; set after the row's bytes are on the disk
setting.json   setting, digest of the utterance table, share of rejected clips that was allowed
rejected.csv   clips that cannot be used, and why
table.csv      the clips that were kept, in the order of their rows; written last: its presence is success
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import torch

from helpers.data import BadAudio, read_audio
from helpers.data.errors import disk_errors
from helpers.data.staging import check_room, only_one
from helpers.environment import cpu_threads, where_am_i
from helpers.features.computation import compute, feature_shape, fit_length
from helpers.features.settings import FeatureSetting
from helpers.files import digest, read_json, write_bytes, write_json

CODE = 3  # raise it when a change of code changes the values of a feature: older caches are then left aside
WORDS = ("utterance", "path", "label", "attack", "speaker", "split", "dataset")  # columns of text
MAX_REJECTED = 0.01  # share of clips that may be unusable
DONE, REJECTED = 1, 2
ROWS_AT_ONCE = 32  # of one task: what a killed process has to compute again
SIZES_READ = 4096  # files, evenly spread: on a mounted drive each costs a question over the network
SECONDS_BETWEEN_LINES = 5.0
LARGEST = float(np.finfo(np.float16).max)  # 65,504


@dataclass
class Cache:
    """Features of `table`, row for row. Made by build_cache or open_cache."""

    folder: Path
    setting: FeatureSetting
    table: pd.DataFrame  # the clips that were kept
    rejected: pd.DataFrame  # utterance, path, label, split, reason
    kept: np.ndarray  # (len(table),) number of each clip's row in features.npy

    def __len__(self) -> int:
        return len(self.table)

    @cached_property
    def features(self) -> np.ndarray:
        """The whole array (clips, *shape), rejected clips included; the map holds no memory of its own."""
        return np.load(self.folder / "features.npy", mmap_mode="r")

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one clip."""
        return self.features.shape[1:]

    def read(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """Rows of `table` in the order asked for -> float16 (n, *shape)."""
        return np.asarray(self.features[self.kept[np.asarray(indices, dtype=np.int64)]])


def table_digest(table: pd.DataFrame) -> str:
    """Hash of what the rows are: names, labels, splits, file names and the sizes of up to 4,096 of the files, but not
    the folder in which they lie. A file that was replaced by one of equal name and equal size is not noticed."""
    paths = table["path"].astype(str).tolist()
    above = os.path.commonpath([os.path.dirname(path) for path in paths]) if paths else ""
    total = hashlib.sha256()
    for column in WORDS:
        values = table[column].astype(str).tolist() if column in table else []
        values = [path.removeprefix(above) for path in values] if column == "path" else values
        total.update("\n".join([column, *values]).encode("utf-8", "surrogateescape"))
    for row in np.unique(np.linspace(0, len(paths) - 1, SIZES_READ).astype(int)) if paths else []:
        total.update(f"{os.path.getsize(paths[row]) if os.path.exists(paths[row]) else -1},".encode())
    return total.hexdigest()[:32]


def cache_folder(cache_dir: Path, table: pd.DataFrame, setting: FeatureSetting, seen: str = "") -> Path:
    """Where build_cache keeps this feature of this table: `<data sets>-<feature>-<hash12>`.

    `seen` is table_digest(table), where it is known.
    """
    datasets = "+".join(dict.fromkeys(table["dataset"])) if "dataset" in table else "data"
    mark = digest([CODE, setting.to_dict(), seen or table_digest(table)], 12)
    return Path(cache_dir) / f"{datasets}-{setting.name}-{mark}"


def open_cache(folder: str | Path) -> Cache:
    """Open a finished cache, in place and without writing. FileNotFoundError or ValueError say what is wrong."""
    folder = Path(folder)
    if not (folder / "table.csv").is_file():
        holds = "an unfinished cache" if (folder / "setting.json").is_file() else "no feature cache"
        raise FileNotFoundError(f"{folder} holds {holds}: run 03_cache, it continues what is there")
    setting = FeatureSetting.from_dict(read_json(folder / "setting.json")["setting"])
    try:
        table = _read_table(folder / "table.csv", dict.fromkeys(WORDS, str))
        rejected = _read_table(folder / "rejected.csv", str)
        kept = np.flatnonzero(np.load(folder / "done.npy") == DONE)
        cache = Cache(folder, setting, table, rejected, kept)
        if not len(table) == len(kept) == len(cache.features) - len(rejected):
            raise ValueError(f"{len(table)} clips, {len(kept)} rows done of {len(cache.features)}")
    except (OSError, ValueError) as error:
        raise ValueError(f"{folder} is damaged ({error}): remove it and run 03_cache") from error
    return cache


def build_cache(
    table: pd.DataFrame,
    setting: FeatureSetting,
    folder: Path | None = None,
    workers: int | None = None,
    max_rejected: float | None = None,
) -> Cache:
    """An utterance table and a setting -> their cache; at once where it is complete, resumed where it is half done.

    `folder` defaults to the place's cache folder, named by data set, feature and hash. `workers` defaults to the cores
    of this process (threads: decoding and transforms run outside the interpreter's lock); inside
    `joblib.parallel_config(backend="dask")` the clips go to that cluster, which must see the same files.
    Clips that cannot be used are listed in rejected.csv, and tried again once they can be read; ValueError where they
    are more than `max_rejected` (a share; None: what was allowed for another feature of this table, as in 03, else
    MAX_REJECTED), where the table is empty, or where `folder` holds something else.
    """
    if len(table) == 0:
        raise ValueError("the utterance table is empty: there is nothing to cache")
    table = table.reset_index(drop=True)
    seen = table_digest(table)
    folder = Path(folder or cache_folder(where_am_i().folders.cache, table, setting, seen))
    plan = {"code": CODE, "setting": setting.to_dict(), "table": seen}
    _check_plan(folder, plan)
    if max_rejected is None:
        max_rejected = _allowed(folder.parent, seen)
    if not _complete(folder, table, setting):
        folder.mkdir(parents=True, exist_ok=True)
        waiting = f"another process is filling {folder.name}: waiting for it"
        full = disk_errors(f"the {setting.name} cache", "filled", "the next call continues")
        with full, only_one(folder / ".lock", waiting), contextlib.ExitStack() as after:
            after.callback(torch.set_num_threads, torch.get_num_threads())  # a task sets one thread
            _check_plan(folder, plan)
            if not _complete(folder, table, setting):
                _fill(table, setting, folder, workers, max_rejected, plan)
    cache = open_cache(folder)
    cache.table = table.iloc[cache.kept].reset_index(drop=True)  # the files may have moved since
    _check_rejected(cache.rejected, len(table), max_rejected, folder)
    return cache


def _check_plan(folder: Path, plan: dict[str, Any]) -> None:
    """ValueError where the folder holds another setting or table."""
    found = read_json(folder / "setting.json") if (folder / "setting.json").is_file() else plan
    for key, word in {"code": "code", "setting": "setting", "table": "utterance table"}.items():
        if found.get(key) != plan[key]:
            raise ValueError(f"{folder} holds features of another {word}: name another folder, or remove it")


def _allowed(folder: Path, seen: str) -> float:
    """The share of rejected clips that was allowed when another feature of the same table was cached."""
    shares = [MAX_REJECTED]
    for path in folder.glob("*/setting.json"):
        with contextlib.suppress(ValueError):  # another cache, damaged: its own reader will say so
            found = read_json(path)
            shares += [found.get("max_rejected", MAX_REJECTED)] if found.get("table") == seen else []
    return max(shares)


def _complete(folder: Path, table: pd.DataFrame, setting: FeatureSetting) -> bool:
    """Whether there is nothing to do: a finished cache, and none of its rejected clips can be used by now."""
    if not (folder / "table.csv").is_file():
        return False
    rejected = np.flatnonzero(np.load(folder / "done.npy") == REJECTED)
    for path in table["path"].iloc[rejected].astype(str):
        with contextlib.suppress(BadAudio):
            compute_row(path, setting)
            if os.access(folder, os.W_OK):  # where we may not write, the cache stays as it is
                (folder / "table.csv").unlink(missing_ok=True)
                return False
    return True


def compute_row(path: str, setting: FeatureSetting) -> np.ndarray:
    """One file -> its feature, float16. BadAudio says why a clip cannot be used."""
    wave = fit_length(read_audio(path, setting.sample_rate, setting.n_samples), setting.n_samples)
    values = compute(torch.from_numpy(wave)[None], setting)[0].numpy()
    largest = np.abs(values).max()
    if not largest <= LARGEST:  # true of NaN as well
        raise BadAudio(f"{setting.kind} reaches {largest:.3g}, float16 holds at most {LARGEST:.0f}")
    return values.astype(np.float16)


def fill_rows(rows: np.ndarray, paths: list[str], setting: FeatureSetting, folder: Path) -> dict[int, str]:
    """Compute and save the features of these rows -> why some were rejected, by row.

    Plain writes, not through a map: a full disk is then an error and not a crash, and on a shared file system two
    machines may write to one page.
    """
    torch.set_num_threads(1)  # of this thread's process: more would fight over the cores
    array, bitmap = (np.load(folder / name, mmap_mode="r") for name in ("features.npy", "done.npy"))
    marks, reasons = np.full(len(rows), DONE, dtype=np.uint8), {}
    with open(folder / "features.npy", "r+b") as features, open(folder / "done.npy", "r+b") as done:
        for i, (row, path) in enumerate(zip(rows.tolist(), paths, strict=True)):
            try:
                values = compute_row(path, setting)
            except BadAudio as error:
                marks[i], reasons[row] = REJECTED, str(error)
            else:
                features.seek(array.offset + row * array.strides[0])
                features.write(values.tobytes())
        features.flush()
        os.fsync(features.fileno())
        for row, mark in zip(rows.tolist(), marks, strict=True):
            done.seek(bitmap.offset + row)
            done.write(mark.tobytes())
    return reasons


def _fill(
    table: pd.DataFrame,
    setting: FeatureSetting,
    folder: Path,
    workers: int | None,
    max_rejected: float,
    plan: dict[str, Any],
) -> None:
    """Take the room on the disk, compute what is missing, try the rejected clips again; then rejected.csv and, last, table.csv."""
    if not (folder / "setting.json").is_file():  # written last: both arrays are there
        shape, path = (len(table), *feature_shape(setting)), folder / "features.npy"
        check_room(folder, 2 * math.prod(shape), f"the {setting.name} cache")
        np.lib.format.open_memmap(path, "w+", np.float16, shape)
        with open(path, "r+b") as file, contextlib.suppress(AttributeError):  # Windows has no such call
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        np.save(folder / "done.npy", np.zeros(len(table), dtype=np.uint8))
        write_json(folder / "setting.json", plan)
    paths, name = table["path"].astype(str).to_numpy(), f"{setting.name:<20}"
    todo = np.flatnonzero(np.load(folder / "done.npy") != DONE)
    before = n_done = len(table) - len(todo)
    if before:
        print(f"{name}{before:,} of {len(table):,} clips are there already")
    parts = [todo[start : start + ROWS_AT_ONCE] for start in range(0, len(todo), ROWS_AT_ONCE)]
    tasks = [joblib.delayed(fill_rows)(rows, paths[rows].tolist(), setting, folder) for rows in parts]
    reasons: dict[int, str] = {}
    started = told = time.monotonic()
    with contextlib.closing(_parallel(workers)(tasks)) as results:
        for found in results:
            reasons |= found
            n_done, now = min(n_done + ROWS_AT_ONCE, len(table)), time.monotonic()
            if now - told >= SECONDS_BETWEEN_LINES:
                told, speed = now, (n_done - before) / (now - started)
                left = f"{speed:,.0f} clips/s   left ~{(len(table) - n_done) / speed:.0f} s"
                print(f"{name}{n_done:,}/{len(table):,} clips   {left}", flush=True)
            if len(reasons) > max_rejected * len(table):
                break  # the rest cannot mend it
    rejected = table.iloc[sorted(reasons)].assign(reason=[reasons[row] for row in sorted(reasons)])
    _write_table(
        folder / "rejected.csv", rejected.reindex(columns=["utterance", "path", "label", "split", "reason"])
    )
    _check_rejected(rejected, len(table), max_rejected, folder)
    if len(rejected) == len(table):
        raise ValueError(f"none of the {len(table)} clips can be used, first: {rejected['reason'].iloc[0]}")
    write_json(folder / "setting.json", {**plan, "max_rejected": max_rejected})
    _write_table(folder / "table.csv", table.drop(index=rejected.index))
    seconds = max(time.monotonic() - started, 1e-9)
    said = f"{len(table) - len(rejected):,} clips in {seconds:.1f} s   {len(todo) / seconds:,.0f} clips/s"
    print(f"{name}{said}   {len(rejected)} rejected   {folder}", flush=True)


def _check_rejected(rejected: pd.DataFrame, n_clips: int, max_rejected: float, folder: Path) -> None:
    if len(rejected) > max_rejected * n_clips:
        examples = "; ".join(f"{row.utterance}: {row.reason}" for row in rejected.head(3).itertuples())
        raise ValueError(
            f"{len(rejected)} of {n_clips} clips cannot be used, more than max_rejected = {max_rejected:.2%}. {examples}. "
            f"All so far are in {folder / 'rejected.csv'}: mend or remove them, or raise max_rejected"
        )


def _parallel(workers: int | None) -> joblib.Parallel:
    """Threads here, unless `joblib.parallel_config` has named another back end: then that one decides."""
    backend, _ = joblib.parallel.get_active_backend(prefer="threads")
    if not workers and isinstance(backend, joblib.parallel.ThreadingBackend):
        workers = cpu_threads()
    return joblib.Parallel(workers, prefer="threads", return_as="generator_unordered", pre_dispatch="all")


def _read_table(path: Path, words: Any) -> pd.DataFrame:
    """A path may hold bytes that are no UTF-8, an attack may be called "None"."""
    return pd.read_csv(path, dtype=words, keep_default_na=False, encoding_errors="surrogateescape")


def _write_table(path: Path, table: pd.DataFrame) -> None:
    text = table.to_csv(index=False)
    write_bytes(path, text.encode("utf-8", "surrogateescape"))
