"""data_manifest.yaml, the one list of data sets: read, checked, and hashed."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    PrivateAttr,
    ValidationError,
    model_validator,
)
from typing_extensions import TypedDict  # pydantic asks for this one below Python 3.12

from helpers.data.errors import ManifestError, disk_errors
from helpers.data.tree import walk

PROJECT = Path(__file__).resolve().parents[2]
MANIFEST = PROJECT / "data_manifest.yaml"
EXTRA_MANIFEST = "HELPERS_MANIFEST"  # a second manifest of the user's own; its entries win
SPLITS = ("train", "dev", "eval")
LABELS = ("bonafide", "spoof")

Text = Annotated[str, Field(min_length=1)]
Label = Annotated[str, Field(pattern="^(bonafide|spoof)$")]
Layout = Literal["asvspoof", "real_fake_folders", "protocol_csv", "features_csv", "faces", "deep_voice"]


class Options(TypedDict, total=False):
    """What an entry may say in `options`; LAYOUT_OPTIONS says which layout reads which."""

    __pydantic_config__ = ConfigDict(extra="forbid", coerce_numbers_to_str=True)  # type: ignore[misc]

    members: list[Text]  # the parts of a large archive that are unpacked, such as [LA/]
    access: Text  # LA | PA, where both lie side by side
    part: Text  # of Fake-or-Real
    parts: list[Text]  # several of them as one
    protocol: Text  # the table's name, if not protocol.csv
    columns: dict[str, Text]  # our name -> theirs: {path: file, label: target}
    labels: dict[str, Label]  # their word -> ours: {"1": bonafide, "0": spoof}
    table: Text  # the name of the table of features
    recording_column: Text
    split: Literal["random", "folder", "recording", "source_speaker", "speaker_disjoint"]
    seed: NonNegativeInt
    segment_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]  # 0 for whole recordings


LAYOUT_OPTIONS: dict[str, str] = {
    "asvspoof": "members access",
    "real_fake_folders": "members part parts labels split seed",
    "protocol_csv": "members protocol columns labels split seed",
    "features_csv": "members table labels recording_column split seed",
    "faces": "members split seed",
    "deep_voice": "members split seed segment_seconds",
}


class Entry(BaseModel):
    """One data set: where it comes from, how it is laid out, what it should hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str
    licence: str = ""
    citation: str = ""
    source: Literal["builtin", "kaggle", "folder", "zip"]
    slug: str = Field(default="", pattern=r"^([\w-]+/[\w-]+)?$")  # owner/name on Kaggle
    path: str = ""  # relative to the manifest, or absolute; ~ and $VARIABLES are expanded
    consent_page: str = ""
    layout: Layout
    sample_rate: PositiveInt | None = None
    counts: dict[Annotated[str, Field(pattern="^(train|dev|eval|all)$")], dict[Label, NonNegativeInt]] = {}
    bytes: PositiveInt | None = None  # of the archive
    unpacked_bytes: PositiveInt | None = None
    sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")  # as `sha256sum FILE` prints it
    options: Options = {}
    _folder: Path = PrivateAttr(PROJECT)  # of the manifest that names it
    _sets: tuple[Entry, ...] = PrivateAttr(())  # of a union

    @model_validator(mode="after")
    def _fields_fit_together(self) -> Entry:
        if self.source == "kaggle" and not self.slug:
            raise ValueError("source is kaggle, so slug must read owner/name")
        if self.source == "builtin" and not self.path:
            raise ValueError("source is builtin, so path must name the archive")
        if "all" in self.counts and len(self.counts) > 1:
            raise ValueError("counts name all beside single splits; say one or the other")
        unknown = sorted(set(self.options) - set(LAYOUT_OPTIONS[self.layout].split()))
        if unknown:
            known = ", ".join(LAYOUT_OPTIONS[self.layout].split())
            raise ValueError(f"the layout {self.layout} has no option {unknown[0]}; it knows {known}")
        return self

    @property
    def sets(self) -> tuple[Entry, ...]:
        """The entries of a union such as `starter+speech_pairs`; any other entry by itself."""
        return self._sets or (self,)

    def local_path(self) -> Path | None:
        """The file or folder that `path` names, made absolute; None where the entry names none."""
        path = Path(os.path.expandvars(self.path)).expanduser()
        return (self._folder / path).resolve() if self.path else None

    def with_options(self, **options: Any) -> Entry:
        """The same entry with some options changed, checked anew."""
        fields = self.model_dump(exclude={"name"})
        return _checked(self.name, fields | {"options": {**self.options, **options}}, self._folder)


