"""Any recording (libsndfile first, PyAV for what it refuses) -> mono float32 at the asked rate, or the reason not."""

from __future__ import annotations

import os
import time
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr

from helpers.data.containers import ends_within_a_page, mp3_seconds, seconds_promised
from helpers.data.errors import BadAudio

SAMPLE_RATE = 16_000  # Hz, everywhere in the suite
AUDIO_ENDINGS = frozenset(  # compared in lower case
    ".wav .flac .ogg .oga .opus .mp3 .aiff .aif .aifc .au .caf .w64 .rf64 .m4a .aac .amr .wma .mp4 .m4v .mov .webm "
    ".mkv .mka .3gp .3g2 .mp2 .ogx".split()
)
LEVEL_DBFS = -26.0  # root mean square that `level` sets, as speech tests do (ITU-T P.56)
MOST_GAIN_DB = 60.0  # silence is not made into noise
DECODE_SECONDS = 60.0  # PyAV may work this long on one file
SHORTEST = 0.1  # seconds
RATES = (
    4_000,
    768_000,
)  # Hz; what lies outside is a header that lies, and resampling it would fill the memory
SILENT = 1e-4  # peak, -80 dBFS
MARGIN = 60  # seconds read beyond those asked for: what is not longer is judged as a whole
ENDLESS = 1e8  # seconds, three years: a header that was written before the length was known
MP3_SHARE, MP3_SECONDS = (
    0.97,
    0.3,
)  # decoders leave out the silence that encoders put at both ends, up to 4 frames
COUNTED = ("FLAC", "WAV", "WAVEX", "RF64", "AIFF", "AU")  # formats whose header says how many samples follow


def read_audio(path: str | Path, sample_rate: int = SAMPLE_RATE, n_samples: int | None = None) -> np.ndarray:
    """The whole file -> float32 (samples,), channels averaged, resampled by soxr where its rate differs.

    Who wants the first `n_samples` alone gets more: these and a minute, or all where there is less. The rest of a long
    recording is not read, but its end must be there.
    Raises BadAudio with one sentence where it cannot be read, is cut off, empty, silent, shorter than 0.1 s, claims an
    impossible sample rate, or holds NaN or infinity.
    """
    name = os.path.basename(path)
    wave, own_rate = _decode(path, name, None if n_samples is None else n_samples / sample_rate + MARGIN)
    check_rate(name, own_rate)
    n_channels = wave.shape[1]
    wave = wave[:, 0] if n_channels == 1 else wave.mean(axis=1)
    if not np.isfinite(wave).all():
        raise BadAudio(f"{name} holds NaN or infinity")
    if len(wave) < SHORTEST * own_rate:
        raise BadAudio(f"{name} lasts {len(wave) / own_rate:.3f} s, less than {SHORTEST} s")
    if max(wave.max(), -wave.min()) < SILENT:
        mixed = f" once its {n_channels} channels are averaged" if n_channels > 1 else ""
        raise BadAudio(f"{name} is silent{mixed}")
    if own_rate != sample_rate:
        wave = soxr.resample(wave, own_rate, sample_rate)
    return np.ascontiguousarray(wave, dtype=np.float32)


def level(wave: np.ndarray) -> np.ndarray:
    """(n,) -> float32 (n,): offset removed, root mean square at -26 dBFS, the gain at most 60 dB.

    Scale and offset of the input change nothing, nor does a whole-number range kept as floats.
    """
    wave = np.asarray(wave, np.float64)
    wave = wave - wave.mean()
    rms = float(np.sqrt(np.mean(wave**2)))
    if rms == 0.0:
        return wave.astype(np.float32)
    return (wave * min(10 ** (LEVEL_DBFS / 20) / rms, 10 ** (MOST_GAIN_DB / 20))).astype(np.float32)


def _decode_av(path: str | Path, name: str, seconds: float | None) -> tuple[np.ndarray, int]:
    """What libsndfile refuses, by PyAV: the first audio stream -> float32 (samples, channels); rate."""
    blocks: list[np.ndarray] = []
    n_read, stop = 0, time.monotonic() + DECODE_SECONDS
    try:
        with av.open(os.fspath(path)) as opened:
            if not opened.streams.audio:
                raise BadAudio(f"{name} has no sound in it")
            stream = opened.streams.audio[0]
            rate, layout = stream.rate, stream.layout.name
            check_rate(name, rate)
            resampler = av.AudioResampler("fltp", layout, rate)
            for frame in opened.decode(stream):
                for part in resampler.resample(frame):
                    blocks.append(part.to_ndarray().T)
                    n_read += len(blocks[-1])
                if seconds is not None and n_read >= seconds * rate:
                    break
                if time.monotonic() > stop:
                    raise BadAudio(
                        f"{name} takes more than {DECODE_SECONDS:.0f} s to decode: convert it to WAV"
                    )
    except (av.FFmpegError, ValueError, MemoryError) as error:
        raise BadAudio(
            f"{name} cannot be read as audio ({getattr(error, 'strerror', None) or error})"
        ) from None
    if n_read == 0:
        raise BadAudio(f"{name} holds no samples")
    return np.concatenate(blocks)[: None if seconds is None else int(seconds * rate)], rate


