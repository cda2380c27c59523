"""One shard: its clips decoded, computed and written.

A shard is two files, `shard-00007.json` (which rows it holds, which were rejected and why) and then
`shard-00007.npy`; the second one's presence says that the shard is done.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from helpers.data import BadAudio, read_audio
from helpers.features.cache import shard_path
from helpers.features.computation import compute, fit_length
from helpers.features.settings import FeatureSetting
from helpers.runs import read_json, write_text, write_whole

CLIPS_AT_ONCE = 16  # of one transform: their spectra stay within the processor's cache
LARGEST = float(np.finfo(np.float16).max)  # 65,504


def fill_shard(
    paths: list[str], setting: FeatureSetting, folder: Path, number: int
) -> tuple[int, dict[str, Any]]:
    """Decode, compute, write one shard; what it holds. Where it is there already: the same, at once, unless a clip
    that it rejected can be read by now."""
    done = read_shard_record(folder, number)
    if done is not None:
        if not any(can_be_read(paths[bad["row"]], setting) for bad in done["rejected"]):
            return number, done
        shard_path(folder, number).unlink(missing_ok=True)  # first: it must not stand beside another record
    if torch.get_num_threads() != 1:
        torch.set_num_threads(1)  # one process or thread a shard: more would fight over the cores
    rows: list[np.ndarray] = []
    kept: list[int] = []
    rejected: list[dict[str, Any]] = []
    for start in range(0, len(paths), CLIPS_AT_ONCE):
        waves, readable = [], []
        for row in range(start, min(start + CLIPS_AT_ONCE, len(paths))):
            try:
                wave = read_audio(paths[row], setting.sample_rate, setting.n_samples)
                waves.append(fit_length(wave, setting.n_samples))
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
    write_json(_record_path(folder, number), record)
    write_whole(shard_path(folder, number), lambda file: np.save(file, values16, allow_pickle=False))
    return number, record


def can_be_read(path: str, setting: FeatureSetting) -> bool:
    try:
        read_audio(path, setting.sample_rate, setting.n_samples)
    except BadAudio:
        return False
    return True


def read_shard_record(folder: Path, number: int) -> dict[str, Any] | None:
    """What a finished shard holds, None where it is not finished."""
    if not shard_path(folder, number).is_file():
        return None
    return read_json(_record_path(folder, number))


def _record_path(folder: Path, number: int) -> Path:
    return folder / f"shard-{number:05d}.json"


def write_json(path: Path, value: dict[str, Any]) -> None:
    """On one line: a record lists hundreds of rows."""
    write_text(path, json.dumps(value, allow_nan=False) + "\n")


def write_table(path: Path, table: pd.DataFrame) -> None:
    text = table.to_csv(index=False)
    write_whole(path, lambda file: file.write(text.encode("utf-8", "surrogateescape")))
