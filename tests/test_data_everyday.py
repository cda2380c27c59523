"""What phones and messengers write is read; scale, sign and offset are gone after `level`."""

from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import torch

from helpers.data import BadAudio, read_audio
from helpers.data.effects import EFFECTS
from helpers.features import FEATURES, compute

RATE = 16_000


def hum() -> np.ndarray:
    time = np.arange(2 * RATE) / RATE
    return (0.2 * np.sin(2 * np.pi * (150 + 200 * time) * time) * (1 + np.sin(9 * time)) / 2).astype(
        np.float32
    )


def encode(path: Path, codec: str, wave: np.ndarray) -> None:
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(wave[None], "fltp", "mono")
        frame.sample_rate = RATE
        for part in (frame, None):
            out.mux(stream.encode(part))


@pytest.mark.parametrize(
    ("ending", "codec"),
    [("m4a", "aac"), ("m4a", "alac"), ("mp4", "aac"), ("mov", "aac"), ("mkv", "aac"), ("3gp", "aac"), ("aac", "aac"),
     ("wma", "wmav2"), ("mka", "flac")],
)  # fmt: skip
def test_everyday_file_is_read(tmp_path, ending, codec):
    wave, path = hum(), tmp_path / f"a.{ending}"
    try:
        encode(path, codec, wave)
    except (av.FFmpegError, ValueError) as error:
        pytest.skip(f"this PyAV does not write {codec} into {ending}: {error}")
    read = read_audio(path)
    assert len(read) == pytest.approx(len(wave), abs=0.15 * RATE)
    n = 1 << 17
    product = np.fft.irfft(np.fft.rfft(read, n) * np.conj(np.fft.rfft(wave, n)), n)  # encoders delay
    assert product.max() / np.sqrt((read**2).sum() * (wave**2).sum()) > 0.9


def test_text_and_video_without_sound_are_refused(tmp_path):
    text = tmp_path / "a.wav"
    text.write_text("not sound at all " * 100)
    with pytest.raises(BadAudio, match=r"a\.wav"):
        read_audio(text)
    with av.open(str(tmp_path / "b.mp4"), "w") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")
        for part in (frame, None):
            out.mux(stream.encode(part))
    with pytest.raises(BadAudio, match="no sound"):
        read_audio(tmp_path / "b.mp4")


def test_channels_that_change_on_the_way_are_refused(tmp_path):
    for layout in ("mono", "stereo"):
        with av.open(str(tmp_path / f"{layout}.aac"), "w", format="adts") as out:
            stream = out.add_stream("aac", rate=RATE, layout=layout)
            samples = np.tile((hum() * 32767).astype(np.int16)[None], (1 if layout == "mono" else 2, 1))
            frame = av.AudioFrame.from_ndarray(samples, "s16p", layout)
            frame.sample_rate = RATE
            resampler = av.AudioResampler(stream.format, layout, RATE, stream.frame_size)
            for part in (*resampler.resample(frame), *resampler.resample(None), None):
                out.mux(stream.encode(part))
    path = tmp_path / "both.aac"
    path.write_bytes((tmp_path / "mono.aac").read_bytes() + (tmp_path / "stereo.aac").read_bytes())
    assert len(read_audio(tmp_path / "mono.aac")) > 0.9 * len(hum())
    with pytest.raises(BadAudio, match="both.aac changes its rate or channels on the way"):
        read_audio(path)


def test_what_cannot_be_heard_changes_no_feature(tmp_path):
    setting = FEATURES["logmel"]
    wave = hum()
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


@pytest.mark.parametrize("name", sorted(EFFECTS))
def test_effect_keeps_length_and_seed(name):
    wave = hum()
    first, again = (EFFECTS[name](wave, np.random.default_rng(3)) for _ in range(2))
    assert first.shape == wave.shape and np.isfinite(first).all()
    np.testing.assert_array_equal(first, again)


def test_soundfile_still_reads_wav(tmp_path):
    soundfile.write(tmp_path / "a.wav", hum(), RATE, subtype="FLOAT")
    np.testing.assert_array_equal(read_audio(tmp_path / "a.wav"), hum())
