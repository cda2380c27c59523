"""Reading any audio, and refusing what is not."""

from __future__ import annotations

import struct

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from data_trees import RATE, clip, write_clip

from helpers.data import BadAudio, read_audio
from helpers.data.shortcuts import MEASURES, measure, measure_table
from helpers.features import FEATURES, compute


def tone(frequency: float, seconds: float, rate: int) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3", "opus", "aiff"])
@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000, 8_000])
def test_every_format_and_rate_comes_out_at_16_khz(tmp_path, ending, rate):
    if ending == "opus" and rate == 44_100:
        pytest.skip("Opus knows no 44.1 kHz")
    path = tmp_path / f"a.{ending}"
    options = {"format": "OGG", "subtype": "OPUS"} if ending == "opus" else {}
    soundfile.write(path, tone(440, 1.0, rate), rate, **options)
    wave = read_audio(path)
    assert wave.dtype == np.float32 and wave.ndim == 1
    assert len(wave) == pytest.approx(16_000, abs=2_500 if ending == "mp3" else 700)
    # The tone is where it was: 440 Hz.
    spectrum = np.abs(np.fft.rfft(wave[2000:12000] * np.hanning(10_000)))
    assert spectrum.argmax() * 16_000 / 10_000 == pytest.approx(440, abs=3)


def test_16_khz_flac_comes_back_sample_by_sample(tmp_path):
    wave = (np.round(clip() * 32767) / 32768).astype(np.float32)
    soundfile.write(tmp_path / "a.flac", wave, RATE)
    np.testing.assert_array_equal(read_audio(tmp_path / "a.flac"), wave)


def test_eight_channels_at_192_khz_become_one_at_16(tmp_path):
    one = tone(1000, 0.5, 192_000)
    soundfile.write(tmp_path / "a.wav", np.stack([one * k / 8 for k in range(8)], axis=1), 192_000)
    wave = read_audio(tmp_path / "a.wav")
    assert len(wave) == 8_000
    assert np.abs(wave).max() == pytest.approx(
        0.3 * np.mean(np.arange(1, 8) / 8), rel=0.05
    )  # the first is silent


def bad_file(tmp_path, kind):
    path = tmp_path / "x.wav"
    if kind == "truncated":
        path = write_clip(tmp_path / "x.flac", seconds=3)
        path.write_bytes(path.read_bytes()[:40_000])
    elif kind == "truncated wav":
        write_clip(path, seconds=3)
        path.write_bytes(path.read_bytes()[:40_000])
    elif kind == "zero bytes":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("this is not audio")
    elif kind in ("nan", "inf"):
        wave = clip()
        wave[100] = np.nan if kind == "nan" else np.inf
        soundfile.write(path, wave, RATE, subtype="FLOAT")
    elif kind == "short":
        soundfile.write(path, clip(seconds=0.05), RATE)
    elif kind == "silent":
        soundfile.write(path, np.zeros(RATE), RATE)
    elif kind == "one sample a second":
        soundfile.write(path, clip(seconds=2.0), 1)
    elif kind == "no samples":
        soundfile.write(path, np.zeros(0), RATE)
    return path


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("truncated", "cut off|cannot be read"),
        ("truncated wav", "cut off: 1.25 s of 3.00 s"),
        ("zero bytes", "is empty"),
        ("text", "cannot be read as audio"),
        ("nan", "holds NaN"),
        ("inf", "holds NaN or infinity"),
        ("short", "lasts 0.050 s"),
        ("silent", "is silent"),
        ("no samples", "holds no samples"),
        ("one sample a second", "claims a sample rate of 1 Hz"),
        ("absent", "is not there"),
    ],
)
def test_bad_files_are_refused_with_their_reason(tmp_path, kind, reason):
    path = bad_file(tmp_path, kind)
    with pytest.raises(BadAudio, match=reason) as caught:
        read_audio(path)
    assert path.name in str(caught.value)


UNCOMPRESSED = [
    ("WAV", "PCM_16", "FILE"), ("WAV", "PCM_16", "BIG"), ("WAV", "FLOAT", "FILE"), ("WAV", "IMA_ADPCM", "FILE"),
    ("WAVEX", "PCM_24", "FILE"), ("RF64", "PCM_16", "FILE"), ("AIFF", "PCM_16", "FILE"), ("AU", "PCM_16", "FILE"),
]  # fmt: skip


