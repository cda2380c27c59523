"""data_manifest.yaml, the one list of data sets: read, checked, and hashed."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)

from helpers.data.errors import ManifestError
from helpers.data.options import COMMON_OPTIONS, OPTIONS, check_kinds
from helpers.data.tree import walk

PROJECT = Path(__file__).resolve().parents[2]
MANIFEST = PROJECT / "data_manifest.yaml"
EXTRA_MANIFEST = "HELPERS_MANIFEST"  # a second manifest of the user's own; its entries win
SPLITS = ("train", "dev", "eval")
LABELS = ("bonafide", "spoof")

Layout = Literal["asvspoof", "real_fake_folders", "protocol_csv", "features_csv", "faces", "deep_voice"]


class Entry(BaseModel):
    """One data set: where it comes from, how it is laid out, what it should hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str
    licence: str = ""
    citation: str = ""
    source: Literal["builtin", "kaggle", "folder", "zip"]
    slug: str = ""  # owner/name on Kaggle
    path: str = (
        ""  # builtin, folder, zip: relative to the manifest, or absolute; ~ and $VARIABLES are expanded
    )
    consent_page: str = ""
    layout: Layout
    sample_rate: int | None = Field(default=None, gt=0)
    counts: dict[str, dict[str, int]] = {}
    bytes: int | None = Field(default=None, gt=0)  # of the archive
    unpacked_bytes: int | None = Field(default=None, gt=0)
    sha256: str = ""
    options: dict[str, Any] = {}
    folder: str = ""  # of the manifest that named it; set when read
    _sets: tuple[Entry, ...] = PrivateAttr(())  # of a union

    @field_validator("sha256")
    @classmethod
    def _sha256(cls, value: str) -> str:
        if value and not re.fullmatch(r"[0-9a-fA-F]{64}", value):
            raise ValueError("sha256 must be 64 hexadecimal digits, as `sha256sum FILE` prints them")
        return value.lower()

    @field_validator("counts")
    @classmethod
    def _counts(cls, value: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
        for split, per_class in value.items():
            if split not in (*SPLITS, "all"):
                raise ValueError(f"counts name the split {split!r}; it is one of {', '.join(SPLITS)}, or all")
            for label, number in per_class.items():
                if label not in LABELS:
                    raise ValueError(
                        f"counts name the class {label!r}; the classes are {' and '.join(LABELS)}"
                    )
                if number < 0:
                    raise ValueError(f"counts say {number} for {split} {label}; a count cannot be negative")
        return value

    @field_validator("options")
    @classmethod
    def _options(cls, value: dict[str, Any]) -> dict[str, Any]:
        return check_kinds(value)

    @model_validator(mode="after")
    def _source_has_what_it_needs(self) -> Entry:
        if self.source == "kaggle" and not re.fullmatch(r"[\w-]+/[\w-]+", self.slug):
            raise ValueError(f"source is kaggle, so slug must read owner/name, not {self.slug!r}")
        if "all" in self.counts and len(self.counts) > 1:
            raise ValueError("counts name all beside single splits; say one or the other")
        if self.source == "builtin" and not self.path:
            raise ValueError("source is builtin, so path must name the archive")
        unknown = set(self.options) - OPTIONS[self.layout] - COMMON_OPTIONS
        if unknown:
            known = ", ".join(sorted(OPTIONS[self.layout] | COMMON_OPTIONS))
            raise ValueError(f"the layout {self.layout} has no option {_list(unknown)}; it knows {known}")
        return self

    @property
    def sets(self) -> tuple[Entry, ...]:
        """The entries of a union such as `starter+speech_pairs`; any other entry by itself."""
        return self._sets or (self,)

    def local_path(self) -> Path | None:
        """The file or folder that `path` names, made absolute; None where the entry names none."""
        if not self.path:
            return None
        path = Path(os.path.expandvars(self.path)).expanduser()
        return path if path.is_absolute() else (Path(self.folder or PROJECT) / path).resolve()

    def with_options(self, **options: Any) -> Entry:
        """The same entry with some options changed, checked anew."""
        return _checked(
            self.name, {**self.model_dump(exclude={"name"}), "options": {**self.options, **options}}
        )


class Manifest(BaseModel):
    """All entries by name, in the order of the file."""

    entries: dict[str, Entry]

    def __iter__(self):  # type: ignore[override]
        return iter(self.entries.values())

    def names(self) -> list[str]:
        return list(self.entries)


def _list(names: Any) -> str:
    return ", ".join(repr(name) for name in sorted(names))


def _checked(name: str, fields: Any) -> Entry:
    if not isinstance(fields, dict):
        raise ManifestError(f"{name}: an entry is a block of `field: value` lines, indented under its name")
    try:
        return Entry(name=name, **{key: value for key, value in fields.items() if key != "name"})
    except ValidationError as error:
        raise ManifestError(
            f"{name}: " + "; ".join(_sentence(problem) for problem in error.errors())
        ) from None


def _sentence(problem: Any) -> str:
    """One pydantic error as a sentence with the field, what was given and what is wanted."""
    field = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "missing":
        return f"`{field}` is missing"
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(field, Entry.model_fields, n=1)
        return f"`{field}` is not a field" + (f"; did you mean `{near[0]}`?" if near else "")
    if problem["type"] == "literal_error":
        return f"`{field}` is {problem['input']!r}; it must be {problem['ctx']['expected']}"
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])
    return f"`{field}` is {problem['input']!r}: {problem['msg'][0].lower()}{problem['msg'][1:]}"


