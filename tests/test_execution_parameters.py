"""The parameters cell: what may stand in it, which overrides fit, what the notebook itself reads."""

import pytest
import yaml
from execution_toys import TINY, notebook

from helpers.execution.child import yaml_of
from helpers.execution.parameters import (
    ParameterError,
    check_overrides,
    full_parameters,
    inspect_notebook,
    inspect_source,
    read_parameters,
)

CELL = """dataset: str = "starter"     # a name in data_manifest.yaml
epochs: int = 3              # passes over the training list
lr: float = 1e-3             # peak learning rate · größer lernt schneller
offset: float = -2           # below zero
mix: bool = False            # true or false"""


def test_each_line_is_read_with_type_default_and_meaning():
    found = inspect_source(CELL)
    assert list(found) == ["dataset", "epochs", "lr", "offset", "mix"]
    assert found["lr"].default == 1e-3 and found["lr"].comment.startswith("peak learning rate")
    assert found["offset"].default == -2.0 and type(found["offset"].default) is float
    assert found["dataset"].comment == "a name in data_manifest.yaml"


@pytest.mark.parametrize(
    "line",
    [
        "epochs = 3",
        "import os",
        "epochs: int | None = 3",
        "epochs: int = 3; lr: float = 1.0",
        "lr: float = 1.0  # as in lr=1",
        "epochs: int = 2 * 3",
        "epochs: int = 3.0",
        "mix: bool = 0",
        "epochs: int = 3\nepochs: int = 4",
        "epochs: int = ",
    ],
)
def test_anything_else_in_the_cell_is_named(line):
    with pytest.raises(ParameterError, match="line [12]: write `name: type = value"):
        inspect_source(line)


def test_two_parameter_cells_are_refused():
    twice = notebook(TINY[0], TINY[1])
    twice["cells"].append(twice["cells"][1])
    with pytest.raises(ParameterError, match="2 cells"):
        inspect_notebook(twice)


@pytest.mark.parametrize(
    "name, value, becomes",
    [
        ("lr", "1e-4", 1e-4),
        ("lr", 1, 1.0),
        ("epochs", "12", 12),
        ("epochs", 5.0, 5),
        ("mix", "true", True),
        ("mix", "0", False),
        ("dataset", "007", "007"),
    ],
)
def test_text_from_a_command_line_becomes_the_declared_type(name, value, becomes):
    got = check_overrides(inspect_source(CELL), {name: value}, "toy")[name]
    assert got == becomes and type(got) is type(becomes)


@pytest.mark.parametrize(
    "name, value, says",
    [
        ("epohcs", "3", "did you mean epochs"),
        ("zzz", "3", "there is dataset, epochs"),
        ("lr", "abc", "lr is float, 'abc' is not"),
        ("lr", "nan", "lr is float"),
        ("epochs", "3.5", "epochs is int"),
        ("epochs", 3.5, "epochs is int"),
        ("epochs", "inf", "epochs is int"),
        ("mix", "maybe", "mix is bool"),
        ("dataset", 3, "dataset is str"),
    ],
)
def test_misspelt_and_ill_typed_overrides_are_refused(name, value, says):
    with pytest.raises(ParameterError, match=says):
        check_overrides(inspect_source(CELL), {name: value}, "toy")


def test_full_parameters_keep_the_order_of_the_cell():
    declared = inspect_source(CELL)
    assert list(full_parameters(declared, {"mix": True, "epochs": 9}).items())[1] == ("epochs", 9)


def test_small_floats_survive_the_way_to_papermill_as_numbers():
    values = {"lr": 1e-5, "name": "1e-5", "seeds": "007", "flag": "yes", "n": 3, "text": "a: b # c 'd'"}
    assert yaml.safe_load(yaml_of(values)) == values


def test_a_notebook_reads_what_papermill_injected_below():
    names = {"In": [], "_i1": "x", "exit": object()}
    exec(CELL, names)
    exec("lr = 1\nepochs = 7", names)
    read = read_parameters(names)
    assert read == {"dataset": "starter", "epochs": 7, "lr": 1.0, "offset": -2.0, "mix": False}
    assert type(read["lr"]) is float and type(names["lr"]) is float


def test_names_of_later_cells_are_no_parameters_when_set_up_runs_again():
    names = {}
    exec(CELL, names)
    first = read_parameters(names)
    exec("best: float = 0.3\nn_clips = 400\nepochs = 9", names)
    again = read_parameters(names)
    assert list(again) == list(first) and again["epochs"] == 9
