"""Data whose classes are told by folders, as people leave them -> the utterance table, and a word on what is left out."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from data_trees import check_table, faces, fake_or_real, real_and_fake, touch, write_clip

from helpers.data import DataError, SourceError, open_dataset


def clips(folder: Path, *places: str, n: int = 6) -> Path:
    for place in places:
        for number in range(n):
            write_clip(folder / place / f"{number}.wav")
    return folder


@pytest.fixture
def opened(tmp_path, manifest):
    """Opens tmp_path/in as one's own folder, with options."""
    return lambda **options: open_dataset(
        "my_folder", str(tmp_path / "in"), manifest=manifest(), options=options
    )


# ---------------------------------------------------------------- real/ and fake/


@pytest.mark.parametrize(
    "names", [("Bona-Fide", "AI generated"), ("Echt", "gefälscht"), ("human", "deepfake")]
)
def test_folders_may_be_called_otherwise(tmp_path, opened, names):
    clips(tmp_path / "in", *names)
    table = opened(labels={"echt": "bonafide", "Gefälscht": "spoof"}).table
    assert table["label"].value_counts().to_dict() == {"bonafide": 6, "spoof": 6}


def test_folders_that_differ_in_case_alone_are_put_together(tmp_path, opened):
    table = opened().table if clips(tmp_path / "in", "real", "Real", "FAKE", "fake") else None
    check_table(table)
    assert table["label"].value_counts().to_dict() == {"bonafide": 12, "spoof": 12}
    assert table["path"].is_unique


def test_equal_names_in_two_folders_and_with_two_endings_stay_apart(tmp_path, opened):
    clips(tmp_path / "in", "real/anna", "real/ben", "fake")
    for number in range(6):
        touch(tmp_path / "in" / "fake" / f"{number}.mp3")
    table = opened().table
    check_table(table)
    assert len(table) == 24 and {"real/anna/0", "real/ben/0", "fake/0.wav", "fake/0.mp3"} <= set(
        table["utterance"]
    )


@pytest.mark.parametrize("shape", ["{split}/{kind}", "{kind}/{split}", "{kind}/{split}/deep"])
def test_a_split_above_or_below_the_classes_is_the_users_own(tmp_path, opened, shape):
    words = {"Train": "train", "valid": "dev", "TEST": "eval"}
    clips(
        tmp_path / "in",
        *(shape.format(split=split, kind=kind) for split in words for kind in ("real", "fake")),
    )
    table = opened().table
    check_table(table)
    for path, split in zip(table["path"], table["split"], strict=True):
        assert next(words[part] for part in path.split("/") if part in words) == split
    assert "split_scheme" not in table
    with pytest.raises(DataError, match="come with a split of their own: take `split: random` out"):
        opened(split="random")


@pytest.mark.parametrize(
    "names", [("train_set", "dev_set", "test_set"), ("Training data", "valid", "testset")]
)
def test_split_folders_may_have_longer_names(tmp_path, opened, names):
    clips(tmp_path / "in", *(f"{split}/{kind}" for split in names for kind in ("real", "fake")), n=2)
    table = opened().table
    assert (
        table["split"].value_counts().to_dict() == {"train": 4, "dev": 4, "eval": 4}
        and "split_scheme" not in table
    )


@pytest.mark.parametrize("shape", ["{speaker}/{kind}", "{kind}/{speaker}", "deepfake/{kind}s/{speaker}/2024"])
def test_speakers_above_or_below_the_classes_are_all_read_and_are_groups(tmp_path, opened, shape):
    speakers = ("anna", "ben", "carl", "dora")
    clips(
        tmp_path / "in",
        *(shape.format(speaker=name, kind=kind) for name in speakers for kind in ("real", "fake")),
    )
    table = opened(split="folder").table
    check_table(table)
    assert table["group"].str.partition("/")[0].value_counts().to_dict() == dict.fromkeys(speakers, 12)
    assert table.groupby("group")["split"].nunique().max() == 1


@pytest.mark.parametrize(
    ("files", "hint"),
    [
        (
            ["elevenlabs/1.wav", "real/1.wav"],
            "it holds elevenlabs, real. If its folders have other names, say in the options what they mean: `labels: {",
        ),
        (["fake/1.wav"], "it holds fake. The folder for the other class is not there"),
        (["wavs/1.wav", "Labels.CSV"], "`layout: protocol_csv`, `options: {protocol: Labels.CSV}`"),
        (
            [f"{number}.wav" for number in range(20)],
            "14.wav, 15.wav and 12 more. Sort the files into such folders",
        ),
    ],
)
def test_folders_that_tell_no_classes_are_answered_with_what_to_do(tmp_path, opened, files, hint):
    for name in files:
        touch(tmp_path / "in" / name)
    with pytest.raises(SourceError, match=re.escape(hint)):
        opened()


def test_a_folder_called_test_beside_the_classes_is_no_split(tmp_path, opened):
    touch(real_and_fake(tmp_path / "in") / "test" / "notes.txt")
    check_table(opened().table)


