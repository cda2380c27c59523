"""Coding and packing so that the same audio gives the same bytes: Ogg Opus files, one zip."""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from pathlib import Path

import numpy as np
import soundfile

from .dsp import SAMPLE_RATE

EXTENSION = "ogg"
SUBTYPE = "OPUS"  # soundfile's default setting: about 3.6 kB a second
TIMESTAMP = (2024, 1, 1, 0, 0, 0)
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def _ogg_checksum(page: bytes) -> int:
    """CRC-32 of an Ogg page (RFC 3533: polynomial 0x04c11db7, not reflected, no final inversion) through
    zlib's reflected one."""
    reflected = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{reflected:032b}"[::-1], 2)


def with_serial(ogg: bytes, serial: int = 1) -> bytes:
    """The same Ogg stream with this serial number: libsndfile draws one from the clock."""
    out, at = bytearray(), 0
    while at < len(ogg):
        if ogg[at : at + 4] != b"OggS":
            raise ValueError(f"no Ogg page at byte {at}")
        n_segments = ogg[at + 26]
        n_header = 27 + n_segments
        n_bytes = n_header + sum(ogg[at + 27 : at + n_header])
        page = bytearray(ogg[at : at + n_bytes])
        page[14:18] = serial.to_bytes(4, "little")
        page[22:26] = bytes(4)
        page[22:26] = _ogg_checksum(bytes(page)).to_bytes(4, "little")
        out += page
        at += n_bytes
    return bytes(out)


def encode(wave: np.ndarray) -> bytes:
    """(samples,) at 16 kHz -> an Ogg Opus file."""
    buffer = io.BytesIO()
    soundfile.write(buffer, wave, SAMPLE_RATE, format="OGG", subtype=SUBTYPE)
    return with_serial(buffer.getvalue())


def pack(files: dict[str, bytes], path: Path) -> None:
    """Write a zip of `files` (name -> content), names sorted, one timestamp; audio stored, text deflated."""
    partial = path.with_name(path.name + ".part")
    with zipfile.ZipFile(partial, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, TIMESTAMP)
            entry.external_attr = 0o644 << 16
            entry.create_system = 3
            entry.compress_type = zipfile.ZIP_STORED if name.endswith(EXTENSION) else zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name])
    partial.replace(path)


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
