"""A name in the manifest -> one utterance table: found, fetched, staged, read, split, counted."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from helpers.data import deep_voice, folders, protocols
from helpers.data.audio import cut_recordings
from helpers.data.download import download
from helpers.data.errors import CountMismatch, DataError, disk_errors
from helpers.data.manifest import LABELS, SPLITS, Entry, fingerprint, get_entry
from helpers.data.protocols import COLUMNS
from helpers.data.sources import Source, find_source
from helpers.data.splits import add_split
from helpers.data.staging import stage
from helpers.environment import Place, where_am_i
from helpers.files import write_text

READERS: dict[str, Callable[[Path, Entry], tuple[pd.DataFrame, list[str]]]] = {
    "asvspoof": protocols.read_asvspoof,
    "protocol_csv": protocols.read_protocol_csv,
    "real_fake_folders": folders.read_real_fake,
    "faces": folders.read_faces,
    "deep_voice": deep_voice.read_deep_voice,
    "features_csv": deep_voice.read_features_csv,
}
SEGMENT_SECONDS = 3.0  # of DEEP-VOICE's recordings
IDENTITIES = ["utterance", "attack", "speaker", "group", "recording", "source_speaker", "target_speaker"]
NOBODY = {"-", "unknown", ""}  # stand for no name, in every set alike


@dataclass
class Dataset:
    """What open_dataset hands on. `table`: utterance, path, label, attack, speaker, split, dataset, then what else
    the data tell. `counts`: expected and found per split and class. `missing`: trials whose file is not there.
    `allowed`: what differs from protocol and manifest and was let pass."""

    name: str
    entry: Entry
    root: Path
    table: pd.DataFrame
    fingerprint: str
    counts: pd.DataFrame
    missing: pd.DataFrame
    notes: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)
    asv_scores: dict[str, Path] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.table)


def open_dataset(
    name: str,
    source: str = "",
    allow_mismatch: bool = False,
    place: Place | None = None,
    options: dict[str, Any] | None = None,
    manifest: str | Path | None = None,
    remember: bool = True,
) -> Dataset:
    """Open the data set `name`: look for it, download and stage it where needed, read it, count it.

    `starter+speech_pairs` opens both as one table, see `_union`.
    `options` change the entry's own for this call, for instance {"split": "recording"}.
    Raises CountMismatch where files or counts differ from protocol and manifest; `allow_mismatch` keeps what is
    there, reports the rest and goes on. What was allowed once (in 02) is allowed to the notebooks after it, as long
    as the same is lacking, unless `remember` is False, as for a mere look. Other failures are DataErrors that say
    what to do.
    """
    entry = get_entry(name, manifest)
    if len(entry.sets) > 1:
        if source:
            raise DataError(
                f"source names one place and {name} is several: give each its path in the manifest"
            )
        return _union(
            entry,
            [
                open_dataset(one.name, "", allow_mismatch, place, options, manifest, remember)
                for one in entry.sets
            ],
        )
    if options:
        entry = entry.with_options(**options)
    place = place or where_am_i()
    found = find_source(entry, place, source)
    if found.kind == "download":
        found = Source("zip", download(entry, place.folders.downloads, place))
    data_folder = place.folders.data.absolute()
    root = stage(found, entry, data_folder)
    with disk_errors(entry.name, "read", "then call again"):
        table, notes = _told(READERS[entry.layout](root, entry))
    allowed = _Allowed(data_folder / f"{entry.name}.accepted.txt", allow_mismatch, remember)
    counts, missing = check_counts(table, entry, allowed)
    if entry.layout != "features_csv":
        table = table[table["path"] != ""]
    table, more_notes = _told(_finish(table, entry, data_folder))
    check_classes(table, entry, allowed)
    asv_scores = protocols.find_asv_scores(root, entry) if entry.layout == "asvspoof" else {}
    own = found.path if entry.source in ("folder", "zip") or source else None
    mark = fingerprint(entry, own)  # a runner can foretell it
    if len(missing):  # 13 recordings of a corpus are other data than all of it
        mark = hashlib.sha256("\n".join([mark, *missing["utterance"]]).encode()).hexdigest()[:12]
    for split in [split for split in SPLITS if split in set(table["split"])]:
        labels = table.loc[table["split"] == split, "label"]
        print(f"{name} {split}: " + ", ".join(f"{(labels == label).sum():,} {label}" for label in LABELS))
    return Dataset(
        name, entry, root, table, mark, counts, missing, notes + more_notes, allowed.passed, asv_scores
    )


def _told(found: tuple[pd.DataFrame, list[str]]) -> tuple[pd.DataFrame, list[str]]:
    for note in found[1]:
        print(f"note:   {note}")
    return found


def _union(entry: Entry, sets: list[Dataset]) -> Dataset:
    """One table of several sets, each with its own splits. Names of utterances, attacks, speakers and groups become
    `<dataset>/<name>`, so that those of two sets never clash; a set without groups is one group."""
    table = pd.concat([_prefixed(one.table, one.name) for one in sets], ignore_index=True)
    if "group" in table:
        table["group"] = table["group"].fillna(table["dataset"])
    return Dataset(
        entry.name,
        entry,
        Path(os.path.commonpath([one.root.absolute() for one in sets])),
        table,
        "+".join(one.fingerprint for one in sets),
        pd.concat([one.counts.assign(dataset=one.name) for one in sets], ignore_index=True),
        pd.concat([_prefixed(one.missing, one.name) for one in sets], ignore_index=True),
        [f"{one.name}: {note}" for one in sets for note in one.notes],
        [words for one in sets for words in one.allowed],
    )


def _prefixed(table: pd.DataFrame, name: str) -> pd.DataFrame:
    columns = {column: table[column].astype("str") for column in IDENTITIES if column in table}
    return table.assign(
        **{key: old.where(old.isin(NOBODY), f"{name}/" + old) for key, old in columns.items()}
    )


def _finish(table: pd.DataFrame, entry: Entry, data_folder: Path) -> tuple[pd.DataFrame, list[str]]:
    """Cut long recordings, split what came without a split, put the columns in order."""
    notes: list[str] = []
    seconds = float(entry.options.get("segment_seconds", SEGMENT_SECONDS))
    if entry.layout == "deep_voice" and seconds > 0:
        n_recordings = len(table)
        table = cut_recordings(table, data_folder / f"{entry.name}-pieces-{seconds:g}s", seconds)
        notes.append(f"{n_recordings} recordings cut into {len(table):,} pieces of {seconds:g} s")
    if "split" not in table:
        default = "speaker_disjoint" if entry.layout == "deep_voice" else "random"
        table, more = add_split(table, entry.options.get("split", default), entry.options.get("seed", 0))
        notes += more
    elif "split" in entry.options:
        raise DataError(
            f"the data of {entry.name} come with a split of their own: take `split: {entry.options['split']}` out of "
            "the options, or take all splits away and the suite makes them"
        )
    lacking = [split for split in SPLITS if split not in set(table["split"])]
    if lacking and entry.layout != "asvspoof":
        raise DataError(
            f"{entry.name} is split into {', '.join(sorted(set(table['split'])))} and has no clips for "
            f"{' nor '.join(lacking)}: a detector needs train to learn, dev to choose, eval to be judged. Move some "
            "speakers' clips there, or take all splits away and the suite makes them"
        )
    table = table.assign(dataset=entry.name).reset_index(drop=True)
    table = table[COLUMNS + [column for column in table.columns if column not in COLUMNS]]
    return table.astype({column: "str" for column in COLUMNS}), notes


# ---------------------------------------------------------------- counts


@dataclass
class _Allowed:
    """Whether a difference may pass, now or since it did once before; `file` has a line for each thing allowed."""

    file: Path
    now: bool
    remember: bool
    passed: list[str] = field(default_factory=list)

    def pass_or_raise(self, words: str, advice: str) -> None:
        before = self.file.read_text(encoding="utf-8").splitlines() if self.file.is_file() else []
        if not self.now and words not in before:
            raise CountMismatch(f"{words}. {advice}, or set allow_mismatch to go on with what is there")
        print(f"{'allowed' if self.remember else 'differs'}: {words}")
        self.passed.append(words)
        if self.remember and words not in before:
            write_text(self.file, "\n".join([*before, words]))


def check_counts(table: pd.DataFrame, entry: Entry, allowed: _Allowed) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Expected and found per split and class, and the trials without a file; CountMismatch where they differ.

    Only what the manifest counts is compared; `expected` is <NA> elsewhere. Data without a split of their own are
    counted as a whole, before we split them.
    """
    gone = (table["path"] == "") & (entry.layout != "features_csv")
    here, missing = table[~gone], table[gone].drop(columns="path").reset_index(drop=True)
    promised: dict[str, dict[str, int]] = {**entry.counts}
    if "split" not in table and promised and "all" not in promised:
        promised = {"all": {label: sum(of.get(label, 0) for of in promised.values()) for label in LABELS}}
    splits = [name for name in SPLITS if name in set(table["split"])] if "split" in table else ["all"]
    rows = []
    for split in dict.fromkeys([*splits, *promised]):
        part = here if split == "all" else here[here["split"] == split]
        for label in LABELS:
            rows.append((split, label, promised.get(split, {}).get(label), (part["label"] == label).sum()))
    counts = pd.DataFrame(rows, columns=["split", "label", "expected", "found"])
    counts = counts.astype({"expected": "Int64", "found": "Int64"})
    differs = counts[counts["expected"].notna() & (counts["expected"] != counts["found"])]
    parts = [
        f"{row.split} {row.label} expected {row.expected:,} / found {row.found:,}"
        for row in differs.itertuples()
    ]
    if len(missing):
        where = missing["split"].value_counts(sort=False) if "split" in missing else {"all": len(missing)}
        parts.append(
            f"{len(missing):,} files of the protocol are missing "
            f"({', '.join(f'{split} {number:,}' for split, number in where.items())}), "
            f"such as {', '.join(missing['utterance'].iloc[:3])}"
        )
    if parts:
        words = f"{entry.name}: {'; '.join(parts)}"
        if here.empty:
            raise CountMismatch(words + ". Complete the data")
        allowed.pass_or_raise(words, "Complete the data")
    return counts, missing


def check_classes(table: pd.DataFrame, entry: Entry, allowed: _Allowed) -> None:
    """Both classes in each split, or nothing can be learned or measured there: CountMismatch, to be allowed likewise."""
    sizes = pd.crosstab(table["split"], table["label"]).reindex(columns=list(LABELS), fill_value=0)
    sizes = sizes.reindex([split for split in SPLITS if split in sizes.index])
    lacking = sizes[(sizes == 0).any(axis=1)]
    if len(lacking):
        words = ", ".join(
            f"{split} has {row.bonafide:,} bonafide and {row.spoof:,} spoof"
            for split, row in lacking.iterrows()
        )
        words = f"{entry.name}: each split needs both classes, but {words}"
        allowed.pass_or_raise(words, "Add clips or split otherwise")
