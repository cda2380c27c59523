"""Splits for data that come without: by file, by recording, by source speaker, by disjoint speakers.

Splitting by file is how the famous 99 % come about: pieces of one recording stand on both sides. The other schemes
keep what belongs together on one side; the scheme's name travels in the column `split_scheme`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.data.errors import DataError
from helpers.data.manifest import SPLITS

FRACTIONS = (0.7, 0.1, 0.2)  # train, dev, eval
# scheme -> the column whose values stay whole
GROUPED_BY = {
    "recording": "recording",
    "folder": "group",
    "source_speaker": "source_speaker",
    "speaker_disjoint": "speaker",  # where speech is not converted from one speaker to another
}


def add_split(table: pd.DataFrame, scheme: str, seed: int = 0) -> tuple[pd.DataFrame, list[str]]:
    """Table with `split` and `split_scheme`, and notes. Grouped schemes read the columns recording, group,
    speaker, or source_speaker and target_speaker."""
    if scheme == "random":
        split = random_split(table["label"], seed)
        note = "split at random by file: clips of one speaker or recording may stand on both sides"
    elif scheme == "speaker_disjoint" and "source_speaker" in table:
        split = speaker_disjoint_split(table["source_speaker"], table["target_speaker"], table["label"], seed)
        note = f"split by disjoint speakers: {(split == '').sum():,} clips with source and target in two sets left out"
    else:
        column = GROUPED_BY[scheme]
        if column not in table or column == "speaker" and (table[column] == "unknown").any():
            raise DataError(
                f"split: {scheme} needs to know each clip's {column}, which these data do not tell"
            )
        split = group_split(table[column], table["label"], seed)
        note = f"split by {column.replace('_', ' ')}: whole ones stay together"
    table = table.assign(split=split, split_scheme=scheme)
    return table[split != ""].reset_index(drop=True), [note]


def random_split(labels: pd.Series, seed: int = 0) -> pd.Series:
    """Each utterance by itself, each class in the same proportions and nowhere absent -> split names."""
    generator = np.random.default_rng(seed)
    split = pd.Series("train", index=labels.index)
    for label, rows in labels.groupby(labels).groups.items():
        if len(rows) < len(SPLITS):
            raise DataError(f"{len(rows)} {label} clips cannot make train, dev and eval: bring more")
        shuffled = generator.permutation(rows)
        n_dev, n_eval = (max(1, round(share * len(rows))) for share in FRACTIONS[1:])
        split[shuffled[:n_dev]] = "dev"
        split[shuffled[n_dev : n_dev + n_eval]] = "eval"
    return split


def group_split(groups: pd.Series, labels: pd.Series, seed: int = 0) -> pd.Series:
    """Whole groups (recordings, folders, speakers) -> split names.

    Groups are drawn in random order, each to the split that lacks most of that group's classes; several draws are
    made and the one nearest to the fractions with both classes everywhere is kept.
    """
    sizes = pd.crosstab(groups, labels)
    if len(sizes) < len(SPLITS):
        raise DataError(f"{len(sizes)} groups cannot make train, dev and eval: bring more, or split: random")
    n_clips = sizes.to_numpy(dtype=float)  # (groups, classes)
    wanted = np.maximum(np.outer(FRACTIONS, n_clips.sum(axis=0)), 1)  # (splits, classes)
    generator = np.random.default_rng(seed)
    best, chosen = np.inf, np.zeros(len(sizes), dtype=int)
    for _ in range(50):
        have = np.zeros_like(wanted)
        drawn = np.zeros(len(sizes), dtype=int)
        for group in generator.permutation(len(sizes)):
            lack = (1 - have / wanted) @ (n_clips[group] > 0)
            drawn[group] = np.argmax(lack)
            have[drawn[group]] += n_clips[group]
        away = np.abs(have / wanted - 1).sum() + 100 * (have == 0).sum()
        if away < best:
            best, chosen = away, drawn
    return groups.map(dict(zip(sizes.index, np.array(SPLITS)[chosen], strict=True)))


def speaker_disjoint_split(
    source: pd.Series, target: pd.Series, label: pd.Series, seed: int = 0
) -> pd.Series:
    """Speakers are dealt to the splits; an utterance stays where its source and its target both are.

    One whose source and target fall apart belongs nowhere and gets the split "" (to be left out, and counted).
    Half of the speakers go to train, a quarter each to dev and eval, at least two each.
    """
    speakers = sorted({*source, *target})
    if len(speakers) < 6:
        raise DataError(
            f"{len(speakers)} speakers cannot make three disjoint sets of two: use split: recording and say so"
        )
    quarter = max(2, len(speakers) // 4)
    number = {name: position for position, name in enumerate(speakers)}
    from_, to = source.map(number).to_numpy(), target.map(number).to_numpy()
    spoof = (label == "spoof").to_numpy(dtype=int)
    generator = np.random.default_rng(seed)
    best, chosen = 0, np.zeros(len(speakers), dtype=int)
    for _ in range(500):
        order = generator.permutation(len(speakers))
        home = np.zeros(len(speakers), dtype=int)  # 0 train, 1 dev, 2 eval
        home[order[:quarter]] = 2
        home[order[quarter : 2 * quarter]] = 1
        kept = home[from_] == home[to]
        held = np.bincount(2 * home[from_][kept] + spoof[kept], minlength=2 * len(SPLITS))
        # The smallest class of the smallest split decides how much a result can be trusted.
        if held.min() > best:
            best, chosen = held.min(), home
    if not best:
        raise DataError(
            "no division of the speakers leaves both classes in every split: use split: recording"
        )
    names = np.array(SPLITS)[chosen]
    return pd.Series(np.where(chosen[from_] == chosen[to], names[from_], ""), index=source.index)
