"""Features against librosa and torchaudio, on recorded speech where it lies beside the project, else on made sounds."""

from __future__ import annotations

import dataclasses
import warnings
from functools import lru_cache
from pathlib import Path

import librosa
import numpy as np
import pytest
import torch

from helpers.features import (
    FEATURES,
    FeatureSetting,
    axis_labels,
    chroma_filters,
    deep_voice,
    feature_shape,
    filter_bank,
    fit_length,
    get_setting,
    one_second_means,
)
from helpers.features.computation import feature_of as compute
from tools.bench_cache import librosa_means

SPEECH = Path(__file__).parents[2] / "shared" / "data" / "speech_pairs" / "flac"
# Decibels: both sides compute in float32, whose sums differ in the seventh digit of the loudest bin.
CLOSE = {"rtol": 2e-4, "atol": 2e-2}


@lru_cache
def sounds(sample_rate: int = 16000, n_samples: int = 48000) -> np.ndarray:
    """(6, n_samples): a chirp, a buzz, noise, a click in silence, and two clips of speech (or more noise)."""
    rng = np.random.default_rng(7)
    time = np.arange(n_samples) / sample_rate
    chirp = 0.5 * np.sin(2 * np.pi * (100 + 1200 * time) * time)
    buzz = 0.1 * sum(np.sin(2 * np.pi * 117.3 * k * time) / k for k in range(1, 40))
    noise = 0.05 * rng.standard_normal(n_samples)
    click = np.zeros(n_samples)
    click[n_samples // 2 : n_samples // 2 + 40] = 0.3
    # Noise lies well above what rounding leaves between the partials: that is nobody's value.
    made = [chirp + 3e-2 * noise, buzz + 1e-2 * noise, noise, click]
    clips = sorted(SPEECH.glob("*.flac"))[5:400:250] if SPEECH.is_dir() else []
    for clip in clips:
        made.append(np.resize(librosa.load(clip, sr=sample_rate)[0], n_samples))
    while len(made) < 6:
        made.append(np.cumsum(0.01 * rng.standard_normal(n_samples)) * 0.05)
    return np.stack(made).astype(np.float32)


def ours(setting: FeatureSetting) -> np.ndarray:
    return compute(torch.from_numpy(sounds(setting.sample_rate, setting.n_samples)), setting).numpy()


@pytest.mark.parametrize("name", ["logmel", "logmel128"])
def test_log_mel_is_librosas(name: str) -> None:
    setting = FEATURES[name]
    for wave, found in zip(sounds(), ours(setting), strict=True):
        mel = librosa.feature.melspectrogram(
            y=wave, sr=16000, n_fft=setting.n_fft, hop_length=setting.hop_length, n_mels=setting.n_bands
        )
        expected = librosa.power_to_db(mel, top_db=None) * np.log(10) / 10
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("win_length", [0, 400])
def test_log_spectrogram_is_librosas(win_length: int) -> None:
    setting = dataclasses.replace(FEATURES["logspec"], win_length=win_length)
    for wave, found in zip(sounds(16000, 64000), ours(setting), strict=True):
        bins = librosa.stft(wave, n_fft=512, hop_length=160, win_length=win_length or None)
        power = np.maximum(np.abs(bins) ** 2, 1e-10)
        # A bin far below its neighbours is what rounding left of them: compare it to within the frame's rounding.
        slack = 1e-3 + 1e-6 * np.sqrt(power.max(0) / power)
        assert (np.abs(found - np.log(power)) < slack).all()


def test_mfcc_is_librosas() -> None:
    for wave, found in zip(sounds(), ours(FEATURES["mfcc"]), strict=True):
        expected = librosa.feature.mfcc(y=wave, sr=16000, n_mfcc=40, n_fft=1024, hop_length=256)
        np.testing.assert_allclose(found, expected, **CLOSE)


def test_lfcc_is_torchaudios() -> None:
    from torchaudio.transforms import LFCC

    how = {"n_fft": 1024, "hop_length": 256, "pad_mode": "constant"}
    reference = LFCC(16000, n_filter=128, n_lfcc=40, speckwargs=how)
    for wave, found in zip(sounds(), ours(FEATURES["lfcc"]), strict=True):
        np.testing.assert_allclose(found, reference(torch.from_numpy(wave)).numpy(), **CLOSE)


def test_filter_banks_are_librosas() -> None:
    setting = FEATURES["logmel128"]
    librosas = librosa.filters.mel(sr=16000, n_fft=2048, n_mels=128)
    np.testing.assert_allclose(filter_bank(setting).numpy(), librosas, atol=1e-5 * librosas.max())
    for tuning in (0.0, -0.31):
        chroma = librosa.filters.chroma(sr=16000, n_fft=2048, tuning=tuning)
        np.testing.assert_allclose(chroma_filters(FEATURES["chroma"], tuning).numpy(), chroma, atol=1e-6)


def test_chroma_is_librosas_at_concert_pitch() -> None:
    for wave, found in zip(sounds(), ours(FEATURES["chroma"]), strict=True):
        expected = librosa.feature.chroma_stft(y=wave, sr=16000, n_fft=2048, hop_length=256, tuning=0.0)
        np.testing.assert_allclose(found, expected, atol=1e-4)
    a = torch.sin(2 * torch.pi * 440 * torch.arange(48000) / 16000)[None]
    strongest = compute(a, FEATURES["chroma"]).argmax(1)
    assert (strongest == 9).all()
    assert axis_labels(FEATURES["chroma"]).names[9] == "A"


def test_contrast_and_zero_crossings_are_librosas() -> None:
    for wave, found in zip(sounds(), ours(FEATURES["contrast"]), strict=True):
        expected = librosa.feature.spectral_contrast(y=wave, sr=16000, n_fft=1024, hop_length=256)
        # A band's valley is the mean of its weakest bins, where single precision shows: a twentieth of a dB was seen.
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=0.1)
    for wave, found in zip(sounds(), ours(FEATURES["zcr"]), strict=True):
        expected = librosa.feature.zero_crossing_rate(wave, frame_length=1024, hop_length=256)
        np.testing.assert_allclose(found, expected, atol=1e-7)


