"""What the header of an uncompressed file promises beside what the file holds.

libsndfile shortens the count of a cut-off WAV, AIFF or AU to what is there and says nothing, so the header is read here.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

UNKNOWN = 0x7FFF_0000  # bytes; from here on a 32-bit size is a stream's "until the end", not a promise
MOST_CHUNKS = 1000
TOLERATED_SECONDS = 0.01  # some writers count their own header as samples


def seconds_promised(path: str | Path, seconds: float) -> float:
    """How long the recording should be where `seconds` of it could be read; `seconds` itself where nothing is missing."""
    promised, present = _sample_bytes(path)
    if promised <= present or present <= 0:
        return seconds
    should = seconds * promised / present
    return should if should - seconds > TOLERATED_SECONDS else seconds


def _sample_bytes(path: str | Path) -> tuple[int, int]:
    """(promised by the header, there in the file), (0, 0) where the header promises nothing that can be checked."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            start = file.read(12)
            if start[:4] == b".snd":
                offset, promised = struct.unpack(">II", start[4:12])
            elif start[:4] in (b"RIFF", b"RIFX", b"RF64") and start[8:] == b"WAVE":
                offset, promised = _find(file, b"data", ">" if start[:4] == b"RIFX" else "<")
            elif start[:4] == b"FORM" and start[8:] in (b"AIFF", b"AIFC"):
                offset, promised = _find(file, b"SSND", ">")
            else:
                return 0, 0
    except (OSError, struct.error):
        return 0, 0
    # RF64 is made for more than 4 GB: all but "until the end" is a promise there.
    known = promised < UNKNOWN or (start[:4] == b"RF64" and promised != 0xFFFF_FFFF)
    return (promised, size - offset) if known else (0, 0)


def _find(file: BinaryIO, wanted: bytes, order: str) -> tuple[int, int]:
    """Offset and size of the chunk that holds the samples; struct.error where the file ends before it."""
    large = 0
    for _ in range(MOST_CHUNKS):
        name, n_bytes = struct.unpack(order + "4sI", file.read(8))
        if name == wanted:
            return file.tell(), large if n_bytes == 0xFFFF_FFFF and large else n_bytes
        at = file.tell()
        if name == b"ds64":  # RF64 keeps here what does not fit in 32 bits: size of all, size of the samples
            large = struct.unpack("<QQ", file.read(16))[1]
        file.seek(at + n_bytes + n_bytes % 2)
    return 0, 0
