"""The manifest: what it accepts, and the sentences with which it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.data import ManifestError, fingerprint, get_entry, read_manifest
from helpers.data.manifest import PROJECT

GOOD = """
mine:
  title: Mine
  source: folder
  path: audio
  layout: protocol_csv
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "m.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_project_manifest_names_every_data_set():
    manifest = read_manifest()
    wanted = "starter asvspoof2019_la asvspoof2019_pa for_original for_norm for_2sec for_rerec for_combined "
    wanted += "deep_voice_audio deep_voice_table real_fake_faces my_folder my_protocol my_zip"
    assert set(wanted.split()) <= set(manifest)
    for entry in manifest.values():
        if entry.source == "kaggle":
            assert entry.licence and entry.citation and entry.slug in entry.consent_page


def test_counts_are_the_published_ones():
    la = get_entry("asvspoof2019_la").counts
    assert sum(la["train"].values()) == 25_380 and sum(la["dev"].values()) == 24_844
    assert sum(la["eval"].values()) == 71_237
    assert get_entry("for_norm").counts["eval"] == {"bonafide": 2264, "spoof": 2370}
    # Replay: every speaker of the 20, 20 and 67 said the same number of sentences; every setting is used equally often.
    replay = get_entry("asvspoof2019_pa").counts
    assert {replay[split]["bonafide"] / n for split, n in (("train", 20), ("dev", 20), ("eval", 67))} == {270}
    assert all(replay[split]["spoof"] % (27 * 9) == 0 for split in replay)
    # Two counts of Fake-or-Real from different hands: by split, and over all.
    for name, total in (("for_norm", (34605, 34695)), ("for_2sec", (8935, 8935))):
        counts = get_entry(name).counts.values()
        assert tuple(sum(of[label] for of in counts) for label in ("bonafide", "spoof")) == total
    assert get_entry("for_combined").counts == {}  # nothing inherited from for_original


def test_entry_of_four_lines_is_enough_and_its_path_is_relative_to_the_manifest(tmp_path):
    entry = get_entry("mine", write(tmp_path, GOOD))
    assert entry.local_path() == (tmp_path / "audio").resolve()
    assert entry.with_options(seed=1).local_path() == entry.local_path()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("layout: protocol_csv", "layout: csv"), "`layout` is 'csv': input should be 'asvspoof'"),
        (("title: Mine", "titel: Mine"), "`titel` is not a field; did you mean `title`?"),
        (("  title: Mine\n", ""), "`title` is missing"),
        (("source: folder", "source: kaggle"), "slug must read owner/name"),
        (("path: audio", "sha256: 12ab"), "`sha256` is '12ab': string should match"),
        (("path: audio", "counts: {test: {bonafide: 1}}"), "should match pattern '^(train|dev|eval|all)$'"),
        (("path: audio", "counts: {eval: {real: 1}}"), "should match pattern '^(bonafide|spoof)$'"),
        (("path: audio", "counts: {all: {spoof: 1}, dev: {spoof: 1}}"), "all beside single splits"),
        (("path: audio", "options: {sed: 1}"), "`options.sed` is not a field; did you mean `options.seed`?"),
        (
            ("path: audio", "options: {access: LA}"),
            "protocol_csv has no option access; it knows members, protocol",
        ),
        (
            ("path: audio", "options: {split: rnd}"),
            "`options.split` is 'rnd': input should be 'random', 'folder'",
        ),
        (
            ("path: audio", "options: {labels: }"),
            "`options.labels` is None: input should be a valid dictionary",
        ),
        (("path: audio", "options: {labels: {1: real}}"), "`options.labels.1` is 'real'"),
        (("path: audio", "options: {columns: [file]}"), "should be a valid dictionary"),
        (("path: audio", "options: {protocol: 2024-01-01}"), "should be a valid string"),
        (("path: audio", "options: {seed: -1}"), "should be greater than or equal to 0"),
        (("path: audio", "options: {members: LA/}"), "should be a valid list"),
        (("path: audio", "sample_rate: -5"), "`sample_rate` is -5: input should be greater than 0"),
        (("mine:", "my data:"), "cannot be a data set's name"),
        (("path: audio", "folder: audio"), "`folder` is not a field"),
        ((GOOD, GOOD + GOOD), "two entries called mine"),
        (("path: audio", "path: [unclosed"), "not readable YAML"),
    ],
)
def test_mistakes_are_answered_in_words(tmp_path, change, sentence):
    with pytest.raises(ManifestError) as caught:
        read_manifest(write(tmp_path, GOOD.replace(*change)))
    assert sentence in str(caught.value)


def test_labels_may_be_numbers_and_texts(tmp_path):
    entry = get_entry("mine", write(tmp_path, GOOD + '  options: {labels: {1: bonafide, "0": spoof}}\n'))
    assert entry.options["labels"] == {"1": "bonafide", "0": "spoof"} and fingerprint(entry)


def test_a_manifest_not_in_utf8_is_named(tmp_path):
    write(tmp_path, GOOD).write_bytes(GOOD.replace("Mine", "Für mich").encode("latin-1"))
    with pytest.raises(ManifestError, match="m.yaml is not in UTF-8: save it in UTF-8"):
        read_manifest(tmp_path / "m.yaml")


def test_misspelt_name_gets_the_nearest_one():
    with pytest.raises(ManifestError, match="did you mean 'asvspoof2019_la'"):
        get_entry("asvspof2019_la")


def test_extra_manifest_adds_entries_and_wins(tmp_path, monkeypatch):
    monkeypatch.setenv("HELPERS_MANIFEST", str(write(tmp_path, GOOD)))
    assert {"mine", "starter"} <= set(read_manifest())


def test_fingerprint_follows_the_data_and_not_the_prose(tmp_path):
    path = write(tmp_path, GOOD)
    (tmp_path / "audio").mkdir()
    (tmp_path / "audio" / "a.wav").write_bytes(b"one")
    before = fingerprint(get_entry("mine", path))
    assert before == fingerprint(get_entry("mine", write(tmp_path, GOOD.replace("Mine", "Ours"))))
    (tmp_path / "audio" / "a.wav").write_bytes(b"three")
    assert before != fingerprint(get_entry("mine", path))
    la = get_entry("asvspoof2019_la")
    assert fingerprint(la) != fingerprint(get_entry("asvspoof2019_pa"))
    assert fingerprint(la) != fingerprint(la.with_options(members=[]))


def test_fingerprint_sees_what_lies_behind_a_link_and_takes_any_name(tmp_path):
    path = write(tmp_path, GOOD)
    (tmp_path / "audio").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "audio" / "anna").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "audio" / "anna" / "round").symlink_to(tmp_path / "audio")
    (tmp_path / "audio" / "me").symlink_to("me")
    before = fingerprint(get_entry("mine", path))
    (tmp_path / "elsewhere" / os.fsdecode(b"b\xf6se.wav")).write_bytes(b"one")
    assert before != fingerprint(get_entry("mine", path))


def test_reading_the_manifest_needs_no_heavy_import():
    code = "import sys, helpers.data.manifest; print([m for m in ('pandas', 'torch', 'soundfile') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
