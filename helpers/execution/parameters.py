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
REMEMBERED = (
    "_parameter_names"  # hidden in the notebook's own names, where papermill and Jupyter leave it alone
)


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
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)


def tags_of(cell: Mapping[str, Any]) -> list[str]:
    """The tags of a cell, [] where it has none."""
    return list(cell.get("metadata", {}).get("tags", []))


def inspect_source(source: str, where: str = "the parameters cell") -> dict[str, Parameter]:
    """Parse `name: type = literal  # comment` lines; ParameterError names the first line that is anything else."""
    try:
        body = ast.parse(source).body
    except SyntaxError as error:
        raise ParameterError(f"{where}, line {error.lineno}: not Python ({error.msg})") from error
    lines = source.splitlines()
    found: dict[str, Parameter] = {}
    starts = [node.lineno for node in body]
    for node in body:
        at = f"{where}, line {node.lineno}"
        if not (
            isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None
        ):
            raise ParameterError(
                f"{at}: write `name: type = value`, nothing else stands in a parameters cell"
            )
        name, kind = node.target.id, ast.unparse(node.annotation)
        if kind not in TYPES:
            raise ParameterError(f"{at}: {name} is annotated {kind}, papermill reads only {', '.join(TYPES)}")
        if node.lineno != node.end_lineno or starts.count(node.lineno) > 1:
            raise ParameterError(f"{at}: one parameter a line")
        line = lines[node.lineno - 1]
        if line.count("=") != 1:
            raise ParameterError(
                f"{at}: a second `=` hides {name} from papermill: reword the comment or the value"
            )
        try:
            value = ast.literal_eval(node.value)
        except ValueError as error:
            raise ParameterError(f"{at}: {name} is derived, parameters are plain literals") from error
        if name in found:
            raise ParameterError(f"{at}: {name} is declared twice")
        if type(value) is not TYPES[kind] and not (kind == "float" and type(value) is int):
            raise ParameterError(f"{at}: {name} is annotated {kind} but {value!r} is {type(value).__name__}")
        # The columns of ast count bytes of UTF-8.
        rest = line.encode()[node.end_col_offset :].decode().strip()
        found[name] = Parameter(name, kind, TYPES[kind](value), rest.lstrip("# ").strip())
    return found


def inspect_notebook(notebook: Path | str | Mapping[str, Any]) -> dict[str, Parameter]:
    """The parameters that a notebook (path or parsed JSON) declares, in order; ParameterError without exactly one cell."""
    if isinstance(notebook, Mapping):
        where, content = "the notebook", notebook
    else:
        where, content = Path(notebook).name, json.loads(Path(notebook).read_text(encoding="utf-8"))
    cells = [
        cell for cell in content["cells"] if "parameters" in tags_of(cell) and cell["cell_type"] == "code"
    ]
    if len(cells) != 1:
        raise ParameterError(f"{where} has {len(cells)} cells tagged `parameters`, it needs one")
    return inspect_source(source_of(cells[0]), f"{where}, parameters cell")


def convert(value: Any, parameter: Parameter) -> Any:
    """`value`, perhaps text from a command line, as the declared type; ParameterError where it does not fit."""
    refusal = f"{parameter.name} is {parameter.type}, {value!r} is not"
    kind = parameter.type
    if kind == "str":
        if isinstance(value, str):
            return value
        raise ParameterError(refusal)
    if kind == "bool":
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in WORDS_FOR_BOOL:
            return WORDS_FOR_BOOL[value.lower()]
        raise ParameterError(f"{refusal}: write true or false")
    if isinstance(value, bool):
        raise ParameterError(refusal)
    try:
        number = float(value)
        if kind == "int":
            whole = int(value) if isinstance(value, str) else int(number)
            if whole != number:
                raise ParameterError(refusal)
            return whole
    except (TypeError, ValueError, OverflowError) as error:
        raise ParameterError(refusal) from error
    if not math.isfinite(number):
        raise ParameterError(f"{refusal} finite")
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

    The names are those annotated so far with a plain value, and are fixed by the first call: a name that a later cell
    makes is no parameter when the set-up cell is run again. Values are read anew each time, so that a reader may change
    one and go on. An int in a float's place becomes a float, as the runner does it, so that both name one run folder.
    """
    annotated = namespace.get("__annotations__", {})
    names = namespace.get(REMEMBERED)
    if names is None:
        candidates = annotated or namespace
        names = [name for name in candidates if _is_plain(name, namespace.get(name))]
        namespace[REMEMBERED] = names
    values = {name: namespace[name] for name in names}
    for name, value in values.items():
        if annotated.get(name) in (float, "float") and type(value) is int:
            values[name] = namespace[name] = float(value)
    return values


def _is_plain(name: str, value: Any) -> bool:
    return not name.startswith("_") and type(value) in TYPES.values()
