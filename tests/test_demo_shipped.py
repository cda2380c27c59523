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


def test_what_cannot_be_heard_changes_nothing(shipped, clips):
    for wave in clips[0][::20]:
        score = shipped.score_waves([wave])[0]
        for changed in (wave + 0.1, wave * 32768, wave * 0.01, -wave):
            assert shipped.score_waves([changed])[0] == pytest.approx(score, abs=0.01)


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
        "import sys; from helpers.demo import predict; predict.main(sys.argv[1:]); "
        "assert not {'torch', 'pandas', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "x.wav")], check=True, cwd=PROJECT)
