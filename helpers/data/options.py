"""What an entry of the manifest may say in `options`: which ones each layout knows, and of what kind each is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# What each layout may be told; anything else is a slip of the pen.
OPTIONS: dict[str, set[str]] = {
    "asvspoof": {"access"},
    "real_fake_folders": {"part", "parts", "labels", "split", "seed"},
    "protocol_csv": {"protocol", "columns", "labels", "split", "seed"},
    "features_csv": {"table", "label_column", "labels", "recording_column", "split", "seed"},
    "faces": {"split", "seed"},
    "deep_voice": {"split", "seed", "segment_seconds"},
}
COMMON_OPTIONS = {"members", "drive"}  # parts of a large archive to unpack; a path under MyDrive
SPLIT_SCHEMES = {"random", "folder", "recording", "source_speaker", "speaker_disjoint"}


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(_is_text(one) for one in value)


def _are_pairs(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_text(one) for one in value.values())


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_seconds(value: Any) -> bool:
    return _is_whole(value) or isinstance(value, float) and 0 <= value < float("inf")


# option -> whether a value will do, and what to give
KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(
        ["access", "part", "protocol", "table", "label_column", "recording_column", "drive"],
        (_is_text, "give a text, in quotes where it reads like a number or a date"),
    ),
    "parts": (_are_texts, "give a list, such as [for-norm, for-2sec]"),
    "members": (_are_texts, "give a list, such as [LA/]"),
    "columns": (_are_pairs, "give pairs, such as {path: file, label: target}"),
    "labels": (_are_pairs, 'give pairs, such as {"1": bonafide, "0": spoof}'),
    "split": (
        lambda value: _is_text(value) and value in SPLIT_SCHEMES,
        f"the schemes are {', '.join(sorted(SPLIT_SCHEMES))}",
    ),
    "seed": (_is_whole, "give a whole number from 0 upwards"),
    "segment_seconds": (_is_seconds, "give a number of seconds, or 0 for whole recordings"),
}


def check_kinds(options: dict[str, Any]) -> dict[str, Any]:
    """The options, the keys of `labels` as text (YAML reads 1 and "1" as two things); ValueError for a wrong kind."""
    for name, value in options.items():
        good, advice = KINDS.get(name, (lambda value: True, ""))
        if not good(value):
            said = "nothing" if value is None else repr(value)
            raise ValueError(f"options say {name}: {said}; {advice}")
    if "labels" in options:
        wrong = sorted(set(options["labels"].values()) - {"bonafide", "spoof"})
        if wrong:
            raise ValueError(f"`labels` in the options leads to {wrong}; only bonafide and spoof exist")
        options = {**options, "labels": {str(key): label for key, label in options["labels"].items()}}
    return options
