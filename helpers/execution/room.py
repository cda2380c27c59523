"""How much disk the chosen notebooks will take, reckoned from the manifest before the first byte is written."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable
from pathlib import Path

from helpers.execution.jobs import Job

GIGA = 1e9
SMALL = 5000  # clips; the caches of fewer fit on every disk


def cache_bytes(counts: dict[str, dict[str, int]], feature: str, seconds: float = 0.0) -> int:
    """Clips × numbers a clip × 2 bytes; `seconds` other than the feature's own stretches its time axis.

    >>> la = {"train": {"bonafide": 2580, "spoof": 22800}, "dev": {"bonafide": 2548, "spoof": 22296},
    ...       "eval": {"bonafide": 7355, "spoof": 63882}}
    >>> [round(cache_bytes(la, name) / 1e9, 1) for name in ("logmel", "lfcc_gmm", "loglinear", "wave", "logspec")]
    [2.9, 5.8, 12.5, 15.7, 25.0]
    """
    from helpers.features import FEATURES, feature_shape

    setting = FEATURES[feature]
    clips = sum(sum(split.values()) for split in counts.values())
    return round(
        clips * math.prod(feature_shape(setting)) * 2 * (seconds / setting.seconds if seconds else 1)
    )


def stages(dataset: str, features: Iterable[str], attached: bool = False) -> dict[str, int]:
    """Bytes of each stage of a data set: archive and audio (0 where they are attached or not known), each cache."""
    from helpers.data.manifest import get_entry

    needed: dict[str, int] = {}
    for name in dataset.split("+"):
        entry = get_entry(name.strip())
        if not attached and entry.source == "kaggle":
            needed[f"{name} archive"] = int(entry.bytes or 0)
        if not attached:
            needed[f"{name} audio"] = int(entry.unpacked_bytes or 0)
        for feature in features:
            needed[f"{name} {feature}"] = cache_bytes(entry.counts or {}, feature)
    return {stage: size for stage, size in needed.items() if size}


def needed_room(jobs: list[Job], attached: bool = False) -> dict[str, int]:
    """The stages of all jobs together; {} for data sets too small to matter."""
    from helpers.data.manifest import get_entry

    read: dict[str, list[str]] = {}
    for job in jobs:
        names = str(job.parameters.get("features", "")).replace("+", ",").split(",")
        if job.dataset:
            read.setdefault(job.dataset, []).extend(name.strip() for name in names if name.strip())
    found: dict[str, int] = {}
    for dataset, names in read.items():
        entries = [get_entry(name.strip()) for name in dataset.split("+")]
        if sum(sum(split.values()) for entry in entries for split in (entry.counts or {}).values()) > SMALL:
            from helpers.features import FEATURES

            found |= stages(dataset, dict.fromkeys(name for name in names if name in FEATURES), attached)
    return found


def room_table(needed: dict[str, int]) -> str:
    """`21.2 GB: asvspoof2019_la logmel 2.9, asvspoof2019_la loglinear 12.5`."""
    parts = ", ".join(f"{stage} {size / GIGA:.1f}" for stage, size in needed.items() if size >= 5e7)
    return f"{sum(needed.values()) / GIGA:.1f} GB" + (f": {parts}" if parts else "")


def refuse_small_disk(jobs: list[Job], folder: Path, attached: bool = False) -> None:
    """Say what will be written; ValueError, before the first byte, where it does not fit beside what is there."""
    needed = needed_room(jobs, attached)
    if not needed:
        return
    while not folder.exists():
        folder = folder.parent
    here = sum(
        path.stat().st_size for path in folder.rglob("*") if path.is_file()
    )  # made by an earlier start
    free = shutil.disk_usage(folder).free + here
    print(f"room needed: {room_table(needed)}; free for it in {folder}: {free / GIGA:.1f} GB", flush=True)
    if sum(needed.values()) > free:
        raise ValueError(
            f"the chosen notebooks write {room_table(needed)}, and {folder} has room for {free / GIGA:.1f} GB: "
            "choose fewer with --models, or put HELPERS_WORK on a larger disk"
        )
