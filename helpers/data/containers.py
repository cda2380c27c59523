"""What libsndfile does not read (m4a, wma, amr, videos, …): the first audio stream, decoded by PyAV in a process of
its own, so that a decoder that crashes or hangs takes one file with it and no more.
"""

from __future__ import annotations

import atexit
import faulthandler
import json
import mmap
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from helpers.data.errors import BadAudio

RATES = (4_000, 768_000)  # Hz; a header that says something else would fill the memory when resampled
BLOCK_SAMPLES = 1 << 19  # numbers read at a time, over all channels: 2 MB
DECODE_SECONDS = 120.0  # may be spent on one file
SHARE, SLACK = 0.97, 0.3  # of a told length, and seconds: encoders add silence at both ends, decoders drop it
TOLD = ("mov,mp4", "matroska", "asf", "caf", "wav")  # formats whose header tells a length to be trusted


def check_rate(name: str, rate: int) -> None:
    if not RATES[0] <= rate <= RATES[1]:
        raise BadAudio(f"{name} claims a sample rate of {rate:,} Hz: no recording has that")


# ---------------------------------------------------------------- what is no recording

# First bytes -> what the file is, and what to do.
KINDS = {
    b"PK\x03\x04": "a zip archive; unpack it, and choose the recordings inside",
    b"Rar!": "a RAR archive; unpack it, and choose the recordings inside",
    b"7z\xbc\xaf": "a 7z archive; unpack it, and choose the recordings inside",
    b"\x1f\x8b": "a gzip archive; unpack it, and choose the recordings inside",
    b"%PDF": "a PDF; choose the recording itself",
    b"\x89PNG": "a picture; choose the recording itself",
    b"\xff\xd8\xff": "a picture; choose the recording itself",
    b"version https://git-lfs": "a Git LFS pointer in place of the recording; run `git lfs pull`",
    b"\0" * 512: "zeros, an unfinished download perhaps; copy or download it again",
}
ENCRYPTED_WMA = bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e")  # a Content Encryption Object (ASF 3.14)


