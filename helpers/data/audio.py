"""Any recording -> mono float32 at the asked rate, whole or block by block, or BadAudio with the reason."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile
import soxr

from helpers.data.decoding import decoded
from helpers.data.errors import BadAudio

if TYPE_CHECKING:
    import pandas as pd

SAMPLE_RATE = 16_000  # Hz, everywhere in the suite
# Compared in lower case. Of video files the first audio stream is read.
AUDIO_ENDINGS = frozenset(
    ".wav .flac .ogg .oga .ogx .opus .spx .mp3 .mp2 .aiff .aif .aifc .au .snd .caf .w64 .rf64 .voc "
    ".m4a .m4b .m4p .aac .amr .awb .wma .mp4 .m4v .mov .webm .mkv .mka .3gp .3g2 .g722".split()
)
SHORTEST = 0.1  # seconds
SILENT = 1e-4  # peak, -80 dBFS
LOUDEST = 1e6  # whole numbers kept as floats reach 32,768; beyond this the file is damaged
LONGEST_SECONDS = 6 * 3600.0
MARGIN = 60  # seconds read beyond those asked for: what is not longer is read, and checked, as a whole
HELD_SECONDS = 120  # in one block


@dataclass
class Facts:
    """What a file says of itself and what reading it has shown."""

    name: str = ""
    sample_rate: int = 0
    channels: int = 0
    duration_s: float = 0.0  # read so far
    told_s: float = 0.0  # by the header; 0 where it tells no length, or only a guess from the bit rate


def safe_name(path: str | os.PathLike[str], longest: int = 80) -> str:
    """The file's name fit to be printed: no control characters, no lone surrogates, not longer than a line."""
    name = os.path.basename(os.fspath(path)) or os.fspath(path)
    name = name.encode("utf-8", "replace").decode("utf-8")
    name = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)
    return name if len(name) <= longest else name[: longest - 21] + "…" + name[-20:]


def read_audio(path: str | Path, sample_rate: int = SAMPLE_RATE, n_samples: int | None = None) -> np.ndarray:
    """The whole file -> float32 (samples,), as `mono` mixes it, resampled by soxr where its rate differs.

    Who wants the first `n_samples` alone gets at least these, or all where there is less; the rest of a long recording
    is not read. The level is the file's own: `helpers.features.compute` removes offset and level.
    Raises BadAudio with one sentence where the file cannot be read, is cut off, empty, silent, shorter than 0.1 s,
    claims an impossible sample rate, or holds NaN or infinity.
    """
    enough = None if n_samples is None else n_samples / sample_rate + MARGIN
    blocks = list(read_blocks(path, sample_rate=sample_rate, enough=enough))
    return np.concatenate(blocks) if len(blocks) > 1 else blocks[0]


def read_blocks(
    path: str | Path,
    facts: Facts | None = None,
    on_raw: Callable[[np.ndarray], None] = lambda raw: None,
    max_seconds: float = LONGEST_SECONDS,
    sample_rate: int = SAMPLE_RATE,
    enough: float | None = None,
) -> Iterator[np.ndarray]:
    """Yield float32 (samples,), mono at `sample_rate`; `on_raw` sees each block (frames, channels) as it was stored.

    Raises BadAudio as `read_audio` does, and for more than `max_seconds`. What is wrong with a file as a whole (cut
    off, silent) is raised before its last block. Reading stops after `enough` seconds. A recording under two minutes
    comes as one block.
    """
    facts = facts or Facts()
    name = facts.name = safe_name(path)
    peak, n_read, n_held, held = 0.0, 0, 0, []
    stream: soxr.ResampleStream | None = None
    for raw, rate, facts.told_s in decoded(path, name, enough):
        top, bottom = float(raw.max()), float(raw.min())  # NaN where one sample is
        if not np.isfinite(top - bottom):
            raise BadAudio(f"{name} holds NaN or infinity")
        if max(top, -bottom) > LOUDEST:
            raise BadAudio(f"{name} holds samples beyond {LOUDEST:,.0f} times full scale: it is damaged")
        on_raw(raw)
        block = mono(raw)
        mean = block.mean()
        peak = max(peak, float(block.max() - mean), float(mean - block.min()))
        n_read, n_held = n_read + len(block), n_held + len(block)
        facts.sample_rate, facts.channels, facts.duration_s = rate, raw.shape[1], n_read / rate
        if facts.duration_s > max_seconds:
            limit = (
                f"{max_seconds / 3600:g} hours" if max_seconds >= 3600 else f"{max_seconds / 60:g} minutes"
            )
            raise BadAudio(f"{name} lasts more than {limit}: cut out the part in question")
        held.append(block)
        if stream is None and rate != sample_rate:
            stream = soxr.ResampleStream(rate, sample_rate, 1)
        if n_held > HELD_SECONDS * rate:
            yield _resampled(held, stream, last=False)
            n_held, held = 0, []
    if n_read == 0:
        raise BadAudio(f"{name} holds no samples")
    if facts.duration_s < SHORTEST:
        raise BadAudio(f"{name} lasts {facts.duration_s:.3f} s, less than {SHORTEST} s")
    if peak < SILENT:
        raise BadAudio(f"{name} is silent{' in all its channels' * (facts.channels > 1)}")
    yield _resampled(held, stream, last=True)


