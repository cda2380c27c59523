"""From a name to the table: what is counted, how it is split, unions of sets, the command `data`."""

from __future__ import annotations

import pandas as pd
import pytest
from data_trees import asvspoof, check_table, protocol_csv, real_and_fake, touch, write_clip

from helpers.__main__ import dispatch
from helpers.data import CountMismatch, DataError, fingerprint, get_entry, open_dataset, read_audio

# ---------------------------------------------------------------- counts


def test_counts_are_reported_as_expected_and_found(tmp_path, manifest):
    asvspoof(tmp_path / "in")
    with pytest.raises(CountMismatch, match="eval spoof expected 63,882 / found 2"):
        open_dataset("asvspoof2019_la", str(tmp_path / "in"))
    real_and_fake(tmp_path / "own", n=10)
    mine = {"title": "Mine", "source": "folder", "path": "own", "layout": "real_fake_folders"}
    right = {**mine, "counts": {"train": {"bonafide": 7, "spoof": 7}, "eval": {"bonafide": 3, "spoof": 3}}}
    assert len(open_dataset("right", manifest=manifest(right=right))) == 20
    wrong = {**mine, "counts": {"all": {"bonafide": 11}}}
    with pytest.raises(CountMismatch, match="all bonafide expected 11 / found 10"):
        open_dataset("wrong", manifest=manifest(wrong=wrong))


def test_missing_recordings_stop_the_run_unless_allowed_now_or_once(tmp_path, manifest, capsys):
    """02 is told to go on; the notebooks after it open the same data without being told again."""

    def opened(*more, **options):
        return open_dataset("asvspoof2019_la", str(tmp_path / "in"), *more, manifest=manifest(), **options)

    asvspoof(tmp_path / "in")
    whole = opened()
    next((tmp_path / "in").rglob("LA_E_2.flac")).unlink()
    with pytest.raises(
        CountMismatch, match=r"1 files of the protocol are missing \(eval 1\), such as LA_E_2"
    ):
        opened()
    assert len(opened(True, remember=False).missing) == 1  # a look allows nothing
    with pytest.raises(CountMismatch):
        opened()
    allowed = opened(True)
    assert len(allowed) == 7 and allowed.missing["utterance"].tolist() == ["LA_E_2"]
    assert "allowed: " in capsys.readouterr().out and allowed.fingerprint != whole.fingerprint
    assert len(opened()) == 7
    next((tmp_path / "in").rglob("LA_E_1.flac")).unlink()
    with pytest.raises(CountMismatch, match="2 files of the protocol are missing"):
        opened()
    for path in (tmp_path / "in").rglob("*.flac"):
        path.unlink()
    with pytest.raises(CountMismatch):  # nothing at all is never allowed
        opened(True)


@pytest.mark.parametrize("where", ["Real", "FAKE"])
def test_data_without_one_class_are_refused_unless_allowed(tmp_path, manifest, where, capsys):
    """As when all recordings of one class are in a format that is not read; what was allowed once stays allowed."""
    for path in (real_and_fake(tmp_path / "in") / where).glob("*.wav"):
        path.rename(path.with_suffix(".DOC"))

    def opened(*more):
        return open_dataset("my_folder", str(tmp_path / "in"), *more, manifest=manifest())

    with pytest.raises(CountMismatch, match="each split needs both classes, but train has "):
        opened()
    assert "left out, not of a kind that is read: 10 .doc" in capsys.readouterr().out
    assert len(opened(True)) == len(opened()) == 10


def test_the_corpus_that_ships_with_the_project_opens_by_name():
    entry = get_entry("starter")
    assert entry.bytes == entry.local_path().stat().st_size <= 30e6 and entry.sha256
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


# ---------------------------------------------------------------- splits


def own_protocol(tmp_path, manifest, told, n: int = 12, **options):
    """n clips, every second one real, with `told(number)` in the column split, or speaker where options split by it."""
    column = "speaker" if options else "split"
    lines = [f"flac/u{number}.flac,{('real', 'fake')[number % 2]},{told(number)}" for number in range(n)]
    lines = [line for line in lines if not line.endswith(",")]
    protocol_csv(tmp_path / "in", f"path,label,{column}\n" + "\n".join(lines) + "\n", n=n)
    return open_dataset("my_protocol", str(tmp_path / "in"), manifest=manifest(), options=options).table


def test_own_folder_is_split_stratified_and_by_seed(tmp_path, manifest):
    def opened(seed):
        return open_dataset("my_folder", str(tmp_path / "in"), manifest=manifest(), options={"seed": seed})

    real_and_fake(tmp_path / "in", n=20)
    first, again, other = opened(0), opened(0), opened(1)
    check_table(first.table)
    sizes = pd.crosstab(first.table["split"], first.table["label"])
    assert sizes.loc["train"].tolist() == [14, 14] and sizes.loc["eval"].tolist() == [4, 4]
    pd.testing.assert_frame_equal(first.table, again.table)
    assert (other.table["split"] != first.table["split"]).any() and other.fingerprint != first.fingerprint


