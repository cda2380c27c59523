"""What phones, messengers and browsers write is read; what is no recording is named; a bad decoder ends alone."""

import io
import struct
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import joblib
import numpy as np
import pandas as pd
import pytest
import soundfile

from helpers.data import BadAudio, containers, read_audio
from helpers.demo import load_detector
from helpers.demo.answers import Answers
from helpers.features import FEATURES, build_cache

RATE = 16_000
STARTER = Path(containers.__file__).with_name("starter.zip")


with zipfile.ZipFile(STARTER) as corpus:
    clip = next(name for name in corpus.namelist() if name.endswith(".ogg"))
    WAVE = soundfile.read(io.BytesIO(corpus.read(clip)), dtype="float32")[0]  # speech of some seconds


def encode(target, codec: str, form: str, rate: int = RATE, layout: str = "mono") -> None:
    with av.open(target, "w", format=form) as out:
        stream = out.add_stream(codec, rate=rate, layout=layout)
        if codec.startswith("wma"):
            stream.bit_rate = 64_000
        frame = av.AudioFrame.from_ndarray((WAVE * 32767).astype(np.int16)[None], "s16", "mono")
        frame.sample_rate = RATE
        resampler = av.AudioResampler(stream.format, stream.layout, stream.rate, stream.frame_size or None)
        for part in (*resampler.resample(frame), *resampler.resample(None), None):
            out.mux(stream.encode(part))


def moved(target, codec: str, form: str, container: str) -> None:
    """Encoded into `form`, and moved into a container that needs the encoder's set-up first."""
    whole = io.BytesIO()
    encode(whole, codec, form)
    whole.seek(0)
    with av.open(whole) as opened, av.open(target, "w", format=container) as out:
        stream = out.add_stream_from_template(opened.streams.audio[0])
        for packet in opened.demux(audio=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)


def opus_in_caf(path: Path) -> None:
    """No program at hand writes it: the packets of another container, with the table of their lengths."""
    whole = io.BytesIO()
    encode(whole, "libopus", "matroska", 48_000)
    whole.seek(0)
    with av.open(whole) as opened:
        setup = bytes(opened.streams.audio[0].codec_context.extradata)
        found = [bytes(packet) for packet in opened.demux(audio=0) if packet.size]
    sizes = b"".join(bytes([0x80 | len(p) >> 7, len(p) & 127] if len(p) > 127 else [len(p)]) for p in found)
    chunks = {
        b"desc": struct.pack(">d4sIIIII", 48_000.0, b"opus", 0, 0, 960, 1, 0),
        b"kuki": setup,
        b"pakt": struct.pack(">qqii", len(found), len(found) * 960, 0, 0) + sizes,
        b"data": bytes(4) + b"".join(found),
    }
    body = b"".join(name + struct.pack(">q", len(chunk)) + chunk for name, chunk in chunks.items())
    path.write_bytes(b"caff\x00\x01\x00\x00" + body)


def flac_from_a_pipe(path: Path) -> None:
    soundfile.write(path, WAVE, RATE)
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0  # the number of samples, 36 bits: 0 where it was not known
    content[22:26] = bytes(4)
    path.write_bytes(content)


def mp3_without_table(path: Path) -> None:
    soundfile.write(path, WAVE, RATE, format="MP3", bitrate_mode="VARIABLE", compression_level=0.6)
    content = path.read_bytes()
    path.write_bytes(content[content.index(content[:2], 100) :])


def wav_of_unknown_size(path: Path, riff: int, data: int) -> None:
    soundfile.write(path, WAVE, RATE)
    content = bytearray(path.read_bytes())
    content[4:8], content[40:44] = struct.pack("<I", riff), struct.pack("<I", data)
    path.write_bytes(content)


def by_soundfile(form: str, subtype: str):
    return lambda path: soundfile.write(path, WAVE, RATE, format=form, subtype=subtype)


def by_av(codec: str, form: str, rate: int = RATE):
    return lambda path: encode(str(path), codec, form, rate)