def _decode(path: str | Path, name: str, seconds: float | None) -> tuple[np.ndarray, int]:
    """-> float32 (samples, channels), all of them or those of the first `seconds`; rate."""
    n_read = 0
    try:
        with soundfile.SoundFile(os.fspath(path)) as opened:
            n_read = 1  # it knows the file: what fails from here on is damage
            promised, own_rate = opened.frames, opened.samplerate
            _check_known(name, promised / own_rate)
            wanted = promised if seconds is None else min(promised, int(seconds * own_rate))
            wave = opened.read(wanted, dtype="float32", always_2d=True)
            n_read = len(wave)
            if n_read == wanted < promised:
                _check_end(opened, path, name)
                n_read = promised
    except BadAudio:
        raise
    except soundfile.LibsndfileError as error:
        if n_read or not os.path.isfile(path) or os.path.getsize(path) == 0:
            raise BadAudio(_why(path, name, error)) from None
        return _decode_av(path, name, seconds)
    except (RuntimeError, MemoryError, ValueError) as error:
        raise BadAudio(_why(path, name, error)) from None
    if len(wave) == 0:
        raise BadAudio(f"{name} holds no samples")
    check_whole(opened, path, name, n_read)
    return wave, own_rate


def _check_known(name: str, seconds: float) -> None:
    """BadAudio where the header does not know how many samples follow."""
    if seconds > ENDLESS:
        raise BadAudio(
            f"{name} does not say how long it is, as if written into a pipe: convert it once, to WAV or FLAC"
        )


def _check_end(opened: soundfile.SoundFile, path: str | Path, name: str) -> None:
    """BadAudio where the end of a recording, which nobody is going to read, is not there."""
    end = opened.frames - 1
    if opened.format == "MP3":  # whose length may be a guess
        end = min(end, int(MP3_SHARE * mp3_seconds(path) * opened.samplerate))
    try:
        opened.seek(end)
        found = len(opened.read(1)) == 1
    except soundfile.LibsndfileError:
        found = False
    if not found:
        raise BadAudio(f"{name} is cut off: its end, at {end / opened.samplerate:.0f} s, cannot be read")


def _check_mp3(path: str | Path, name: str, seconds: float) -> None:
    """BadAudio where clearly less was read than the file holds or tells."""
    promised = mp3_seconds(path)
    if seconds < MP3_SHARE * promised and promised - seconds > MP3_SECONDS:
        raise BadAudio(
            f"{name} is cut off, or does not tell its length: {seconds:.2f} s of {promised:.2f} s can be read; "
            "get it again, or convert it once, to WAV or FLAC"
        )


def check_rate(name: str, rate: int) -> None:
    """BadAudio for a sample rate that no recording has."""
    if not RATES[0] <= rate <= RATES[1]:
        raise BadAudio(f"{name} claims a sample rate of {rate:,} Hz: no recording has that")


def check_whole(opened: soundfile.SoundFile, path: str | Path, name: str, n_read: int) -> None:
    """BadAudio where less was read (`n_read` samples a channel) than the file holds, or told libsndfile or us."""
    rate = opened.samplerate
    seconds = n_read / rate
    if opened.format in COUNTED:
        # A lossy stream within a WAV is counted with the silence that its encoder put at both ends.
        counted = n_read if opened.subtype.startswith("MPEG") else opened.frames
        _check_known(name, counted / rate)
        promised = max(counted / rate, seconds_promised(path, seconds))
        if seconds < promised:
            raise BadAudio(f"{name} is cut off: {seconds:.2f} s of {promised:.2f} s can be read")
    elif opened.format == "OGG" and ends_within_a_page(path):
        raise BadAudio(f"{name} is cut off within a page: {seconds:.2f} s can be read")
    elif opened.format == "MP3":
        _check_mp3(path, name, seconds)


def _why(path: str | Path, name: str, error: Exception) -> str:
    if not os.path.isfile(path):
        return f"{name} is not there"
    if os.path.getsize(path) == 0:
        return f"{name} is empty (0 bytes)"
    reason = str(error).rpartition(": ")[2].rstrip(".").strip() or type(error).__name__
    return f"{name} cannot be read as audio ({reason})"


def audio_facts(path: str | Path) -> dict[str, float | int | str]:
    """duration_s, sample_rate, channels, format from the header alone (a fraction of a millisecond); BadAudio."""
    name = os.path.basename(path)
    try:
        info = soundfile.info(os.fspath(path))
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise BadAudio(_why(path, name, error)) from None
    _check_known(name, info.frames / info.samplerate)
    return {
        "duration_s": info.frames / info.samplerate,
        "sample_rate": info.samplerate,
        "channels": info.channels,
        "format": info.format,
    }


def audio_duration(path: str | Path) -> float:
    """Seconds, from the header; BadAudio where there is no readable header."""
    return float(audio_facts(path)["duration_s"])
