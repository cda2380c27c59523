"""DEEP-VOICE's recordings and their honest splits, and tables of features."""

from __future__ import annotations

import pandas as pd
import pytest
from data_trees import check_table, deep_voice, touch

from helpers.data import CountMismatch, DataError, open_dataset
from helpers.data.deep_voice import speakers_of


@pytest.fixture(scope="module")
def voices(tmp_path_factory):
    return deep_voice(tmp_path_factory.mktemp("voices"), seconds=0.4)


def test_recording_names_tell_source_and_target():
    assert speakers_of("Obama-to-Biden") == ("obama", "biden")
    assert speakers_of("biden-original.wav") == ("biden", "biden")


def test_speakers_are_disjoint_in_source_and_target(voices, manifest):
    options = {"segment_seconds": 0.2}
    opened = open_dataset("deep_voice_audio", str(voices), manifest=manifest(), options=options)
    check_table(opened.table)
    heard = {
        split: set(part["source_speaker"]) | set(part["target_speaker"])
        for split, part in opened.table.groupby("split")
    }
    assert heard["train"].isdisjoint(heard["dev"] | heard["eval"]) and heard["dev"].isdisjoint(heard["eval"])
    # 4 + 2 + 2 speakers: each set keeps its n reals and n (n - 1) conversions, two pieces each.
    assert len(opened) == 2 * (4 + 12 + 2 + 2 + 2 + 2)
    assert set(opened.table["split_scheme"]) == {"speaker_disjoint"}
    assert any("left out" in note for note in opened.notes)


@pytest.mark.parametrize("scheme", ["recording", "source_speaker", "random"])
def test_other_schemes_are_named(voices, manifest, scheme):
    options = {"segment_seconds": 0.4, "split": scheme}
    table = open_dataset("deep_voice_audio", str(voices), manifest=manifest(), options=options).table
    assert len(table) == 64 and set(table["split_scheme"]) == {scheme}
    assert (pd.crosstab(table["split"], table["label"]) > 0).all().all()
    if scheme != "random":
        assert table.groupby(scheme)["split"].nunique().max() == 1


def test_recordings_are_counted(tmp_path):
    deep_voice(tmp_path / "in")
    opened = open_dataset("deep_voice_audio", str(tmp_path / "in"), options={"segment_seconds": 0})
    assert opened.counts["expected"].tolist() == opened.counts["found"].tolist() == [8, 56]
    next((tmp_path / "in").rglob("biden-original.wav")).unlink()
    with pytest.raises(CountMismatch, match="all bonafide expected 8 / found 7"):
        open_dataset("deep_voice_audio", str(tmp_path / "in"))


def test_the_published_table_knows_only_the_random_split(voices, manifest):
    opened = open_dataset("deep_voice_table", str(voices), manifest=manifest())
    assert len(opened) == 40 and (opened.table["path"] == "").all() and "chroma_stft" in opened.table
    assert opened.table["rms"].tolist() == list(range(40))
    with pytest.raises(DataError, match="do not tell"):
        open_dataset("deep_voice_table", str(voices), manifest=manifest(), options={"split": "recording"})


@pytest.fixture
def features(tmp_path, manifest):
    """Opens a table of features with this heading; the row is filled with the number, the label and a split."""

    def write(heading: str, row: str, last: str = "", **options):
        cells = [(i, ("REAL", "FAKE")[i % 2], ("Train", "validation", "Test")[i // 2 % 3]) for i in range(12)]
        text = "\n".join([heading, *(row.format(*some) for some in cells), last])
        touch(tmp_path / "in" / "DATASET-balanced.csv", text.encode("latin-1"))
        mine = {"title": "Mine", "source": "folder", "path": "in", "layout": "features_csv"}
        return open_dataset("mine", manifest=manifest(mine=mine), options=options).table

    return write


def test_a_feature_table_may_come_from_any_spreadsheet(features):
    table = features(";utterance;path;a;speaker;LABEL;split", "{0};u{0};x.wav;{0}.5;{0};{1};{2}")
    check_table(table)
    assert table["utterance"][3] == "u3" and table["speaker"][3] == "3"
    assert table["a"].tolist()[:2] == [0.5, 1.5] and list(table.columns[7:]) == ["a"]


def test_whole_numbers_may_name_labels_and_recordings(tmp_path, manifest):
    rows = [f"{n},{n % 2}.0,{n // 2}" for n in range(40)]
    touch(tmp_path / "in" / "DATASET-balanced.csv", "\n".join(["a,LABEL,rec", *rows]).encode())
    options = {"labels": {1: "bonafide", 0: "spoof"}, "recording_column": "rec", "split": "recording"}
    mine = {"title": "Mine", "source": "folder", "path": "in", "layout": "features_csv"}
    table = open_dataset("mine", manifest=manifest(mine=mine), options=options).table
    check_table(table)
    assert table.groupby("recording")["split"].nunique().max() == 1
    assert table["label"].tolist()[:2] == ["spoof", "bonafide"]


@pytest.mark.parametrize(
    ("last", "sentence"),
    [
        ("1,inf,REAL,Train", r"line 14: 'inf' in column b is no number \(1 such cells\)"),
        ("1,,REAL,Train", "line 14: '' in column b is no number"),
        ("1,2,REAL,maybe", "line 14: split 'maybe' is none of train, dev, eval"),
        ("1,2,REAL,Train,4", "line 14: 5 cells under 4 headings"),
        ("1,2,größe,Train", "is not in UTF-8"),
    ],
)
def test_mistakes_in_a_feature_table_are_shown_with_their_line(features, last, sentence):
    with pytest.raises(DataError, match=sentence):
        features("a,b,LABEL,split", "{0},{0},{1},{2}", last)


def test_a_feature_table_without_numbers_is_named(features):
    with pytest.raises(DataError, match="decimals need a point"):
        features("a;LABEL", "0,5;{1}")
