"""The corpus that ships with the project goes the way of any other data set."""

from __future__ import annotations

import pandas as pd
import pytest

from helpers.data import open_dataset, read_audio
from helpers.data.manifest import get_entry


@pytest.fixture(scope="module")
def entry():
    entry = get_entry("starter")
    path = entry.local_path()
    if path is None or not path.is_file():
        pytest.skip("starter.zip has not been built")
    return entry


def test_manifest_knows_the_archive(entry):
    assert entry.bytes == entry.local_path().stat().st_size <= 30e6
    assert entry.sha256 and set(entry.counts) == {"train", "dev", "eval"}


def test_starter_opens_by_name(entry):
    opened = open_dataset("starter")
    table = opened.table
    assert opened.missing.empty and opened.counts["expected"].equals(opened.counts["found"])
    sizes = pd.crosstab(table["split"], table["label"]).loc[["train", "dev", "eval"]]
    assert (sizes["bonafide"] >= [300, 150, 350]).all() and (sizes["spoof"] >= [600, 250, 700]).all()
    assert table.groupby("speaker")["split"].nunique().max() == 1
    attacks = table[table["label"] == "spoof"].groupby("split")["attack"].unique()
    assert sorted(attacks["eval"]) == [f"A{n:02d}" for n in range(7, 20)]
    assert set(attacks["train"]) | set(attacks["dev"]) == {f"A{n:02d}" for n in range(1, 7)}
    for path in table["path"].iloc[::200]:
        assert len(read_audio(path)) > 16_000
