"""Data sets by name: the manifest, finding, downloading, staging, protocols, audio, the shortcut measures.

`from helpers.data import open_dataset, read_audio` is what notebooks need. Names are imported when first used, so
that reading the manifest alone costs no pandas.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from helpers.data.audio import read_audio
    from helpers.data.dataset import Dataset, open_dataset
    from helpers.data.errors import (
        BadAudio,
        CountMismatch,
        DataError,
        ManifestError,
        SourceError,
        StagingError,
        say,
    )
    from helpers.data.manifest import Entry, Manifest, fingerprint, get_entry, read_manifest
    from helpers.data.sources import Source, find_source
    from helpers.data.staging import stage

_HOME_OF = {
    "read_audio": "audio",
    **dict.fromkeys(["Dataset", "open_dataset"], "dataset"),
    **dict.fromkeys(["BadAudio", "CountMismatch", "DataError"], "errors"),
    **dict.fromkeys(["ManifestError", "SourceError", "StagingError", "say"], "errors"),
    **dict.fromkeys(["Entry", "Manifest", "fingerprint", "get_entry", "read_manifest"], "manifest"),
    **dict.fromkeys(["Source", "find_source"], "sources"),
    "stage": "staging",
}

__all__ = [
    "BadAudio",
    "CountMismatch",
    "DataError",
    "Dataset",
    "Entry",
    "Manifest",
    "ManifestError",
    "Source",
    "SourceError",
    "StagingError",
    "find_source",
    "fingerprint",
    "get_entry",
    "open_dataset",
    "read_audio",
    "read_manifest",
    "say",
    "stage",
]


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(importlib.import_module(f"helpers.data.{_HOME_OF[name]}"), name)
    raise AttributeError(f"helpers.data has no {name!r}")
