"""Every layout in miniature, with its quirks -> the utterance table; and the counts beside the manifest."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pandas as pd
import pytest
import yaml
from data_trees import (
    asvspoof,
    deep_voice,
    faces,
    fake_or_real,
    protocol_csv,
    real_and_fake,
    touch,
    write_clip,
    zipped,
)

from helpers.data import CountMismatch, DataError, SourceError, fingerprint, get_entry, open_dataset
from helpers.data.deep_voice import speakers_of
from helpers.data.manifest import MANIFEST
from helpers.environment import where_am_i

CORE = ["utterance", "path", "label", "attack", "speaker", "split", "dataset"]


@pytest.fixture
def manifest(tmp_path):
    """The project's own entries without their counts (miniature trees hold fewer), plus what a test adds."""

    def write(**more) -> Path:
        entries = yaml.safe_load(MANIFEST.read_text())
        for name in entries:
            entries[name].pop("counts", None)
        path = tmp_path / "manifest.yaml"
        path.write_text(yaml.safe_dump({**entries, **more}))
        return path

    return write


def check_table(table: pd.DataFrame):
    assert list(table.columns[:7]) == CORE
    assert table.index.equals(pd.RangeIndex(len(table)))
    assert set(table["label"]) <= {"bonafide", "spoof"} and set(table["split"]) <= {"train", "dev", "eval"}
    assert table["utterance"].is_unique and not table[CORE].isna().any().any()
    assert (table.loc[table["label"] == "bonafide", "attack"] == "-").all()
    assert (table.loc[table["label"] == "spoof", "attack"] != "-").all()
    assert all(Path(path).is_absolute() and Path(path).is_file() for path in table["path"] if path)


# ---------------------------------------------------------------- ASVspoof


@pytest.mark.parametrize("ending", [".flac", ".wav", ".ogg", ".FLAC"])
def test_asvspoof_la_follows_the_protocol(tmp_path, manifest, ending):
    asvspoof(tmp_path / "in", ending=ending)
    opened = open_dataset("asvspoof2019_la", str(tmp_path / "in"), manifest=manifest())
    check_table(opened.table)
    assert len(opened) == 8 and opened.missing.empty
    # The attack is the fourth column, never the third.
    assert opened.table["attack"].tolist() == ["-", "A01", "A06", "-", "A02", "-", "A07", "A19"]
    assert set(opened.asv_scores) == {"dev", "eval"}
    assert any("4 files beside the protocol" in note for note in opened.notes)
    assert "environment" not in opened.table


def test_asvspoof_copied_through_a_case_blind_disk(tmp_path, manifest):
    asvspoof(tmp_path / "in", nested=False)
    for path in [*(tmp_path / "in").rglob("*.flac")]:
        path.rename(path.with_name(path.name.lower()))
    for path in [*(tmp_path / "in").iterdir()]:
        path.rename(path.with_name(path.name.upper()))
    opened = open_dataset("asvspoof2019_la", str(tmp_path / "in"), manifest=manifest())
    assert len(opened) == 8 and opened.table["utterance"][0] == "LA_T_1"


def test_asvspoof_pa_keeps_room_and_replay(tmp_path, manifest):
    asvspoof(tmp_path / "in", "LA")
    asvspoof(tmp_path / "in", "PA")
    opened = open_dataset("asvspoof2019_pa", str(tmp_path / "in"), manifest=manifest())
    check_table(opened.table)
    assert opened.table["speaker"].str.startswith("PA_").all()
    assert opened.table["environment"].tolist() == ["aaa", "abc", "bbb", "caa", "ccc", "aab"]
    assert opened.table["replay"].tolist() == ["-", "AB", "-", "CC", "-", "BA"]


def test_sources_beside_the_protocols_add_columns(tmp_path, manifest):
    asvspoof(tmp_path / "in")
    lines = ["utterance,attack,language,text", 'LA_T_2,A01,cs,"dobry den, svete"', "LA_D_1,-,en,hello"]
    touch(tmp_path / "in" / "LA" / "LA" / "sources.csv", "\n".join(lines).encode())
    table = open_dataset("asvspoof2019_la", str(tmp_path / "in"), manifest=manifest()).table
    check_table(table)
    assert len(table) == 8 and table["language"].fillna("").tolist() == ["", "cs", "", "en", "", "", "", ""]


def test_missing_recordings_stop_the_run_unless_allowed(tmp_path, manifest, capsys):
    asvspoof(tmp_path / "in")
    next((tmp_path / "in").rglob("LA_E_2.flac")).unlink()
    with pytest.raises(CountMismatch) as caught:
        open_dataset("asvspoof2019_la", str(tmp_path / "in"), manifest=manifest())
    assert "1 files of the protocol are missing (eval 1), such as LA_E_2" in str(caught.value)
    opened = open_dataset("asvspoof2019_la", str(tmp_path / "in"), allow_mismatch=True, manifest=manifest())
    assert len(opened) == 7 and opened.missing["utterance"].tolist() == ["LA_E_2"]
    assert "allowed: " in capsys.readouterr().out


def test_a_look_at_the_counts_allows_nothing(tmp_path, manifest):
    asvspoof(tmp_path / "in")
    next((tmp_path / "in").rglob("LA_E_2.flac")).unlink()
    looked = open_dataset("asvspoof2019_la", str(tmp_path / "in"), True, manifest=manifest(), remember=False)
    assert len(looked.missing) == 1
    with pytest.raises(CountMismatch):
        open_dataset("asvspoof2019_la", str(tmp_path / "in"), manifest=manifest())