def _checked(name: str, fields: Any, folder: Path) -> Entry:
    if not isinstance(fields, dict):
        raise ManifestError(f"{name}: an entry is a block of `field: value` lines, indented under its name")
    try:
        entry = Entry(**{**fields, "name": name})
    except ValidationError as error:
        raise ManifestError(f"{name}: " + "; ".join(map(_sentence, error.errors()))) from None
    entry._folder = folder
    return entry


def _sentence(problem: Any) -> str:
    """One pydantic error as a sentence with the field, what was given and what is wanted."""
    field = ".".join(str(part) for part in problem["loc"] if part != "[key]")
    if problem["type"] == "missing":
        return f"`{field}` is missing"
    if problem["type"] == "extra_forbidden":
        known = [*Entry.model_fields, *(f"options.{option}" for option in Options.__annotations__)]
        near = difflib.get_close_matches(field, known, n=1)
        return f"`{field}` is not a field" + (f"; did you mean `{near[0]}`?" if near else "")
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
    for name in content:
        if names.count(name) > 1:
            raise ManifestError(f"{path.name} has two entries called {name}: give one another name")
        if not str(name).isidentifier():
            raise ManifestError(f"{name!r} cannot be a data set's name: use letters, digits and _")
    folder = path.resolve().parent
    return {name: _checked(name, fields, folder) for name, fields in content.items()}


def read_manifest(path: str | Path | None = None) -> dict[str, Entry]:
    """Name -> entry of the project's manifest with a user's own (`path`, or else `HELPERS_MANIFEST`) laid over it.

    Raises ManifestError with one sentence per mistake.
    """
    own = path or os.environ.get(EXTRA_MANIFEST)
    return _read_file(MANIFEST) | (_read_file(Path(own).expanduser()) if own else {})


def get_entry(name: str, path: str | Path | None = None) -> Entry:
    """One entry by name, or the union of several, `starter+speech_pairs`; an unknown name is answered with the
    nearest one."""
    manifest = read_manifest(path)
    names = [one.strip() for one in name.split("+")]
    for one in names:
        if one not in manifest:
            near = difflib.get_close_matches(one, manifest, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(manifest)}"
            if Path(one).expanduser().exists():
                hint = (
                    "give a path as `source`, to my_folder (real/ and fake/), my_protocol (a table) or my_zip"
                )
            raise ManifestError(f"the manifest has no data set {one!r}; {hint}")
    sets = [manifest[one] for one in names]
    return sets[0] if len(sets) == 1 else _union(sets)


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


def fingerprint(entry: Entry, source: Path | None = None) -> str:
    """12 hex digits that change when the data would: the entry's fields, and for a folder or zip of the user's own
    the names, sizes and times of its files; of a union all, joined by +."""
    if len(entry.sets) > 1:
        return "+".join(fingerprint(one) for one in entry.sets)
    prose = {"title", "licence", "citation", "consent_page", "unpacked_bytes"}
    fields = entry.model_dump(exclude=prose)
    digest = hashlib.sha256(json.dumps(fields, sort_keys=True).encode())
    if source is None and entry.source in ("folder", "zip"):
        source = entry.local_path()
    if source is not None and not entry.sha256:
        with disk_errors(entry.name, "looked at", "then call again"):
            facts = _file_facts(source)
        for line in facts:
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