FORMATS = {
    "a.wav": by_soundfile("WAV", "PCM_16"), "float.wav": by_soundfile("WAV", "FLOAT"),
    "mu-law.wav": by_soundfile("WAV", "ULAW"), "gsm.wav": by_soundfile("WAV", "GSM610"),
    "a.flac": by_soundfile("FLAC", "PCM_16"), "a.ogg": by_soundfile("OGG", "VORBIS"),
    "a.opus": by_soundfile("OGG", "OPUS"), "a.mp3": by_soundfile("MP3", "MPEG_LAYER_III"),
    "a.aiff": by_soundfile("AIFF", "PCM_16"), "a.au": by_soundfile("AU", "PCM_16"),
    "a.w64": by_soundfile("W64", "PCM_16"), "a.caf": by_soundfile("CAF", "ALAC_16"),
    "a.m4a": by_av("aac", "ipod"), "alac.m4a": by_av("alac", "ipod"), "a.mp4": by_av("aac", "mp4"),
    "a.mov": by_av("aac", "mov"), "a.mkv": by_av("aac", "matroska"), "a.webm": by_av("libopus", "webm", 48_000),
    "flac.mka": lambda path: moved(str(path), "flac", "flac", "matroska"), "a.aac": by_av("aac", "adts"), "a.mp2": by_av("mp2", "mp2"),
    "a.3gp": by_av("amr_nb", "3gp", 8_000), "a.amr": by_av("amr_nb", "amr", 8_000),
    "a.wma": by_av("wmav2", "asf"), "a.g722": by_av("g722", "g722"), "g722.wav": by_av("g722", "wav"),
    "g726.wav": by_av("g726", "wav", 8_000), "flac.oga": lambda path: moved(str(path), "flac", "flac", "ogg"), "opus.caf": opus_in_caf,
    "piped.flac": flac_from_a_pipe, "vbr.mp3": mp3_without_table,
    "zero.wav": lambda path: wav_of_unknown_size(path, 0, 0),
    "data_zero.wav": lambda path: wav_of_unknown_size(path, len(WAVE) * 2 + 36, 0),
    "all_ones.wav": lambda path: wav_of_unknown_size(path, 0xFFFFFFFF, 0xFFFFFFFF),
    "half_ones.wav": lambda path: wav_of_unknown_size(path, 0x7FFFFFFF + 36, 0x7FFFFFFF),
}  # fmt: skip


AMR = ("a.3gp", "a.amr")


def can_encode(codec: str) -> bool:
    try:
        return bool(av.Codec(codec, "w"))
    except ValueError:
        return False


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("formats")
    for name, write in FORMATS.items():
        if name not in AMR or can_encode("amr_nb"):
            write(folder / name)
    return {path.name: path for path in folder.iterdir()}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_read_whole(files, name):
    if name not in files:
        pytest.skip("this build of PyAV has no encoder for AMR")
    read = read_audio(files[name])
    assert len(read) == pytest.approx(len(WAVE), abs=0.15 * RATE)
    n = 1 << 18
    product = np.fft.irfft(np.fft.rfft(read, n) * np.conj(np.fft.rfft(WAVE, n)), n)  # encoders delay
    least = 0.6 if name in AMR else 0.9
    assert product.max() / np.sqrt((read**2).sum() * (WAVE**2).sum()) > least


def test_predict_page_and_training_read_every_format(files, monkeypatch, tmp_path):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    detector, page = load_detector("shipped"), Answers()
    page.detectors["shipped"] = detector
    table = pd.DataFrame({"utterance": list(files), "path": [str(path) for path in files.values()]})
    table = table.assign(label="bonafide", split="train", attack="-", speaker="s", dataset="formats")
    cache = build_cache(table, FEATURES["logmel"], tmp_path / "cache", max_rejected=1.0)
    assert cache.rejected.empty and len(cache.features) == len(files)
    for name, path in files.items():
        assert detector.detect(path).score is not None, name
        row = page.row(str(path), "shipped")
        assert row["answer"] and row["score"] is not None, (name, row)


