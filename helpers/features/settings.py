"""What a feature is: every number that changes its values, in one frozen record, and the named ones of the suite."""

from __future__ import annotations

import difflib
from dataclasses import asdict, dataclass, fields
from typing import Any

KINDS = (
    *("wave", "logmel", "logspec", "mfcc", "lfcc", "chroma", "contrast", "zcr", "mfcc_contrast_zcr"),
    *("waveform_picture", "spectrogram_picture", "deep_voice_26"),
)


@dataclass(frozen=True)
class FeatureSetting:
    """One kind of feature with its numbers. Two settings are the same feature exactly when they are equal."""

    kind: str
    sample_rate: int = 16000  # Hz
    seconds: float = 3.0  # each clip is cut, or repeated, to this length
    n_fft: int = 1024  # samples that one spectrum covers, zeros included
    win_length: int = 0  # samples under the Hann window; 0 means n_fft
    hop_length: int = 256  # samples from one frame to the next
    n_bands: int = 64  # filters of the bank (mel, lfcc), octave bands (contrast), pitch classes (chroma)
    n_coefficients: int = 40  # cepstral coefficients kept
    f_min: float = 0.0  # Hz
    filters: str = (
        "mel"  # mel (filters of equal area, as librosa's) | linear: where the filters of the bank stand
    )
    log_floor: float = 1e-10  # power below it counts as this much
    top_db: float = 0.0  # decibels further below the clip's loudest value are raised to there; 0 is off
    deltas: int = 0  # how many times the differences over time are appended
    size: int = 224  # pixels, height and width of a picture

    def __post_init__(self) -> None:
        for name, known in {"kind": KINDS, "filters": ("mel", "linear")}.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}, must be one of {', '.join(known)}")
        for name in ("sample_rate", "seconds", "n_fft", "hop_length", "n_bands", "log_floor", "size"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}, must be above 0")
        if self.window_samples > self.n_fft:
            raise ValueError(f"win_length {self.win_length} does not fit into n_fft {self.n_fft}")
        if not 0 <= self.f_min < self.sample_rate / 2:
            raise ValueError(f"f_min is {self.f_min:g} Hz, must be below {self.sample_rate / 2:g}")
        if self.kind in ("mfcc", "lfcc") and self.n_coefficients > self.n_bands:
            raise ValueError(
                f"n_coefficients {self.n_coefficients} is more than the {self.n_bands} bands hold"
            )

    @property
    def name(self) -> str:
        """The name under which FEATURES holds this setting, else its kind."""
        return next((name for name, known in FEATURES.items() if known == self), self.kind)

    @property
    def n_samples(self) -> int:
        """Samples of a clip after fitting its length."""
        return round(self.seconds * self.sample_rate)

    @property
    def n_frames(self) -> int:
        """Frames of a clip of n_samples: the first is centred on sample 0."""
        return 1 + self.n_samples // self.hop_length

    @property
    def n_frequencies(self) -> int:
        """Bins of one spectrum, 0 Hz and half of the sample rate included."""
        return self.n_fft // 2 + 1

    @property
    def window_samples(self) -> int:
        return self.win_length or self.n_fft

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and words, for JSON and for hashing."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> FeatureSetting:
        """The reverse of to_dict; ValueError names what a setting does not have."""
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown:
            raise ValueError(f"a feature setting has no {', '.join(unknown)}: other code wrote it")
        return cls(**values)


FEATURES: dict[str, FeatureSetting] = {
    "logmel": FeatureSetting("logmel"),
    "logmel128": FeatureSetting("logmel", n_fft=2048, hop_length=512, n_bands=128),
    "mfcc": FeatureSetting("mfcc", n_bands=128, top_db=80.0),
    "lfcc": FeatureSetting("lfcc", n_bands=128, filters="linear", top_db=80.0),
    # One source called these LFCC: linear in name only, the filters stand on the mel scale.
    "lfcc_on_mel": FeatureSetting("lfcc", n_bands=128, filters="mel", top_db=80.0),
    # As the challenge's LFCC-GMM baseline: 20 ms windows, 20 linear filters, all 20 coefficients, two deltas.
    "lfcc_gmm": FeatureSetting(
        "lfcc",
        seconds=4.0,
        n_fft=512,
        win_length=320,
        hop_length=160,
        n_bands=20,
        n_coefficients=20,
        filters="linear",
        deltas=2,
    ),
    "chroma": FeatureSetting("chroma", n_fft=2048, n_bands=12),
    "contrast": FeatureSetting("contrast", n_bands=6, f_min=200.0, top_db=80.0),
    "zcr": FeatureSetting("zcr"),
    "mfcc_contrast_zcr": FeatureSetting("mfcc_contrast_zcr", n_bands=128, top_db=80.0),
    "logspec": FeatureSetting("logspec", seconds=4.0, n_fft=512, win_length=400, hop_length=160),
    # The same frames in 128 bands of equal width: half the rows, and what light networks read here.
    "loglinear": FeatureSetting(
        "logmel", seconds=4.0, n_fft=512, win_length=400, hop_length=160, n_bands=128, filters="linear"
    ),
    "waveform_picture": FeatureSetting("waveform_picture"),
    "spectrogram_picture": FeatureSetting("spectrogram_picture", n_fft=512, hop_length=214, top_db=80.0),
    "wave": FeatureSetting("wave", seconds=4.0375),  # 64,600 samples, as RawNet2 and AASIST read
    "deep_voice_26": FeatureSetting(
        "deep_voice_26",
        sample_rate=22050,
        n_fft=2048,
        hop_length=512,
        n_bands=128,
        n_coefficients=20,
        top_db=80.0,
    ),
}


def get_setting(name: str) -> FeatureSetting:
    """FEATURES[name]; ValueError with the nearest name where there is no such feature."""
    if name not in FEATURES:
        close = difflib.get_close_matches(name, FEATURES, n=1)
        hint = f": did you mean {close[0]}?" if close else f" (there are {', '.join(FEATURES)})"
        raise ValueError(f"no feature is called {name!r}{hint}")
    return FEATURES[name]
