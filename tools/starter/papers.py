"""The texts that travel inside the zip: README.md, sources.csv, LICENSES."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from .attacks import ATTACKS
from .sources import PACKAGES, SPEAKERS, SPLITS, protocol_id

if TYPE_CHECKING:
    from .build import Utterance

GPL_TEXT = Path("/usr/share/common-licenses/GPL-2")  # Debian keeps it there

_README = """# The starter corpus

Recorded people and synthetic speech in the layout of ASVspoof 2019 LA, small enough to travel with the code.
It is for learning: a detector that does well here has met twenty-odd recorded voices and six kinds of spoof,
not the world.

All audio: 16 kHz, mono, Ogg Opus (`.ogg`) at the default setting of soundfile; the folder is called `flac`
because the layout calls it so. Protocol lines: `SPEAKER UTTERANCE - ATTACK LABEL`.

{counts}

Both classes left through one last stage: durations, overall level, silence share and levels of six broad
bands drawn from the same distributions, no silence at the ends, 100 Hz to 7.5 kHz, room noise of the claimed
speaker between the words. Copy synthesis starts from recordings that also stand among the bona fide
utterances.

## Attacks

A01-A06 stand in train and dev, A07-A19 in eval only. As in the challenge, A16 repeats A04 and A19 repeats
A06. The synthesisers speak the language of the speaker whom the file claims.

| attack | family | method | repeats |
|---|---|---|---|
{attacks}

## Speakers

The English and the Spanish prompts were recorded by one woman under two ids; they stand in one split.
`LA_0020`-like ids are those of the protocols. No speaker stands in two splits.

| id | name | language | split | Debian package | licence | bona fide | spoof |
|---|---|---|---|---|---|---|---|
{speakers}

## Files

`sources.csv` names, for each utterance, the recordings and the synthesisers it was made from, its licence
and, for text-to-speech, the sentences. `LICENSES` holds the terms and the credits.
"""


def _row(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def readme(named: list[tuple[str, Utterance]]) -> str:
    """LA/README.md for the named utterances."""
    counts = Counter((u.split, u.label) for _, u in named)
    per_speaker = Counter((u.speaker, u.label) for _, u in named)
    lines = [_row("split", "bona fide", "spoof"), "|---|---|---|"]
    lines += [_row(split, counts[split, "bonafide"], counts[split, "spoof"]) for split in SPLITS]
    attacks = [_row(a.name, a.family, a.description, a.repeats) for a in ATTACKS.values()]
    speakers = [
        _row(protocol_id(s.name), s.name, s.language, s.split, s.package, s.licence,
             per_speaker[s.name, "bonafide"], per_speaker[s.name, "spoof"])
        for s in sorted(SPEAKERS, key=lambda speaker: speaker.name)
        if per_speaker[s.name, "bonafide"]
    ]  # fmt: skip
    return _README.format(counts="\n".join(lines), attacks="\n".join(attacks), speakers="\n".join(speakers))


def sources_table(named: list[tuple[str, Utterance]]) -> str:
    """LA/sources.csv: one row per utterance."""
    buffer = io.StringIO()
    table = csv.writer(buffer, lineterminator="\n")
    table.writerow(
        ["utterance", "split", "speaker", "speaker_name", "language", "attack", "source", "licence", "text"]
    )
    languages = {speaker.name: speaker.language for speaker in SPEAKERS}
    for name, u in named:
        table.writerow(
            [name, u.split, protocol_id(u.speaker), u.speaker, languages[u.speaker], u.attack, u.source,
             u.licence, u.text]
        )  # fmt: skip
    return buffer.getvalue()


_LICENCES = """Licences of the starter corpus
==============================

The column `licence` of sources.csv is an SPDX expression for each file. In short:

- A bona fide file is a cut from a recording of a Debian package and keeps that recording's licence.
- A file made from recordings (vocoders, conversion, concatenation) is an adaptation of them: the licences of
  all the recordings inside it hold, joined by AND. Recordings under CC-BY-SA were never mixed with
  recordings under the GPL.
- A file in which only a synthetic voice speaks holds no recording: Apache-2.0 where the voice is Hibari,
  Kokoro or espeak-ng (the sentences are the project's own), MIT where it is Piper's "joe".
- The tables and the README: Apache-2.0, as the project's code. None of the synthesisers is part of the corpus.

All recordings were changed: cut, joined, resampled to 16 kHz, filtered, levelled, given a little noise,
coded.

Credits
-------
{credits}

CC-BY-3.0     https://creativecommons.org/licenses/by/3.0/legalcode
CC-BY-SA-3.0  https://creativecommons.org/licenses/by-sa/3.0/legalcode
Apache-2.0    https://www.apache.org/licenses/LICENSE-2.0
MIT           https://opensource.org/license/mit
GPL-2.0       at the end of this file. The recordings in the form their projects distribute them are in the
              Debian source packages of the same names; the program that made the other files from them is in
              the folder tools/starter of the project this corpus came with.
LicenseRef-festvox-ru  the terms of the package festvox-ru, below.

The packages' own statements follow.

"""


def licences_text(packages: Path) -> str:
    """LA/LICENSES: a summary, the copyright file of each package, the GPL."""
    credits = [f"{name}: {whom} ({licence})" for name, (licence, whom) in PACKAGES.items()]
    parts = [_LICENCES.format(credits="\n".join(credits))]
    seen: dict[str, list[str]] = {}
    for name in PACKAGES:
        statement = packages / name / "usr" / "share" / "doc" / name / "copyright"
        if statement.is_file():
            seen.setdefault(statement.read_text(encoding="utf-8"), []).append(name)
    for text, names in seen.items():
        title = ", ".join(names)
        parts.append(f"{'=' * 72}\n{title}\n{'=' * 72}\n{text}\n")
    if not GPL_TEXT.is_file():
        raise FileNotFoundError(
            f"{GPL_TEXT} is missing: build on Debian or Ubuntu, where it is part of base-files"
        )
    parts.append(f"{'=' * 72}\nGPL-2.0\n{'=' * 72}\n{GPL_TEXT.read_text(encoding='utf-8')}")
    return "\n".join(parts)
