"""Data sets by name: manifest -> source -> staged folder -> one utterance table; and the reading of audio.

`from helpers.data import open_dataset, read_audio` is what notebooks need. Names are imported when first used, so
that reading the manifest alone costs no pandas.
"""

from __future__ import annotations

import importlib
from typing import Any

_NAMES_IN = {
    "manifest": ["Entry", "fingerprint", "get_entry", "read_manifest"],
    "sources": ["Source", "find_source"],
    "staging": ["stage"],
    "dataset": ["Dataset", "open_dataset"],
    "audio": ["read_audio"],
    "errors": [
        "BadAudio",
        "CountMismatch",
        "DataError",
        "ManifestError",
        "SourceError",
        "StagingError",
        "say",
    ],
}
_HOME_OF = {name: module for module, names in _NAMES_IN.items() for name in names}
__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(importlib.import_module(f"helpers.data.{_HOME_OF[name]}"), name)
    raise AttributeError(f"helpers.data has no {name!r}")
