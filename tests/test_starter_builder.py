"""The starter corpus: the shipped zip keeps its promises, and its builder is deterministic where it can
run."""

from __future__ import annotations

import csv
import importlib.util
import io
import re
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

ROOT = Path(__file__).resolve().parents[1]
STARTER = ROOT / "tools" / "starter"
ZIP = ROOT / "helpers" / "data" / "starter.zip"
LEAST = {"train": (300, 600), "dev": (150, 250), "eval": (350, 700)}
PROTOCOL = {
    split: f"ASVspoof2019.LA.cm.{split}.{'trn' if split == 'train' else 'trl'}.txt" for split in LEAST
}
TRAINED = {f"A{i:02d}" for i in range(1, 7)}
UNSEEN = {f"A{i:02d}" for i in range(7, 20)}


@pytest.fixture(scope="module")
def archive():
    with zipfile.ZipFile(ZIP) as opened:
        yield opened


@pytest.fixture(scope="module")
def protocols(archive) -> dict[str, list[list[str]]]:
    """split -> rows of speaker, utterance, "-", attack, label."""
    folder = "LA/ASVspoof2019_LA_cm_protocols"
    return {
        s: [x.split(" ") for x in archive.read(f"{folder}/{PROTOCOL[s]}").decode().splitlines()]
        for s in LEAST
    }


@pytest.fixture(scope="module")
def sources(archive) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(archive.read("LA/sources.csv").decode())))


@pytest.fixture(scope="module")
def waves(archive) -> dict[str, np.ndarray]:
    """utterance -> samples, for every audio file of the zip."""
    names = [name for name in archive.namelist() if name.endswith(".ogg")]
    return {
        Path(name).stem: soundfile.read(io.BytesIO(archive.read(name)), dtype="float32")[0] for name in names
    }


def test_zip_is_at_most_30_megabytes():
    assert ZIP.stat().st_size <= 30_000_000


def test_protocol_lines_have_the_five_columns_of_the_challenge(protocols):
    for split, rows in protocols.items():
        for row in rows:
            speaker, utterance, nothing, attack, label = row
            assert re.fullmatch(r"LA_\d{4}", speaker)
            assert re.fullmatch(rf"LA_{split[0].upper()}_\d{{7}}", utterance)
            assert nothing == "-"
            assert (label == "bonafide") == (attack == "-")
            assert label in ("bonafide", "spoof")


def test_every_file_stands_in_one_protocol_and_every_line_has_its_file(archive, protocols):
    listed = {
        f"LA/ASVspoof2019_LA_{split}/flac/{row[1]}.ogg" for split, rows in protocols.items() for row in rows
    }
    assert len(listed) == sum(map(len, protocols.values()))
    texts = {"LA/README.md", "LA/sources.csv", "LA/LICENSES"}
    texts |= {f"LA/ASVspoof2019_LA_cm_protocols/{name}" for name in PROTOCOL.values()}
    assert set(archive.namelist()) == listed | texts


def test_names_are_sorted_and_share_one_timestamp(archive):
    assert archive.namelist() == sorted(archive.namelist())
    assert len({entry.date_time for entry in archive.infolist()}) == 1


def test_each_split_has_enough_of_both_classes(protocols):
    for split, (least_bonafide, least_spoof) in LEAST.items():
        counts = Counter(row[4] for row in protocols[split])
        assert counts["bonafide"] >= least_bonafide, split
        assert counts["spoof"] >= least_spoof, split


def test_speakers_are_disjoint_between_splits_and_31_in_all(protocols):
    speakers = {split: {row[0] for row in rows} for split, rows in protocols.items()}
    assert len(set.union(*speakers.values())) == sum(map(len, speakers.values())) == 31


def test_every_speaker_stands_in_both_classes(protocols):
    for rows in protocols.values():
        by_label = [{row[0] for row in rows if row[4] == label} for label in ("bonafide", "spoof")]
        assert by_label[0] == by_label[1]


def test_attacks_of_eval_are_unseen_in_train_and_dev(protocols):
    attacks = {split: {row[3] for row in rows} - {"-"} for split, rows in protocols.items()}
    assert attacks == {"train": TRAINED, "dev": TRAINED, "eval": UNSEEN}


def test_all_audio_is_opus_at_16_khz_mono(archive):
    for name in archive.namelist():
        if name.endswith(".ogg"):
            info = soundfile.info(io.BytesIO(archive.read(name)))
            assert (info.format, info.subtype, info.samplerate, info.channels) == ("OGG", "OPUS", 16000, 1), (
                name
            )


def test_a16_and_a19_repeat_a04_and_a06_in_the_readme(archive):
    rows = re.findall(
        r"^\| (A\d\d) \| ([^|]*) \| ([^|]*) \| ([^|]*) \|$", archive.read("LA/README.md").decode(), re.M
    )
    table = {name: (family, method, repeats.strip()) for name, family, method, repeats in rows}
    assert set(table) == TRAINED | UNSEEN
    assert {family for family, _, _ in table.values()} == {"TTS", "VC", "TTS-VC", "vocoder"}
    for again, first in (("A16", "A04"), ("A19", "A06")):
        assert table[again][:2] == table[first][:2]
        assert table[again][2] == first
    methods = [method for name, (_, method, _) in table.items() if name not in ("A16", "A19")]
    assert len(set(methods)) == len(methods)


def test_sources_agree_with_the_protocols_and_every_file_has_a_licence(archive, protocols, sources):
    listed = {row[1]: (split, row[0], row[3]) for split, rows in protocols.items() for row in rows}
    assert {row["utterance"]: (row["split"], row["speaker"], row["attack"]) for row in sources} == listed
    licences = archive.read("LA/LICENSES").decode()
    for row in sources:
        assert row["source"]
        assert row["licence"]
        for licence in row["licence"].split(" AND "):
            assert licence.removesuffix("-only").removesuffix("-or-later") in licences, licence


