"""The shipped detector: one ONNX file that any wave can be given to."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile
from sklearn.metrics import roc_auc_score

from helpers.data import open_dataset, read_audio
from helpers.demo.detector import load_detector
from helpers.environment import PROJECT

CHANGES = {
    "40 dB softer": (lambda wave: wave * 0.01, "FLOAT"),
    "12 dB softer, 16 bits": (lambda wave: wave * 0.25, "PCM_16"),
    "offset 0.1": (lambda wave: wave * 0.85 + 0.1, "FLOAT"),
    "offset 0.3, 16 bits": (lambda wave: wave * 0.65 + 0.3, "PCM_16"),
    "upside down": (lambda wave: -wave, "FLOAT"),
    "whole numbers as floats": (lambda wave: wave * 32768, "FLOAT"),
    "24 bits": (lambda wave: wave, "PCM_24"),
    "two equal channels": (lambda wave: np.stack([wave, wave], 1), "FLOAT"),
    "a dead channel off zero": (lambda wave: np.stack([wave, np.full_like(wave, 0.5)], 1), "FLOAT"),
    "channels in antiphase": (lambda wave: np.stack([wave, -wave], 1), "FLOAT"),
}
MOST = 0.05  # log-odds; sixteen bits round a clip that is 12 dB softer


@pytest.fixture(scope="module")
def shipped():
    return load_detector()


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """40 bona fide and 40 spoof of the starter's eval, which the detector was not trained on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HELPERS_WORK", str(tmp_path_factory.mktemp("work")))
        starter = open_dataset("starter")
        table = starter.table[starter.table["split"] == "eval"]
        rows = table.groupby("label").sample(40, random_state=0)
        return [read_audio(starter.root / path) for path in rows["path"]], (
            rows["label"] == "bonafide"
        ).to_numpy()


def test_people_score_above_fakes_of_systems_it_never_met(shipped, clips):
    waves, bonafide = clips
    assert roc_auc_score(bonafide, [shipped.score_waves([wave])[0] for wave in waves]) > 0.6


@pytest.mark.parametrize("name", CHANGES)
def test_what_cannot_be_heard_changes_no_answer(shipped, clips, tmp_path, name):
    path, (change, subtype) = tmp_path / "clip.wav", CHANGES[name]
    for clip in clips[0][::4]:
        wave = clip * (0.6 / max(0.6, float(np.abs(clip).max())))
        soundfile.write(path, wave, 16_000, subtype="FLOAT")
        plain = shipped.detect(path)
        soundfile.write(path, change(wave), 16_000, subtype=subtype)
        found = shipped.detect(path)
        if plain.score is not None:
            assert abs(found.score - plain.score) < MOST
            ends = shipped.card.spoof, shipped.card.bonafide
            if min(abs(plain.score - end) for end in ends) < MOST:
                continue  # sixteen bits may carry a score over the threshold that it lies at
        assert found.answer == plain.answer


def test_a_batch_is_scored_as_its_clips_one_by_one(shipped, clips):
    waves = np.stack([wave[:20_000] for wave in clips[0] if len(wave) >= 20_000][:4])
    together = shipped.session.run(["log_odds"], {"wave": waves})[0]
    alone = [shipped.session.run(["log_odds"], {"wave": wave[None]})[0][0] for wave in waves]
    assert together == pytest.approx(np.array(alone), abs=1e-3)


def test_the_share_of_fakes_falls_as_the_score_rises(shipped):
    shares = [shipped.card.fake_share_of(score) for score in np.linspace(-9, 9, 200)]
    assert shares == sorted(shares, reverse=True) and shares[0] > 0.8 and shares[-1] < 0.2


def test_judging_a_file_needs_no_torch(clips, tmp_path):
    soundfile.write(tmp_path / "x.wav", clips[0][0], 16_000)
    code = (
        "import sys; from helpers.__main__ import dispatch; dispatch(['predict', *sys.argv[1:]]); "
        "assert not {'torch', 'pandas', 'sklearn', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "x.wav"), "--report", str(tmp_path / "x.html")],
        check=True,
        cwd=PROJECT,
    )
