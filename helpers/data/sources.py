"""Where a data set can be had from here: the user's own path, a Kaggle input, Drive, an earlier download or staging, the
caches that Kaggle and Colab share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.data.errors import SourceError, disk_errors, say
from helpers.data.folders import find_root, require_root
from helpers.data.manifest import Entry
from helpers.data.staging import files_of, staged_mark

if TYPE_CHECKING:
    from helpers.environment import Place


@dataclass(frozen=True)
class Source:
    """What was found. `kind` is folder (used in place), zip (to be staged) or download (nothing here yet)."""

    kind: str
    path: Path | None = None


def find_source(entry: Entry, place: Place, source: str = "") -> Source:
    """Look for the data: `source` as named by the user, the entry's own path, Kaggle inputs, Drive, downloads.

    A path that the user names is taken or refused, never passed over for other data. Prints where it looked.
    Raises SourceError where nothing was found and the entry is not one that can be downloaded.
    """
    path = Path(source).expanduser().absolute() if source else entry.local_path()
    with disk_errors(entry.name, "looked for", "then call again"):
        if path is not None:
            print(f"looked: {path} (named)")
            found: Source | None = _named(entry, path)
        else:
            found = next(_search(entry, place), None)
    if found is None and entry.source == "kaggle":
        print(f"found:  nothing here; to be downloaded from kaggle.com/datasets/{entry.slug}")
        return Source("download")
    if found is None:
        raise SourceError(
            f"{entry.name}: no data found; give its path as `source`, or as `path` in the manifest"
        )
    if found.kind == "zip" and found.path is not None:
        together = len(files_of(found.path))
        use = f"{together} zips, to be staged together" if together > 1 else "to be staged"
    else:
        slow = "; reading file by file from Drive is slow: put one zip there instead"
        use = f"unpacked: used in place{slow if 'content/drive' in str(found.path) else ''}"
    print(f"found:  {found.path}, {use}")
    return found


def _named(entry: Entry, path: Path) -> Source:
    if path.is_dir():
        if find_root(path, entry) is not None:
            return Source("folder", path)
        archives = sorted([*path.glob("*.zip"), *path.glob("*.zip.001")])
        if archives and archives == files_of(archives[0]):
            return Source("zip", archives[0])
        if archives:
            names = ", ".join(archive.name for archive in archives[:4])
            raise SourceError(
                f"{entry.name}: {path} holds {len(archives)} zips ({names}): name one, or unpack them"
            )
        require_root(path, entry)  # says what is missing
    if not path.is_file():
        raise SourceError(f"{entry.name}: there is nothing at {path}; name an existing zip or folder")
    return Source("zip", path)


def _search(entry: Entry, place: Place) -> Iterator[Source]:
    names = [f"{entry.name}.zip", *(f"{slug}.zip" for slug in entry.slug.split("/")[1:])]
    yield from _kaggle_input(entry, place.root / "kaggle" / "input", names)
    drive = place.root / "content" / "drive" / "MyDrive"
    on_drive = [drive, drive / "data", drive / "datasets"] if drive.is_dir() else []
    for folder in [*on_drive, place.folders.downloads]:
        print(f"looked: {folder} ({' or '.join(names)})")
        # A download gets its final name only when it is whole, so a file of that name is whole.
        yield from (Source("zip", folder / name) for name in names if (folder / name).is_file())
    # Unpacked earlier from such an archive, which was deleted since to save its space.
    staged = place.folders.data.absolute() / entry.name
    print(f"looked: {staged} (staged before)")
    if staged_mark(staged, entry).get("archive") in names:
        yield Source("folder", staged)
    if entry.slug and place.name != "local":
        yield from _shared_cache(entry)


def _kaggle_input(entry: Entry, inputs: Path, names: list[str]) -> Iterator[Source]:
    """Both forms of the mount by slug first, then any input that holds the marker (somebody's own upload)."""
    if not inputs.is_dir():
        return
    by_slug = [inputs / entry.slug.split("/")[1], inputs / "datasets" / entry.slug] if entry.slug else []
    others = [path for path in sorted(inputs.glob("*")) if path.is_dir() and path.name != "datasets"]
    others += sorted(path for path in inputs.glob("datasets/*/*") if path.is_dir())
    for path in dict.fromkeys([*by_slug, *others]):
        named = path in by_slug
        print(f"looked: {path}{'' if path.is_dir() else ' (not attached)'}")
        # Only a data set named by its slug may be recognised by a marker as common as real/ and fake/.
        if path.is_dir() and (named or entry.layout == "asvspoof") and find_root(path, entry) is not None:
            yield Source("folder", path)
        archives = sorted(path.glob("*.zip")) if named else [path / name for name in names]
        yield from (Source("zip", archive) for archive in archives if archive.is_file())


def _shared_cache(entry: Entry) -> Iterator[Source]:
    """What kagglehub attaches to a Kaggle session or mounts from Colab's shared cache, without a copy or a download."""
    try:
        import kagglehub
        from kagglehub.colab_cache_resolver import DatasetColabCacheResolver
        from kagglehub.handle import parse_dataset_handle
        from kagglehub.kaggle_cache_resolver import DatasetKaggleCacheResolver

        handle = parse_dataset_handle(entry.slug)
        if not any(
            cache().is_supported(handle) for cache in (DatasetKaggleCacheResolver, DatasetColabCacheResolver)
        ):
            print(f"looked: kagglehub (no shared copy of {entry.slug})")
            return
        folder = Path(kagglehub.dataset_download(entry.slug))
    except ImportError:
        return
    except Exception as error:  # kagglehub's own kinds have no common base; the download may still succeed
        print(f"looked: kagglehub ({say(error)})")
        return
    print(f"looked: kagglehub ({entry.slug} attached at {folder})")
    if find_root(folder, entry) is not None:
        yield Source("folder", folder)
