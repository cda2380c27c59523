"""A notebook's parameters cell: which names it declares, whether overrides fit, and their values in a running kernel."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import FiniteFloat, TypeAdapter, ValidationError

from helpers.execution.plan import nearest

TYPES: dict[str, type] = {"str": str, "int": int, "float": float, "bool": bool}
READERS: dict[str, TypeAdapter[Any]] = {
    kind: TypeAdapter(FiniteFloat if kind == "float" else TYPES[kind]) for kind in TYPES
}
FORM = (
    f"write `name: type = value  # meaning`, one a line, one `=` a line, a plain value of {', '.join(TYPES)}"
)
REMEMBERED = "_parameter_names"  # in the notebook's own names, where papermill and Jupyter leave it alone


class ParameterError(ValueError):
    """A parameters cell or an override that cannot be used; the message says which and what to write instead."""


@dataclass(frozen=True)
class Parameter:
    """One line of a parameters cell."""

    name: str
    type: str  # str | int | float | bool
    default: Any
    comment: str = ""


def source_of(cell: Mapping[str, Any]) -> str:
    """A cell's text, whether the file holds it as one string or as lines."""
    return "".join(cell.get("source", ""))


def tags_of(cell: Mapping[str, Any]) -> list[str]:
    """The tags of a cell, [] where it has none."""
    return list(cell.get("metadata", {}).get("tags", []))


def inspect_source(source: str, where: str = "the parameters cell") -> dict[str, Parameter]:
    """The parameters as papermill reads them; ParameterError names the first line that Python reads in another way."""
    from papermill.translators import PythonTranslator

    try:
        body = ast.parse(source).body
    except SyntaxError as error:
        raise ParameterError(f"{where}, line {error.lineno}: {FORM}") from error
    read = {entry.name: entry for entry in PythonTranslator.inspect({"source": source})}
    found: dict[str, Parameter] = {}
    for node in body:
        try:
            name, kind = node.target.id, node.annotation.id  # type: ignore[attr-defined]
            value, entry = ast.literal_eval(node.value), read[name]  # type: ignore[attr-defined]
            plain = type(value) is TYPES[kind] or (kind, type(value)) == ("float", int)
            as_meant = plain and name not in found and ast.literal_eval(entry.default) == value
        except (AttributeError, KeyError, ValueError, SyntaxError):
            as_meant = False
        if not as_meant:
            raise ParameterError(f"{where}, line {node.lineno}: {FORM}")
        found[name] = Parameter(name, kind, TYPES[kind](value), entry.help.strip())
    return found


def inspect_notebook(notebook: Path | str | Mapping[str, Any]) -> dict[str, Parameter]:
    """What a notebook (path or parsed JSON) declares, in order; ParameterError without exactly one parameters cell."""
    if isinstance(notebook, Mapping):
        where, content = "the notebook", notebook
    else:
        where, content = Path(notebook).name, json.loads(Path(notebook).read_text(encoding="utf-8"))
    cells = [cell for cell in content["cells"] if "parameters" in tags_of(cell)]
    if len(cells) != 1:
        raise ParameterError(f"{where} has {len(cells)} cells tagged `parameters`, it needs one")
    return inspect_source(source_of(cells[0]), f"{where}, parameters cell")


def check_overrides(
    declared: Mapping[str, Parameter], overrides: Mapping[str, Any], where: str
) -> dict[str, Any]:
    """Overrides, perhaps text from a command line, as the declared types; ParameterError where one does not fit."""
    checked = {}
    for name, value in overrides.items():
        if name not in declared:
            raise ParameterError(f"{where} has no parameter {name}{nearest(name, declared)}")
        kind = declared[name].type
        try:
            checked[name] = READERS[kind].validate_python(value)
        except ValidationError:
            raise ParameterError(f"{where}: {name} is {kind}, {value!r} is not") from None
    return checked


def full_parameters(declared: Mapping[str, Parameter], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Every declared name with its override or its default: what the notebook itself will read."""
    return {name: overrides.get(name, parameter.default) for name, parameter in declared.items()}


def read_parameters(namespace: MutableMapping[str, Any]) -> dict[str, Any]:
    """The parameters of the running notebook: `read_parameters(globals())`, called by the set-up cell.

    The names are those annotated so far with a plain value, fixed by the first call; values are read anew each time.
    An int in a float's place becomes a float, as the runner does it, so that both name one run folder.
    """
    annotated, plain = namespace.get("__annotations__", {}), TYPES.values()
    names = namespace.setdefault(
        REMEMBERED, [name for name in annotated if type(namespace.get(name)) in plain]
    )
    for name in names:
        if annotated.get(name) in (float, "float") and type(namespace[name]) is int:
            namespace[name] = float(namespace[name])
    return {name: namespace[name] for name in names}
