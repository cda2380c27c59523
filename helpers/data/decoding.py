"""A file on the disk -> blocks of float32 at its own rate. libsndfile reads first, PyAV (`containers`) the rest.

PyAV also gets what libsndfile is known to read in part: headers that were never finished, FLAC, Ogg and MP3 files that
are several joined ones, and MP3 without a table of lengths.
"""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from helpers.data.containers import BLOCK_SAMPLES, SHARE, check_rate, read_container
from helpers.data.errors import BadAudio

ENDLESS = 1e8  # seconds: what libsndfile tells where the header does not know
NEVER_FINISHED = 0x7FFFF000  # bytes: programs that write into a pipe claim this size or more


def decoded(path: str | Path, name: str, enough: float | None) -> Iterator[tuple[np.ndarray, int, float]]:
    """(float32 (frames, channels), rate, seconds that the header tells or 0) block after block, about `enough` seconds.

    BadAudio for what cannot be read and, after the last block, for a file that is cut off.
    """
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        raise BadAudio(f"{name} is not there") from None
    if not stat.S_ISREG(found.st_mode):
        raise BadAudio(f"{name} is not a file")
    if found.st_size == 0:
        raise BadAudio(f"{name} is empty (0 bytes): download or record it again")
    opened = _opened(path)
    if opened is None:
        yield from read_container(path, name, enough)
        return
    with opened:
        rate, told = opened.samplerate, opened.frames
        check_rate(name, rate)
        wanted = told if enough is None else min(told, int(enough * rate))
        n_read, size = 0, max(1, BLOCK_SAMPLES // opened.channels)
        while n_read < wanted:
            block = np.empty((min(size, wanted - n_read), opened.channels), np.float32)
            try:
                n = opened.buffer_read_into(block, dtype="float32")
            except (soundfile.LibsndfileError, RuntimeError, ValueError) as error:
                raise BadAudio(f"{name} cannot be read to its end ({error})") from None
            if n == 0:
                break
            n_read += n
            yield block[:n], rate, told / rate
        if opened.format not in ("FLAC", "MP3"):
            _refuse_part(path, name, found.st_size, n_read / rate)
        lossy = opened.format in ("MP3", "OGG") or opened.subtype.startswith("MPEG")
        if n_read < (SHARE if lossy else 1) * wanted:
            raise BadAudio(f"{name} is cut off: {n_read / rate:.2f} s of {told / rate:.2f} s can be read")


def _opened(path: str | Path) -> soundfile.SoundFile | None:
    """libsndfile's view of the file, None where it has none or is known to read such a file in part."""
    try:
        opened = soundfile.SoundFile(os.fspath(path))
    except (soundfile.LibsndfileError, RuntimeError, TypeError, ValueError, OSError):
        return None
    in_part = opened.frames <= 0 or opened.frames / opened.samplerate > ENDLESS
    if not in_part and opened.format in ("FLAC", "MP3", "OGG"):
        # Mapped, not read: of an hour's file only the start may be wanted.
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            in_part = {"FLAC": _joined_flac, "MP3": _joined_mp3, "OGG": _chained_ogg}[opened.format](data)
    if in_part:
        opened.close()
        return None
    return opened


def _joined_flac(flac: mmap.mmap) -> bool:
    return flac.find(b"fLaC\0\0\0\x22", 4) > 0


def _chained_ogg(ogg: mmap.mmap) -> bool:
    """True where a second stream begins."""
    at = ogg.find(b"OggS", 28)
    while 0 <= at < len(ogg) - 5:
        if ogg[at + 5] & 2 and ogg[at + 4] == 0:
            return True
        at = ogg.find(b"OggS", at + 27)
    return False


def _joined_mp3(mp3: mmap.mmap) -> bool:
    """True where a tag or a second table of lengths stands in the middle, or the table is lacking."""
    tag = 0
    if mp3[:3] == b"ID3":
        tag = 10 + sum((byte & 127) << shift for byte, shift in zip(mp3[6:10], (21, 14, 7, 0)))
    head = mp3[tag : tag + 4096]
    table = next((name for name in (b"Xing", b"Info", b"VBRI") if name in head), None)
    later = mp3.find(b"ID3", tag + 10)
    return table is None or mp3.find(table, tag + 4096) >= 0 or (later >= 0 and mp3[later + 3] in (2, 3, 4))


def _refuse_part(path: str | Path, name: str, size: int, seconds: float) -> None:
    """BadAudio where the header tells of more bytes than there are, or an Ogg ends within a page."""
    told = 0
    with open(path, "rb") as file:
        head = file.read(28)
        kind = head[:4]
        if kind in (b"RIFF", b"RIFX", b"FORM"):
            told = int.from_bytes(head[4:8], "little" if kind == b"RIFF" else "big")
            told = told + 8 if told < NEVER_FINISHED else 0
        elif kind == b"RF64":
            told = int.from_bytes(head[20:28], "little") + 8
        elif kind == b".snd" and head[8:12] != b"\xff" * 4:
            told = int.from_bytes(head[4:8], "big") + int.from_bytes(head[8:12], "big")
        elif kind == b"OggS":
            file.seek(max(0, size - 66_000))  # a page holds at most 65,307 bytes
            tail = file.read()
            last = tail[tail.rfind(b"OggS") :]
            if len(last) < 27 or len(last) < 27 + last[26] + sum(last[27 : 27 + last[26]]):
                raise BadAudio(f"{name} is cut off within a page: {seconds:.2f} s can be read")
        if told > size + 64:  # writers count their headers differently
            raise BadAudio(f"{name} is cut off: {seconds:.2f} s of {seconds * told / size:.2f} s can be read")
