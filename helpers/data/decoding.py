"""The two decoders: libsndfile reads first, PyAV reads the rest.

PyAV also gets what libsndfile is known to read in part: headers that were never finished, chained Ogg streams, MP3
files put together or without a table of lengths.
"""

from __future__ import annotations

import mmap
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from helpers.data.errors import BadAudio

RATES = (4_000, 768_000)  # Hz; a header that says something else would fill the memory when resampled
BLOCK_SAMPLES = 1 << 19  # numbers read at a time, over all channels: 2 MB
ENDLESS = 1e8  # seconds: what libsndfile tells where the header does not know
DECODE_SECONDS = 120.0  # PyAV may work this long on one file
SHARE, SLACK = 0.97, 0.3  # of a told length, and seconds: encoders add silence at both ends, decoders drop it
TOLD = (
    "mov,mp4",
    "matroska",
    "asf",
    "caf",
    "wav",
)  # PyAV's formats whose header tells a length to be trusted


def decoded(path: str | Path, name: str, enough: float | None) -> Iterator[tuple[np.ndarray, int]]:
    """(float32 (frames, channels), rate) block after block, by libsndfile or by PyAV."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        raise BadAudio(f"{name} is not there") from None
    if not stat.S_ISREG(found.st_mode):
        raise BadAudio(f"{name} is not a file")
    if found.st_size == 0:
        raise BadAudio(f"{name} is empty (0 bytes)")
    opened = opened_by_libsndfile(path)
    if opened is None:
        yield from _by_av(path, name, enough)
        return
    with opened:
        _check_rate(name, opened.samplerate)
        told, n_read = opened.frames, 0
        size = max(1, BLOCK_SAMPLES // opened.channels)
        while enough is None or n_read < enough * opened.samplerate:
            block = np.empty((min(size, max(1, told - n_read)), opened.channels), np.float32)
            try:
                n = opened.buffer_read_into(block, dtype="float32")
            except (soundfile.LibsndfileError, RuntimeError, ValueError) as error:
                raise BadAudio(f"{name} cannot be read to its end ({_reason(error)})") from None
            n_read += n
            if n:
                yield (
                    block[: n if enough is None else n - max(0, n_read - int(enough * opened.samplerate))],
                    opened.samplerate,
                )
            if n < len(block) or n_read >= told:
                break
        read, whole = n_read / opened.samplerate, told / opened.samplerate
        lacking = _lacking(path, found.st_size) if opened.format not in ("FLAC", "MP3") else 1.0
        if lacking > 1.0:
            raise BadAudio(f"{name} is cut off: {whole:.2f} s of {whole * lacking:.2f} s can be read")
        if lacking < 0.0:
            raise BadAudio(f"{name} is cut off within a page: {read:.2f} s can be read")
        if n_read < _share(opened) * min(told, np.inf if enough is None else enough * opened.samplerate):
            raise BadAudio(f"{name} is cut off: {read:.2f} s of {whole:.2f} s can be read")


def _share(opened: soundfile.SoundFile) -> float:
    return SHARE if opened.format in ("MP3", "OGG") or opened.subtype.startswith("MPEG") else 1.0


def opened_by_libsndfile(path: str | Path) -> soundfile.SoundFile | None:
    """libsndfile's view of the file, None where it has none or is known to read such a file in part."""
    try:
        opened = soundfile.SoundFile(os.fspath(path))
    except (soundfile.LibsndfileError, RuntimeError, TypeError, ValueError, OSError):
        return None
    in_part = opened.frames <= 0 or opened.frames / opened.samplerate > ENDLESS
    if not in_part and opened.format in ("MP3", "OGG"):
        # Mapped, not read: of an hour's file only the start may be wanted.
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            in_part = _joined(data, opened.format)
    if in_part:
        opened.close()
        return None
    return opened


def _joined(data: mmap.mmap, form: str) -> bool:
    """True for an Ogg file in which a second stream begins, an MP3 with a tag in its middle or without a frame table."""
    if form == "OGG":
        at = data.find(b"OggS", 28)
        while at >= 0 and at + 5 < len(data):
            if data[at + 5] & 2 and data[at + 4] == 0:
                return True
            at = data.find(b"OggS", at + 27)
        return False
    tag = (
        10 + sum((byte & 127) << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0)))
        if data[:3] == b"ID3"
        else 0
    )
    head = data[tag : tag + 4096]
    later = data.find(b"ID3", tag + 10)
    return not any(mark in head for mark in (b"Xing", b"Info", b"VBRI")) or (
        0 <= later and data[later + 3] in (2, 3, 4)
    )


