"""Where the recorded voices come from: Debian packages, speakers, languages, splits, licences."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

# Debian package -> (SPDX licence of its recordings, whom to credit)
PACKAGES = {
    "asterisk-core-sounds-en-g722": ("CC-BY-SA-3.0", "Allison Smith, Digium"),
    "asterisk-core-sounds-es-g722": ("CC-BY-SA-3.0", "Allison Smith, Digium"),
    "asterisk-core-sounds-fr-g722": ("CC-BY-SA-3.0", "June Wallack, Digium"),
    "asterisk-core-sounds-it-g722": ("CC-BY-3.0", "Carlo Flora"),
    "asterisk-core-sounds-ru-g722": ("CC-BY-3.0", "Maxim Topal, ivrvoice.ru"),
    "festvox-ru": ("LicenseRef-festvox-ru", "Nickolay V. Shmyrev"),
    "fillets-ng-data-cs": ("GPL-2.0-only", "ALTAR interactive, Ivo and Pavel Danihelka"),
    "fillets-ng-data-nl": ("GPL-2.0-only", "ALTAR interactive, Ivo and Pavel Danihelka, Dutch translators"),
    "tuxpaint-stamps-default": ("GPL-2.0-or-later", "Bill Kendrick and the Tux Paint contributors"),
    "ktuberling-data": ("GPL-2.0-or-later", "the KTuberling contributors of KDE"),
}

# Prompts of asterisk that are tones or animals.
NOT_SPEECH = re.compile(r"beep|2tone|tt-monkeys|confbridge-(join|leave)|/silence/")


@dataclass(frozen=True)
class Speaker:
    """One recorded voice. `patterns` are (package, regular expression on the path inside the package)."""

    name: str
    language: str
    split: str
    patterns: tuple[tuple[str, str], ...]

    @property
    def package(self) -> str:
        return self.patterns[0][0]

    @property
    def licence(self) -> str:
        return PACKAGES[self.package][0]

    @property
    def espeak_voice(self) -> str:
        return {"en": "en-us", "nn": "nb"}.get(self.language, self.language)


def _asterisk(language: str, split: str) -> Speaker:
    package = f"asterisk-core-sounds-{language}-g722"
    return Speaker(f"ast_{language}", language, split, ((package, r"\.g722$"),))


def _fillets(language: str, actor: str, split: str) -> Speaker:
    """Files are named NAME-ACTOR-LINE.ogg."""
    pattern = rf"/[^/-]+-{actor}-[^/]*\.ogg$"
    return Speaker(f"fil_{language}_{actor}", language, split, ((f"fillets-ng-data-{language}", pattern),))


def _tuxpaint(language: str, split: str, extra: tuple[tuple[str, str], ...] = ()) -> Speaker:
    pattern = ("tuxpaint-stamps-default", rf"_desc_{language}\.ogg$")
    return Speaker(f"tux_{language}", language, split, (pattern, *extra))


def _ktuberling(language: str, split: str) -> Speaker:
    pattern = ("ktuberling-data", rf"/sounds/{language}/[^/]+\.(ogg|wav|opus)$")
    return Speaker(f"ktu_{language}", language, split, (pattern,))


# Voices that may be one person (the English and the Spanish prompts; the Belarusian stamps and ktuberling's
# Russian) stand in one split. ktu_en stands in train so that English is heard in every split but dev.
SPEAKERS = (
    _asterisk("fr", "train"),
    _asterisk("ru", "train"),
    _fillets("cs", "m", "train"),
    _fillets("cs", "c", "train"),
    _tuxpaint("ro", "train"),
    _tuxpaint("ru", "train"),
    _tuxpaint("fr", "train"),
    _tuxpaint("bg", "train"),
    _ktuberling("lt", "train"),
    _ktuberling("nn", "train"),
    _ktuberling("uk", "train"),
    _ktuberling("en", "train"),
    _asterisk("it", "dev"),
    _fillets("nl", "v", "dev"),
    _tuxpaint("el", "dev"),
    _tuxpaint("da", "dev"),
    _ktuberling("fr", "dev"),
    _ktuberling("de", "dev"),
    _asterisk("en", "eval"),
    _asterisk("es", "eval"),
    Speaker("nsh_ru", "ru", "eval", (("festvox-ru", r"/wav/ru_\d+\.wav$"),)),
    _fillets("cs", "v", "eval"),
    _fillets("cs", "hs", "eval"),
    _fillets("cs", "pap", "eval"),
    _fillets("nl", "m", "eval"),
    _tuxpaint("es", "eval"),
    _tuxpaint("be", "eval", extra=(("ktuberling-data", r"/sounds/ru/[^/]+\.(ogg|wav|opus)$"),)),
    _tuxpaint("ca", "eval"),
    _ktuberling("da", "eval"),
    _ktuberling("ca", "eval"),
    _ktuberling("el", "eval"),
)
SPEAKER_BY_NAME = {speaker.name: speaker for speaker in SPEAKERS}
SPLITS = ("train", "dev", "eval")


def protocol_id(name: str) -> str:
    """LA_0001 ... LA_0031, in alphabetical order of the speakers' names, as the protocols call them."""
    return f"LA_{sorted(SPEAKER_BY_NAME).index(name) + 1:04d}"


def may_be_mixed(first: Speaker, second: Speaker) -> bool:
    """Whether one file may hold material of both: CC-BY-SA and the GPL each ask for their own licence."""
    families = {"SA" if "-SA-" in s.licence else s.licence[:3] for s in (first, second)}
    return not {"SA", "GPL"} <= families


def joint_licence(speakers: list[Speaker]) -> str:
    """SPDX expression for audio made from recordings of these speakers."""
    licences = {speaker.licence for speaker in speakers}
    if "GPL-2.0-only" in licences:
        licences.discard("GPL-2.0-or-later")
    return " AND ".join(sorted(licences))


def recordings(speaker: Speaker, packages: Path) -> list[Path]:
    """The speaker's files under the unpacked packages, sorted by path."""
    found: list[Path] = []
    for package, pattern in speaker.patterns:
        folder = packages / package
        if not folder.is_dir():
            raise FileNotFoundError(
                f"{folder} is missing: run `python -m tools.starter fetch --out {packages.parent}` first"
            )
        regex = re.compile(pattern)
        paths = (path for path in folder.rglob("*") if path.is_file())
        found += [p for p in paths if regex.search(p.as_posix()) and not NOT_SPEECH.search(p.as_posix())]
    return sorted(found)


def fetch(out: Path, names: tuple[str, ...] = tuple(PACKAGES)) -> None:
    """Download the Debian packages into out/debian and unpack them into out/packages. Installs nothing."""
    for program in ("apt-get", "dpkg"):
        if shutil.which(program) is None:
            raise RuntimeError(
                f"{program} is missing: fetch the packages on Debian or Ubuntu ({', '.join(names)})"
            )
    archives = out / "debian"
    archives.mkdir(parents=True, exist_ok=True)
    for name in names:
        folder = out / "packages" / name
        if folder.is_dir():
            print(f"{name}: already unpacked")
            continue
        if not list(archives.glob(f"{name}_*.deb")):
            subprocess.run(["apt-get", "download", name], cwd=archives, check=True)
        archive = sorted(archives.glob(f"{name}_*.deb"))[-1]
        partial = folder.with_suffix(".part")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        subprocess.run(["dpkg", "-x", str(archive), str(partial)], check=True)
        partial.rename(folder)
        print(f"{name}: unpacked")
