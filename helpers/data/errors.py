"""The failures that the data stage explains: every message says what to do next."""

from __future__ import annotations


class DataError(RuntimeError):
    """Something about a data set (manifest, source, archive, protocol) that the user can put right."""


class ManifestError(DataError):
    """data_manifest.yaml says something that cannot be used."""


class SourceError(DataError):
    """The data were not found, or could not be fetched."""


class StagingError(DataError):
    """An archive is damaged, unsafe, or does not fit on the disk."""


class CountMismatch(DataError):
    """The utterances found are not the utterances that the manifest or the protocol promises."""


class BadAudio(ValueError):
    """One file that cannot be used, with the reason in words; the feature cache lists it in rejected.csv."""