def test_own_folder_split_by_subfolder_keeps_speakers_together(tmp_path, manifest):
    real_and_fake(tmp_path / "in", n=24, speakers=8)
    options = {"split": "folder"}
    table = open_dataset("my_folder", str(tmp_path / "in"), manifest=manifest(), options=options).table
    assert table.groupby("group")["split"].nunique().max() == 1
    assert (pd.crosstab(table["split"], table["label"]) > 0).all().all()
    # Fakes in one heap are one group: they cannot be dealt to three splits.
    for number in range(8):
        write_clip(tmp_path / "own" / "real" / f"person{number % 4}" / f"{number}.wav")
        write_clip(tmp_path / "own" / "fake" / f"{number}.wav")
    with pytest.raises(CountMismatch, match="each split needs both classes"):
        open_dataset("my_folder", str(tmp_path / "own"), manifest=manifest(), options=options)


def test_the_speakers_of_a_protocol_can_be_kept_apart(tmp_path, manifest):
    def speakers(names: str):
        def told(number):
            return names[number // 2 % len(names)]

        return own_protocol(tmp_path, manifest, told, 24, split="speaker_disjoint")

    table = speakers("abcdef")
    check_table(table)
    assert table.groupby("speaker")["split"].nunique().max() == 1
    assert set(table["split"]) == {"train", "dev", "eval"} and len(table) == 24
    with pytest.raises(DataError, match="needs to know each clip's speaker"):
        speakers("abcde-")


def test_own_splits_that_lack_a_split_or_a_class_are_refused(tmp_path, manifest):
    with pytest.raises(DataError, match="has no clips for dev"):
        own_protocol(tmp_path, manifest, lambda number: ("train", "test")[number // 2 % 2])
    with pytest.raises(CountMismatch, match="but eval has 2 bonafide and 0 spoof"):
        own_protocol(
            tmp_path,
            manifest,
            lambda number: ("train", "dev", "test" if number % 2 == 0 else "")[number // 2 % 3],
        )


# ---------------------------------------------------------------- several data sets at once


def test_two_data_sets_with_the_same_names_are_one_table(tmp_path, manifest):
    for name in ("left", "right"):
        protocol_csv(tmp_path / name)
    fields = {"title": "x", "source": "folder", "layout": "protocol_csv"}
    path = manifest(left={**fields, "path": "left"}, right={**fields, "path": "right"})
    parts = [open_dataset(name, manifest=path) for name in ("left", "right")]
    union = open_dataset("left + right", manifest=path)
    table = union.table
    check_table(table)
    assert union.name == "left+right" and len(table) == sum(map(len, parts))
    for column in ("path", "split"):
        assert table[column].tolist() == [value for part in parts for value in part.table[column]]
    assert set(parts[0].table.columns) == set(table.columns)
    for column in ("utterance", "attack", "speaker"):
        named = table[~table[column].isin(["-", "unknown"])]
        assert len(named) and (named[column].str.partition("/")[0] == named["dataset"]).all()
    assert union.fingerprint == fingerprint(get_entry("left+right", path))
    assert all(part.fingerprint in union.fingerprint for part in parts)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("starter+for_nrm", "did you mean 'for_norm'"),
        ("starter+starter", "twice"),
        ("starter+real_fake_faces", "of one kind"),
        ("starter+for_norm", "path in the manifest"),
    ],
)
def test_a_union_says_what_it_cannot_put_together(tmp_path, manifest, name, sentence):
    with pytest.raises(DataError, match=sentence):
        open_dataset(name, str(tmp_path), manifest=manifest())


# ---------------------------------------------------------------- the command `data`


def test_command_data_counts_and_tells_what_differs_by_its_exit_code(tmp_path, capsys):
    real_and_fake(tmp_path / "in")
    touch(tmp_path / "in" / "Real" / "list.docx")
    command = ["data", "my_folder", "--source", str(tmp_path / "in"), "--open"]
    assert dispatch(command) == 0
    assert "2 left out, not of a kind that is read: 1 .docx, 1 .txt" in capsys.readouterr().out
    for path in (tmp_path / "in" / "Real").glob("*.wav"):
        path.unlink()
    assert dispatch(command) == 1
    assert "differs: my_folder: each split needs both classes" in capsys.readouterr().out
    (tmp_path / "empty").mkdir()
    for arguments, sentence in (
        (
            ["my_folder", "--source", str(tmp_path / "empty")],
            "it holds nothing. Sort the files into such folders",
        ),
        ([str(tmp_path / "in")], "give a path as `source`, to my_folder"),
    ):
        assert dispatch(["data", *arguments, "--open"]) == 2
        said = capsys.readouterr()
        assert sentence in said.err and "Traceback" not in said.err and len(said.err.splitlines()) == 1


@pytest.mark.parametrize("number", [5, 28, 36, 107])
def test_command_data_says_errors_of_drives_in_one_sentence(tmp_path, capsys, monkeypatch, number):
    def fail(*_):
        raise OSError(number, "")

    real_and_fake(tmp_path / "in")
    for module in ("tree", "folders"):
        monkeypatch.setattr(f"helpers.data.{module}.list_folders", fail)
    assert dispatch(["data", "my_folder", "--source", str(tmp_path / "in"), "--open"]) == 2
    said = capsys.readouterr().err
    assert "my_folder could not be looked for: " in said or "disk filled up" in said
    assert len(said.splitlines()) == 1
