"""The shipped detector: one ONNX file that any wave can be given to."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from helpers.data import open_dataset, read_audio
from helpers.demo.score import Shipped
from helpers.environment import PROJECT


@pytest.fixture(scope="module")
def shipped():
    return Shipped()


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
    assert roc_auc_score(bonafide, [shipped.score(wave) for wave in waves]) > 0.6


def test_what_cannot_be_heard_changes_nothing(shipped, clips):
    for wave in clips[0][::20]:
        score = shipped.score(wave)
        for changed in (wave + 0.1, wave * 32768, wave * 0.01, -wave):
            assert shipped.score(changed) == pytest.approx(score, abs=0.01)


def test_a_batch_is_scored_as_its_clips_one_by_one(shipped, clips):
    waves = np.stack([wave[:20_000] for wave in clips[0] if len(wave) >= 20_000][:4])
    together = shipped.session.run(["log_odds"], {"wave": waves})[0]
    alone = [shipped.session.run(["log_odds"], {"wave": wave[None]})[0][0] for wave in waves]
    assert together == pytest.approx(np.array(alone), abs=1e-3)


@pytest.mark.parametrize("seconds", [0.2, 1.0, 4.0, 4.5, 30.0])
def test_windows_cover_a_recording_of_any_length(shipped, clips, seconds):
    wave = np.resize(clips[0][0], int(16_000 * seconds))
    windows = shipped.windows(wave)
    assert windows[0].start == 0 and windows[-1].end == pytest.approx(seconds)
    assert all(after.start <= before.end for before, after in zip(windows, windows[1:], strict=False))
    assert np.isfinite([window.score for window in windows]).all()


def test_the_share_of_fakes_falls_as_the_score_rises(shipped):
    shares = [shipped.fake_share(score) for score in np.linspace(-9, 9, 200)]
    assert shares == sorted(shares, reverse=True) and shares[0] > 0.8 and shares[-1] < 0.2


def test_answers_follow_the_card(shipped):
    spoof, bonafide = shipped.card["thresholds"]["spoof"], shipped.card["thresholds"]["bonafide"]
    assert shipped.answer(spoof) == "likely spoof" and shipped.answer(spoof + 0.001) == "cannot tell"
    assert shipped.answer(99.0) == ("cannot tell" if bonafide is None else "likely bona fide")


def test_a_wave_of_two_channels_is_refused_in_a_sentence(shipped):
    with pytest.raises(ValueError, match="one channel"):
        shipped.score(np.zeros((2, 16_000)))


def test_scoring_needs_no_torch():
    code = (
        "import sys, numpy; from helpers.demo.score import Shipped; "
        "Shipped().score(numpy.random.randn(16000)); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=PROJECT)