def test_no_file_mixes_share_alike_with_the_gpl(sources):
    for row in sources:
        assert not ("CC-BY-SA" in row["licence"] and "GPL" in row["licence"]), row["utterance"]


def test_audio_is_between_one_and_four_seconds_and_neither_silent_nor_clipped(waves):
    for utterance, wave in waves.items():
        assert 1.0 <= len(wave) / 16000 <= 4.0, utterance
        assert np.isfinite(wave).all(), utterance
        assert 0.01 < np.sqrt(np.mean(wave**2)) < 0.2, utterance


def _shortcuts(wave: np.ndarray) -> list[float]:
    """Bandwidth, RMS, silence share, leading silence, duration."""
    frames = wave[: len(wave) // 160 * 160].reshape(-1, 160)
    level = 10 * np.log10((frames**2).mean(axis=1) + 1e-12)
    speech = np.flatnonzero(level > np.percentile(level, 95) - 35)
    power = np.abs(np.fft.rfft(wave)) ** 2
    bandwidth = np.searchsorted(np.cumsum(power), 0.99 * power.sum()) / len(wave)
    return [bandwidth, 10 * np.log10(np.mean(wave**2)), 1 - len(speech) / len(level), speech[0], len(wave)]


def _eer(bonafide: np.ndarray, spoof: np.ndarray) -> float:
    thresholds = np.sort(np.concatenate([bonafide, spoof]))
    missed = (bonafide[:, None] < thresholds).mean(axis=0)
    accepted = (spoof[:, None] >= thresholds).mean(axis=0)
    nearest = np.abs(missed - accepted).argmin()
    return (missed[nearest] + accepted[nearest]) / 2


def test_shortcuts_alone_stay_near_chance_on_eval(protocols, waves):
    measured = {
        split: np.array([_shortcuts(waves[row[1]]) for row in protocols[split]]) for split in protocols
    }
    bonafide = {split: np.array([row[4] == "bonafide" for row in protocols[split]]) for split in protocols}
    classifier = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
    classifier.fit(measured["train"], bonafide["train"])
    score = classifier.decision_function(measured["eval"])
    assert _eer(score[bonafide["eval"]], score[~bonafide["eval"]]) >= 0.35
    attacks = np.array([row[3] for row in protocols["eval"]])
    for attack in UNSEEN:
        assert _eer(score[bonafide["eval"]], score[attacks == attack]) >= 0.3, attack


def test_ogg_files_of_the_zip_carry_one_serial_number(archive):
    names = [name for name in archive.namelist() if name.endswith(".ogg")]
    assert {archive.read(name)[14:18] for name in names[:50]} == {(1).to_bytes(4, "little")}


def test_renumbered_ogg_is_still_the_same_audio():
    from tools.starter.archive import with_serial  # needs numpy, soundfile, scipy and soxr only

    buffer = io.BytesIO()
    tone = np.sin(np.arange(16000) / 10).astype(np.float32) * 0.3
    soundfile.write(buffer, tone, 16000, format="OGG", subtype="OPUS")
    renumbered = with_serial(buffer.getvalue(), 77)
    assert renumbered[14:18] == (77).to_bytes(4, "little")
    assert np.array_equal(
        soundfile.read(io.BytesIO(renumbered))[0], soundfile.read(io.BytesIO(buffer.getvalue()))[0]
    )


def test_the_suite_does_not_import_the_builder():
    for path in (ROOT / "helpers").rglob("*.py"):
        if STARTER not in path.parents:
            assert not re.search(r"^\s*(from|import)\s+\S*data\.starter", path.read_text(), re.M), path


BUILDER_MODULES = ("pyworld", "av", "librosa", "espeakng_loader", "hibari", "onnxruntime", "soxr", "scipy")


def _packages_folder() -> Path | None:
    """Where `fetch --out` left the Debian packages: STARTER_OUT in the environment."""
    import os

    out = os.environ.get("STARTER_OUT")
    return Path(out) / "packages" if out and (Path(out) / "packages" / "ktuberling-data").is_dir() else None


def test_one_speaker_and_two_attacks_build_twice_to_the_same_bytes(tmp_path):
    absent = [module for module in BUILDER_MODULES if importlib.util.find_spec(module) is None]
    if absent:
        pytest.skip(
            f"the builder's packages are absent: {', '.join(absent)} (tools/starter/requirements.txt)"
        )
    if _packages_folder() is None:
        pytest.skip("set STARTER_OUT to the folder of `python -m tools.starter fetch --out FOLDER`")
    built = []
    for name in ("once", "twice"):
        out = tmp_path / name
        out.mkdir()
        (out / "packages").symlink_to(_packages_folder())
        command = [sys.executable, "-m", "tools.starter", "build", "--out", str(out), "--scale", "0.2"]
        command += ["--speakers", "ktu_en", "--attacks", "A01,A04", "--workers", "1"]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        built.append((out / "starter.zip").read_bytes())
    assert built[0] == built[1]
    with zipfile.ZipFile(io.BytesIO(built[0])) as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read("LA/sources.csv").decode())))
    assert Counter(row["attack"] for row in rows).keys() == {"-", "A01", "A04"}


def test_builder_without_its_packages_names_the_requirements_file():
    from tools.starter.packages import require

    with pytest.raises(ModuleNotFoundError, match="requirements.txt"):
        require(("a_module_that_is_not_there",))
