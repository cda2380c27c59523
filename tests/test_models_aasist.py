"""AASIST against its published weights and their published scores."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.models import build_model
from helpers.models.weights import read_weights

SHARED = Path(__file__).parents[2] / "shared"
WEIGHTS = SHARED / "golden/aasist_published_weights.pth"
SCORES = SHARED / "golden/aasist_published_weights.scores.csv"
RECORDINGS = SHARED / "data/asvspoof2019_la/LA"
present = pytest.mark.skipif(
    not (WEIGHTS.exists() and SCORES.exists()),
    reason="the published AASIST weights are not beside the project",
)


@pytest.fixture(scope="module")
def published():
    return build_model("aasist", (64600,), weights=str(WEIGHTS)).eval()


@present
def test_state_dict_has_the_published_names_shapes_and_types():
    ours = build_model("aasist", (64600,)).state_dict()
    theirs = read_weights(WEIGHTS)
    assert {k: (v.shape, v.dtype) for k, v in ours.items()} == {
        k: (v.shape, v.dtype) for k, v in theirs.items()
    }


@present
def test_published_scores_are_reproduced(published):
    soundfile = pytest.importorskip("soundfile")
    rows = list(csv.DictReader(SCORES.open()))
    assert len(rows) == 13
    clips = []
    for row in rows:
        wave, rate = soundfile.read(next(RECORDINGS.rglob(row["utterance"] + ".flac")), dtype="float32")
        assert rate == 16000
        clips.append(np.resize(wave, 64600))  # cuts the longer, repeats the shorter
    with torch.inference_mode():
        embedded = torch.cat([published.embed(torch.from_numpy(clip)[None]) for clip in clips])
        logits = published.out_layer(embedded)
        log_odds = published(torch.from_numpy(clips[0])[None])
    torch.testing.assert_close(log_odds, logits[:1, 1] - logits[:1, 0], atol=1e-3, rtol=0)
    expected = torch.tensor([float(row["score"]) for row in rows])
    torch.testing.assert_close(logits[:, 1], expected, atol=2e-4, rtol=0)
    assert [row["label"] == "bonafide" for row in rows] == (logits[:, 1] > logits[:, 0]).tolist()


def test_another_networks_weights_are_refused(tmp_path):
    torch.save({"first_bn.weight": torch.ones(1)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="lacks .* more: are these"):
        build_model("aasist", (64600,), weights=str(tmp_path / "other.pth"))


def test_filters_share_out_the_whole_band_and_are_no_parameters():
    network = build_model("aasist", (64600,))
    assert not any("filters" in key for key in network.state_dict())
    # Neighbouring band passes meet edge to edge, so that all of them together pass the wave unchanged.
    impulse = torch.zeros(129)
    impulse[64] = 1
    torch.testing.assert_close(network.filters[:, 0].sum(0), impulse, atol=1e-5, rtol=0)
    peaks = torch.fft.rfft(network.filters[:, 0], 4096).abs().argmax(dim=1)
    assert (peaks[1:] >= peaks[:-1]).all()
