"""Against the real data beside the project: official counts, real recordings, a user's own protocol."""

from __future__ import annotations

import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from helpers.data import CountMismatch, open_dataset, read_audio
from helpers.data.manifest import get_entry
from helpers.data.protocols import read_asvspoof_protocols
from helpers.data.shortcuts import measure_table

MANIFEST = """
speech_pairs:
  title: Natural speech beside neural copies of it
  source: folder
  path: {data}/speech_pairs
  layout: protocol_csv
segments:
  title: DEEP-VOICE features by recording
  source: folder
  path: {data}/deep_voice
  layout: features_csv
  options: {{table: segments_by_recording.csv, recording_column: original_sample, split: speaker_disjoint}}
"""


@pytest.fixture
def manifest(shared, tmp_path):
    path = tmp_path / "manifest.yaml"
    path.write_text(MANIFEST.format(data=shared / "data"))
    return path


def test_official_protocols_give_the_official_counts(shared):
    table = read_asvspoof_protocols(shared / "data" / "asvspoof2019_la" / "LA")
    sizes = table.groupby("split").size()
    assert sizes[["train", "dev", "eval"]].tolist() == [25_380, 24_844, 71_237]
    expected = pd.DataFrame(get_entry("asvspoof2019_la").counts).T
    pd.testing.assert_frame_equal(
        pd.crosstab(table["split"], table["label"]).loc[["train", "dev", "eval"]],
        expected[["bonafide", "spoof"]],
        check_names=False,
    )
    bonafide = table[table["label"] == "bonafide"].groupby("split")["speaker"].nunique()
    assert bonafide[["train", "dev", "eval"]].tolist() == [20, 20, 67]
    attacks = table[table["label"] == "spoof"].groupby("split")["attack"].unique()
    assert sorted(attacks["train"]) == sorted(attacks["dev"]) == [f"A{n:02d}" for n in range(1, 7)]
    assert sorted(attacks["eval"]) == [f"A{n:02d}" for n in range(7, 20)]


def test_thirteen_real_recordings_are_read_and_the_others_reported(shared, capsys):
    source = str(shared / "data" / "asvspoof2019_la")
    with pytest.raises(CountMismatch, match="121,448 files of the protocol are missing"):
        open_dataset("asvspoof2019_la", source)
    opened = open_dataset("asvspoof2019_la", source, allow_mismatch=True)
    assert len(opened) == 13 and len(opened.missing) == 121_448
    assert opened.counts["expected"].sum() == 121_461 and opened.counts["found"].sum() == 13
    seconds = [len(read_audio(path)) / 16_000 for path in opened.table["path"]]
    assert 0.5 < min(seconds) and max(seconds) < 20
    assert set(opened.asv_scores) == {"dev", "eval"}
    assert "such as LA_T_1138215" in capsys.readouterr().out


def test_speech_pairs_is_an_entry_of_a_few_lines(manifest):
    opened = open_dataset("speech_pairs", manifest=manifest)
    assert pd.crosstab(opened.table["split"], opened.table["label"]).loc[
        ["train", "dev", "eval"]
    ].values.tolist() == [
        [210, 297],
        [59, 124],
        [106, 156],
    ]
    assert {"group", "source_sample_rate", "duration_s"} <= set(opened.table.columns)
    told = opened.table["duration_s"].astype(float).to_numpy()
    assert (
        abs(told[::50] - [len(read_audio(path)) / 16_000 for path in opened.table["path"][::50]]).max() < 0.01
    )


def test_shortcuts_of_speech_pairs_show_the_known_trap(manifest):
    """Bona fide clips are longer there: duration alone tells a lot."""
    measured = measure_table(open_dataset("speech_pairs", manifest=manifest).table.iloc[::6])
    assert roc_auc_score(measured["label"] == "bonafide", measured["duration_s"]) > 0.65


def test_segments_split_by_disjoint_speakers(manifest):
    opened = open_dataset("segments", manifest=manifest)
    assert opened.counts["found"].sum() == 6_528 > len(opened)
    heard = [
        set(part["source_speaker"]) | set(part["target_speaker"]) for _, part in opened.table.groupby("split")
    ]
    assert heard[0].isdisjoint(heard[1] | heard[2]) and heard[1].isdisjoint(heard[2])
    by_recording = open_dataset("segments", manifest=manifest, options={"split": "recording"}).table
    assert len(by_recording) == 6_528 and by_recording.groupby("recording")["split"].nunique().max() == 1


def test_published_table_and_faces(shared):
    table = open_dataset("deep_voice_table", str(shared / "data" / "deep_voice"))
    assert len(table) == 11_778 and table.counts["found"].tolist() == [5_889, 5_889]
    assert table.table.select_dtypes("number").shape[1] == 26
    faces = open_dataset("real_fake_faces", str(shared / "data" / "faces"), allow_mismatch=True)
    assert faces.counts["found"].tolist() == [400, 130]
