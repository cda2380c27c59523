"""Build the corpus: recordings -> voices -> utterances of both classes -> protocols, tables and one zip."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from . import synthesis
from .archive import EXTENSION, encode, pack, sha256
from .attacks import ATTACKS, ATTACKS_OF_SPLIT, Attack, Scene
from .dsp import SAMPLE_RATE
from .last_stage import finish
from .packages import distributions, missing
from .papers import licences_text, readme, sources_table
from .recordings import units
from .seeds import generator, seed_of
from .sources import SPEAKER_BY_NAME, SPEAKERS, SPLITS, protocol_id
from .voices import Voice

# Utterances at scale 1: bona fide of one speaker, spoofs of one speaker and attack.
BONAFIDE_PER_SPEAKER = {"train": 90, "dev": 44, "eval": 44}
SPOOF_PER_ATTACK = {"train": 9, "dev": 7, "eval": 5}
PROTOCOL_ENDING = {"train": "trn", "dev": "trl", "eval": "trl"}
MOST_TRIES = 3
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True)
class Utterance:
    """One finished file and what sources.csv says of it."""

    split: str
    speaker: str
    attack: str  # "-" for bona fide
    audio: bytes
    seconds: float
    source: str
    licence: str
    text: str

    @property
    def label(self) -> str:
        return "bonafide" if self.attack == "-" else "spoof"


def _unit_file(work: Path, speaker: str) -> Path:
    return work / f"{speaker}.npz"


def prepare_speaker(name: str, packages: Path, work: Path, n_most: int) -> tuple[str, int]:
    """Cut a speaker's recordings into units and keep them under `work`. -> name, number of units"""
    found = units(SPEAKER_BY_NAME[name], packages, n_most)
    np.savez(_unit_file(work, name), *found)
    return name, len(found)


@cache
def _voice(work: Path, name: str) -> Voice:
    with np.load(_unit_file(work, name)) as stored:
        return Voice(name, [stored[f"arr_{i}"] for i in range(len(stored.files))])


def make_bonafide(work: Path, name: str, n_most: int) -> list[Utterance]:
    """The recorded units of a speaker through the last stage."""
    voice = _voice(work, name)
    speaker = voice.speaker
    made = []
    for i, unit in enumerate(voice.units[:n_most]):
        wave = finish(unit, voice, generator("bonafide", name, i))
        if wave is not None:
            source = f"{speaker.package} ({name})"
            seconds = len(wave) / SAMPLE_RATE
            made.append(
                Utterance(speaker.split, name, "-", encode(wave), seconds, source, speaker.licence, "")
            )
    return made


def spoof(attack: Attack, scene: Scene, wave: np.ndarray) -> Utterance:
    """A finished wave of a scene with what it was made from."""
    recorded = [SPEAKER_BY_NAME[name] for name in dict.fromkeys(scene.recorded)]
    source = [f"{speaker.package} ({speaker.name})" for speaker in recorded] + distributions(attack.modules)
    return Utterance(
        split=scene.target.speaker.split,
        speaker=scene.target.name,
        attack=attack.name,
        audio=encode(wave),
        seconds=len(wave) / SAMPLE_RATE,
        source="; ".join(source),
        licence=attack.licence(scene),
        text=" ".join(scene.texts),
    )


def make_spoofs(
    work: Path, name: str, attack_name: str, others: tuple[str, ...], count: int
) -> list[Utterance]:
    """`count` spoofs of one speaker by one attack; each index has its own generator."""
    attack, voice = ATTACKS[attack_name], _voice(work, name)
    neighbours = [_voice(work, other) for other in others]
    synthesis.restart(seed_of("session", name, attack_name))
    made = []
    for index in range(count):
        for attempt in range(MOST_TRIES):
            rng = generator("spoof", name, attack_name, index, attempt)
            scene = Scene(voice, neighbours, rng, index + 7 * attempt)
            last = generator("last stage", name, attack_name, index, attempt)
            wave = finish(attack.make(scene), voice, last)
            if wave is not None:
                made.append(spoof(attack, scene, wave))
                break
    return made


def _timed(task: tuple) -> tuple[str, float, list[Utterance]]:
    function, *arguments = task
    started = time.time()
    made = function(*arguments)
    return (made[0].attack if made else "-"), time.time() - started, made


def _tasks(
    work: Path, n_units: dict[str, int], names: list[str], attacks: list[str], scale: float
) -> list[tuple]:
    tasks: list[tuple] = []
    for split in SPLITS:
        of_split = [
            speaker.name for speaker in SPEAKERS if speaker.split == split and speaker.name in n_units
        ]
        for name in of_split:
            if name not in names:
                continue
            others = tuple(other for other in of_split if other != name)
            tasks.append((make_bonafide, work, name, round(BONAFIDE_PER_SPEAKER[split] * scale)))
            # A speaker with few units is not asked for more spoofs than it has bona fide speech for.
            count = max(1, min(round(SPOOF_PER_ATTACK[split] * scale), n_units[name]))
            wanted = [attack for attack in ATTACKS_OF_SPLIT[split] if attack in attacks]
            tasks += [(make_spoofs, work, name, attack, others, count) for attack in wanted]
    slow_first = {"A07": 0, "A12": 1, "A08": 2}
    return sorted(tasks, key=lambda task: slow_first.get(task[3], 9) if task[0] is make_spoofs else 8)


