"""Pictures of sound, and the axes beside features."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_features_spectral import sounds

from helpers.features import FEATURES, axis_labels, computation, filter_bank
from helpers.features.computation import feature_of as compute

WAVEFORM, SPECTROGRAM = FEATURES["waveform_picture"], FEATURES["spectrogram_picture"]


def test_pictures_are_one_channel_of_224_pixels_between_paper_and_ink() -> None:
    for setting in (WAVEFORM, SPECTROGRAM):
        found = compute(torch.from_numpy(sounds()), setting)
        assert found.shape == (6, 1, 224, 224)
        assert found.min() >= 0
        assert 0.9 < found.max() <= 1
        assert found.flatten(1).std(1).min() > 0.01


def test_waveform_picture_reaches_from_each_columns_lowest_to_its_highest_sample() -> None:
    waves = torch.from_numpy(sounds())
    ink = compute(waves, WAVEFORM)[:, 0]
    width = -(-48000 // 224)
    for wave, picture in zip(waves.numpy(), ink.numpy(), strict=True):
        peak = np.abs(wave).max()
        for column in (0, 57, 111, 223):
            start = round(column * (48000 - width) / 223)
            stretch = wave[max(start - 1, 0) : start + width]
            rows = np.flatnonzero(picture[:, column])
            assert rows[0] == pytest.approx((1 - stretch.max() / peak) * 111.5, abs=1.01)
            assert rows[-1] == pytest.approx((1 - stretch.min() / peak) * 111.5, abs=1.01)
            assert len(rows) == rows[-1] - rows[0] + 1


def test_waveform_picture_does_not_tell_how_loud_a_clip_is() -> None:
    wave = torch.from_numpy(sounds()[:1])
    torch.testing.assert_close(compute(wave, WAVEFORM), compute(wave * 0.01, WAVEFORM), atol=1e-3, rtol=0)


def test_spectrogram_picture_shows_a_low_tone_low_and_a_late_click_right() -> None:
    time = torch.arange(48000) / 16000
    tone = torch.sin(2 * torch.pi * 1000 * time)[None]
    row = int(compute(tone, SPECTROGRAM)[0, 0].mean(1).argmax())
    assert row == pytest.approx(224 * (1 - 1000 / 8000), abs=1.5)
    assert axis_labels(SPECTROGRAM).y[row] == pytest.approx(1000, abs=60)
    click = torch.full((1, 48000), 1e-6)
    click[0, 36000] = 1.0
    column = int(compute(click, SPECTROGRAM)[0, 0].mean(0).argmax())
    assert column == pytest.approx(224 * 36000 / 48000, abs=1.5)
    assert axis_labels(SPECTROGRAM).x[column] == pytest.approx(36000 / 16000, abs=0.02)


def test_a_wave_shorter_than_the_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="as many samples"):
        computation.waveform_picture(torch.zeros(1, 100), WAVEFORM)


def test_axes_say_where_a_tone_lies() -> None:
    """1,000 Hz shows in the band and at the bin whose label is nearest to it."""
    time = torch.arange(64000) / 16000
    tone = torch.sin(2 * torch.pi * 1000 * time)[None]
    for name, off in (("logmel", 40.0), ("logmel128", 30.0), ("logspec", 1.0), ("loglinear", 40.0)):
        axes = axis_labels(FEATURES[name])
        loudest = int(compute(tone, FEATURES[name])[0].mean(1).argmax())
        assert axes.y[loudest] == pytest.approx(1000, abs=off), name
        assert axes.x[-1] == pytest.approx(FEATURES[name].seconds, abs=0.04)


def test_a_label_in_hertz_stands_on_the_band_that_peaks_there() -> None:
    for name in ("logmel", "logmel128", "loglinear"):
        bank = filter_bank(FEATURES[name]).numpy()
        hertz = np.linspace(0, 8000, bank.shape[1])
        for place, label in zip(*axis_labels(FEATURES[name]).ticks, strict=True):
            below, above = hertz[bank[int(place)].argmax()], hertz[bank[int(np.ceil(place))].argmax()]
            assert below - 20 <= 1000 * float(label) <= above + 20, (name, label)
