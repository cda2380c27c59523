"""The shortcut audit: what a classifier learns from measures that have nothing to do with how the speech was
made."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

SPLITS = ("train", "dev", "eval")


def frame_levels(wave: np.ndarray) -> np.ndarray:
    """(samples,) at 16 kHz -> (frames,) level of 10 ms frames in dB."""
    n_frames = len(wave) // 160
    return 10 * np.log10(np.square(wave[: n_frames * 160].reshape(n_frames, 160)).mean(axis=1) + 1e-12)


def five_measures(wave: np.ndarray) -> list[float]:
    """Bandwidth (Hz below which 99 % of the power lies), RMS (dB), silence share, leading silence (s),
    duration (s)."""
    levels = frame_levels(wave)
    speech = np.flatnonzero(levels > np.percentile(levels, 95) - 35)
    power = np.abs(np.fft.rfft(wave)) ** 2
    bandwidth = np.searchsorted(np.cumsum(power), 0.99 * power.sum()) * 16000 / len(wave)
    level = 10 * np.log10(np.square(wave).mean() + 1e-12)
    return [bandwidth, level, 1 - len(speech) / len(levels), speech[0] * 0.01, len(wave) / 16000]


def twelve_measures(wave: np.ndarray) -> list[float]:
    """Duration, loudest, median and quiet frame level, leading and trailing silence, speech share, peak,
    mean, and the share of power (dB) in 6.8-8 kHz, 5.5-6.8 kHz and 0-80 Hz."""
    levels = frame_levels(wave)
    speech = np.flatnonzero(levels > np.percentile(levels, 95) - 35)
    power = np.abs(np.fft.rfft(wave)) ** 2
    frequency = np.fft.rfftfreq(len(wave), 1 / 16000)

    def share(low: float, high: float) -> float:
        return 10 * np.log10(power[(frequency >= low) & (frequency < high)].sum() / power.sum() + 1e-12)

    return [
        len(wave) / 16000, levels.max(), np.percentile(levels, 50), np.percentile(levels, 5), speech[0],
        len(levels) - speech[-1], len(speech) / len(levels), np.abs(wave).max(), wave.mean() * 1e4,
        share(6800, 8000), share(5500, 6800), share(0, 80),
    ]  # fmt: skip


MEASURES: dict[str, Callable[[np.ndarray], list[float]]] = {"five": five_measures, "twelve": twelve_measures}


def equal_error_rate(bonafide: np.ndarray, spoof: np.ndarray) -> float:
    """0..1, ties grouped, at the threshold where the two error rates are nearest."""
    thresholds = np.unique(np.concatenate([bonafide, spoof]))
    missed = np.searchsorted(np.sort(bonafide), thresholds) / len(bonafide)
    accepted = 1 - np.searchsorted(np.sort(spoof), thresholds) / len(spoof)
    nearest = np.abs(missed - accepted).argmin()
    return float((missed[nearest] + accepted[nearest]) / 2)


def read_corpus(path: Path) -> dict[str, list[tuple[str, str, np.ndarray]]]:
    """split -> (utterance, attack, samples) of every protocol line of the zip."""
    corpus: dict[str, list[tuple[str, str, np.ndarray]]] = {}
    with zipfile.ZipFile(path) as archive:
        for split in SPLITS:
            ending = "trn" if split == "train" else "trl"
            protocol = archive.read(
                f"LA/ASVspoof2019_LA_cm_protocols/ASVspoof2019.LA.cm.{split}.{ending}.txt"
            )
            corpus[split] = []
            for line in protocol.decode().splitlines():
                _, utterance, _, attack, _ = line.split()
                audio = archive.read(f"LA/ASVspoof2019_LA_{split}/flac/{utterance}.ogg")
                corpus[split].append(
                    (utterance, attack, soundfile.read(io.BytesIO(audio), dtype="float32")[0])
                )
    return corpus


def audit(
    corpus: dict[str, list[tuple[str, str, np.ndarray]]],
) -> dict[tuple[str, str, str], dict[str, float]]:
    """(measures, classifier, split) -> EER in percent, pooled and per attack; trained on train."""
    results: dict[tuple[str, str, str], dict[str, float]] = {}
    for measures, measure in MEASURES.items():
        rows = {split: np.array([measure(wave) for _, _, wave in corpus[split]]) for split in SPLITS}
        attacks = {split: np.array([attack for _, attack, _ in corpus[split]]) for split in SPLITS}
        classifiers = {
            "regression": make_pipeline(
                StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=500)
            ),
            "forest": RandomForestClassifier(
                300, class_weight="balanced", random_state=0, min_samples_leaf=3
            ),
        }
        for name, classifier in classifiers.items():
            classifier.fit(rows["train"], attacks["train"] == "-")
            for split in ("dev", "eval"):
                score = classifier.predict_proba(rows[split])[:, 1]
                bonafide = score[attacks[split] == "-"]
                found = {"pooled": 100 * equal_error_rate(bonafide, score[attacks[split] != "-"])}
                for attack in sorted(set(attacks[split]) - {"-"}):
                    found[attack] = 100 * equal_error_rate(bonafide, score[attacks[split] == attack])
                results[measures, name, split] = found
    return results


def report(path: Path) -> str:
    """The audit of a zip as lines of text, EER in percent."""
    lines = []
    for (measures, classifier, split), found in audit(read_corpus(path)).items():
        per_attack = " ".join(f"{attack} {eer:.0f}" for attack, eer in found.items() if attack != "pooled")
        lines.append(f"{measures:7} {classifier:11} {split:5} pooled {found['pooled']:.1f} %   {per_attack}")
    return "\n".join(lines)