def test_what_was_allowed_once_is_allowed_until_more_is_missing(tmp_path, manifest):
    """02 is told to go on; the notebooks after it open the same data without being told again."""
    asvspoof(tmp_path / "in")
    next((tmp_path / "in").rglob("LA_E_2.flac")).unlink()
    open_dataset("asvspoof2019_la", str(tmp_path / "in"), allow_mismatch=True, manifest=manifest())
    assert len(open_dataset("asvspoof2019_la", str(tmp_path / "in"), manifest=manifest())) == 7
    next((tmp_path / "in").rglob("LA_E_1.flac")).unlink()
    with pytest.raises(CountMismatch, match="2 files of the protocol are missing"):
        open_dataset("asvspoof2019_la", str(tmp_path / "in"), manifest=manifest())


def test_counts_are_reported_as_expected_and_found(tmp_path, manifest):
    asvspoof(tmp_path / "in")
    with pytest.raises(CountMismatch) as caught:
        open_dataset("asvspoof2019_la", str(tmp_path / "in"))
    assert "eval spoof expected 63,882 / found 2" in str(caught.value)


def test_all_recordings_missing_is_never_allowed(tmp_path, manifest):
    asvspoof(tmp_path / "in")
    for path in (tmp_path / "in").rglob("*.flac"):
        path.unlink()
    with pytest.raises(CountMismatch):
        open_dataset("asvspoof2019_la", str(tmp_path / "in"), allow_mismatch=True, manifest=manifest())


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("LA_0079 LA_T_1 - bonafide", "line 1: 'LA_0079 LA_T_1 - bonafide' is not SPEAKER UTTERANCE"),
        ("LA_0079 LA_T_1 - A01 fake", "is not SPEAKER UTTERANCE"),
        ("\n\nLA_0079 LA_T_1 A01 - spoof", "line 3: label spoof with attack '-'"),
        ("LA_0079 LA_T_1 - - bonafide\nLA_0079 LA_T_1 - A01 spoof", "names 'LA_T_1' more than once"),
        ("LA_0009 LA_E_9332881 alaw ita_tx A07 spoof notrim eval", "reads like ASVspoof 2021"),
        (
            "PA_0010 PA_E_1000001 R1 M4 d4 r1 m2 s4 c4 spoof notrim eval",
            "open that with `layout: protocol_csv`",
        ),
    ],
)
def test_a_strange_protocol_line_is_shown(tmp_path, manifest, line, sentence):
    asvspoof(tmp_path / "in")
    touch(next((tmp_path / "in").rglob("*.cm.train.trn.txt")), line.encode())
    with pytest.raises(DataError) as caught:
        open_dataset("asvspoof2019_la", str(tmp_path / "in"), manifest=manifest())
    assert sentence in str(caught.value)


def test_protocols_are_read_with_a_byte_order_mark_and_refused_unless_utf8(tmp_path, manifest):
    asvspoof(tmp_path / "in")
    path = next((tmp_path / "in").rglob("*.cm.train.trn.txt"))
    path.write_text(path.read_text(), encoding="utf-8-sig")
    assert (
        open_dataset("asvspoof2019_la", str(tmp_path / "in"), manifest=manifest()).table["speaker"][0]
        == "LA_0079"
    )
    path.write_bytes("Jörg LA_T_1 - - bonafide".encode("latin-1"))
    with pytest.raises(DataError, match="train.trn.txt is not in UTF-8: save it in UTF-8"):
        open_dataset("asvspoof2019_la", str(tmp_path / "in"), manifest=manifest())


def test_access_chooses_between_protocols_side_by_side(tmp_path, manifest):
    asvspoof(tmp_path / "in", "LA", nested=False)
    asvspoof(tmp_path / "in", "PA", nested=False)
    for name, first in (("asvspoof2019_la", "LA_T_1"), ("asvspoof2019_pa", "PA_T_1")):
        opened = open_dataset(name, str(tmp_path / "in"), manifest=manifest())
        assert opened.table["utterance"][0] == first and opened.missing.empty
        assert all(f".{name[-2:].upper()}.asv." in path.name for path in opened.asv_scores.values())
    both = {"title": "Both", "source": "folder", "path": "in", "layout": "asvspoof"}
    with pytest.raises(DataError, match="say which in the options"):
        open_dataset("both", manifest=manifest(both=both))


# ---------------------------------------------------------------- Fake-or-Real, own folders


def test_fake_or_real_parts_are_told_apart(tmp_path, manifest):
    fake_or_real(tmp_path / "in")
    for name, part in (
        ("for_2sec", "for-2seconds"),
        ("for_norm", "for-norm"),
        ("for_rerec", "for-rerecorded"),
    ):
        table = open_dataset(name, str(tmp_path / "in"), manifest=manifest()).table
        check_table(table)
        assert len(table) == 12 and table["path"].str.contains(f"/{part}/").all()
        assert table.groupby("split").size().to_dict() == {"train": 4, "dev": 4, "eval": 4}


def test_fake_or_real_part_named_directly(tmp_path, manifest):
    fake_or_real(tmp_path / "in")
    (tmp_path / "in" / "for-norm" / "for-norm").rename(tmp_path / "unpacked")
    assert len(open_dataset("for_norm", str(tmp_path / "unpacked"), manifest=manifest())) == 12