def _resampled(held: list[np.ndarray], stream: soxr.ResampleStream | None, last: bool) -> np.ndarray:
    block = held[0] if len(held) == 1 else np.concatenate(held or [np.zeros(0, np.float32)])
    return block if stream is None else stream.resample_chunk(block, last=last)


def mono(raw: np.ndarray) -> np.ndarray:
    """(frames, channels) -> float32 (frames,): the mean of the channels that hold sound.

    A channel that is constant or 40 dB softer than the loudest is left out. Where two are mirror images of each other
    (wired in antiphase), their mean would be silence: the first is taken.
    """
    if raw.shape[1] == 1:
        return np.ascontiguousarray(raw[:, 0], np.float32)
    centred = raw - raw.mean(axis=0)
    power = np.einsum("ij,ij->j", centred, centred)
    heard = raw[:, power > 1e-4 * power.max()] if power.max() > 0 else raw[:, :1]
    mixed = heard.mean(axis=1, dtype=np.float32)
    moved = mixed - mixed.mean()
    if heard.shape[1] > 1 and float(moved @ moved) < 0.05 * float(power.max()):
        mixed = heard[:, 0]
    return np.ascontiguousarray(mixed, np.float32)


# ---------------------------------------------------------------- the clips of a table


def first_readable(table: pd.DataFrame) -> pd.Series:
    """The first row whose clip can be read: an example to hear and draw. BadAudio where none of them can."""
    problem = BadAudio("there is no clip to take an example from")
    for _, clip in table.iterrows():
        try:
            read_audio(clip["path"])
            return clip
        except BadAudio as error:
            print(f"note:   another example is taken: {error}")
            problem = error
    raise problem


def cut_recordings(table: pd.DataFrame, folder: Path, seconds: float) -> pd.DataFrame:
    """One row a recording -> one row a piece of `seconds` (16 kHz mono FLAC in `folder`), a shorter rest dropped.

    Each recording's pieces lie in a folder of their own that is renamed when it is complete: an interrupted call goes
    on with the recordings it lacks. Unreadable recordings are reported and left out.
    """
    import pandas as pd  # here alone: judging a recording does without

    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for recording in table[table["path"] != ""].to_dict("records"):
        found = os.stat(recording["path"])
        name = f"{recording['utterance']}-{found.st_size:x}-{found.st_mtime_ns:x}".replace("/", "_")
        try:
            pieces = _cut(recording["path"], folder / name, round(seconds * SAMPLE_RATE))
        except BadAudio as error:
            print(f"left out: {error}")
            continue
        for number, path in enumerate(pieces):
            name = f"{recording['utterance']}-{number:04d}"
            rows.append(recording | {"path": str(path), "utterance": name, "start_s": number * seconds})
    return pd.DataFrame(rows, columns=[*table.columns, "start_s"])


def _cut(recording: str, home: Path, n_samples: int) -> list[Path]:
    if not home.is_dir():
        wave = read_audio(recording)
        part = home.with_name(f"{home.name}.{os.getpid()}.part")
        part.mkdir(exist_ok=True)
        for number in range(len(wave) // n_samples):
            piece = wave[number * n_samples : (number + 1) * n_samples]
            soundfile.write(part / f"{number:04d}.flac", piece, SAMPLE_RATE)
        with contextlib.suppress(OSError):  # another program was faster
            os.rename(part, home)
        shutil.rmtree(part, ignore_errors=True)
    return sorted(home.glob("*.flac"))