@pytest.mark.parametrize(("form", "subtype", "endian"), UNCOMPRESSED)
def test_a_header_that_promises_more_than_there_is_is_refused(tmp_path, form, subtype, endian):
    path, wave = tmp_path / "cut.snd", clip(seconds=2.0)
    soundfile.write(path, wave, RATE, format=form, subtype=subtype, endian=endian)
    assert len(read_audio(path)) == pytest.approx(2 * RATE, abs=1024)  # ADPCM fills its last block
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 4])
    with pytest.raises(BadAudio, match=r"cut.snd is cut off: 1\.[45]\d s of (1\.9|2\.0)\d s can be read"):
        read_audio(path)


def test_a_writer_that_counts_its_own_header_is_forgiven(tmp_path):
    path = tmp_path / "sloppy.wav"
    soundfile.write(path, clip(seconds=1.0), RATE, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    content[40:44] = (2 * RATE + 44).to_bytes(4, "little")
    path.write_bytes(content)
    assert len(read_audio(path)) == RATE


def test_chunks_around_the_samples_do_not_count(tmp_path):
    path = tmp_path / "tagged.wav"
    soundfile.write(path, clip(seconds=1.0), RATE, subtype="PCM_16")
    content = path.read_bytes()
    tag = b"LIST" + (7).to_bytes(4, "little") + b"INFOxyz\x00"  # an odd length, padded
    path.write_bytes(content[:36] + tag + content[36:] + tag)
    assert len(read_audio(path)) == RATE
    path.write_bytes((content[:36] + tag + content[36:])[:20_000])
    with pytest.raises(BadAudio, match="cut off: 0.62 s of 1.00 s"):
        read_audio(path)


@pytest.mark.parametrize(("form", "subtype"), [("OGG", "VORBIS"), ("OGG", "OPUS")])
@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_an_ogg_that_breaks_off_within_a_page_is_refused(tmp_path, form, subtype, share):
    path = tmp_path / "cut.ogg"
    soundfile.write(path, clip(seconds=8.0, rate=48_000), 48_000, format=form, subtype=subtype)
    assert len(read_audio(path)) == pytest.approx(8 * RATE, abs=700)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(BadAudio, match="cut.ogg is cut off within a page"):
        read_audio(path)


def test_an_ogg_without_the_mark_of_its_end_is_read(tmp_path):
    """As Telegram writes them on Android: whole pages, none marked as the last."""
    path = tmp_path / "voice.ogg"
    soundfile.write(path, clip(seconds=8.0, rate=48_000), 48_000, format="OGG", subtype="OPUS")
    content = path.read_bytes()
    path.write_bytes(content[: content.rfind(b"OggS")])
    assert len(read_audio(path)) > 6 * RATE


def write_mp3(path, seconds, told=True, rate=44_100, mode="VARIABLE"):
    """Half almost silent, so that a variable rate varies; without its first frame it does not tell its length."""
    wave = clip(seconds=seconds, rate=rate)
    wave[len(wave) // 2 :] *= 0.001
    soundfile.write(path, wave, rate, format="MP3", bitrate_mode=mode, compression_level=0.6)
    content = path.read_bytes()
    if not told:
        assert b"Xing" in content[:60] or b"Info" in content[:60]
        path.write_bytes(content[content.index(content[:2], 100) :])
    return path


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
@pytest.mark.parametrize("seconds", [0.3, 1.0, 20.0])
def test_whole_mp3_is_read(tmp_path, rate, seconds):
    constant = write_mp3(tmp_path / "a.mp3", seconds, False, rate, "CONSTANT")
    for path in (constant, write_mp3(tmp_path / "b.mp3", seconds, True, rate)):
        assert len(read_audio(path)) == pytest.approx(seconds * RATE, abs=3_500)


def test_mp3_that_is_cut_off_is_refused(tmp_path):
    path = write_mp3(tmp_path / "cut.mp3", 20.0)
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(BadAudio, match=r"cut.mp3 is cut off: \d\.\d+ s of 20\.\d+ s can be read"):
        read_audio(path)


def test_mp3_within_a_wav_is_read_and_refused_when_cut_off(tmp_path):
    path = tmp_path / "mp3.wav"
    frames = write_mp3(tmp_path / "a.mp3", 5.0, False, mode="CONSTANT").read_bytes()
    form = struct.pack("<HHIIHHH", 0x55, 1, 44_100, 20_000, 1, 0, 12) + struct.pack("<HIHHH", 1, 0, 522, 1, 0)
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + b"fact" + struct.pack("<II", 4, 5 * 44_100)
    chunks += b"data" + struct.pack("<I", len(frames)) + frames
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks)
    assert len(read_audio(path)) == pytest.approx(5 * RATE, abs=2_500)
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(BadAudio, match="mp3.wav is cut off"):
        read_audio(path)


@pytest.mark.parametrize("ending", ["wav", "flac", "mp3"])
def test_of_a_long_recording_only_what_is_wanted_is_read_and_is_the_same(tmp_path, ending):
    path = tmp_path / f"long.{ending}"
    soundfile.write(path, clip(seconds=70.0, rate=22_050), 22_050)
    start = read_audio(path, RATE, 3 * RATE)
    assert len(start) == 63 * RATE
    np.testing.assert_array_equal(start[: 3 * RATE], read_audio(path)[: 3 * RATE])
    np.testing.assert_array_equal(read_audio(path, RATE, 10 * RATE), read_audio(path))


def tone_rising() -> np.ndarray:
    time = np.arange(2 * RATE) / RATE
    wave = 0.2 * np.sin(2 * np.pi * (150 + 200 * time) * time) * (1 + np.sin(9 * time)) / 2
    return wave.astype(np.float32)


def test_what_cannot_be_heard_changes_no_feature(tmp_path):
    setting = FEATURES["logmel"]
    wave = tone_rising()
    forms = {
        "softer": (wave * 0.01, "FLOAT"),
        "offset": (wave * 0.6 + 0.3, "PCM_24"),
        "upside_down": (-wave, "FLOAT"),
        "whole_numbers": (wave * 32768, "FLOAT"),
        "dead_channel": (np.stack([wave, np.zeros_like(wave)], 1), "FLOAT"),
        "dead_channel_off_zero": (np.stack([wave, np.full_like(wave, 0.5)], 1), "FLOAT"),
        "antiphase": (np.stack([wave, -wave], 1), "FLOAT"),
    }
    wanted = compute(torch.from_numpy(wave)[None], setting)
    for name, (changed, subtype) in forms.items():
        soundfile.write(tmp_path / f"{name}.wav", changed, RATE, subtype=subtype)
        given = compute(torch.from_numpy(read_audio(tmp_path / f"{name}.wav"))[None], setting)
        heard = wanted > wanted.max() - 9.2  # bands within 40 dB of the loudest
        assert float((given - wanted)[heard].abs().max()) < 0.02, name


def test_measures_find_what_was_put_there():
    speech = clip(seconds=2.0)
    wave = np.concatenate([np.zeros(8_000, np.float32), speech, np.zeros(4_000, np.float32)])
    found = measure(wave, RATE)
    assert found["leading_silence_s"] == pytest.approx(0.5, abs=0.03)
    assert found["trailing_silence_s"] == pytest.approx(0.25, abs=0.03)
    assert found["silence_share"] == pytest.approx(0.75 / 2.75, abs=0.02)
    assert found["duration_s"] == 2.75
    assert measure(speech, RATE)["rms_db"] == pytest.approx(-20, abs=0.2)
    assert list(found) == MEASURES


def test_bandwidth_shows_a_low_pass():
    spectrum = np.fft.rfft(clip(seconds=2.0))
    spectrum[int(len(spectrum) * 4000 / 8000) :] = 0
    assert measure(np.fft.irfft(spectrum), RATE)["bandwidth_hz"] == pytest.approx(4000, abs=100)
    assert measure(clip(seconds=2.0), RATE)["bandwidth_hz"] > 7900


def test_measure_table_lists_what_it_cannot_read(tmp_path):
    paths = [write_clip(tmp_path / "a.wav"), bad_file(tmp_path, "text")]
    table = pd.DataFrame({"utterance": ["a", "x"], "path": map(str, paths), "label": "spoof"})
    measured = measure_table(table.assign(split="train", attack="A01", speaker="s"))
    assert measured["utterance"].tolist() == ["a"] and measured["duration_s"].tolist() == [0.3]
    assert "cannot be read" in measured.attrs["rejected"][0]["reason"]