@pytest.mark.parametrize("around", ["for-norm", "for-norm/for-norm", "for-2sec"])
def test_fake_or_real_below_a_folder_called_like_one_part(tmp_path, manifest, around):
    fake_or_real(tmp_path / "in" / around)
    for source in (tmp_path / "in", tmp_path / "in" / around):
        for name, part in (("for_norm", "for-norm/training"), ("for_2sec", "for-2seconds")):
            table = open_dataset(name, str(source), manifest=manifest()).table
            assert len(table) == 12 and table["path"].str.contains(part).any()


def test_combined_keeps_each_parts_own_split(tmp_path, manifest):
    fake_or_real(tmp_path / "in")
    table = open_dataset("for_combined", str(tmp_path / "in"), manifest=manifest()).table
    check_table(table)
    assert len(table) == 36 and set(table["part"]) == {"for-norm", "for-2sec", "for-rerec"}
    in_path = table["path"].str.extract(r"/(training|validation|testing)/")[0]
    words = {"training": "train", "validation": "dev", "testing": "eval"}
    assert (in_path.map(words) == table["split"]).all()


def test_missing_part_is_named(tmp_path, manifest):
    fake_or_real(tmp_path / "in", {"for-norm": "for-norm"})
    with pytest.raises(DataError, match="the part for-2sec was not found"):
        open_dataset("for_combined", str(tmp_path / "in"), manifest=manifest())
    with pytest.raises(SourceError, match="is not in it"):
        open_dataset("for_2sec", str(tmp_path / "in"), manifest=manifest())


def test_own_folder_in_any_case_with_a_stratified_split(tmp_path, manifest):
    real_and_fake(tmp_path / "in", n=20)
    opened = open_dataset("my_folder", str(tmp_path / "in"), manifest=manifest())
    check_table(opened.table)
    sizes = pd.crosstab(opened.table["split"], opened.table["label"])
    assert sizes.loc["train"].tolist() == [14, 14] and sizes.loc["eval"].tolist() == [4, 4]
    again = open_dataset("my_folder", str(tmp_path / "in"), manifest=manifest())
    pd.testing.assert_frame_equal(opened.table, again.table)
    other = open_dataset("my_folder", str(tmp_path / "in"), manifest=manifest(), options={"seed": 1})
    assert (other.table["split"] != opened.table["split"]).any() and other.fingerprint != opened.fingerprint


def test_counts_of_data_without_a_split_are_compared_as_a_whole(tmp_path, manifest):
    real_and_fake(tmp_path / "in", n=10)
    mine = {"title": "Mine", "source": "folder", "path": "in", "layout": "real_fake_folders"}
    right = {**mine, "counts": {"train": {"bonafide": 7, "spoof": 7}, "eval": {"bonafide": 3, "spoof": 3}}}
    assert len(open_dataset("right", manifest=manifest(right=right))) == 20
    wrong = {**mine, "counts": {"all": {"bonafide": 11}}}
    with pytest.raises(CountMismatch, match="all bonafide expected 11 / found 10"):
        open_dataset("wrong", manifest=manifest(wrong=wrong))


def test_fingerprint_tells_a_part_from_the_whole(tmp_path, manifest):
    asvspoof(tmp_path / "kaggle" / "input" / "asvpoof-2019-dataset")
    place = where_am_i({"KAGGLE_KERNEL_RUN_TYPE": "Batch", "HELPERS_WORK": str(tmp_path / "work")}, tmp_path)
    whole = open_dataset("asvspoof2019_la", place=place, manifest=manifest())
    assert whole.fingerprint == fingerprint(whole.entry)  # as a runner foretells it
    next(tmp_path.rglob("LA_E_2.flac")).unlink()
    part = open_dataset("asvspoof2019_la", place=place, manifest=manifest(), allow_mismatch=True)
    assert part.fingerprint != whole.fingerprint


def test_own_folder_split_by_subfolder_keeps_speakers_together(tmp_path, manifest):
    real_and_fake(tmp_path / "in", n=24, speakers=8)
    table = open_dataset(
        "my_folder", str(tmp_path / "in"), manifest=manifest(), options={"split": "folder"}
    ).table
    assert table.groupby("group")["split"].nunique().max() == 1
    assert (pd.crosstab(table["split"], table["label"]) > 0).all().all()


def test_linked_speakers_are_heard_and_loops_are_not_followed(tmp_path, manifest):
    """Only hidden folders and those of macOS are passed over; a link to itself or upwards does no harm."""
    inside = real_and_fake(tmp_path / "in") / "Real"
    for name in ("anna", "_anna", ".anna", "__MACOSX"):
        write_clip(tmp_path / "elsewhere" / name / "a.wav")
        (inside / name).symlink_to(tmp_path / "elsewhere" / name)
    (inside / "round").symlink_to(tmp_path / "in")
    (inside / "anna" / "again").symlink_to(inside)
    (tmp_path / "in" / "me").symlink_to("me")
    table = open_dataset("my_folder", str(tmp_path / "in"), manifest=manifest()).table
    check_table(table)
    assert table["label"].value_counts().to_dict() == {"bonafide": 12, "spoof": 10}
    assert {"Real/anna/a", "Real/_anna/a"} <= set(table["utterance"])


