"""The one way to write a file whole, to read JSON back, and to take a checksum."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """All or nothing: a reader sees the old file or the new one, never a half, though others write the same file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        with open(part, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Bytes, all or nothing."""
    write_whole(path, lambda file: file.write(content))


def write_text(path: Path, text: str) -> None:
    """Text in UTF-8, all or nothing."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """JSON by rename. NaN and infinity are refused: they are not JSON, and no result of ours."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False, default=_plain) + "\n")


def read_json(path: Path) -> Any:
    """The parsed file; ValueError names the file where it is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not valid JSON ({error}): remove it and run again") from error


def _plain(value: Any) -> Any:
    """numpy scalars and arrays, and paths, as JSON knows them."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"cannot write a {type(value).__name__} to JSON")


def digest(value: Any, length: int = 10) -> str:
    """Short sha256 of anything JSON can hold, independent of the order of keys."""
    text = json.dumps(value, sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def hash_file(path: str | Path, kind: str = "sha256") -> str:
    """Hexadecimal digits of a file's checksum, read piece by piece."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()
