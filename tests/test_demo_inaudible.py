"""What cannot be heard changes no verdict: fifty real clips, ten changes each, the shipped detector."""

import numpy as np
import pytest
import soundfile

from helpers.data import open_dataset, read_audio
from helpers.demo import load_detector

RATE = 16_000
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
def clips(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HELPERS_WORK", str(tmp_path_factory.mktemp("starter")))
        table = open_dataset("starter").table
        return [read_audio(path) for path in table["path"].iloc[:: len(table) // 50][:50]]


def test_no_inaudible_change_moves_an_answer(clips, tmp_path):
    detector = load_detector("shipped")
    path = tmp_path / "clip.wav"
    for clip in clips:
        wave = clip * (0.6 / max(0.6, float(np.abs(clip).max())))
        soundfile.write(path, wave, RATE, subtype="FLOAT")
        plain = detector.detect(path)
        for name, (change, subtype) in CHANGES.items():
            soundfile.write(path, change(wave), RATE, subtype=subtype)
            found = detector.detect(path)
            if plain.score is not None:
                assert abs(found.score - plain.score) < MOST, name
                if (
                    min(abs(plain.score - end) for end in (detector.card.spoof, detector.card.bonafide))
                    < MOST
                ):
                    continue  # sixteen bits may carry a score over the threshold that it lies at
            assert found.answer == plain.answer, name
