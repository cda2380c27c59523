"""espeak-ng through the shared library in the espeakng-loader package: formant speech, and IPA for the neural
voices.

The library keeps state between sentences that changes the sound of the next. Phonemes come from one instance a
process (`engine`); speech comes from a private copy of the library for each sentence (`say_alone`), so that it
is the same whatever was said before."""

from __future__ import annotations

import _ctypes
import ctypes
import re
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from .packages import require

_SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS of speak_lib.h: samples come through the callback
_UTF8 = 1
_IPA = 0x02
_RATE, _PITCH = 1, 3  # espeak_PARAMETER


class Espeak:
    """`say` gives audio, `ipa` gives phonemes. Voices are named as espeak names them: "cs", "en-us+f3"."""

    def __init__(self, library: str | Path, seed: int = 1) -> None:
        require(("espeakng_loader",))
        import espeakng_loader

        self._library = ctypes.CDLL(str(library))
        self._library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        data = espeakng_loader.get_data_path().encode()
        self.sample_rate = self._library.espeak_Initialize(_SYNCHRONOUS, 0, data, 0)
        self._chunks: list[np.ndarray] = []
        callback_type = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
        )
        self._callback = callback_type(self._keep)
        self._library.espeak_SetSynthCallback(self._callback)
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(seed))  # it starts from the clock otherwise

    def _keep(self, samples, n_samples: int, _events) -> int:
        if samples and n_samples > 0:
            self._chunks.append(np.ctypeslib.as_array(samples, shape=(n_samples,)).copy())
        return 0

    def _use(self, voice: str) -> None:
        if self._library.espeak_SetVoiceByName(voice.encode()):
            raise ValueError(f"espeak-ng has no voice {voice!r}")

    def say(self, text: str, voice: str, words_per_minute: int = 165, pitch: int = 50) -> np.ndarray:
        """-> (samples,) float32 at self.sample_rate; pitch 0..100."""
        self._use(voice)
        self._library.espeak_SetParameter(_RATE, words_per_minute, 0)
        self._library.espeak_SetParameter(_PITCH, pitch, 0)
        self._chunks = []
        data = text.encode()
        self._library.espeak_Synth(data, len(data) + 1, 0, 0, 0, _UTF8, None, None)
        self._library.espeak_Synchronize()
        return np.concatenate(self._chunks).astype(np.float32) / 32768

    def ipa(self, text: str, voice: str) -> str:
        """Text -> IPA with stress marks, language switches removed."""
        self._use(voice)
        buffer = ctypes.c_char_p(text.encode())
        rest = ctypes.pointer(ctypes.cast(buffer, ctypes.c_void_p))
        clauses = []
        while rest.contents.value:
            clause = self._library.espeak_TextToPhonemes(rest, _UTF8, _IPA)
            clauses.append(clause.decode() if clause else "")
        return re.sub(r"\([a-z-]+\)", "", ", ".join(clauses))

    def close(self) -> None:
        """Give the library back. The instance is of no use afterwards."""
        self._library.espeak_Terminate()
        _ctypes.dlclose(self._library._handle)


def _library_path() -> Path:
    require(("espeakng_loader",))
    import espeakng_loader

    return Path(espeakng_loader.get_library_path())


@cache
def engine() -> Espeak:
    """The instance of this process that gives phonemes."""
    return Espeak(_library_path())


def say_alone(text: str, voice: str, words_per_minute: int, pitch: int) -> tuple[np.ndarray, int]:
    """`Espeak.say` by a library that has said nothing yet: (samples,) float32, sample rate."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copy(_library_path(), folder))
        alone = Espeak(copy)
        wave = alone.say(text, voice, words_per_minute, pitch)
        alone.close()
    return wave, alone.sample_rate
