"""A notebook's parameters cell: which names it declares, whether overrides fit, and their values in a running kernel."""

from __future__ import annotations

import ast
import difflib
import json
import math
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TYPES: dict[str, type] = {"str": str, "int": int, "float": float, "bool": bool}
WORDS_FOR_BOOL = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
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
    """The parameters as papermill reads them; ParameterError names the first line that it would not read as meant."""
    from papermill.translators import PythonTranslator

    form = "write `name: type = value  # meaning`, one a line, one `=` a line"
    try:
        body = ast.parse(source).body
    except SyntaxError as error:
        raise ParameterError(f"{where}, line {error.lineno}: not Python ({error.msg})") from error
    read = {entry.name: entry for entry in PythonTranslator.inspect({"source": source})}
    found: dict[str, Parameter] = {}
    for node in body:
        at = f"{where}, line {node.lineno}"
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name) or not node.value:
            raise ParameterError(f"{at}: {form}")
        name, kind = node.target.id, ast.unparse(node.annotation)
        line = source.splitlines()[node.lineno - 1]
        if (
            name in found
            or name not in read
            or kind not in TYPES
            or line.count("=") != 1
            or node.end_lineno != node.lineno
        ):
            raise ParameterError(
                f"{at}: papermill does not read {name} as meant: {form}, of {', '.join(TYPES)}"
            )
        try:
            value = ast.literal_eval(node.value)
        except ValueError as error:
            raise ParameterError(f"{at}: {name} is derived, parameters are plain literals") from error
        if type(value) is not TYPES[kind] and not (kind == "float" and type(value) is int):
            raise ParameterError(f"{at}: {name} is annotated {kind} but {value!r} is {type(value).__name__}")
        found[name] = Parameter(name, kind, TYPES[kind](value), read[name].help.strip())
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


def convert(value: Any, parameter: Parameter) -> Any:
    """`value`, perhaps text from a command line, as the declared type; ParameterError where it does not fit."""
    kind, text = parameter.type, str(value).strip()
    refusal = ParameterError(f"{parameter.name} is {kind}, {value!r} is not")
    if kind == "str" and isinstance(value, str):
        return value
    if kind == "bool":
        if text.lower() in WORDS_FOR_BOOL:
            return WORDS_FOR_BOOL[text.lower()]
        raise ParameterError(f"{refusal}: write true or false")
    if kind == "str" or isinstance(value, bool):
        raise refusal
    try:
        number = float(text)
    except ValueError:
        raise refusal from None
    if not math.isfinite(number) or (kind == "int" and number != int(number)):
        raise refusal
    if kind == "int":
        return int(text) if text.lstrip("+-").isdigit() else int(number)
    return number


def nearest(name: str, known: Any) -> str:
    """`: did you mean x?`, or the list of what there is where nothing is near."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f": did you mean {close[0]}?" if close else f": there is {', '.join(known) or 'nothing'}"


def check_overrides(
    declared: Mapping[str, Parameter], overrides: Mapping[str, Any], where: str
) -> dict[str, Any]:
    """Overrides converted to the declared types; ParameterError for a name or a value that does not fit."""
    checked = {}
    for name, value in overrides.items():
        if name not in declared:
            raise ParameterError(f"{where} has no parameter {name}{nearest(name, declared)}")
        try:
            checked[name] = convert(value, declared[name])
        except ParameterError as error:
            raise ParameterError(f"{where}: {error}") from error
    return checked


def full_parameters(declared: Mapping[str, Parameter], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Every declared name with its override or its default: what the notebook itself will read."""
    return {name: overrides.get(name, parameter.default) for name, parameter in declared.items()}


def read_parameters(namespace: MutableMapping[str, Any]) -> dict[str, Any]:
    """The parameters of the running notebook: `read_parameters(globals())`, called by the set-up cell.

    The names are those annotated so far with a plain value, fixed by the first call; values are read anew each time.
    An int in a float's place becomes a float, as the runner does it, so that both name one run folder.
    """
    annotated = namespace.get("__annotations__", {})
    names = namespace.get(REMEMBERED)
    if names is None:
        plain = TYPES.values()
        names = [
            name for name in annotated or namespace if name[0] != "_" and type(namespace.get(name)) in plain
        ]
        namespace[REMEMBERED] = names
    values = {name: namespace[name] for name in names}
    for name, value in values.items():
        if annotated.get(name) in (float, "float") and type(value) is int:
            values[name] = namespace[name] = float(value)
    return values
