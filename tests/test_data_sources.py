"""Where the data are looked for, and what is taken of a folder with archives."""

from __future__ import annotations

import re
import zipfile

import pytest
from data_trees import asvspoof, check_table, protocol_csv, touch, zipped

from helpers.data import DataError, SourceError, StagingError, fingerprint, open_dataset
from helpers.environment import where_am_i


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
    assert opened.fingerprint == fingerprint(opened.entry)  # as a runner foretells it
    assert "used in place" in capsys.readouterr().out and not (tmp_path / "work").exists()


def test_zip_on_drive_is_staged(tmp_path, manifest, capsys):
    place = where_am_i({"COLAB_RELEASE_TAG": "1", "HELPERS_WORK": str(tmp_path / "work")}, tmp_path)
    archive = zipped(asvspoof(tmp_path / "tree"), tmp_path / "content/drive/MyDrive/data/asvspoof2019_la.zip")
    opened = open_dataset("asvspoof2019_la", place=place, manifest=manifest())
    assert len(opened) == 8 and opened.root == tmp_path / "work" / "data" / "asvspoof2019_la"
    assert str(archive) in capsys.readouterr().out


def test_a_path_named_by_the_user_is_never_passed_over(tmp_path, manifest):
    place = kaggle_place(tmp_path)
    asvspoof(tmp_path / "kaggle" / "input" / "asvpoof-2019-dataset")
    (tmp_path / "empty").mkdir()
    touch(tmp_path / "notes.txt")
    for name, sentence in (
        ("typo", "there is nothing at"),
        ("empty", "does not hold a folder ending in _LA_cm_protocols; it holds nothing"),
        ("notes.txt", "not a zip"),
    ):
        with pytest.raises(DataError, match=sentence):
            open_dataset("asvspoof2019_la", str(tmp_path / name), place=place, manifest=manifest())


def test_paths_are_absolute_whatever_the_source_was(tmp_path, manifest, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HELPERS_WORK", "relative")
    zipped(protocol_csv(tmp_path / "in"), tmp_path / "mine.zip")
    check_table(open_dataset("my_protocol", "in", manifest=manifest()).table)
    check_table(open_dataset("my_zip", "mine.zip", manifest=manifest()).table)


def test_own_data_without_a_path_asks_for_one(manifest):
    with pytest.raises(SourceError, match="give its path as `source`"):
        open_dataset("my_folder", manifest=manifest())


# ---------------------------------------------------------------- a folder with archives


@pytest.fixture
def mine(tmp_path, manifest):
    return lambda name="in": open_dataset("my_zip", str(tmp_path / name), manifest=manifest())


def test_zips_of_one_folder_from_drive_are_taken_together(tmp_path, mine, capsys):
    tree = protocol_csv(tmp_path / "tree")
    (tmp_path / "in").mkdir()
    files = sorted(path for path in tree.rglob("*") if path.is_file())
    for number in (1, 2):
        with zipfile.ZipFile(tmp_path / "in" / f"mine-20261125T101010Z-{number:03d}.zip", "w") as packed:
            for path in files[number - 1 :: 2]:
                packed.write(path, path.relative_to(tree).as_posix())
    assert len(mine()) == 6 and "2 zips, to be staged together" in capsys.readouterr().out
    (tmp_path / "in" / "mine-20261125T101010Z-001.zip").unlink()
    with pytest.raises(StagingError, match="mine-20261125T101010Z-001.zip is missing beside it"):
        mine()


@pytest.mark.parametrize(
    ("names", "how"),
    [
        (("mine.z01", "mine.zip"), "zip -s 0 mine.zip --out mine-whole.zip"),
        (("mine.zip.001", "mine.zip.002"), "cat mine.zip.* > mine-whole.zip"),
    ],
)
def test_pieces_of_one_zip_are_named_with_what_joins_them(tmp_path, names, how, mine):
    for name in names:
        touch(tmp_path / "in" / name)
    for name in ("in", f"in/{names[-1]}"):
        with pytest.raises(
            StagingError, match=re.escape(f"is one piece of a zip: join all pieces first with `{how}`")
        ):
            mine(name)


def test_two_zips_of_different_things_are_not_guessed_between(tmp_path, mine):
    for name in ("real.zip", "fake.zip"):
        touch(tmp_path / "in" / name)
    with pytest.raises(SourceError, match="holds 2 zips .fake.zip, real.zip.: name one, or unpack them"):
        mine()
