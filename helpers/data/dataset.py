"""A name in the manifest -> one utterance table: found, fetched, staged, read, counted."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from helpers.data import deep_voice, folders, protocols
from helpers.data.audio import cut_recordings
from helpers.data.errors import CountMismatch, DataError
from helpers.data.manifest import LABELS, SPLITS, Entry, fingerprint, get_entry
from helpers.data.protocols import COLUMNS
from helpers.data.sources import Source, find_source
from helpers.data.splits import add_split
from helpers.data.staging import disk_errors, stage
from helpers.runs import write_text

if TYPE_CHECKING:
    from helpers.environment import Place

READERS: dict[str, Callable[[Path, Entry], tuple[pd.DataFrame, list[str]]]] = {
    "asvspoof": protocols.read_asvspoof,
    "protocol_csv": protocols.read_protocol_csv,
    "real_fake_folders": folders.read_real_fake,
    "faces": folders.read_faces,
    "deep_voice": deep_voice.read_deep_voice,
    "features_csv": deep_voice.read_features_csv,
}
DEFAULT_SPLIT = {"deep_voice": "speaker_disjoint"}  # random elsewhere, where the data come without a split
SEGMENT_SECONDS = 3.0


@dataclass
class Dataset:
    """What open_dataset hands on. `table`: utterance, path, label, attack, speaker, split, dataset, then what else
    the data tell. `counts`: expected and found per split and class. `missing`: trials whose file is not there."""

    name: str
    entry: Entry
    root: Path
    table: pd.DataFrame
    fingerprint: str
    counts: pd.DataFrame
    missing: pd.DataFrame
    notes: list[str] = field(default_factory=list)
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
    as the same is lacking, unless `remember` is False, as for a mere look. Other failures are DataErrors that say what to do.
    """
    entry = get_entry(name, manifest)
    if len(entry.sets) > 1:
        if source:
            raise DataError(
                f"source names one place and {name} is several data sets: give each its path in the manifest"
            )
        names = [one.name for one in entry.sets]
        return _union(
            entry,
            [open_dataset(one, "", allow_mismatch, place, options, manifest, remember) for one in names],
        )
    if options:
        entry = entry.with_options(**options)
    if place is None:
        from helpers.environment import where_am_i

        place = where_am_i()
    found = find_source(entry, place, source)
    if found.kind == "download":
        from helpers.data.download import download

        found = Source("zip", download(entry, place.folders.downloads, place), found.tried)
    data_folder = place.folders.data.absolute()
    root = stage(found, entry, data_folder)
    with disk_errors(entry.name, "read", "then call again"):
        table, notes = read_table(root, entry)
    _say(notes)
    accepted = data_folder / f"{entry.name}.accepted.txt"
    counts, missing = check_counts(table, entry, allow_mismatch, accepted, remember)
    table = table[table["path"] != ""] if entry.layout != "features_csv" else table
    table, more_notes = _finish(table, entry, data_folder)
    _say(more_notes)
    check_classes(table, entry, allow_mismatch, accepted, remember)
    asv_scores = protocols.find_asv_scores(root, entry) if entry.layout == "asvspoof" else {}
    own = found.path if entry.source in ("folder", "zip") or source else None
    opened = Dataset(
        name,
        entry,
        root,
        table,
        _fingerprint(entry, own, missing),
        counts,
        missing,
        notes + more_notes,
        asv_scores,
    )
    _report(opened)
    return opened


IDENTITIES = ["utterance", "attack", "speaker", "group", "recording", "source_speaker", "target_speaker"]
NOBODY = {"-", "unknown", ""}  # stand for no name, in every set alike


def _union(entry: Entry, sets: list[Dataset]) -> Dataset:
    """One table of several sets, each with its own splits. Names of utterances, attacks, speakers and groups become
    `<dataset>/<name>`, so that those of two sets never clash; a set without groups is one group."""
    tables = [_prefixed(one.table, one.name) for one in sets]
    table = pd.concat(tables, ignore_index=True)
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
    )


def _prefixed(table: pd.DataFrame, name: str) -> pd.DataFrame:
    columns = {column: table[column].astype("str") for column in IDENTITIES if column in table}
    return table.assign(
        **{key: old.where(old.isin(NOBODY), f"{name}/" + old) for key, old in columns.items()}
    )


def _fingerprint(entry: Entry, own: Path | None, missing: pd.DataFrame) -> str:
    """The entry's fingerprint, which a runner can foretell; another one where trials are missing: 13 recordings of
    a corpus are other data than all of it."""
    whole = fingerprint(entry, own)
    if missing.empty:
        return whole
    return hashlib.sha256("\n".join([whole, *missing["utterance"]]).encode()).hexdigest()[:12]


def read_table(root: Path, entry: Entry) -> tuple[pd.DataFrame, list[str]]:
    """The layout's reader; `split` may be lacking, `path` is "" where the file is not there."""
    return READERS[entry.layout](root, entry)