def usable_attacks(wanted: Iterable[str]) -> list[str]:
    """Those whose modules are installed; the others are named on the screen."""
    usable = []
    for name in wanted:
        absent = missing(ATTACKS[name].modules)
        if absent:
            print(
                f"{name} is left out: {', '.join(absent)} not installed (see requirements.txt of this folder)"
            )
        else:
            usable.append(name)
    return usable


def _known(wanted: Iterable[str] | None, table: Iterable[str], kind: str) -> list[str]:
    """`wanted`, or the whole table if None; ValueError for a name that is not in the table."""
    names = list(table) if wanted is None else list(wanted)
    unknown = sorted(set(names) - set(table))
    if unknown:
        raise ValueError(f"no {kind} is called {', '.join(unknown)}; there are {', '.join(table)}")
    return names


def with_lenders(names: list[str]) -> list[str]:
    """The speakers and all others of their splits, whose speech the conversions start from."""
    splits = {SPEAKER_BY_NAME[name].split for name in names}
    return [speaker.name for speaker in SPEAKERS if speaker.split in splits]


def utterance_names(made: list[Utterance]) -> list[tuple[str, Utterance]]:
    """Name and order the utterances of one split: shuffled by a fixed seed, so that the number tells
    nothing."""
    ordered = sorted(made, key=lambda u: (u.speaker, u.attack))
    order = generator("order", ordered[0].split).permutation(len(ordered))
    letter = ordered[0].split[0].upper()
    return [(f"LA_{letter}_{1000001 + i}", ordered[j]) for i, j in enumerate(order)]


def corpus_files(made: list[Utterance], packages: Path) -> dict[str, bytes]:
    """All the files of the zip by name."""
    files: dict[str, bytes] = {}
    named: list[tuple[str, Utterance]] = []
    for split in SPLITS:
        of_split = [utterance for utterance in made if utterance.split == split]
        if not of_split:
            continue
        rows = utterance_names(of_split)
        named += rows
        lines = [f"{protocol_id(u.speaker)} {name} - {u.attack} {u.label}\n" for name, u in rows]
        protocol = f"ASVspoof2019.LA.cm.{split}.{PROTOCOL_ENDING[split]}.txt"
        files[f"LA/ASVspoof2019_LA_cm_protocols/{protocol}"] = "".join(lines).encode()
        for name, utterance in rows:
            files[f"LA/ASVspoof2019_LA_{split}/flac/{name}.{EXTENSION}"] = utterance.audio
    files["LA/README.md"] = readme(named).encode()
    files["LA/sources.csv"] = sources_table(named).encode()
    files["LA/LICENSES"] = licences_text(packages).encode()
    return files


def facts(path: Path, files: dict[str, bytes], made: list[Utterance]) -> dict:
    """What data_manifest.yaml says of the zip."""
    counts = Counter((u.split, u.label) for u in made)
    return {
        "sha256": sha256(path),
        "bytes": path.stat().st_size,
        "unpacked_bytes": sum(map(len, files.values())),
        "files": len(files),
        "minutes": round(sum(u.seconds for u in made) / 60, 1),
        "counts": {s: {lab: counts[s, lab] for lab in ("bonafide", "spoof")} for s in SPLITS},
    }


def build(
    out: Path,
    scale: float = 1.0,
    speakers: Iterable[str] | None = None,
    attacks: Iterable[str] | None = None,
    workers: int = 2,
) -> Path:
    """Build out/starter.zip from the packages under out/packages; -> its path. At one scale the audio of a
    speaker and an attack is the same whatever else is built with it."""
    for variable in _ONE_THREAD:
        os.environ[variable] = "1"
    names = _known(speakers, SPEAKER_BY_NAME, "speaker")
    wanted = usable_attacks(_known(attacks, ATTACKS, "attack"))
    prepared = with_lenders(names) if any(ATTACKS[attack].uses_others for attack in wanted) else names
    work = out / "units"
    work.mkdir(parents=True, exist_ok=True)
    started = time.time()
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        most = [max(4, round(BONAFIDE_PER_SPEAKER[SPEAKER_BY_NAME[name].split] * scale)) for name in prepared]
        packages = [out / "packages"] * len(prepared)
        n_units = dict(pool.map(prepare_speaker, prepared, packages, [work] * len(prepared), most))
        print(
            f"{sum(n_units.values())} units of {len(n_units)} speakers   {time.time() - started:.0f} s",
            flush=True,
        )
        made: list[Utterance] = []
        spent: dict[str, float] = {}
        for attack, seconds, utterances in pool.map(_timed, _tasks(work, n_units, names, wanted, scale)):
            spent[attack] = spent.get(attack, 0.0) + seconds
            made += utterances
    print("   ".join(f"{attack} {seconds:.0f} s" for attack, seconds in sorted(spent.items())))
    files = corpus_files(made, out / "packages")
    path = out / "starter.zip"
    pack(files, path)
    found = facts(path, files, made)
    (out / "facts.json").write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))
    print(f"built in {time.time() - started:.0f} s")
    return path