def test_the_three_branches_of_the_dnn_are_the_single_features() -> None:
    stacked = ours(FEATURES["mfcc_contrast_zcr"])
    singles = [ours(FEATURES[name]) for name in ("mfcc", "contrast", "zcr")]
    np.testing.assert_allclose(stacked, np.concatenate(singles, axis=1), atol=1e-4)


@pytest.mark.filterwarnings("ignore:Trying to estimate tuning")  # librosa's, of the seconds of noise
def test_deep_voice_means_are_librosas_second_by_second() -> None:
    rate, differences = 22050, []
    for wave in sounds(rate, 3 * rate)[[0, 1, 2, 4, 5]]:
        found = one_second_means(wave)
        assert list(found.columns) == deep_voice.COLUMNS
        expected = np.stack([librosa_means(second, rate) for second in wave.reshape(3, rate)])
        np.testing.assert_allclose(found.iloc[:, 1:], expected[:, 1:], rtol=1e-3, atol=2e-3)
        differences.append(np.abs(found["chroma_stft"] - expected[:, 0]))
    # The tuning is the fullest of a hundred bins: where two are nearly as full, rounding may choose the other.
    assert np.median(differences) < 1e-4
    assert np.max(differences) < 0.02


def test_deep_voice_vector_of_a_clip_is_the_mean_over_its_seconds() -> None:
    setting = FEATURES["deep_voice_26"]
    waves = sounds(22050, setting.n_samples)
    found = compute(torch.from_numpy(waves), setting).numpy()
    for wave, row in zip(waves, found, strict=True):
        np.testing.assert_allclose(row, one_second_means(wave).mean(), rtol=1e-3, atol=1e-3)
    with pytest.raises(ValueError, match="a window takes 1 s"):
        one_second_means(waves[0][:20000])


@pytest.mark.parametrize("name", FEATURES)
def test_every_feature_has_its_stated_shape_and_fits_float16(name: str) -> None:
    setting = FEATURES[name]
    found = ours(setting)
    assert found.shape[1:] == feature_shape(setting)
    assert found.dtype == np.float32
    halved = found.astype(np.float16).astype(np.float32)
    assert np.isfinite(halved).all()
    # Half precision: 11 significant bits, and steps of 6e-8 near zero.
    assert (np.abs(halved - found) <= np.abs(found) * 2.0**-11 + 3e-8).all()
    axes = axis_labels(setting)
    if len(setting_shape := feature_shape(setting)) == 2:
        assert (len(axes.y), len(axes.x)) == setting_shape


@pytest.mark.parametrize("name", FEATURES)
def test_a_clip_alone_gives_what_it_gives_in_a_batch(name: str) -> None:
    setting = FEATURES[name]
    waves = torch.from_numpy(sounds(setting.sample_rate, setting.n_samples))
    together = compute(waves, setting)
    alone = torch.cat([compute(wave[None], setting) for wave in waves])
    torch.testing.assert_close(alone, together, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("name", FEATURES)
def test_silence_gives_finite_values(name: str) -> None:
    setting = FEATURES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compute(torch.zeros(1, setting.n_samples), setting).isfinite().all()


def test_clip_of_exactly_n_samples_is_left_alone() -> None:
    wave = np.arange(5.0)
    np.testing.assert_array_equal(fit_length(wave, 5), wave)
    np.testing.assert_array_equal(fit_length(wave, 3), [0, 1, 2])
    np.testing.assert_array_equal(fit_length(wave, 12), [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1])
    batch = torch.arange(10.0).view(2, 5)
    torch.testing.assert_close(fit_length(batch, 7), torch.cat([batch, batch[:, :2]], dim=1))
    with pytest.raises(ValueError, match="empty"):
        fit_length(np.zeros(0), 5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "melspec"}, "kind is 'melspec'"),
        ({"f_min": 9000.0}, "must be below 8000"),
        ({"win_length": 2048}, "does not fit"),
        ({"kind": "lfcc", "n_bands": 20}, "more than the 20 bands"),
        ({"hop_length": 0}, "hop_length is 0"),
    ],
)
def test_settings_that_cannot_work_are_refused_in_words(change: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        FeatureSetting(**{"kind": "logmel", **change})  # type: ignore[arg-type]


def test_setting_survives_the_way_through_json() -> None:
    for setting in FEATURES.values():
        assert FeatureSetting.from_dict(setting.to_dict()) == setting
    with pytest.raises(ValueError, match="no hops"):
        FeatureSetting.from_dict({"kind": "logmel", "hops": 3})


def test_a_misspelt_feature_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(ValueError, match="did you mean logmel"):
        get_setting("logmell")
