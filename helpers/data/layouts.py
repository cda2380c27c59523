"""Where in a folder a data set really begins: uploads nest folders, so each layout is found by a marker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from helpers.data.errors import SourceError
from helpers.data.manifest import Entry
from helpers.data.tables import CLASS_FOLDERS, SPLIT_WORDS
from helpers.data.tree import subfolders

SPLIT_FOLDERS = SPLIT_WORDS
FACE_FOLDERS = {**CLASS_FOLDERS, "training_real": "bonafide", "training_fake": "spoof"}
MAX_DEPTH = 5
# Folders with thousands of files and nothing to find below them.
LEAVES = set(
    "flac wav ogg wavs real fake bonafide bona_fide genuine spoof training_real training_fake".split()
)


def two_classes(folders: dict[str, Path], names: dict[str, str] = CLASS_FOLDERS) -> bool:
    return {names[name] for name in folders if name in names} == {"bonafide", "spoof"}


def class_folders(entry: Entry) -> dict[str, str]:
    """Lower-case names of folders -> class, with the words that the options add: `labels: {echt: bonafide}`."""
    return {
        **CLASS_FOLDERS,
        **{word.lower(): label for word, label in entry.options.get("labels", {}).items()},
    }


def protocols_ending(entry: Entry) -> str:
    """How the name of the folder with ASVspoof's protocols ends, in lower case."""
    access = str(entry.options.get("access", "")).lower()
    return f"_{access}_cm_protocols" if access else "_cm_protocols"


def _asvspoof(entry: Entry) -> Callable[[Path, dict[str, Path]], bool]:
    ending = protocols_ending(entry)
    return lambda folder, inside: any(name.endswith(ending) for name in inside)


def _real_fake(entry: Entry) -> Callable[[Path, dict[str, Path]], bool]:
    names = class_folders(entry)

    def found(folder: Path, inside: dict[str, Path]) -> bool:
        splits = [path for name, path in inside.items() if name in SPLIT_FOLDERS]
        return two_classes(inside, names) or any(two_classes(subfolders(path), names) for path in splits)

    return found


def _file_named(name: str) -> Callable[[Path, dict[str, Path]], bool]:
    return lambda folder, inside: (folder / name).is_file()


def _marker(entry: Entry) -> Callable[[Path, dict[str, Path]], bool]:
    if entry.layout == "asvspoof":
        return _asvspoof(entry)
    if entry.layout == "real_fake_folders":
        return _real_fake(entry)
    if entry.layout == "faces":
        return lambda folder, inside: two_classes(inside, FACE_FOLDERS)
    if entry.layout == "deep_voice":
        return lambda folder, inside: two_classes(inside)
    if entry.layout == "protocol_csv":
        return _file_named(str(entry.options.get("protocol", "protocol.csv")))
    return _file_named(str(entry.options.get("table", "DATASET-balanced.csv")))


def marker_in_words(entry: Entry) -> str:
    """What a student should look for in the folder."""
    access = entry.options.get("access", "LA")
    return {
        "asvspoof": f"a folder ending in _{access}_cm_protocols",
        "real_fake_folders": "folders real/ and fake/ (directly, or inside training/ validation/ testing/)",
        "faces": "folders real/ and fake/, or training_real/ and training_fake/",
        "deep_voice": "folders REAL/ and FAKE/",
        "protocol_csv": f"the file {entry.options.get('protocol', 'protocol.csv')}",
        "features_csv": f"the file {entry.options.get('table', 'DATASET-balanced.csv')}",
    }[entry.layout]


def _walk(folder: Path, depth: int) -> Iterator[tuple[Path, dict[str, Path]]]:
    """Folders breadth first, so that the shallowest match wins; leaves with the audio are not entered."""
    level = [folder]
    for _ in range(depth + 1):
        below: list[Path] = []
        for place in level:
            try:
                inside = subfolders(place)
            except OSError:
                continue
            yield place, inside
            below += [path for name, path in sorted(inside.items()) if name not in LEAVES]
        level = below


def find_parts(folder: Path, entry: Entry, depth: int = MAX_DEPTH) -> list[Path]:
    """Every folder in which the layout begins, shallowest first; `part` in the options narrows them."""
    marker = _marker(entry)
    found = [place for place, inside in _walk(folder, depth) if marker(place, inside)]
    part = str(entry.options.get("part", "")).lower()
    if not part or not found:
        return found
    # Where the part's name stands in the path from the data's own folder downwards. Parts may lie below a folder
    # that is called like one of them: the deepest counts.
    depths = [_last(part, [folder.name, *place.relative_to(folder).parts]) for place in found]
    if max(depths) >= 0:
        return [place for place, depth in zip(found, depths) if depth == max(depths)]
    # A folder named by hand may be the part itself under another name.
    return found[:1] if found[0] == folder else []


def _last(name: str, names: list[str]) -> int:
    return max((number for number, one in enumerate(names) if one.lower() == name), default=-1)


def find_root(folder: Path, entry: Entry, depth: int = MAX_DEPTH) -> Path | None:
    """The folder in which the layout begins, or None."""
    parts = find_parts(folder, entry, depth)
    return parts[0] if parts else None


def require_root(folder: Path, entry: Entry) -> Path:
    """find_root, or a SourceError that says what was looked for and what is there."""
    root = find_root(folder, entry)
    if root is not None:
        return root
    there = sorted(path.name for path in folder.iterdir())[:8] if folder.is_dir() else []
    part = f" for the part {entry.options['part']}" if entry.options.get("part") else ""
    raise SourceError(
        f"{entry.name}: {folder} does not hold {marker_in_words(entry)}{part}; it holds {', '.join(there) or 'nothing'}"
    )