def test_a_file_name_that_is_not_utf8_gets_a_name_that_can_be_written(tmp_path, manifest):
    inside = real_and_fake(tmp_path / "in") / "Real"
    write_clip(inside / "a.wav").rename(inside / os.fsdecode(b"b\xf6se.wav"))
    table = open_dataset("my_folder", str(tmp_path / "in"), manifest=manifest()).table
    check_table(table)
    assert "Real/b\\udcf6se" in set(table["utterance"])


# ---------------------------------------------------------------- a protocol of one's own


def test_own_protocol_keeps_its_further_columns(tmp_path, manifest):
    protocol_csv(tmp_path / "in")
    opened = open_dataset("my_protocol", str(tmp_path / "in"), manifest=manifest())
    check_table(opened.table)
    assert opened.table["group"].tolist() == ["g"] * 6 and opened.table["attack"][0] == "VITS"


def test_own_protocol_inside_a_zip(tmp_path, manifest):
    zipped(protocol_csv(tmp_path / "in"), tmp_path / "mine.zip")
    opened = open_dataset("my_zip", str(tmp_path / "mine.zip"), manifest=manifest())
    assert len(opened) == 6 and opened.root == tmp_path / "work" / "data" / "my_zip"


def test_smallest_protocol_is_two_columns(tmp_path, manifest):
    text = "\ufeffpath;label\n" + "".join(
        f"flac/u{n}.flac;{'real' if n % 2 else 'Fake'}\n" for n in range(20)
    )
    protocol_csv(tmp_path / "in", text, n=20)
    table = open_dataset("my_protocol", str(tmp_path / "in"), manifest=manifest()).table
    check_table(table)
    assert set(table["attack"]) == {"-", "unknown"} and set(table["speaker"]) == {"unknown"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("path,label\nflac/u0.flac,maybe\n", "line 2: label 'maybe' is neither bonafide nor spoof"),
        ("path,label\nflac/u0.flac,1\n", 'say `labels: {"1": bonafide, "0": spoof}`'),
        ("mine,label\nflac/u0.flac,spoof\n", "has no column 'path'"),
        ("path,label,split\nflac/u0.flac,spoof,trian\n", "split 'trian' is none of train, dev, eval"),
        ("path,label\nflac/u0.flac,spoof\nflac/u0.flac,spoof\n", "more than once"),
        ("path,label\nflac/u0.flac,spoof\n./flac/u0.flac,spoof\n", "u0.flac' more than once"),
        ("path,label\n\n\nflac/u0.flac,maybe\n", "line 4: label 'maybe'"),
        ("path,label\nflac/u0.flac,spoof\n,spoof\n", "line 3: the path is empty"),
        (
            "path,label\nflac/u0.flac,spoof\nflac,spoof\n",
            "1 files of the protocol are missing (all 1), such as flac",
        ),
        ("path,label\nflac/u0.flac,spoof,train\n", "line 2: 3 cells under 2 headings"),
        ("path,path,label\nflac/u0.flac,x,spoof\n", "two columns called 'path'"),
        ('path,label\n"flac/u0.flac,spoof\n', "protocol.csv, line 2 cannot be read as a table"),
        ("path,label\n", "no lines"),
    ],
)
def test_mistakes_in_a_protocol_are_shown_with_their_line(tmp_path, manifest, text, sentence):
    protocol_csv(tmp_path / "in", text)
    with pytest.raises(DataError) as caught:
        open_dataset("my_protocol", str(tmp_path / "in"), manifest=manifest())
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("heading", "row"),
    [
        ("path;label;speaker\r\n", "{};{}; anna \r\n"),
        ("path;label;speaker\n", "{};{};anna;\n;;\n"),
        ("\nsep=;\npath;label;speaker\n", "{};{};anna\n"),
        ("path|label|speaker\n", "{}|{}|anna\n"),
        (",path,label,speaker\n", '7,"{}", {},anna\n'),
    ],
)
def test_a_protocol_may_come_from_any_spreadsheet(tmp_path, manifest, heading, row):
    rows = [row.format(f"flac/u{n}.flac", ("real", "fake")[n % 2]) for n in range(6)]
    protocol_csv(tmp_path / "in", heading + "".join(rows))
    table = open_dataset("my_protocol", str(tmp_path / "in"), manifest=manifest()).table
    check_table(table)
    assert len(table) == 6 and set(table["speaker"]) == {"anna"}
    assert list(table.columns[7:]) == ["split_scheme"]