def _read_file(path: Path) -> dict[str, Entry]:
    if not path.is_file():
        raise ManifestError(f"there is no manifest at {path}")
    try:
        text = path.read_text(encoding="utf-8")
        content, written = yaml.safe_load(text), yaml.compose(text)
    except UnicodeDecodeError:
        raise ManifestError(f"{path.name} is not in UTF-8: save it in UTF-8") from None
    except yaml.YAMLError as error:
        raise ManifestError(f"{path.name} is not readable YAML: {error}") from None
    if not isinstance(content, dict) or not content:
        raise ManifestError(f"{path.name} holds no entries; each is a name followed by its fields")
    assert isinstance(written, yaml.MappingNode)
    names = [key.value for key, _ in written.value]  # YAML itself would take the last of two in silence
    entries = {}
    for name, fields in content.items():
        if names.count(name) > 1:
            raise ManifestError(f"{path.name} has two entries called {name}: give one another name")
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
            raise ManifestError(
                f"{name!r} cannot be a data set's name: letters, digits and _ only, a letter first"
            )
        if isinstance(fields, dict):
            if "folder" in fields:
                raise ManifestError(f"{name}: `folder` is not a field; did you mean `path`?")
            fields = {**fields, "folder": str(path.resolve().parent)}
        entries[name] = _checked(name, fields)
    return entries


def read_manifest(path: str | Path | None = None) -> Manifest:
    """The manifest at `path`, or the project's own with the user's (`HELPERS_MANIFEST`) laid over it.

    Raises ManifestError with one sentence per mistake.
    """
    if path is not None:
        return Manifest(entries=_read_file(Path(path)))
    entries = _read_file(MANIFEST)
    if os.environ.get(EXTRA_MANIFEST):
        entries.update(_read_file(Path(os.environ[EXTRA_MANIFEST]).expanduser()))
    return Manifest(entries=entries)


def get_entry(name: str, path: str | Path | None = None) -> Entry:
    """One entry by name, or the union of several, `starter+speech_pairs`; an unknown name is answered with the
    nearest one."""
    manifest = read_manifest(path)
    names = [one.strip() for one in name.split("+")]
    if len(names) > 1:
        return _union([_get(one, manifest) for one in names])
    return _get(name, manifest)


def _get(name: str, manifest: Manifest) -> Entry:
    if name in manifest.entries:
        return manifest.entries[name]
    near = difflib.get_close_matches(name, manifest.names(), n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(manifest.names())}"
    raise ManifestError(f"the manifest has no data set {name!r}; {hint}")


def _union(sets: list[Entry]) -> Entry:
    name = "+".join(entry.name for entry in sets)
    kinds = {entry.layout if entry.layout in ("faces", "features_csv") else "recordings" for entry in sets}
    if len(kinds) > 1:
        raise ManifestError(f"{name} puts {' and '.join(sorted(kinds))} together: name sets of one kind")
    if len({entry.name for entry in sets}) < len(sets):
        raise ManifestError(f"{name} names a data set twice: name each once")
    licence = "; ".join(dict.fromkeys(entry.licence for entry in sets if entry.licence))
    title = ", and ".join(entry.title for entry in sets)
    union = Entry(name=name, title=title, licence=licence, source="folder", layout=sets[0].layout)
    union._sets = tuple(sets)
    return union


DATA_FIELDS = (
    "name",
    "source",
    "slug",
    "path",
    "layout",
    "sample_rate",
    "counts",
    "bytes",
    "sha256",
    "options",
)


def fingerprint(entry: Entry, source: Path | None = None) -> str:
    """12 hex digits that change when the data would: the entry's own fields (not its title or citation) and,
    for a folder or zip of the user's own, the names, sizes and times of its files; of a union all, joined by +."""
    if len(entry.sets) > 1:
        return "+".join(fingerprint(one) for one in entry.sets)
    fields = entry.model_dump(include=set(DATA_FIELDS))
    digest = hashlib.sha256(json.dumps(fields, sort_keys=True, default=str).encode())
    if source is None and entry.source in ("folder", "zip"):
        source = entry.local_path()
    if source is not None and not entry.sha256:
        for line in _file_facts(source):
            digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:12]


def _file_facts(source: Path) -> list[str]:
    if source.is_file():
        stat = source.stat()
        return [f"{source.name} {stat.st_size} {stat.st_mtime_ns}"]
    facts = []
    for folder, names in walk(source):
        for name in names:
            try:
                stat = os.stat(os.path.join(folder, name))
            except OSError:  # a link to nowhere or to itself, or a file just deleted
                continue
            relative = os.path.relpath(os.path.join(folder, name), source)
            facts.append(f"{relative} {stat.st_size} {stat.st_mtime_ns}")
    return sorted(facts)
