"""Protocols -> the utterance table: ASVspoof's, and a user's own in any form."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from data_trees import asvspoof, check_table, protocol_csv, touch, write_clip, zipped

from helpers.data import CountMismatch, DataError, open_dataset


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
