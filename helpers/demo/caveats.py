"""What is wrong with a recording as evidence, and where in it somebody speaks. Measured block by block."""

from __future__ import annotations

import functools
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from helpers.data.audio import SAMPLE_RATE

SHORT_SECONDS = 1.0
LEAST_SPEECH_SECONDS = 0.5
SILENT_SHARE = 0.6
CLIPPED_SHARE = 1e-3
NARROW_DB = -42.0  # level above 4.4 kHz against the speech band
SPEECH = 0.5  # probability of silero-vad from which a frame is speech
FRAME, CONTEXT = 512, 64  # samples: what silero-vad reads at a time, and of the frame before
FRAME_SECONDS = FRAME / SAMPLE_RATE


@dataclass(frozen=True)
class Caveat:
    """One reason for care. `voids`: there is nothing here that a detector of speech could judge."""

    code: str
    sentence: str
    voids: bool = False


@functools.cache
def _silero() -> Any:
    """silero-vad's network over many frames at once, without the package's own import of torch."""
    import onnxruntime

    package = importlib.util.find_spec("silero_vad")
    if package is None or package.origin is None:
        raise ValueError("silero-vad finds the speech and is missing: pip install silero-vad")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    path = Path(package.origin).parent / "data" / "silero_vad_16k_sequence.onnx"
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class Meter:
    """Measures a recording as it streams by: `raw` sees the blocks as stored, `block` mono at 16 kHz."""

    def __init__(self) -> None:
        self.n_raw = self.n_clipped = self.n_samples = 0
        self.rest = np.zeros(0, np.float32)
        self.context = np.zeros(CONTEXT, np.float32)
        self.state = [np.zeros((1, 1, 128), np.float32)] * 2
        self.speech = np.zeros(0, np.float32)  # probability a frame
        self.levels = np.zeros(0)  # dB a frame
        self.spectrum = np.zeros(FRAME // 2 + 1)
        self.outline = np.zeros(0)  # for drawing: the largest sample of each 8 ms, its sign kept

    def raw(self, block: np.ndarray) -> None:
        """(frames, channels) as stored: counts the samples of flat tops, at full scale or below it."""
        wave = np.abs(block[:, 0] - block[:, 0].mean())
        peak = float(wave.max())
        self.n_raw += len(wave)
        if peak < 0.05 or len(wave) < 4:
            return
        top = wave > 0.97 * peak
        flat = top[3:] & (wave[3:] == wave[2:-1]) & (wave[2:-1] == wave[1:-2]) & (wave[1:-2] == wave[:-3])
        self.n_clipped += 4 * int(flat.sum())

    def block(self, wave: np.ndarray) -> None:
        """(samples,) at 16 kHz, the next ones."""
        self.n_samples += len(wave)
        wave = np.concatenate([self.rest, wave])
        n_frames = len(wave) // FRAME
        self.rest = wave[n_frames * FRAME :].copy()
        for start in range(0, n_frames, 2000):  # a minute at a time bounds the memory
            self._frames(wave[start * FRAME : min(n_frames, start + 2000) * FRAME].reshape(-1, FRAME))

    def _frames(self, frames: np.ndarray) -> None:
        frames = frames - frames.mean()  # an offset cannot be heard
        before = np.concatenate([self.context[None], frames[:-1, -CONTEXT:]])
        self.context = frames[-1, -CONTEXT:].copy()
        # silero-vad knows speech of usual level: a quiet recording is brought there.
        scale = 0.1 / max(1e-4, float(np.sqrt(np.mean(np.square(frames)))))
        inputs = np.concatenate([before, frames], axis=1) * np.float32(min(scale, 100.0))
        probability, *self.state = _silero().run(
            None, {"input": inputs.astype(np.float32), "h": self.state[0], "c": self.state[1]}
        )
        self.speech = np.append(self.speech, probability)
        centred = frames - frames.mean(axis=1, keepdims=True)
        self.levels = np.append(self.levels, 10 * np.log10(np.mean(centred**2, axis=1) + 1e-12))
        pieces = frames.reshape(-1, FRAME // 4)
        largest = np.abs(pieces).argmax(axis=1)[:, None]
        self.outline = np.append(self.outline, np.take_along_axis(pieces, largest, axis=1))
        self.spectrum += np.square(np.abs(np.fft.rfft(centred * np.hanning(FRAME)))).sum(axis=0)

    def speech_seconds(self, start: float = 0.0, end: float = np.inf) -> float:
        """Seconds of speech between two places, in seconds."""
        last = len(self.speech) if end == np.inf else int(np.ceil(end / FRAME_SECONDS))
        return FRAME_SECONDS * float((self.speech[int(start / FRAME_SECONDS) : last] > SPEECH).sum())

    def caveats(self, own_rate: int = SAMPLE_RATE) -> list[Caveat]:
        """Everything to mind, the gravest first."""
        seconds, found = self.n_samples / SAMPLE_RATE, []
        if seconds < SHORT_SECONDS:
            sentence = f"The recording lasts {seconds:.2f} s: too short for an answer."
            found.append(Caveat("short", sentence, voids=True))
        elif self.speech_seconds() < LEAST_SPEECH_SECONDS:
            sentence = "No speech was found; music, noise or silence, perhaps: nothing to judge."
            found.append(Caveat("no_speech", sentence, voids=True))
        soft = self.levels <= np.percentile(self.levels, 95) - 40 if len(self.levels) else np.zeros(1)
        if soft.mean() > SILENT_SHARE:
            sentence = f"{100 * soft.mean():.0f} % of it is silence: the score rests on little."
            found.append(Caveat("silent", sentence))
        if own_rate < 12_000:
            sentence = (
                f"It was stored at {own_rate:,} samples a second, as over a telephone: traces may be gone."
            )
            found.append(Caveat("narrow_band", sentence))
        elif len(self.levels) and self.upper_band_db() < NARROW_DB:
            sentence = "Nothing is left above about 4 kHz, as over a telephone: traces may be gone."
            found.append(Caveat("narrow_band", sentence))
        if self.n_clipped > CLIPPED_SHARE * max(1, self.n_raw):
            sentence = "The recording is clipped: overdriven peaks look like traces of synthesis."
            found.append(Caveat("clipped", sentence))
        return found

    def upper_band_db(self) -> float:
        """Mean power between 4.4 and 7.6 kHz against that between 0.3 and 3.4 kHz."""
        hertz = np.arange(len(self.spectrum)) * SAMPLE_RATE / FRAME
        upper = self.spectrum[(hertz > 4400) & (hertz < 7600)].mean()
        lower = self.spectrum[(hertz > 300) & (hertz < 3400)].mean()
        return 10 * float(np.log10((upper + 1e-15) / (lower + 1e-12)))