def _lacking(path: str | Path, size: int) -> float:
    """How many times as many bytes the header tells of, 1 where it is content; -1 for Ogg that ends within a page."""
    told = 0
    with open(path, "rb") as file:
        head = file.read(28)
        kind = head[:4]
        if kind in (b"RIFF", b"RIFX", b"FORM"):
            told = int.from_bytes(head[4:8], "little" if kind == b"RIFF" else "big") + 8
            told = 0 if told - 8 >= 0x7FFFF000 else told  # never finished
        elif kind == b"RF64":
            told = int.from_bytes(head[20:28], "little") + 8
        elif kind == b".snd":
            told = int.from_bytes(head[4:8], "big") + int.from_bytes(head[8:12], "big")
            told = 0 if head[8:12] == b"\xff" * 4 else told
        elif kind == b"OggS":
            file.seek(max(0, size - 66_000))  # a page holds at most 65,307 bytes
            tail = file.read()
            last = tail[tail.rfind(b"OggS") :]
            broken = len(last) < 27 or len(last) < 27 + last[26] + sum(last[27 : 27 + last[26]])
            return -1.0 if broken else 1.0
    return told / size if told > size + 64 else 1.0  # writers count their headers differently


def _by_av(path: str | Path, name: str, enough: float | None) -> Iterator[tuple[np.ndarray, int]]:
    """What libsndfile does not read, by PyAV: the first audio stream."""
    import av

    av.logging.set_level(av.logging.PANIC)
    n_read, n_packets, n_bad, rate, until = 0, 0, 0, 0, time.monotonic() + DECODE_SECONDS
    pieces: list[np.ndarray] = []
    form: tuple[int, int, str] | None = None  # of the first frame
    try:
        with av.open(os.fspath(path), metadata_errors="ignore") as opened:
            if not opened.streams.audio:
                raise BadAudio(f"{name} has no sound in it")
            stream = opened.streams.audio[0]
            if stream.codec_context is None:
                raise BadAudio(f"{name} holds sound in a form that is not known here: convert it to WAV")
            rate = stream.rate or 0
            _check_rate(name, rate)
            told = stream.duration * stream.time_base if stream.duration else (opened.duration or 0) / 1e6
            resampler = av.AudioResampler("fltp", stream.layout.name, rate)
            for packet in opened.demux(stream):
                n_packets += 1
                try:
                    frames = packet.decode()
                except av.error.InvalidDataError:  # a tag between two files put together is no frame
                    n_bad += 1
                    continue
                for frame in frames:
                    form = form or (frame.sample_rate, frame.layout.nb_channels, frame.format.name)
                    # Asked before converting: FFmpeg's resampler crashes where the channels change under it.
                    if (frame.sample_rate, frame.layout.nb_channels, frame.format.name) != form:
                        raise BadAudio(f"{name} changes its rate or channels on the way: convert it to WAV")
                    pieces += [part.to_ndarray().T for part in resampler.resample(frame)]
                if sum(piece.size for piece in pieces) > BLOCK_SAMPLES:
                    n_read += sum(map(len, pieces))
                    yield np.concatenate(pieces), rate
                    pieces = []
                if enough is not None and n_read + sum(map(len, pieces)) >= enough * rate:
                    told = 0
                    break
                if time.monotonic() > until:
                    raise BadAudio(
                        f"{name} takes more than {DECODE_SECONDS:.0f} s to decode: convert it to WAV"
                    )
            if not opened.format.name.startswith(TOLD):
                told = 0
    except BadAudio:
        raise
    except (av.FFmpegError, ValueError, TypeError, MemoryError, OSError) as error:
        if not n_read:
            raise BadAudio(f"{name} cannot be read as audio ({_reason(error)})") from None
        raise BadAudio(f"{name} is damaged: {n_read / rate:.2f} s can be read ({_reason(error)})") from None
    if n_bad > 3 and n_bad > 0.02 * n_packets:
        raise BadAudio(f"{name} is damaged: {n_bad} of its {n_packets} pieces cannot be decoded")
    if pieces:
        n_read += sum(map(len, pieces))
        yield np.concatenate(pieces), rate
    if n_read and n_read / rate < SHARE * float(told) - SLACK:
        raise BadAudio(f"{name} is cut off: {n_read / rate:.2f} s of {float(told):.2f} s can be read")


def _check_rate(name: str, rate: int) -> None:
    if not RATES[0] <= rate <= RATES[1]:
        raise BadAudio(f"{name} claims a sample rate of {rate:,} Hz: no recording has that")


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error).rpartition(": ")[2]
    return text.rstrip(".").strip() or type(error).__name__