def test_wideband_amr_is_read(tmp_path):
    """No encoder is at hand: frames of 6.6 kbit/s with random bits decode to some sound of the right length."""
    rng, path = np.random.default_rng(0), tmp_path / "a.awb"
    frames = [b"\x04" + rng.integers(0, 256, 17, np.uint8).tobytes() for _ in range(100)]
    path.write_bytes(b"#!AMR-WB\n" + b"".join(frames))
    assert len(read_audio(path)) == 2 * RATE


@pytest.mark.parametrize("ending", ["ogg", "opus", "mp3", "tagged.mp3", "flac", "aac", "wav", "aiff"])
def test_files_joined_together_are_read_whole_or_refused(tmp_path, files, ending):
    path = tmp_path / f"two.{ending}"
    tag = b"ID3\x03\x00\x00\x00\x00\x00\x00" if "tagged" in ending else b""
    path.write_bytes(2 * (tag + files[f"a.{ending.removeprefix('tagged.')}"].read_bytes()))
    if ending in ("wav", "aiff"):
        with pytest.raises(BadAudio, match="is several recordings, one behind the other"):
            read_audio(path)
    else:
        assert len(read_audio(path)) == pytest.approx(2 * len(WAVE), abs=0.3 * RATE)


def test_channels_that_change_on_the_way_are_refused(tmp_path):
    for layout in ("mono", "stereo"):
        encode(str(tmp_path / f"{layout}.aac"), "aac", "adts", layout=layout)
    path = tmp_path / "both.aac"
    path.write_bytes((tmp_path / "mono.aac").read_bytes() + (tmp_path / "stereo.aac").read_bytes())
    with pytest.raises(BadAudio, match="both.aac changes its rate or channels on the way"):
        read_audio(path)


# ---------------------------------------------------------------- what is no recording


