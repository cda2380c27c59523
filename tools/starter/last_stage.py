"""The last stage, one for both classes: what a detector could use without listening is drawn here from the
same distributions for bona fide and spoof.

Duration, overall level, silence share and band levels are drawn; the cut begins and ends in speech; the noise
between the words has the level and colour of the claimed speaker's recordings. What tells a spoof after that
is in the fine structure of the speech itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .dsp import (
    HOP,
    SAMPLE_RATE,
    active_frames,
    active_level,
    band_limit,
    band_limit_steeply,
    compress,
    equalise,
    frame_energies,
    rms,
    shorten_pauses,
    trim,
)
from .voices import Voice


@dataclass(frozen=True)
class Setting:
    """What is drawn, as (mean, standard deviation), and between which bounds."""

    seconds: tuple[float, float] = (2.1, 0.45)
    seconds_bounds: tuple[float, float] = (1.3, 3.2)
    silence_share: tuple[float, float] = (0.02, 0.02)
    pauses_seconds: tuple[float, ...] = (0.2, 0.12, 0.08, 0.05, 0.02)  # tried in turn as the longest pause
    level_db: tuple[float, float] = (-26.0, 1.0)
    level_bounds_db: tuple[float, float] = (-29.0, -23.0)
    floor_deviation_db: float = 2.0
    floor_bounds_db: tuple[float, float] = (-70.0, -24.0)  # relative to the speech
    limiter: float = 0.2  # amplitude at which the soft limiter bends
    equalise_limit_db: float = 12.0


SETTING = Setting()


def _draw(
    rng: np.random.Generator, mean_and_deviation: tuple[float, float], bounds: tuple[float, float]
) -> float:
    return float(np.clip(rng.normal(*mean_and_deviation), *bounds))


def choose_cut(wave: np.ndarray, n_samples: int, silence_share: float) -> tuple[np.ndarray, float]:
    """The stretch of n_samples that begins and ends in speech and whose silence share is nearest to the wanted
    one, and that share; a stretch that begins after a pause is preferred."""
    active = active_frames(wave)
    n_frames = min(n_samples // HOP, len(active))
    pauses = np.concatenate([[0], np.cumsum(~active)])
    starts = np.arange(len(active) - n_frames + 1)
    share = (pauses[starts + n_frames] - pauses[starts]) / n_frames
    cost = np.abs(share - silence_share)
    cost += 1.0 * ~(active[starts] & active[starts + n_frames - 1])
    cost += 0.02 * np.r_[False, active][starts]
    best = int(cost.argmin())
    return wave[best * HOP : (best + n_frames) * HOP], float(share[best])


def cut_with_silence(
    wave: np.ndarray, n_samples: int, silence_share: float, setting: Setting = SETTING
) -> np.ndarray:
    """`choose_cut` after shortening the pauses no more than the wanted silence share asks for."""
    for longest in setting.pauses_seconds:
        cut, share = choose_cut(trim(shorten_pauses(wave, longest)), n_samples, silence_share)
        if share <= silence_share + 0.005:
            break
    return cut


def add_room(
    wave: np.ndarray, voice: Voice, rng: np.random.Generator, setting: Setting = SETTING
) -> np.ndarray:
    """Raise the floor between the words to that of the claimed speaker's recordings; never lower it."""
    _, room_db = voice.room
    floor_db = _draw(rng, (room_db, setting.floor_deviation_db), setting.floor_bounds_db)
    wanted = active_level(wave) ** 2 * 10 ** (floor_db / 10)
    present = float(np.percentile(frame_energies(wave), 5))
    return wave + np.sqrt(max(wanted - present, 0.0)) * voice.room_noise(len(wave), rng)


def finish(
    wave: np.ndarray, voice: Voice, rng: np.random.Generator, setting: Setting = SETTING
) -> np.ndarray | None:
    """(samples,) of any source -> (samples,) of 1.3 to 3.2 s ready to be coded; None if too little speech is
    left."""
    wave = np.nan_to_num(np.asarray(wave, np.float32))
    if len(wave) < SAMPLE_RATE or rms(wave) < 1e-4:
        return None
    wave = trim(band_limit(wave))
    n_samples = int(_draw(rng, setting.seconds, setting.seconds_bounds) * 100) * HOP
    silence_share = max(0.0, float(rng.normal(*setting.silence_share)))
    level = 10 ** (_draw(rng, setting.level_db, setting.level_bounds_db) / 20)
    bands = voice.bands[int(rng.integers(len(voice.bands)))]
    # The room comes before the cut: what counts as silence depends on it.
    wave = add_room(equalise(wave, bands, setting.equalise_limit_db), voice, rng, setting)
    wave = compress(compress(band_limit_steeply(wave)))
    wave = cut_with_silence(wave, n_samples, silence_share, setting)
    if len(wave) < setting.seconds_bounds[0] * SAMPLE_RATE:
        return None
    wave = wave * (level / rms(wave)) * rng.choice([-1.0, 1.0])  # the sign of a microphone tells nothing
    wave = band_limit_steeply(setting.limiter * np.tanh(wave / setting.limiter))
    wave = wave * (level / rms(wave))
    fade = np.linspace(0, 1, 80, dtype=np.float32)
    wave[:80] *= fade
    wave[-80:] *= fade[::-1]
    return np.clip(wave - wave.mean(), -0.99, 0.99).astype(np.float32)
