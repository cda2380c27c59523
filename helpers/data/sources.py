"""Where a data set can be had from here: the user's own path, a Kaggle input, Drive, an earlier download or staging."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.data.archives import files_of
from helpers.data.errors import SourceError
from helpers.data.layouts import find_root, marker_in_words
from helpers.data.manifest import Entry
from helpers.data.staging import disk_errors, staged_mark

if TYPE_CHECKING:
    from helpers.environment import Place


@dataclass(frozen=True)
class Source:
    """What was found. `kind` is folder (used in place), zip (to be staged) or download (nothing here yet)."""

    kind: str
    path: Path | None = None
    tried: list[str] = field(default_factory=list)


def find_source(entry: Entry, place: Place, source: str = "", quiet: bool = False) -> Source:
    """Look for the data: `source` as named by the user, the entry's own path, Kaggle inputs, Drive, downloads.

    A path that the user names is taken or refused, never passed over for other data. Prints where it looked.
    Raises SourceError where nothing was found and the entry is not one that can be downloaded.
    """
    tried: list[str] = []
    with disk_errors(entry.name, "looked for", "then call again"):
        found = _named(entry, source, tried) if source else _search(entry, place, tried)
    if found is None and entry.source == "kaggle":
        found = Source("download", None, tried)
    if not quiet:
        for line in tried:
            print(f"looked: {line}")
        if found is not None:
            print(f"found:  {_in_words(found, entry)}")
    if found is None:
        raise SourceError(_nothing_found(entry, tried))
    return found


def _search(entry: Entry, place: Place, tried: list[str]) -> Source | None:
    own = entry.local_path()
    if own is not None:
        folder = place.folders.data.absolute() / entry.name
        if not own.exists() and staged_mark(folder, entry).get("archive") == own.name:
            raise SourceError(
                f"{entry.name}: {own} is gone, its unpacked files are in {folder}: give that as `path`"
            )
        return _named(entry, str(own), tried)
    for search in (_kaggle_input, _drive, _downloaded, _staged):
        found = search(entry, place, tried)
        if found is not None:
            return found
    return None


def _named(entry: Entry, name: str, tried: list[str]) -> Source:
    path = Path(name).expanduser().absolute()
    tried.append(f"{path} (named)")
    if path.is_dir():
        if find_root(path, entry) is not None:
            return Source("folder", path, tried)
        archives = sorted(path.glob("*.zip")) or sorted(path.glob("*.zip.001"))
        if archives and set(archives) <= set(files_of(archives[0])):
            return Source("zip", archives[0], tried)
        raise SourceError(f"{entry.name}: {path} is a folder, but {marker_in_words(entry)} is not in it")
    if path.is_file():
        if path.suffix.lower() not in (".zip", ".001"):
            raise SourceError(
                f"{entry.name}: {path} is a file but not a .zip; name a zip or the unpacked folder"
            )
        return Source("zip", path, tried)
    raise SourceError(
        f"{entry.name}: there is nothing at {path}; name an existing zip or folder, or leave it empty"
    )


def _kaggle_input(entry: Entry, place: Place, tried: list[str]) -> Source | None:
    """Both forms of the mount by slug first, then any input that holds the marker (somebody's own upload)."""
    inputs = place.root / "kaggle" / "input"
    if not inputs.is_dir():
        tried.append(f"{inputs} (no Kaggle inputs here)")
        return None
    candidates = []
    if entry.slug:
        owner, slug = entry.slug.split("/")
        candidates = [inputs / slug, inputs / "datasets" / owner / slug, inputs / entry.slug]
    others = [path for path in sorted(inputs.iterdir()) if path.is_dir() and path.name != "datasets"]
    others += sorted(path for path in inputs.glob("datasets/*/*") if path.is_dir())
    named = len(candidates)
    candidates += [path for path in others if path not in candidates]
    for number, path in enumerate(candidates):
        if not path.is_dir():
            tried.append(f"{path} (not attached)")
            continue
        # Only a data set named by its slug may be recognised by a marker as common as real/ and fake/.
        by_name, by_marker = number < named, entry.layout == "asvspoof"
        if by_name and find_root(path, entry) or by_marker and find_root(path, entry, depth=3):
            tried.append(f"{path} ({marker_in_words(entry)}: there)")
            return Source("folder", path, tried)
        archives = sorted(path.glob("*.zip")) if number < named else _archives(path, entry)
        if archives:
            tried.append(f"{path} (an archive: {archives[0].name})")
            return Source("zip", archives[0], tried)
        tried.append(f"{path} (attached, without {marker_in_words(entry)})")
    return None


def _archive_names(entry: Entry) -> list[str]:
    names = [f"{entry.name}.zip"]
    if entry.slug:
        names.append(entry.slug.split("/")[1] + ".zip")
    return names


def _archives(folder: Path, entry: Entry) -> list[Path]:
    return [folder / name for name in _archive_names(entry) if (folder / name).is_file()]


def _drive(entry: Entry, place: Place, tried: list[str]) -> Source | None:
    drive = place.root / "content" / "drive" / "MyDrive"
    if not drive.is_dir():
        tried.append(f"{drive} (Drive is not mounted)")
        return None
    if entry.options.get("drive"):
        path = drive / str(entry.options["drive"])
        tried.append(str(path))
        if path.is_file():
            return Source("zip", path, tried)
    for folder in (drive, drive / "data", drive / "datasets"):
        archives = _archives(folder, entry)
        tried.append(f"{folder} ({' or '.join(_archive_names(entry))})")
        if archives:
            return Source("zip", archives[0], tried)
    return None


def _downloaded(entry: Entry, place: Place, tried: list[str]) -> Source | None:
    """A download is renamed to its final name only when it is whole, so a file of that name is whole."""
    folder = place.folders.downloads
    tried.append(f"{folder} (earlier downloads)")
    archives = _archives(folder, entry)
    return Source("zip", archives[0], tried) if archives else None


def _staged(entry: Entry, place: Place, tried: list[str]) -> Source | None:
    """Unpacked earlier from such an archive, which was deleted since to save its space."""
    folder = place.folders.data.absolute() / entry.name
    tried.append(f"{folder} (staged before)")
    there = staged_mark(folder, entry).get("archive") in _archive_names(entry)
    return Source("folder", folder, tried) if there else None


def _in_words(found: Source, entry: Entry) -> str:
    if found.kind == "folder":
        slow = "content/drive" in str(found.path)
        advice = "; reading file by file from Drive is slow: put one zip there instead" if slow else ""
        return f"{found.path}, unpacked: used in place{advice}"
    if found.kind == "zip":
        return f"{found.path}, to be staged"
    return f"nothing here; to be downloaded from kaggle.com/datasets/{entry.slug}"


def _nothing_found(entry: Entry, tried: list[str]) -> str:
    ask = "give its path as `source`, or as `path` in the manifest"
    return f"{entry.name} ({entry.source}): no data found; {ask}. Looked at: " + "; ".join(tried)
