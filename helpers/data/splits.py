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


def random_split(table: pd.DataFrame, seed: int = 0) -> pd.Series:
    """Each utterance by itself, each class in the same proportions -> a column of split names."""
    generator = np.random.default_rng(seed)
    split = np.empty(len(table), dtype=object)
    for label in sorted(table["label"].unique()):
        rows = np.flatnonzero((table["label"] == label).to_numpy())
        rows = generator.permutation(rows)
        bounds = np.round(np.cumsum(FRACTIONS) * len(rows)).astype(int)
        for name, part in zip(SPLITS, np.split(rows, bounds[:-1]), strict=True):
            split[part] = name
    return pd.Series(split, index=table.index, name="split")


def group_split(table: pd.DataFrame, groups: pd.Series, seed: int = 0) -> pd.Series:
    """Whole groups (recordings, folders, speakers) -> a column of split names.

    Groups are drawn in random order, each to the split that lacks most of that group's classes; several draws are
    made and the one nearest to the fractions with both classes everywhere is kept.
    """
    sizes = pd.crosstab(groups, table["label"])
    if len(sizes) < len(SPLITS):
        raise DataError(f"{len(sizes)} groups cannot make train, dev and eval: bring more, or split: random")
    wanted = np.outer(FRACTIONS, sizes.sum())  # (splits, classes)
    generator = np.random.default_rng(seed)
    best: tuple[float, dict] = (np.inf, {})
    for _ in range(50):
        have = np.zeros_like(wanted)
        chosen = {}
        for name in generator.permutation(sizes.index.to_numpy()):
            size = sizes.loc[name].to_numpy()
            lack = ((wanted - have) / np.maximum(wanted, 1))[:, size > 0].sum(axis=1)
            number = int(np.argmax(lack))
            have[number] += size
            chosen[name] = SPLITS[number]
        away = float(np.abs(have / np.maximum(wanted, 1) - 1).sum()) + 100 * int((have == 0).sum())
        if away < best[0]:
            best = (away, chosen)
    return groups.map(best[1]).rename("split")


def speaker_disjoint_split(source: pd.Series, target: pd.Series, label: pd.Series, seed: int = 0) -> pd.Series:
    """Speakers are dealt to the splits; an utterance stays where its source and its target both are.

    One whose source and target fall apart belongs nowhere and gets the split "" (to be left out, and counted).
    Half of the speakers go to train, a quarter each to dev and eval, at least two each.
    """
    speakers = np.array(sorted(set(source) | set(target)))
    if len(speakers) < 6:
        raise DataError(
            f"{len(speakers)} speakers cannot make three disjoint sets of two: use split: recording and say so"
        )
    quarter = max(2, len(speakers) // 4)
    pairs = pd.DataFrame({"source": source, "target": target, "label": label}).value_counts().reset_index()
    generator = np.random.default_rng(seed)
    best: tuple[int, dict[str, str]] = (0, {})
    for _ in range(200):
        order = generator.permutation(speakers)
        home = {name: "eval" for name in order[:quarter]}
        home |= {name: "dev" for name in order[quarter : 2 * quarter]}
        home |= {name: "train" for name in order[2 * quarter :]}
        at_home = pairs[pairs["source"].map(home) == pairs["target"].map(home)]
        held = at_home.groupby([at_home["source"].map(home), "label"])["count"].sum()
        # The smallest class of the smallest split decides how much a result can be trusted.
        smallest = int(held.min()) if len(held) == 2 * len(SPLITS) else 0
        if smallest > best[0]:
            best = (smallest, home)
    if not best[1]:
        raise DataError("no division of the speakers leaves both classes in every split: use split: recording")
    split = source.map(best[1])
    return split.where(split == target.map(best[1]), "").rename("split")


def add_split(table: pd.DataFrame, scheme: str, seed: int = 0) -> tuple[pd.DataFrame, list[str]]:
    """Table with `split` and `split_scheme`, and notes. Grouped schemes read the columns recording or group,
    source_speaker, target_speaker."""
    table = table.copy()
    notes: list[str] = []
    if scheme == "random":
        table["split"] = random_split(table, seed)
        notes.append("split at random by file: clips of one speaker or recording may stand on both sides")
    elif scheme in ("recording", "folder", "source_speaker"):
        column = {"recording": "recording", "folder": "group", "source_speaker": "source_speaker"}[scheme]
        if column not in table:
            raise DataError(f"split: {scheme} needs to know each clip's {column}, which these data do not tell")
        table["split"] = group_split(table, table[column], seed)
        notes.append(f"split by {column.replace('_', ' ')}: whole ones stay together")
    elif scheme == "speaker_disjoint":
        if "source_speaker" not in table or "target_speaker" not in table:
            raise DataError("split: speaker_disjoint needs source and target speakers, which these data do not tell")
        split = speaker_disjoint_split(table["source_speaker"], table["target_speaker"], table["label"], seed)
        table["split"] = split
        dropped = int((split == "").sum())
        table = table[split != ""].reset_index(drop=True)
        notes.append(f"split by disjoint speakers: {dropped:,} clips with source and target in two sets left out")
    else:
        raise DataError(f"there is no split scheme {scheme!r}: random, folder, recording, speaker_disjoint")
    table["split_scheme"] = scheme
    return table, notes
