"""Miniature trees of every layout, with their quirks, for the tests of helpers.data."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import soundfile

RATE = 16_000


def clip(seed: int = 0, seconds: float = 0.3, rate: int = RATE) -> np.ndarray:
    """A short noise burst, float32, never silent."""
    return (0.1 * np.random.default_rng(seed).standard_normal(int(seconds * rate))).astype(np.float32)


def write_clip(path: Path, seed: int = 0, seconds: float = 0.3, rate: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, clip(seed, seconds, rate), rate)
    return path


def touch(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


# split -> lines of the protocol, as the organisers write them
LA_LINES = {
    "train": ["LA_0079 LA_T_1 - - bonafide", "LA_0079 LA_T_2 - A01 spoof", "LA_0080 LA_T_3 - A06 spoof"],
    "dev": ["LA_0069 LA_D_1 - - bonafide", "LA_0069 LA_D_2 - A02 spoof"],
    "eval": ["LA_0001 LA_E_1 - - bonafide", "LA_0002 LA_E_2 - A07 spoof", "LA_0003 LA_E_3 - A19 spoof"],
}
PA_LINES = {
    "train": ["PA_0079 PA_T_1 aaa - bonafide", "PA_0079 PA_T_2 abc AB spoof"],
    "dev": ["PA_0069 PA_D_1 bbb - bonafide", "PA_0069 PA_D_2 caa CC spoof"],
    "eval": ["PA_0001 PA_E_1 ccc - bonafide", "PA_0002 PA_E_2 aab BA spoof"],
}
PROTOCOL_NAMES = {"train": "train.trn.txt", "dev": "dev.trl.txt", "eval": "eval.trl.txt"}


def asvspoof(
    root: Path, access: str = "LA", ending: str = ".flac", nested: bool = True, enrolment: int = 2
) -> Path:
    """As on Kaggle: LA/LA/ASVspoof2019_LA_*, enrolment recordings beside dev and eval, ASV scores, a licence."""
    base = (root / access / access if nested else root) / f"ASVspoof2019_{access}"
    stem = f"ASVspoof2019.{access}"
    for split, trials in (LA_LINES if access == "LA" else PA_LINES).items():
        protocol = Path(f"{base}_cm_protocols", f"{stem}.cm.{PROTOCOL_NAMES[split]}")
        touch(protocol, ("\n".join(trials) + "\n").encode())
        names = [line.split()[1] for line in trials]
        if split != "train":
            names += [f"{access}_{split[0].upper()}_A{number}" for number in range(enrolment)]
            touch(Path(f"{base}_asv_scores", f"{stem}.asv.{split}.gi.trl.scores.txt"), b"bonafide target 1\n")
        for number, name in enumerate(names):
            write_clip(Path(f"{base}_{split}", "flac", name + ending), number)
        touch(Path(f"{base}_{split}", "LICENSE.txt"))
    return root


def fake_or_real(root: Path, parts: dict[str, str] | None = None) -> Path:
    """for-norm/for-norm/training/real/*.wav and so on; the two-second part lies in for-2sec/for-2seconds."""
    parts = parts or {
        "for-original": "",
        "for-norm": "",
        "for-2sec": "for-2seconds",
        "for-rerec": "for-rerecorded",
    }
    for number, (outer, inner) in enumerate(parts.items()):
        for split in ("training", "validation", "testing"):
            for kind in ("real", "fake"):
                for name in ("file0.mp3.wav", "file1.mp3.WAV"):  # the same in all parts
                    write_clip(root / outer / (inner or outer) / split / kind / name, number)
    return root


def real_and_fake(root: Path, n: int = 10, speakers: int = 0) -> Path:
    """A student's own folders; with speakers, one subfolder each."""
    for kind in ("Real", "FAKE"):
        for number in range(n):
            home = root / kind / f"person{number % speakers}" if speakers else root / kind
            write_clip(home / f"clip{number}.wav", number)
    touch(root / "Real" / ".DS_Store")
    touch(root / "notes.txt")
    return root


def protocol_csv(root: Path, text: str | None = None, n: int = 6) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    lines = ["utterance,path,label,attack,speaker,split,group"]
    for number in range(n):
        label, attack = ("bonafide", "-") if number % 2 else ("spoof", "VITS")
        split = ("train", "dev", "eval")[number // 2 % 3]
        lines.append(f"u{number},flac/u{number}.flac,{label},{attack},s{number},{split},g")
        write_clip(root / "flac" / f"u{number}.flac", number)
    (root / "protocol.csv").write_text("\n".join(lines) + "\n" if text is None else text, encoding="utf-8")
    return root


DEEP_VOICES = ("biden", "linus", "margot", "musk", "obama", "ryan", "taylor", "trump")


def deep_voice(root: Path, seconds: float = 0.7) -> Path:
    """8 real and 56 converted recordings, spelt as they are (Obama-to-Biden, biden-original), and the table."""
    for source in DEEP_VOICES:
        write_clip(root / "KAGGLE" / "AUDIO" / "REAL" / f"{source}-original.wav", 1, seconds)
        for target in DEEP_VOICES:
            if source != target:
                name = f"{source.title() if source == 'obama' else source}-to-{target.title()}.wav"
                write_clip(root / "KAGGLE" / "AUDIO" / "FAKE" / name, 2, seconds)
    table = "chroma_stft,rms,LABEL\n" + "".join(
        f"{n / 7:.3f},{n},{'FAKE' if n % 2 else 'REAL'}\n" for n in range(40)
    )
    touch(root / "KAGGLE" / "DATASET-balanced.csv", table.encode())
    return root


def faces(root: Path) -> Path:
    base = root / "real_and_fake_face_detection" / "real_and_fake_face"
    for number in range(10):
        touch(base / "training_real" / f"real_{number:05d}.jpg")
        touch(base / "training_fake" / f"{('easy', 'mid', 'hard')[number % 3]}_{number}_{number % 2}110.jpg")
    return root


def zipped(folder: Path, archive: Path) -> Path:
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                packed.write(path, path.relative_to(folder).as_posix())
    return archive


CORE = ["utterance", "path", "label", "attack", "speaker", "split", "dataset"]


def check_table(table):
    """What every utterance table promises."""
    assert list(table.columns[:7]) == CORE
    assert list(table.index) == list(range(len(table)))
    assert set(table["label"]) <= {"bonafide", "spoof"} and set(table["split"]) <= {"train", "dev", "eval"}
    assert table["utterance"].is_unique and not table[CORE].isna().any().any()
    assert ((table["label"] == "bonafide") == (table["attack"] == "-")).all()
    assert all(Path(path).is_absolute() and Path(path).is_file() for path in table["path"] if path)
