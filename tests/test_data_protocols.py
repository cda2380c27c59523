"""Protocols -> the utterance table: ASVspoof's, and a user's own in any form."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest
from data_trees import asvspoof, check_table, protocol_csv, touch, write_clip

from helpers.data import DataError, open_dataset


@pytest.fixture
def la(tmp_path, manifest):
    return lambda name="asvspoof2019_la": open_dataset(name, str(tmp_path / "in"), manifest=manifest())


@pytest.fixture
def own(tmp_path, manifest):
    """The table of a protocol with this text beside flac/u0.flac to u19.flac."""

    def write(text: str | bytes | None = None, notes: list | None = None, **options):
        protocol_csv(tmp_path / "in", n=20)
        if text is not None:
            (tmp_path / "in" / "protocol.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
        opened = open_dataset("my_protocol", str(tmp_path / "in"), manifest=manifest(), options=options)
        check_table(opened.table)
        if notes is not None:
            notes += opened.notes
        return opened.table

    return write


def six(row: str, words: tuple[str, str] = ("real", "fake"), **more: tuple[str, ...]) -> str:
    """Six lines: {n} counts, {c} is a class's word, {a} an attack."""
    told = {"c": words, "a": ("-", "A01"), **more}
    return "".join(
        row.format(n=n, **{key: of[n % len(of)] for key, of in told.items()}) + "\n" for n in range(6)
    )


# ---------------------------------------------------------------- ASVspoof


@pytest.mark.parametrize("ending", [".flac", ".wav", ".ogg", ".FLAC"])
def test_asvspoof_la_follows_the_protocol(tmp_path, la, ending):
    asvspoof(tmp_path / "in", ending=ending)
    opened = la()
    check_table(opened.table)
    assert len(opened) == 8 and opened.missing.empty
    # The attack is the fourth column, never the third.
    assert opened.table["attack"].tolist() == ["-", "A01", "A06", "-", "A02", "-", "A07", "A19"]
    assert set(opened.asv_scores) == {"dev", "eval"} and "environment" not in opened.table
    assert any("4 files beside the protocol" in note for note in opened.notes)


def test_asvspoof_copied_through_a_case_blind_disk(tmp_path, la):
    asvspoof(tmp_path / "in", nested=False)
    for path in [*(tmp_path / "in").rglob("*.flac")]:
        path.rename(path.with_name(path.name.lower()))
    for path in [*(tmp_path / "in").iterdir()]:
        path.rename(path.with_name(path.name.upper()))
    assert len(la()) == 8 and la().table["utterance"][0] == "LA_T_1"


@pytest.mark.parametrize("nested", [True, False])
def test_access_chooses_between_protocols_and_pa_keeps_room_and_replay(tmp_path, la, manifest, nested):
    for access in ("LA", "PA"):
        asvspoof(tmp_path / "in", access, nested=nested)
    for name in ("asvspoof2019_la", "asvspoof2019_pa"):
        opened, access = la(name), name[-2:].upper()
        assert opened.table["utterance"].str.startswith(access).all() and opened.missing.empty
        assert all(f".{access}.asv." in path.name for path in opened.asv_scores.values())
    assert opened.table["environment"].tolist() == ["aaa", "abc", "bbb", "caa", "ccc", "aab"]
    assert opened.table["replay"].tolist() == ["-", "AB", "-", "CC", "-", "BA"]
    if not nested:
        both = {"title": "Both", "source": "folder", "path": "in", "layout": "asvspoof"}
        with pytest.raises(DataError, match="say which in the options"):
            open_dataset("both", manifest=manifest(both=both))


def test_sources_beside_the_protocols_add_columns(tmp_path, la):
    asvspoof(tmp_path / "in")
    lines = ["utterance,attack,language,text", 'LA_T_2,A01,cs,"dobry den, svete"', "LA_D_1,-,en,hello"]
    touch(tmp_path / "in" / "LA" / "LA" / "sources.csv", "\n".join(lines).encode())
    table = la().table
    check_table(table)
    assert len(table) == 8 and table["language"].fillna("").tolist() == ["", "cs", "", "en", "", "", "", ""]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("LA_0079 LA_T_1 - bonafide", "line 1: 'LA_0079 LA_T_1 - bonafide' is not SPEAKER UTTERANCE"),
        ("LA_0079 LA_T_1 - A01 fake", "is not SPEAKER UTTERANCE"),
        ("\n\nLA_0079 LA_T_1 A01 - spoof", "line 3: label spoof with attack '-'"),
        ("LA_0079 LA_T_1 - - bonafide\nLA_0079 LA_T_1 - A01 spoof", "names 'LA_T_1' more than once"),
        ("LA_0009 LA_E_9332881 alaw ita_tx A07 spoof notrim eval", "reads like ASVspoof 2021"),
        ("PA_0010 PA_E_1 R1 M4 d4 r1 m2 s4 c4 spoof notrim eval", "open that with `layout: protocol_csv`"),
        ("Jörg LA_T_1 - - bonafide", "train.trn.txt is not in UTF-8: save it in UTF-8"),
    ],
)
def test_a_strange_protocol_line_is_shown(tmp_path, la, text, sentence):
    asvspoof(tmp_path / "in")
    touch(next((tmp_path / "in").rglob("*.cm.train.trn.txt")), text.encode("latin-1"))
    with pytest.raises(DataError, match=re.escape(sentence)):
        la()


