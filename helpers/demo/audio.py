"""Any recording, block by block, in memory that does not grow with its length; and the pieces that a network scores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from helpers.data.audio import SAMPLE_RATE, SHORTEST, SILENT, check_rate, check_whole
from helpers.data.errors import BadAudio

AUDIO_ENDINGS = frozenset(
    ".wav .flac .ogg .oga .opus .mp3 .aif .aiff .aifc .au .snd .caf .w64 .rf64 .voc .amr".split()
)
BLOCK_SAMPLES = 1 << 19  # numbers read at a time, over all channels: 2 MB
HELD_SECONDS = 120  # below this a recording is resampled in one piece, exactly as for training
HELD_SAMPLES = HELD_SECONDS * 48_000
LONGEST_SECONDS = 6 * 3600.0
LOUDEST = 1e6  # full scale is 1; whole numbers kept as floats reach 32,768; what lies beyond is damage


@dataclass
class Facts:
    """What a file says of itself and what reading it has shown."""

    name: str
    sample_rate: int = 0
    channels: int = 0
    duration_s: float = 0.0


def safe_name(path: str | os.PathLike[str], longest: int = 80) -> str:
    """The file's name fit to be printed: no control characters, no lone surrogates, not longer than a line."""
    name = os.path.basename(os.fspath(path)) or os.fspath(path)
    name = name.encode("utf-8", "replace").decode("utf-8")
    # isprintable is False for control, direction-changing and line-breaking characters.
    name = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)
    return name if len(name) <= longest else name[: longest - 21] + "…" + name[-20:]


def read_blocks(
    path: str | Path,
    facts: Facts,
    on_raw: Callable[[np.ndarray], None] = lambda raw: None,
    max_seconds: float = LONGEST_SECONDS,
) -> Iterator[np.ndarray]:
    """Yield float32 (samples,), mono at 16 kHz; `on_raw` sees each block (frames, channels) as it was stored.

    Raises BadAudio with one sentence where `helpers.data.read_audio` would, and for more than `max_seconds`. What is
    wrong with a file as a whole (cut off, silent) is raised after its last block. A recording under two minutes comes
    as one block, equal to what `read_audio` gives.
    """
    facts.name = safe_name(path)
    peak, n_read, held = 0.0, 0, []
    resampler: _Resampler | None = None
    with _open(path, facts.name) as opened:
        facts.sample_rate, facts.channels = opened.samplerate, opened.channels
        check_rate(facts.name, facts.sample_rate)
        for raw in _raw_blocks(opened, facts.name):
            if not np.isfinite(raw).all():
                raise BadAudio(f"{facts.name} holds NaN or infinity")
            if max(raw.max(), -raw.min()) > LOUDEST:
                raise BadAudio(
                    f"{facts.name} holds samples beyond {LOUDEST:,.0f} times full scale: it is damaged"
                )
            on_raw(raw)
            mono = raw[:, 0] if facts.channels == 1 else raw.mean(axis=1)
            peak = max(peak, float(mono.max()), -float(mono.min()))
            n_read += len(mono)
            facts.duration_s = n_read / facts.sample_rate
            if facts.duration_s > max_seconds:
                raise BadAudio(
                    f"{facts.name} lasts more than {_clock(max_seconds)}: cut out the part in question"
                )
            if resampler is not None:
                yield resampler(mono)
                continue
            held.append(mono)
            if n_read > HELD_SAMPLES or facts.duration_s > HELD_SECONDS:
                resampler = _Resampler(facts.sample_rate)
                yield from map(resampler, held)
                held = []
    _judge_whole(opened, path, facts, n_read, peak)
    if resampler is None:
        yield _resample(np.concatenate(held), facts.sample_rate)
    else:
        yield resampler(np.zeros(0, np.float32), last=True)


def _judge_whole(
    opened: soundfile.SoundFile, path: str | Path, facts: Facts, n_read: int, peak: float
) -> None:
    name = facts.name
    if n_read == 0:
        raise BadAudio(f"{name} holds no samples")
    check_whole(opened, path, name, n_read)
    if facts.duration_s < SHORTEST:
        raise BadAudio(f"{name} lasts {facts.duration_s:.3f} s, less than {SHORTEST} s")
    if peak < SILENT:
        mixed = f" once its {facts.channels} channels are averaged" if facts.channels > 1 else ""
        raise BadAudio(f"{name} is silent{mixed}")


def _open(path: str | Path, name: str) -> soundfile.SoundFile:
    try:
        exists, is_file = os.path.exists(path), os.path.isfile(path)
        if is_file and os.path.getsize(path) > 0:
            return soundfile.SoundFile(os.fspath(path))
    except (soundfile.LibsndfileError, RuntimeError, TypeError, ValueError, OSError) as error:
        # TypeError: a name that ends in .raw makes soundfile ask for the rate.
        raise BadAudio(f"{name} cannot be read as audio ({_reason(error)})") from None
    if is_file:
        raise BadAudio(f"{name} is empty (0 bytes)")
    raise BadAudio(f"{name} is not a file" if exists else f"{name} is not there")


def _raw_blocks(opened: soundfile.SoundFile, name: str) -> Iterator[np.ndarray]:
    """float32 (frames, channels), each at most BLOCK_SAMPLES numbers, until nothing more comes."""
    size = max(1, BLOCK_SAMPLES // opened.channels)
    while True:
        block = np.empty((size, opened.channels), np.float32)
        try:
            # Not read(): it trusts the header's length for the size of its answer.
            n = opened.buffer_read_into(block, dtype="float32")
        except (soundfile.LibsndfileError, RuntimeError, ValueError) as error:
            raise BadAudio(f"{name} cannot be read to its end ({_reason(error)})") from None
        if n == 0:
            return
        yield block[:n]


def _reason(error: Exception) -> str:
    if isinstance(error, TypeError):
        return "it has no header that says how it is stored"
    return str(error).rpartition(": ")[2].rstrip(".").strip() or type(error).__name__


def _resample(wave: np.ndarray, rate: int) -> np.ndarray:
    wave = wave if rate == SAMPLE_RATE else soxr.resample(wave, rate, SAMPLE_RATE)
    return np.ascontiguousarray(wave, dtype=np.float32)


class _Resampler:
    """soxr over consecutive blocks; passes them through where the rate is 16 kHz already."""

    def __init__(self, rate: int) -> None:
        self.stream = None if rate == SAMPLE_RATE else soxr.ResampleStream(rate, SAMPLE_RATE, 1)

    def __call__(self, block: np.ndarray, last: bool = False) -> np.ndarray:
        if self.stream is not None:
            block = self.stream.resample_chunk(np.ascontiguousarray(block), last=last)
        return np.ascontiguousarray(block, dtype=np.float32)


def _clock(seconds: float) -> str:
    return f"{seconds / 3600:g} hours" if seconds >= 3600 else f"{seconds / 60:g} minutes"
