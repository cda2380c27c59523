"""What a file promises beside what can be read of it.

libsndfile shortens the count of a cut-off WAV, AIFF or AU to what is there and says nothing, guesses the length of an MP3
whose first frame does not tell it, and passes over half a page at the end of an OGG; so the bytes are looked at here.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

UNKNOWN = 0x7FFF_0000  # bytes; from here on a 32-bit size is a stream's "until the end", not a promise
MOST_CHUNKS = 1000
TOLERATED_SECONDS = 0.01  # some writers count their own header as samples
MP3_RATES = {
    0: (11025, 12000, 8000),
    2: (22050, 24000, 16000),
    3: (44100, 48000, 32000),
}  # Hz, by version of MPEG
MP3_KBITS = {  # ISO 11172-3 and 13818-3, layer III
    0: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
}
LARGEST_PAGE = 65_307  # bytes, of an OGG (RFC 3533)


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


def mp3_seconds(path: str | Path) -> float:
    """How long an MP3 should be: its frames counted, or what its first one tells (Xing) if that is more; 0 for others."""
    with open(path, "rb") as file:
        start = file.read(10)
        if start[:3] == b"ID3":
            at = 10 + (start[6] << 21 | start[7] << 14 | start[8] << 7 | start[9])
        elif start[:1] == b"\xff":
            at = 0
        else:
            return 0.0
        file.seek(0)
        content = file.read()
    counted, told = 0.0, 0.0
    while frame := _mp3_frame(content, at):
        n_bytes, seconds = frame
        if counted == 0:
            tag = max(content.find(b"Xing", at, at + n_bytes), content.find(b"Info", at, at + n_bytes))
            if tag > 0 and content[tag + 7] & 1:
                told = int.from_bytes(content[tag + 8 : tag + 12], "big") * seconds
        counted += seconds
        at += n_bytes
    return max(counted, told)


def _mp3_frame(content: bytes, at: int) -> tuple[int, float] | None:
    """Bytes and seconds of the frame that begins here, None where none does."""
    if at + 4 > len(content) or content[at] != 0xFF or content[at + 1] & 0xE6 != 0xE2:
        return None
    version, bits = content[at + 1] >> 3 & 3, content[at + 2]
    if version == 1 or bits >> 4 in (0, 15) or bits >> 2 & 3 == 3:
        return None
    rate, n_samples = MP3_RATES[version][bits >> 2 & 3], 1152 if version == 3 else 576
    n_bytes = n_samples // 8 * MP3_KBITS[3 if version == 3 else 0][bits >> 4] * 1000 // rate + (bits >> 1 & 1)
    return n_bytes, n_samples / rate


def ends_within_a_page(path: str | Path) -> bool:
    """Whether an OGG stops before the end of its last page. (Many a voice message lacks the end-of-stream mark.)"""
    with open(path, "rb") as file:
        if file.read(4) != b"OggS":
            return False
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, size - LARGEST_PAGE))
        end = file.read()
    page = end[max(end.rfind(b"OggS"), 0) :]
    if len(page) < 27 or len(page) < 27 + page[26]:
        return True
    return len(page) < 27 + page[26] + sum(page[27 : 27 + page[26]])