# ---------------------------------------------------------------- a protocol of one's own


def test_own_protocol_keeps_its_further_columns(own):
    table = own()
    assert table["group"].tolist() == ["g"] * 20 and table["attack"][0] == "VITS"


def test_what_the_table_does_not_name_and_folders_that_look_like_splits_are_said(tmp_path, own):
    for n in range(6):
        write_clip(tmp_path / "in" / ("train", "test_set")[n % 2] / f"{n}.wav")
    said: list[str] = []
    table = own("path,label\n" + six("{s}/{n}.wav,{c}", s=("train", "test_set")), said)
    assert len(table) == 6 and "20 recordings that protocol.csv does not name are left out" in said
    assert (
        "the folders test_set, train are no splits here: protocol.csv needs a column split for that" in said
    )


def test_smallest_protocol_is_two_columns(own):
    table = own("\ufeffpath;label\n" + six("flac/u{n}.flac;{c}", ("real", "Fake")))
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
        ("\n\n", "protocol.csv is empty"),
        (
            "path,label\nflac/ü.flac,spoof\n".encode("cp1252"),
            "protocol.csv is not in UTF-8: save it in UTF-8",
        ),
    ],
)
def test_mistakes_in_a_protocol_are_shown_with_their_line(own, text, sentence):
    with pytest.raises(DataError, match=re.escape(sentence)):
        own(text)


@pytest.mark.parametrize(
    ("heading", "row"),
    [
        ("path;label;speaker\r\n", "flac/u{n}.flac;{c}; anna \r"),
        ("path;label;speaker\n", "flac/u{n}.flac;{c};anna;\n;;"),
        ("\nsep=;\npath;label;speaker\n", "flac/u{n}.flac;{c};anna"),
        ("path|label|speaker\n", "flac/u{n}.flac|{c}|anna"),
        (",path,label,speaker\n", '7,"flac/u{n}.flac", {c},anna'),
    ],
)
def test_a_protocol_may_come_from_any_spreadsheet(own, heading, row):
    table = own(heading + six(row))
    assert len(table) == 6 and set(table["speaker"]) == {"anna"}
    assert list(table.columns[7:]) == ["split_scheme"]


TOOLKITS = {
    "meta.csv of In-the-Wild": ("file,speaker,label\n", "u{n}.flac,anna,{c}", ("bona-fide", "spoof")),
    "no headings, CRLF, as 2017": ("", "u{n}.flac {c}\r", ("genuine", "spoof")),
    "names without ending, as 2019": ("", "anna u{n} - {a} {c}", ("bonafide", "spoof")),
    "the ten columns of ASVspoof 5": ("", "anna u{n} F - - - AC3 {a} {c} -", ("bonafide", "spoof")),
    "tabs and other words": ("Utt ID\tClass\n", "u{n}\t{c}", ("Authentic", "AI-generated")),
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("kind", TOOLKITS)
def test_protocols_of_other_toolkits_are_read_as_they_are(own, kind, encoding):
    heading, row, words = TOOLKITS[kind]
    table = own((heading + six(row, words)).encode(encoding))
    assert table["label"].tolist() == ["bonafide", "spoof"] * 3
    assert [Path(path).stem for path in table["path"]] == [f"u{n}" for n in range(6)]
    assert set(table["speaker"]) == ({"anna"} if "anna" in row else {"unknown"})


def test_a_file_written_by_a_mac_is_the_one_the_protocol_names(tmp_path, own):
    for n in range(6):
        write_clip(tmp_path / "in" / unicodedata.normalize("NFD", f"böse/u{n}ö.flac"))
    own("path,label\n" + six("böse/u{n}ö.flac,{c}"))


def test_columns_and_labels_of_others_can_be_translated(own):
    options = {"labels": {"echt": "bonafide", "gefälscht": "spoof", 1: "bonafide", 0: "spoof"}}
    table = own("path,label\n" + six("flac/u{n}.flac,{c}", ("Echt", "gefälscht")), **options)
    assert table["label"].tolist() == ["bonafide", "spoof"] * 3
    columns = {"path": "wav", "label": "target", "split": "fold"}
    splits = ("train", "train", "dev", "dev", "eval", "eval")
    text = "path,wav,target,fold\n" + six("/elsewhere/{n},flac/u{n}.flac,{c},{s}", ("0", "1"), s=splits)
    assert own(text, columns=columns, **options)["label"].tolist() == ["spoof", "bonafide"] * 3
    with pytest.raises(DataError, match="has no column 'spk', which `columns` in the options calls speaker"):
        own(text, columns={"speaker": "spk"})
