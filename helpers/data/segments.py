"""Long recordings cut once into short clips, so that everything later sees one row a clip."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import soundfile

from helpers.data.audio import SAMPLE_RATE, read_audio
from helpers.data.errors import BadAudio
from helpers.data.staging import MARK, only_one


def cut_recordings(table: pd.DataFrame, folder: Path, seconds: float) -> pd.DataFrame:
    """One row a recording -> one row a piece of `seconds` (16 kHz mono FLAC in `folder`), a shorter rest dropped.

    Each recording's pieces lie in a folder of their own, built under .part and renamed: an interrupted call goes on
    with the recordings it lacks. Unreadable recordings are reported and left out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with only_one(folder / "cutting.lock"):
        return _cut_all(table, folder, seconds)


def _cut_all(table: pd.DataFrame, folder: Path, seconds: float) -> pd.DataFrame:
    rows: list[dict[Any, Any]] = []
    for recording in table.to_dict("records"):
        if not recording["path"]:
            continue
        home = folder / str(recording["utterance"]).replace("/", "_")
        try:
            n_pieces = _pieces(Path(recording["path"]), home, seconds)
        except BadAudio as error:
            print(f"left out: {error}")
            continue
        for number in range(n_pieces):
            piece = {
                "path": str(home / f"{number:04d}.flac"),
                "utterance": f"{recording['utterance']}-{number:04d}",
            }
            rows.append({**recording, **piece, "start_s": number * seconds})
    return pd.DataFrame(rows, columns=[*table.columns, "start_s"])


def _pieces(recording: Path, home: Path, seconds: float) -> int:
    status = recording.stat()
    facts: dict[str, float] = {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns, "seconds": seconds}
    try:
        mark = json.loads((home / MARK).read_text())
        if all(mark.get(key) == value for key, value in facts.items()):
            return int(mark["pieces"])
    except (OSError, ValueError):
        pass
    wave = read_audio(recording)
    n_samples = round(seconds * SAMPLE_RATE)
    n_pieces = len(wave) // n_samples
    part = home.with_name(home.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for number in range(n_pieces):
        piece = wave[number * n_samples : (number + 1) * n_samples]
        soundfile.write(part / f"{number:04d}.flac", piece, SAMPLE_RATE)
    (part / MARK).write_text(json.dumps({**facts, "pieces": n_pieces}))
    if home.exists():
        (home / MARK).unlink(missing_ok=True)
        shutil.rmtree(home)
    os.rename(part, home)
    return n_pieces