def _finish(table: pd.DataFrame, entry: Entry, data_folder: Path) -> tuple[pd.DataFrame, list[str]]:
    """Cut long recordings, split what came without a split, put the columns in order."""
    notes: list[str] = []
    seconds = float(entry.options.get("segment_seconds", SEGMENT_SECONDS))
    if entry.layout == "deep_voice" and seconds > 0:
        n_recordings = len(table)
        table = cut_recordings(table, data_folder / f"{entry.name}-pieces-{seconds:g}s", seconds)
        notes.append(f"{n_recordings} recordings cut into {len(table):,} pieces of {seconds:g} s")
    if "split" not in table:
        scheme = str(entry.options.get("split", DEFAULT_SPLIT.get(entry.layout, "random")))
        table, more = add_split(table, scheme, int(entry.options.get("seed", 0)))
        notes += more
    elif entry.layout != "asvspoof":
        if "split" in entry.options:
            raise DataError(
                f"the data of {entry.name} come with a split of their own: take `split: {entry.options['split']}` out of "
                "the options, or take all splits away and the suite makes them"
            )
        lacking = [split for split in SPLITS if split not in set(table["split"])]
        if lacking:
            raise DataError(
                f"{entry.name} is split into {', '.join(sorted(set(table['split'])))} and has no clips for "
                f"{' nor '.join(lacking)}: a detector needs train to learn, dev to choose, eval to be judged. Move some "
                "speakers' clips there, or take all splits away and the suite makes them"
            )
    table = table.assign(dataset=entry.name).reset_index(drop=True)
    table = table[COLUMNS + [column for column in table.columns if column not in COLUMNS]]
    return table.astype({column: "str" for column in COLUMNS}), notes


def check_counts(
    table: pd.DataFrame, entry: Entry, allow_mismatch: bool, accepted: Path, remember: bool = True
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Expected and found per split and class, and the trials without a file. `accepted` remembers what was allowed.

    Only what the manifest counts is compared; `expected` is <NA> elsewhere. Data without a split of their own are
    counted as a whole, before we split them.
    """
    gone = (table["path"] == "") if entry.layout != "features_csv" else pd.Series(False, index=table.index)
    here = table[~gone]
    promised = entry.counts
    if "split" in table:
        splits = [name for name in SPLITS if (table["split"] == name).any()]
    else:
        splits = ["all"]
        if promised and "all" not in promised:
            promised = {"all": {name: sum(of.get(name, 0) for of in promised.values()) for name in LABELS}}
    rows = []
    for split in dict.fromkeys([*splits, *promised]):
        part = here if split == "all" else here[here["split"] == split]
        for label in LABELS:
            expected = promised.get(split, {}).get(label)
            rows.append((split, label, expected, int((part["label"] == label).sum())))
    counts = pd.DataFrame(rows, columns=["split", "label", "expected", "found"]).astype(
        {"expected": "Int64", "found": "Int64"}
    )
    missing = table[gone].drop(columns="path").reset_index(drop=True)
    differs = counts[counts["expected"].notna() & (counts["expected"] != counts["found"])]
    if len(differs) or len(missing):
        words = _difference(entry, differs, missing)
        if here.empty:
            raise CountMismatch(words + ". Complete the data")
        _allow(words, "Complete the data", allow_mismatch, accepted, remember)
    return counts, missing


def check_classes(
    table: pd.DataFrame, entry: Entry, allow_mismatch: bool, accepted: Path, remember: bool = True
) -> None:
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
        _allow(words, "Add clips or split otherwise", allow_mismatch, accepted, remember)


def _allow(words: str, advice: str, allow_mismatch: bool, accepted: Path, remember: bool) -> None:
    """Raise CountMismatch unless it is allowed, now or once before; `accepted` has a line for each thing allowed."""
    before = accepted.read_text(encoding="utf-8").splitlines() if accepted.is_file() else []
    if not allow_mismatch and words not in before:
        raise CountMismatch(f"{words}. {advice}, or set allow_mismatch to go on with what is there")
    print("allowed: " + words)
    if remember and words not in before:
        write_text(accepted, "\n".join([*before, words]))


def _difference(entry: Entry, differs: pd.DataFrame, missing: pd.DataFrame) -> str:
    parts = [
        f"{row.split} {row.label} expected {row.expected:,} / found {row.found:,}"
        for row in differs.itertuples()
    ]
    words = f"{entry.name}: " + "; ".join(parts) if parts else f"{entry.name}:"
    if len(missing):
        where = missing["split"].value_counts(sort=False) if "split" in missing else {"all": len(missing)}
        per_split = ", ".join(f"{split} {number:,}" for split, number in where.items())
        examples = ", ".join(missing["utterance"].iloc[:3])
        words += f"{';' if parts else ''} {len(missing):,} files of the protocol are missing ({per_split}), "
        words += f"such as {examples}"
    return words


def _say(notes: list[str]) -> None:
    for note in notes:
        print(f"note:   {note}")


def _report(opened: Dataset) -> None:
    table = opened.table
    for split in SPLITS:
        labels = table.loc[table["split"] == split, "label"]
        if len(labels):
            print(
                f"{opened.name} {split}: "
                + ", ".join(f"{(labels == label).sum():,} {label}" for label in LABELS)
            )