def silent_video() -> bytes:
    whole = io.BytesIO()
    with av.open(whole, "w", format="mp4") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for part in (av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24"), None):
            out.mux(stream.encode(part))
    return whole.getvalue()


def zipped() -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("a.wav", WAVE.tobytes())
    return whole.getvalue()


def protected(files: dict[str, Path], entry: bytes) -> bytes:
    """An m4a whose sample entry says that it is encrypted (ISO 14496-12), or Apple's `drms`."""
    return files["a.m4a"].read_bytes().replace(b"mp4a", entry, 1)


WEB_PAGE = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>\xc3\xbc</body></html>"
NO_RECORDING = {
    "page.mp3": (lambda files: WEB_PAGE, "a web page; log in"),
    "page.wav": (lambda files: b"\n" + WEB_PAGE[16:] * 50, "a web page; log in"),
    "answer.wav": (lambda files: b'{"error": "quota"}', "JSON, a service's answer perhaps"),
    "notes.wav": (lambda files: "Sprecher ä sagt nichts. ".encode() * 99, "text; choose the recording"),
    "list.mp3": (lambda files: b"#EXTM3U\n#EXTINF:9,\nhttp://127.0.0.1:9/a.mp3\n", "text; choose the recording"),
    "a.zip.wav": (lambda files: zipped(), "a zip archive; unpack it"),
    "rar.wav": (lambda files: b"Rar!\x1a\x07\x01\x00" + bytes(99), "a RAR archive; unpack it"),
    "7z.wav": (lambda files: b"7z\xbc\xaf\x27\x1c\x00\x04" + bytes(99), "a 7z archive; unpack it"),
    "doc.wav": (lambda files: b"%PDF-1.7\n" + bytes(99), "a PDF; choose"),
    "lfs.flac": (lambda files: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "git lfs pull"),
    "zeros.wav": (lambda files: bytes(9000), "zeros, an unfinished download"),
    "empty.wav": (lambda files: b"", r"is empty \(0 bytes\): download or record it again"),
    "song.m4p": (lambda files: protected(files, b"drms"), r"is encrypted \(DRM\): record what is heard"),
    "film.mp4": (lambda files: protected(files, b"enca"), r"is encrypted \(DRM\): record what is heard"),
    "silent.mp4": (lambda files: silent_video(), "has no sound in it: choose"),
    "noise.wav": (lambda files: b"\x93\x02" * 2000, "cannot be read as audio"),
}  # fmt: skip


@pytest.mark.parametrize("name", NO_RECORDING)
def test_what_is_no_recording_is_named_in_one_sentence(tmp_path, files, name):
    make, sentence = NO_RECORDING[name]
    (tmp_path / name).write_bytes(make(files))
    with pytest.raises(BadAudio, match=sentence) as caught:
        read_audio(tmp_path / name)
    assert str(caught.value).startswith(name) and "\n" not in str(caught.value)


# ---------------------------------------------------------------- decoders that crash or hang

BAD_DECODER = """
import ctypes, importlib, os, sys
sys.path.remove(os.path.dirname(__file__))
del sys.modules["av"]
av = importlib.import_module("av")
real = av.open
def open(path, *args, **options):
    name = os.path.basename(path)
    if "crash" in name:
        os.abort()
    if "hang" in name:
        ctypes.PyDLL(None).sleep(1000)  # in C, and no other thread of Python's runs
    return real(path, *args, **options)
av.open = open
"""


@pytest.fixture
def bad_decoder(tmp_path, monkeypatch, files):
    """Copies of a good m4a, and an `av` that crashes and hangs on those named so; only new processes have it."""
    (tmp_path / "decoder").mkdir()
    (tmp_path / "decoder" / "av.py").write_text(BAD_DECODER)
    monkeypatch.syspath_prepend(str(tmp_path / "decoder"))
    monkeypatch.setattr(containers, "_idle", [])
    monkeypatch.setattr(containers, "DECODE_SECONDS", 3.0)
    names = ["a", "crash", "b", "hang", "c", "d", "crash again", "e"]
    paths = [tmp_path / f"{name}.m4a" for name in names]
    for path in paths:
        path.write_bytes(files["a.m4a"].read_bytes())
    yield paths
    containers._end_idle()


def outcome(path: Path) -> str:
    try:
        return f"{len(read_audio(path)) / RATE:.0f} s"
    except BadAudio as error:
        return str(error)


@pytest.mark.parametrize("how", ["one by one", "threads", "joblib's threads"])
def test_a_decoder_that_crashes_or_hangs_ends_alone(bad_decoder, how):
    started = time.monotonic()
    if how == "one by one":
        found = [outcome(path) for path in bad_decoder]
    elif how == "threads":
        with ThreadPoolExecutor(3) as pool:
            found = list(pool.map(outcome, bad_decoder))
    else:
        found = joblib.Parallel(3, prefer="threads")(joblib.delayed(outcome)(path) for path in bad_decoder)
    good = f"{len(WAVE) / RATE:.0f} s"
    crash = " crashes its decoder: convert it to WAV with another program"
    hang = "hang.m4a takes more than 3 s to decode: convert it to WAV"
    assert found == [good, "crash.m4a" + crash, good, hang, good, good, "crash again.m4a" + crash, good]
    assert time.monotonic() - started < 60


def test_the_page_answers_after_a_crash(bad_decoder):
    page = Answers()
    before, crashed, after = [page.judge(str(path), "shipped") for path in bad_decoder[:3]]
    assert "crashes its decoder" in crashed
    assert "ad-refused" in crashed and "ad-refused" not in before + after


def test_a_process_decodes_many_files(files, monkeypatch):
    monkeypatch.setattr(containers, "_idle", [])
    read_audio(files["a.m4a"])
    (worker,) = containers._idle
    with pytest.raises(BadAudio):
        read_audio(files["a.m4a"].parent / "gone.m4a")
    read_audio(files["a.wma"], RATE, RATE)
    assert containers._idle == [worker] and worker.poll() is None
    containers._end_idle()
    assert worker.poll() == 0