def refuse_other_kinds(path: str | Path, name: str) -> None:
    """BadAudio for archives, pages, texts, and recordings that are encrypted (DRM), with what to do."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        head = data[:512]
        for start, kind in KINDS.items():
            if head.startswith(start):
                raise BadAudio(f"{name} cannot be read as audio: it is {kind}")
        text = head.decode("utf-8", "ignore")
        if len(text.encode()) > len(head) - 4 and all(
            letter.isprintable() or letter.isspace() for letter in text
        ):
            if "<html" in text.lower() or "<!doctype html" in text.lower():
                kind = "a web page; log in where it comes from, and download the recording again"
            elif text.lstrip("\ufeff \r\n\t").startswith(("{", "[")):
                kind = "JSON, a service's answer perhaps; read what it says, and download the recording again"
            else:
                kind = "text; choose the recording itself"
            raise BadAudio(f"{name} cannot be read as audio: it is {kind}")
        size = int.from_bytes(head[4:8], "little" if head[:4] == b"RIFF" else "big")
        if head[:4] in (b"RIFF", b"FORM") and size and data[8 + size : 12 + size] == head[:4]:
            raise BadAudio(f"{name} is several recordings, one behind the other: cut them apart")
        encrypted = ENCRYPTED_WMA in data[:8192]
        at = data.find(b"stsd") if head[4:8] == b"ftyp" else -1
        while at >= 0 and not encrypted:
            encrypted = data[at + 16 : at + 20] in (b"enca", b"drms")  # the first sample entry (ISO 14496-12)
            at = data.find(b"stsd", at + 4)
        if encrypted:
            raise BadAudio(
                f"{name} is encrypted (DRM): record what is heard, or get a copy without protection"
            )


# ---------------------------------------------------------------- the process that decodes

_idle: list[subprocess.Popen[bytes]] = []
if hasattr(os, "register_at_fork"):  # a process that is forked off has its own
    os.register_at_fork(after_in_child=_idle.clear)
WORKER = "import sys; sys.path[:] = sys.argv[1:]; from helpers.data.containers import serve; serve()"


@atexit.register
def _end_idle() -> None:
    while _idle:
        worker = _idle.pop()
        worker.communicate()


def _get_worker() -> subprocess.Popen[bytes]:
    try:
        while (worker := _idle.pop()).poll() is not None:  # ended meanwhile, by an interrupt perhaps
            pass
        return worker
    except IndexError:
        pipe, null = subprocess.PIPE, subprocess.DEVNULL
        return subprocess.Popen(
            [sys.executable, "-c", WORKER, *sys.path], stdin=pipe, stdout=pipe, stderr=null
        )


def read_container(
    path: str | Path, name: str, enough: float | None
) -> Iterator[tuple[np.ndarray, int, float]]:
    """(float32 (frames, channels), rate, seconds that the header tells or 0) block after block; BadAudio.

    A process decodes file after file, one for each thread that reads at the same time.
    """
    try:
        refuse_other_kinds(path, name)
    except OSError as error:
        raise BadAudio(f"{name} cannot be read as audio ({error.strerror})") from None
    worker = _get_worker()
    finished, started = False, time.monotonic()
    try:
        yield from _from_worker(worker, [os.path.abspath(path), name, enough, DECODE_SECONDS])
        finished = True
    except BadAudio:
        finished = True
        raise
    except (EOFError, OSError, ValueError):
        if worker.wait() == 1 and time.monotonic() - started > DECODE_SECONDS:
            raise BadAudio(
                f"{name} takes more than {DECODE_SECONDS:g} s to decode: convert it to WAV"
            ) from None
        raise BadAudio(f"{name} crashes its decoder: convert it to WAV with another program") from None
    finally:
        if finished:
            _idle.append(worker)
        else:
            worker.kill()
            worker.communicate()


def _from_worker(worker: subprocess.Popen[bytes], task: list[Any]) -> Iterator[tuple[np.ndarray, int, float]]:
    assert worker.stdin and worker.stdout
    worker.stdin.write(json.dumps(task).encode() + b"\n")
    worker.stdin.flush()
    while True:
        line = worker.stdout.readline()
        if not line:
            raise EOFError
        says = json.loads(line)
        if "problem" in says:
            raise BadAudio(says["problem"])
        if not says:
            return
        block = np.empty((says["frames"], says["channels"]), np.float32)
        if worker.stdout.readinto(block) < block.nbytes:  # type: ignore[attr-defined]
            raise EOFError
        yield block, says["rate"], says["told"]


def serve() -> None:
    """In the process: a task a line on stdin, blocks on stdout. The watchdog ends it where a file takes too long."""
    out, nowhere = os.fdopen(os.dup(1), "wb"), open(os.devnull, "w")
    os.dup2(2, 1)  # what a decoder prints must not stand among the blocks
    for line in sys.stdin.buffer:
        path, name, enough, left = json.loads(line)
        blocks, last = _decoded(path, name, enough), {}
        while True:
            started = time.monotonic()
            faulthandler.dump_traceback_later(max(left, 0.01), exit=True, file=nowhere)
            try:
                block, rate, told = next(blocks, (None, 0, 0.0))
            except BadAudio as error:
                block, last = None, {"problem": str(error)}
            finally:
                faulthandler.cancel_dump_traceback_later()
            left -= time.monotonic() - started
            if block is None:
                break
            says = {"frames": block.shape[0], "channels": block.shape[1], "rate": rate, "told": told}
            out.write(json.dumps(says).encode() + b"\n")
            out.write(np.ascontiguousarray(block, np.float32).data)
        out.write(json.dumps(last).encode() + b"\n")
        out.flush()


def _decoded(path: str, name: str, enough: float | None) -> Iterator[tuple[np.ndarray, int, float]]:
    import av

    av.logging.set_level(av.logging.PANIC)
    n_read, n_packets, n_bad, rate = 0, 0, 0, 0
    pieces: list[np.ndarray] = []
    form: tuple[int, int, str] | None = None  # of the first frame
    try:
        # Titles that are not UTF-8 stop PyAV before 19, which has no such option any more.
        lenient = {"metadata_errors": "ignore"} if int(av.__version__.split(".")[0]) < 19 else {}
        # Only this file: a playlist must not fetch others.
        with av.open(path, options={"protocol_whitelist": "file"}, **lenient) as opened:
            if not opened.streams.audio:
                raise BadAudio(f"{name} has no sound in it: choose a recording, or a video with sound")
            stream = opened.streams.audio[0]
            if stream.codec_context is None:
                raise BadAudio(f"{name} holds sound in a form that is not known here: convert it to WAV")
            rate = stream.rate or 0
            check_rate(name, rate)
            told = 0.0
            if opened.format.name.startswith(TOLD):
                told = float(
                    stream.duration * stream.time_base if stream.duration else (opened.duration or 0) / 1e6
                )
            resampler = av.AudioResampler("fltp", stream.layout.name, rate)
            for packet in opened.demux(stream):
                n_packets += 1
                try:
                    frames = packet.decode()
                except av.error.InvalidDataError:  # a tag between two files put together is no frame
                    n_bad += 1
                    continue
                for frame in frames:
                    form = form or (frame.sample_rate, frame.layout.nb_channels, frame.format.name)
                    # Asked before converting: FFmpeg's resampler crashes where the channels change under it.
                    if (frame.sample_rate, frame.layout.nb_channels, frame.format.name) != form:
                        raise BadAudio(f"{name} changes its rate or channels on the way: convert it to WAV")
                    for part in resampler.resample(frame):
                        pieces.append(part.to_ndarray().T)
                        n_read += len(pieces[-1])
                if sum(piece.size for piece in pieces) > BLOCK_SAMPLES:
                    yield np.concatenate(pieces), rate, told
                    pieces = []
                if enough is not None and n_read >= enough * rate:
                    break
    except (av.FFmpegError, ValueError, TypeError, MemoryError, OSError) as error:
        if isinstance(error, BadAudio):
            raise
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        if not n_read:
            raise BadAudio(f"{name} cannot be read as audio ({reason})") from None
        raise BadAudio(f"{name} is damaged: {n_read / rate:.2f} s can be read ({reason})") from None
    if n_bad > 3 and n_bad > 0.02 * n_packets:
        raise BadAudio(f"{name} is damaged: {n_bad} of its {n_packets} pieces cannot be decoded")
    if pieces:
        yield np.concatenate(pieces), rate, told
    wanted = told if enough is None else min(told, enough)
    if n_read and n_read / rate < SHARE * wanted - SLACK:
        raise BadAudio(f"{name} is cut off: {n_read / rate:.2f} s of {told:.2f} s can be read")