TOOLKITS = {
    "meta.csv of In-the-Wild": ("file,speaker,label", "u{n}.flac,anna,{c}", ("bona-fide", "spoof")),
    "no headings, CRLF, as 2017": (None, "u{n}.flac {c}\r", ("genuine", "spoof")),
    "names without ending, as 2019": (None, "anna u{n} - {a} {c}", ("bonafide", "spoof")),
    "the ten columns of ASVspoof 5": (None, "anna u{n} F - - - AC3 {a} {c} -", ("bonafide", "spoof")),
    "tabs and other words": ("Utt ID\tClass", "u{n}\t{c}", ("Authentic", "AI-generated")),
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("kind", TOOLKITS)
def test_protocols_of_other_toolkits_are_read_as_they_are(tmp_path, manifest, kind, encoding):
    heading, row, words = TOOLKITS[kind]
    rows = [row.format(n=n, c=words[n % 2], a=("-", "A01")[n % 2]) for n in range(6)]
    protocol_csv(tmp_path / "in")
    text = "\n".join([heading] * (heading is not None) + rows)
    (tmp_path / "in" / "protocol.csv").write_bytes(text.encode(encoding))
    table = open_dataset("my_protocol", str(tmp_path / "in"), manifest=manifest()).table
    check_table(table)
    assert table["label"].tolist() == ["bonafide", "spoof"] * 3
    assert [Path(path).stem for path in table["path"]] == [f"u{n}" for n in range(6)]
    if "anna" in row:
        assert set(table["speaker"]) == {"anna"}


def test_words_of_another_language_are_an_option(tmp_path, manifest):
    rows = [f"flac/u{n}.flac,{('Echt', 'gefälscht')[n % 2]}\n" for n in range(6)]
    protocol_csv(tmp_path / "in", "path,label\n" + "".join(rows))
    options = {"labels": {"echt": "bonafide", "gefälscht": "spoof"}}
    table = open_dataset("my_protocol", str(tmp_path / "in"), manifest=manifest(), options=options).table
    assert table["label"].tolist() == ["bonafide", "spoof"] * 3


def test_a_file_written_by_a_mac_is_the_one_the_protocol_names(tmp_path, manifest):
    rows = [f"böse/u{n}ö.flac,{('real', 'fake')[n % 2]}\n" for n in range(6)]
    protocol_csv(tmp_path / "in", "path,label\n" + "".join(rows))
    for n in range(6):
        write_clip(tmp_path / "in" / unicodedata.normalize("NFD", f"böse/u{n}ö.flac"))
    check_table(open_dataset("my_protocol", str(tmp_path / "in"), manifest=manifest()).table)


@pytest.mark.parametrize("content", ["path,label\nflac/ü.flac,spoof\n".encode("cp1252"), b"", b"\n\n"])
def test_a_protocol_that_is_no_csv_is_named(tmp_path, manifest, content):
    protocol_csv(tmp_path / "in")
    (tmp_path / "in" / "protocol.csv").write_bytes(content)
    with pytest.raises(DataError, match="protocol.csv is (empty|not in UTF-8: save it in UTF-8)"):
        open_dataset("my_protocol", str(tmp_path / "in"), manifest=manifest())


def test_own_data_without_one_of_the_splits_are_refused(tmp_path, manifest):
    lines = [f"flac/u{n}.flac,{('real', 'fake')[n % 2]},{('train', 'test')[n // 2 % 2]}" for n in range(8)]
    protocol_csv(tmp_path / "in", "path,label,split\n" + "\n".join(lines) + "\n", n=8)
    with pytest.raises(DataError, match="has no clips for dev"):
        open_dataset("my_protocol", str(tmp_path / "in"), manifest=manifest())


def test_a_split_in_the_options_is_refused_where_the_data_have_their_own(tmp_path, manifest):
    protocol_csv(tmp_path / "in")
    with pytest.raises(
        DataError, match="come with a split of their own: take `split: random` out of the options"
    ):
        open_dataset("my_protocol", str(tmp_path / "in"), manifest=manifest(), options={"split": "random"})


def test_the_speakers_of_a_protocol_can_be_kept_apart(tmp_path, manifest):
    def write(speakers: str):
        rows = [
            f"flac/u{n}.flac,{('real', 'fake')[n % 2]},{speakers[n // 2 % len(speakers)]}\n"
            for n in range(24)
        ]
        protocol_csv(tmp_path / "in", "path,label,speaker\n" + "".join(rows), n=24)
        options = {"split": "speaker_disjoint"}
        return open_dataset("my_protocol", str(tmp_path / "in"), manifest=manifest(), options=options).table

    table = write("abcdef")
    check_table(table)
    assert (
        table.groupby("speaker")["split"].nunique().max() == 1
        and set(table["split"]) == {"train", "dev", "eval"}
        and len(table) == 24
    )
    with pytest.raises(DataError, match="needs to know each clip's speaker"):
        write("abcde-")


@pytest.mark.parametrize("where", ["Real", "FAKE"])
def test_data_without_one_class_are_refused_unless_allowed(tmp_path, manifest, where, capsys):
    """As when all recordings of one class are in a format that is not read; what was allowed once stays allowed."""
    for path in (real_and_fake(tmp_path / "in") / where).glob("*.wav"):
        path.rename(path.with_suffix(".DOC"))
    with pytest.raises(CountMismatch, match="each split needs both classes, but train has "):
        open_dataset("my_folder", str(tmp_path / "in"), manifest=manifest())
    assert "10 left out, not of a kind that is read: 10 .doc" in capsys.readouterr().out
    assert (
        len(open_dataset("my_folder", str(tmp_path / "in"), allow_mismatch=True, manifest=manifest())) == 10
    )
    opened = open_dataset("my_folder", str(tmp_path / "in"), manifest=manifest())
    assert any("10 .doc" in note for note in opened.notes)


def test_a_split_without_one_class_is_refused(tmp_path, manifest):
    lines = [
        f"flac/u{n}.flac,{('real', 'fake')[n % 2]},{('train', 'dev', 'test')[n // 2 % 3]}" for n in range(12)
    ]
    lines = [line for line in lines if not line.endswith("fake,test")]
    protocol_csv(tmp_path / "in", "path,label,split\n" + "\n".join(lines) + "\n", n=12)
    with pytest.raises(CountMismatch, match="but eval has 2 bonafide and 0 spoof"):
        open_dataset("my_protocol", str(tmp_path / "in"), manifest=manifest())
    # Fakes in one heap are one group: they cannot be dealt to three splits.
    for number in range(8):
        write_clip(tmp_path / "own" / "real" / f"person{number % 4}" / f"{number}.wav")
        write_clip(tmp_path / "own" / "fake" / f"{number}.wav")
    with pytest.raises(CountMismatch, match="each split needs both classes"):
        open_dataset("my_folder", str(tmp_path / "own"), manifest=manifest(), options={"split": "folder"})


def test_folders_with_audio_that_is_not_read_alone_are_named(tmp_path, manifest):
    for name in ("real/a.doc", "fake/b.PDF", "fake/._c.wav"):
        touch(tmp_path / "in" / name)
    with pytest.raises(DataError, match=r"nothing in them to read; 2 left out.*: 1 \.doc, 1 \.pdf"):
        open_dataset("my_folder", str(tmp_path / "in"), manifest=manifest())


def test_a_folder_called_test_beside_the_classes_is_no_split(tmp_path, manifest):
    real_and_fake(tmp_path / "in")
    touch(tmp_path / "in" / "test" / "notes.txt")
    check_table(open_dataset("my_folder", str(tmp_path / "in"), manifest=manifest()).table)


def test_columns_and_labels_of_others_can_be_translated(tmp_path, manifest):
    lines = [f"flac/u{n}.flac,{n % 2},{('train', 'dev', 'eval')[n // 2]}" for n in range(6)]
    protocol_csv(tmp_path / "in", "\n".join(["wav,target,fold", *lines]))
    options = {
        "columns": {"path": "wav", "label": "target", "split": "fold"},
        "labels": {1: "bonafide", 0: "spoof"},
    }
    table = open_dataset("my_protocol", str(tmp_path / "in"), manifest=manifest(), options=options).table
    assert table["label"].tolist() == ["spoof", "bonafide"] * 3


def test_a_column_named_in_the_options_comes_before_one_of_our_name(tmp_path, manifest):
    rows = [f"/elsewhere/{n},flac/u{n}.flac,{('real', 'fake')[n % 2]}\n" for n in range(6)]
    protocol_csv(tmp_path / "in", "path,file,label\n" + "".join(rows))
    source, options = str(tmp_path / "in"), {"columns": {"path": "file"}}
    check_table(open_dataset("my_protocol", source, manifest=manifest(), options=options).table)
    with pytest.raises(DataError, match="has no column 'spk', which `columns` in the options calls speaker"):
        open_dataset("my_protocol", source, manifest=manifest(), options={"columns": {"speaker": "spk"}})


# ---------------------------------------------------------------- DEEP-VOICE


@pytest.fixture(scope="module")
def voices(tmp_path_factory):
    return deep_voice(tmp_path_factory.mktemp("voices"), seconds=0.4)


def test_recording_names_tell_source_and_target():
    assert speakers_of("Obama-to-Biden") == ("obama", "biden")
    assert speakers_of("biden-original") == ("biden", "biden")


def test_deep_voice_speakers_are_disjoint_in_source_and_target(voices, manifest):
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
def test_deep_voice_other_schemes_are_named(voices, manifest, scheme):
    options = {"segment_seconds": 0.4, "split": scheme}
    table = open_dataset("deep_voice_audio", str(voices), manifest=manifest(), options=options).table
    assert len(table) == 64 and set(table["split_scheme"]) == {scheme}
    assert (pd.crosstab(table["split"], table["label"]) > 0).all().all()
    if scheme != "random":
        column = scheme if scheme == "source_speaker" else "recording"
        assert table.groupby(column)["split"].nunique().max() == 1


def test_deep_voice_counts_recordings(tmp_path):
    deep_voice(tmp_path / "in")
    opened = open_dataset("deep_voice_audio", str(tmp_path / "in"), options={"segment_seconds": 0})
    assert opened.counts["expected"].tolist() == opened.counts["found"].tolist() == [8, 56]
    next((tmp_path / "in").rglob("biden-original.wav")).unlink()
    with pytest.raises(CountMismatch, match="all bonafide expected 8 / found 7"):
        open_dataset("deep_voice_audio", str(tmp_path / "in"))


def test_deep_voice_table_knows_only_the_random_split(voices, manifest):
    opened = open_dataset("deep_voice_table", str(voices), manifest=manifest())
    assert len(opened) == 40 and (opened.table["path"] == "").all() and "chroma_stft" in opened.table
    assert opened.table["rms"].tolist() == list(range(40))
    with pytest.raises(DataError, match="do not tell"):
        open_dataset("deep_voice_table", str(voices), manifest=manifest(), options={"split": "recording"})


FEATURES = {"title": "Mine", "source": "folder", "path": "in", "layout": "features_csv"}


def features_csv(folder, heading: str, row: str, n: int = 12):
    """`row` is filled with the number, the label and a split."""
    rows = [
        row.format(i, ("REAL", "FAKE")[i % 2], ("Train", "validation", "Test")[i // 2 % 3]) for i in range(n)
    ]
    return touch(folder / "DATASET-balanced.csv", (heading + "\n" + "\n".join(rows) + "\n").encode())


def test_a_feature_table_may_come_from_any_spreadsheet(tmp_path, manifest):
    features_csv(tmp_path / "in", ";utterance;path;a;speaker;LABEL;split", "{0};u{0};x.wav;{0}.5;{0};{1};{2}")
    table = open_dataset("mine", manifest=manifest(mine=FEATURES)).table
    check_table(table)
    assert (
        table["utterance"][3] == "u3" and table["speaker"][3] == "3" and table["a"].tolist()[:2] == [0.5, 1.5]
    )
    assert list(table.columns[7:]) == ["a"]


def test_whole_numbers_may_name_labels_and_recordings(tmp_path, manifest):
    rows = [f"{n},{n % 2}.0,{n // 2}" for n in range(40)]
    touch(tmp_path / "in" / "DATASET-balanced.csv", "\n".join(["a,LABEL,rec", *rows]).encode())
    options = {"labels": {1: "bonafide", 0: "spoof"}, "recording_column": "rec", "split": "recording"}
    table = open_dataset("mine", manifest=manifest(mine=FEATURES), options=options).table
    check_table(table)
    assert table.groupby("recording")["split"].nunique().max() == 1 and table["label"].tolist()[:2] == [
        "spoof",
        "bonafide",
    ]


@pytest.mark.parametrize(
    ("last", "sentence"),
    [
        ("1,inf,REAL,Train", "line 14: 'inf' in column b is no number (1 such cells)"),
        ("1,ERR,REAL,Train", "line 14: 'ERR' in column b is no number"),
        ("1,,REAL,Train", "line 14: '' in column b is no number"),
        ("1,2,REAL,maybe", "line 14: split 'maybe' is none of train, dev, eval"),
        ("1,2,REAL,Train,4", "line 14: 5 cells under 4 headings"),
        ("1,2,größe,Train", "is not in UTF-8"),
    ],
)
def test_mistakes_in_a_feature_table_are_shown_with_their_line(tmp_path, manifest, last, sentence):
    path = features_csv(tmp_path / "in", "a,b,LABEL,split", "{0},{0},{1},{2}")
    path.write_bytes(path.read_bytes() + last.encode("latin-1"))
    with pytest.raises(DataError) as caught:
        open_dataset("mine", manifest=manifest(mine=FEATURES))
    assert sentence in str(caught.value)


def test_an_empty_feature_table_is_named(tmp_path, manifest):
    for content, sentence in (
        (b"", "is empty"),
        (b"a,LABEL\n", "no lines"),
        (b"a;LABEL\n0,5;REAL\n", "decimals need a point"),
    ):
        touch(tmp_path / "in" / "DATASET-balanced.csv", content)
        with pytest.raises(DataError, match=sentence):
            open_dataset("mine", manifest=manifest(mine=FEATURES))


# ---------------------------------------------------------------- faces


def test_faces_carry_difficulty_and_what_was_pasted(tmp_path, manifest):
    faces(tmp_path / "in")
    table = open_dataset("real_fake_faces", str(tmp_path / "in"), manifest=manifest()).table
    check_table(table)
    assert table["group"].value_counts().to_dict() == {"-": 10, "easy": 4, "mid": 3, "hard": 3}
    one = table[table["utterance"].str.endswith("easy_0_0110")].iloc[0]
    assert one["pasted"] == "right_eye nose" and one["attack"] == "easy"


def test_plain_face_folders(tmp_path, manifest):
    for kind in ("real", "fake"):
        for number in range(6):
            touch(tmp_path / "in" / kind / f"{kind}_{number}.JPG")
    assert len(open_dataset("real_fake_faces", str(tmp_path / "in"), manifest=manifest())) == 12


# ---------------------------------------------------------------- where the data are looked for


def kaggle_place(tmp_path):
    (tmp_path / "kaggle" / "working").mkdir(parents=True)
    return where_am_i({"KAGGLE_KERNEL_RUN_TYPE": "Batch", "HELPERS_WORK": str(tmp_path / "work")}, tmp_path)


@pytest.mark.parametrize(
    "mount", ["asvpoof-2019-dataset", "datasets/awsaf49/asvpoof-2019-dataset", "somebodys-own-upload/deeper"]
)
def test_attached_kaggle_input_is_used_in_place(tmp_path, manifest, mount, capsys):
    place = kaggle_place(tmp_path)
    asvspoof(tmp_path / "kaggle" / "input" / mount)
    opened = open_dataset("asvspoof2019_la", place=place, manifest=manifest())
    assert len(opened) == 8 and opened.root.is_relative_to(tmp_path / "kaggle" / "input")
    said = capsys.readouterr().out
    assert "used in place" in said and "not attached" in said or mount == "asvpoof-2019-dataset"
    assert not (tmp_path / "work").exists()


def test_zip_on_drive_is_staged(tmp_path, manifest, capsys):
    place = where_am_i({"COLAB_RELEASE_TAG": "1", "HELPERS_WORK": str(tmp_path / "work")}, tmp_path)
    archive = zipped(asvspoof(tmp_path / "tree"), tmp_path / "content/drive/MyDrive/data/asvspoof2019_la.zip")
    opened = open_dataset("asvspoof2019_la", place=place, manifest=manifest())
    assert len(opened) == 8 and opened.root == tmp_path / "work" / "data" / "asvspoof2019_la"
    assert str(archive) in capsys.readouterr().out


def test_a_path_named_by_the_user_is_never_passed_over(tmp_path, manifest):
    place = kaggle_place(tmp_path)
    asvspoof(tmp_path / "kaggle" / "input" / "asvpoof-2019-dataset")
    with pytest.raises(SourceError, match="there is nothing at"):
        open_dataset("asvspoof2019_la", str(tmp_path / "typo"), place=place, manifest=manifest())
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="a folder ending in _LA_cm_protocols is not in it"):
        open_dataset("asvspoof2019_la", str(tmp_path / "empty"), place=place, manifest=manifest())
    touch(tmp_path / "notes.txt")
    with pytest.raises(SourceError, match="not a .zip"):
        open_dataset("asvspoof2019_la", str(tmp_path / "notes.txt"), place=place, manifest=manifest())


def test_paths_are_absolute_whatever_the_source_was(tmp_path, manifest, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HELPERS_WORK", "relative")
    zipped(protocol_csv(tmp_path / "in"), tmp_path / "mine.zip")
    check_table(open_dataset("my_protocol", "in", manifest=manifest()).table)
    check_table(open_dataset("my_zip", "mine.zip", manifest=manifest()).table)


def test_own_data_without_a_path_asks_for_one(manifest):
    with pytest.raises(SourceError, match="give its path as `source`"):
        open_dataset("my_folder", manifest=manifest())


def test_every_ending_that_is_read_counts_and_the_rest_is_said(tmp_path, manifest):
    for number, ending in enumerate(["m4a", "WEBM", "ogx", "Mp4", "flac"] * 2):
        for kind in ("real", "fake"):
            touch(tmp_path / "in" / kind / f"{number}.{ending}")
    touch(tmp_path / "in" / "real" / "list.docx")
    touch(tmp_path / "in" / "fake" / "deep" / "cover.JPG")
    for hidden in ("real/._1.flac", "fake/__MACOSX/2.flac", "fake/.git/3.flac"):
        touch(tmp_path / "in" / hidden)
    opened = open_dataset("my_folder", str(tmp_path / "in"), manifest=manifest())
    assert len(opened) == 20
    assert "2 left out, not of a kind that is read: 1 .docx, 1 .jpg" in opened.notes


@pytest.mark.parametrize(
    "names", [("Bona-Fide", "AI generated"), ("Echt", "gefälscht"), ("human", "deepfake")]
)
def test_folders_may_be_called_otherwise(tmp_path, manifest, names):
    for kind in names:
        for number in range(6):
            write_clip(tmp_path / "in" / kind / f"{number}.wav")
    options = {"labels": {"echt": "bonafide", "Gefälscht": "spoof"}}
    table = open_dataset("my_folder", str(tmp_path / "in"), manifest=manifest(), options=options).table
    assert table["label"].value_counts().to_dict() == {"bonafide": 6, "spoof": 6}


def test_folders_that_differ_in_case_alone_are_put_together(tmp_path, manifest):
    for kind in ("real", "Real", "FAKE", "fake"):
        for number in range(6):
            write_clip(tmp_path / "in" / kind / f"{number}.wav")
    table = open_dataset("my_folder", str(tmp_path / "in"), manifest=manifest()).table
    check_table(table)
    assert table["label"].value_counts().to_dict() == {"bonafide": 12, "spoof": 12}
    assert table["path"].is_unique


@pytest.mark.parametrize("shape", ["{split}/{kind}", "{kind}/{split}", "{kind}/{split}/deep"])
def test_a_split_above_or_below_the_classes_is_the_users_own(tmp_path, manifest, shape):
    for split in ("Train", "valid", "TEST"):
        for kind in ("real", "fake"):
            for number in range(3):
                write_clip(tmp_path / "in" / shape.format(split=split, kind=kind) / f"{number}.wav")
    table = open_dataset("my_folder", str(tmp_path / "in"), manifest=manifest()).table
    check_table(table)
    words = {"Train": "train", "valid": "dev", "TEST": "eval"}
    for path, split in zip(table["path"], table["split"], strict=True):
        assert next(words[part] for part in path.split("/") if part in words) == split
    assert "split_scheme" not in table


def test_what_lies_outside_of_the_users_split_is_said(tmp_path, manifest):
    inside = real_and_fake(tmp_path / "in")
    write_clip(inside / "Real" / "train" / "a.wav")
    opened = open_dataset("my_folder", str(tmp_path / "in"), manifest=manifest())
    assert any("train inside the classes" in note and "20 clips lie outside" in note for note in opened.notes)
    for split in ("training", "validation", "testing"):
        real_and_fake(tmp_path / "both" / split)
    real_and_fake(tmp_path / "both")
    opened = open_dataset("my_folder", str(tmp_path / "both"), manifest=manifest())
    assert len(opened) == 60 and any("20 beside the split folders" in note for note in opened.notes)


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
    assert table["path"].tolist() == [clip for part in parts for clip in part.table["path"]]
    assert table["split"].tolist() == [split for part in parts for split in part.table["split"]]
    assert set(parts[0].table.columns) == set(table.columns)
    for column in ("utterance", "attack", "speaker"):
        named = table[~table[column].isin(["-", "unknown"])]
        assert len(named) and (named[column].str.partition("/")[0] == named["dataset"]).all()
    assert union.fingerprint == fingerprint(get_entry("left+right", path))
    assert all(part.fingerprint in union.fingerprint for part in parts)


def test_a_union_says_what_it_cannot_put_together(tmp_path, manifest):
    with pytest.raises(DataError, match="did you mean 'for_norm'"):
        open_dataset("starter+for_nrm", manifest=manifest())
    with pytest.raises(DataError, match="twice"):
        open_dataset("starter+starter", manifest=manifest())
    with pytest.raises(DataError, match="of one kind"):
        open_dataset("starter+real_fake_faces", manifest=manifest())
    with pytest.raises(DataError, match="path in the manifest"):
        open_dataset("starter+for_norm", str(tmp_path), manifest=manifest())