def test_what_lies_outside_of_classes_or_splits_is_said(tmp_path, opened):
    clips(tmp_path / "in", "real", "fake", "unsorted")
    assert "6 files outside of the class folders are left out, in unsorted" in opened().notes
    clips(tmp_path / "in", "real/train")
    assert any("12 files lie outside of the folders for train" in note for note in opened().notes)
    clips(
        tmp_path / "in",
        *(f"{split}/{kind}" for split in ("train", "dev", "eval") for kind in ("real", "fake")),
    )
    found = opened()
    clips(tmp_path / "in", "train/real/fake", n=2)
    assert any(
        note.startswith("2 files lie between both classes, such as train/real/fake/0")
        for note in opened().notes
    )
    assert len(found) == 42 and "12 files outside of the split folders are left out" in found.notes


def test_every_ending_that_is_read_counts_and_the_rest_is_said(tmp_path, opened):
    for number, ending in enumerate(["m4a", "WEBM", "ogx", "Mp4", "flac"] * 2):
        for kind in ("real", "fake"):
            touch(tmp_path / "in" / kind / f"{number}.{ending}")
    for other in (
        "real/list.docx",
        "fake/deep/cover.JPG",
        "real/._1.flac",
        "fake/__MACOSX/2.flac",
        "fake/.git/3.flac",
    ):
        touch(tmp_path / "in" / other)
    found = opened()
    assert len(found) == 20
    assert "2 left out, not of a kind that is read: 1 .docx, 1 .jpg" in found.notes


def test_folders_with_nothing_that_is_read_are_named(tmp_path, opened):
    for name in ("real/a.doc", "fake/b.PDF", "fake/._c.wav"):
        touch(tmp_path / "in" / name)
    with pytest.raises(DataError, match=r"nothing in them to read; 2 left out.*: 1 \.doc, 1 \.pdf"):
        opened()


def test_linked_speakers_are_heard_and_loops_are_not_followed(tmp_path, opened):
    """Only hidden folders and those of macOS are passed over; a link to itself or upwards does no harm."""
    inside = real_and_fake(tmp_path / "in") / "Real"
    for name in ("anna", "_anna", ".anna", "__MACOSX"):
        write_clip(tmp_path / "elsewhere" / name / "a.wav")
        (inside / name).symlink_to(tmp_path / "elsewhere" / name)
    (inside / "round").symlink_to(tmp_path / "in")
    (inside / "anna" / "again").symlink_to(inside)
    (tmp_path / "in" / "me").symlink_to("me")
    table = opened().table
    check_table(table)
    assert table["label"].value_counts().to_dict() == {"bonafide": 12, "spoof": 10}
    assert {"Real/anna/a", "Real/_anna/a"} <= set(table["utterance"])


def test_a_file_name_that_is_not_utf8_gets_a_name_that_can_be_written(tmp_path, opened):
    inside = real_and_fake(tmp_path / "in") / "Real"
    write_clip(inside / "a.wav").rename(inside / os.fsdecode(b"b\xf6se.wav"))
    table = opened().table
    check_table(table)
    assert "Real/b\\udcf6se" in set(table["utterance"])


# ---------------------------------------------------------------- Fake-or-Real


@pytest.mark.parametrize("around", ["", "for-norm", "for-norm/for-norm", "for-2sec"])
def test_fake_or_real_parts_are_told_apart_wherever_they_lie(tmp_path, manifest, around):
    fake_or_real(tmp_path / "in" / around)
    words = {"training": "train", "validation": "dev", "testing": "eval"}
    for source in {tmp_path / "in", tmp_path / "in" / around}:
        for name, part in (
            ("for_norm", "for-norm/"),
            ("for_2sec", "for-2seconds/"),
            ("for_rerec", "for-rerecorded/"),
        ):
            table = open_dataset(name, str(source), manifest=manifest()).table
            check_table(table)
            assert len(table) == 12
            told = table["path"].str.extract(rf"/{part}(training|validation|testing)/")[0]
            assert (told.map(words) == table["split"]).all()


def test_fake_or_real_part_named_directly(tmp_path, manifest):
    fake_or_real(tmp_path / "in")
    (tmp_path / "in" / "for-norm" / "for-norm").rename(tmp_path / "unpacked")
    assert len(open_dataset("for_norm", str(tmp_path / "unpacked"), manifest=manifest())) == 12


def test_combined_keeps_each_parts_own_split(tmp_path, manifest):
    fake_or_real(tmp_path / "in")
    table = open_dataset("for_combined", str(tmp_path / "in"), manifest=manifest()).table
    check_table(table)
    assert table.groupby(["part", "split"]).size().to_dict() == {
        (part, split): 4
        for part in ("for-2sec", "for-norm", "for-rerec")
        for split in ("dev", "eval", "train")
    }


def test_missing_part_is_named(tmp_path, manifest):
    fake_or_real(tmp_path / "in", {"for-norm": "for-norm"})
    with pytest.raises(SourceError, match="for the part for-2sec; it holds for-norm"):
        open_dataset("for_combined", str(tmp_path / "in"), manifest=manifest())
    with pytest.raises(SourceError, match="for the part for-2sec; it holds for-norm"):
        open_dataset("for_2sec", str(tmp_path / "in"), manifest=manifest())


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
