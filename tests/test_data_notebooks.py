"""Notebooks 01 and 02 by hand and headless: what a drive, a folder or a service refuses is one sentence."""

from __future__ import annotations

import errno

import nbformat
import pytest
from data_trees import touch
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from helpers.data.manifest import PROJECT

BROKEN_DRIVE = """
import os, helpers.data.staging
def broken(*_):
    raise OSError({number}, os.strerror({number}))
helpers.data.staging.list_members = broken
"""


def run(name: str, more: str, **parameters: str) -> tuple[str, list[str]]:
    """What the last cell shows where it stops, and what was printed; `more` is run after the set-up."""
    notebook = nbformat.read(PROJECT / "notebooks" / f"{name}.ipynb", as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    cells[0].source += "\n" + "\n".join(f"{key} = {value!r}" for key, value in parameters.items())
    cells[1].source += "\n" + more
    notebook.cells = cells
    with pytest.raises(CellExecutionError):
        NotebookClient(
            notebook, timeout=120, resources={"metadata": {"path": PROJECT / "notebooks"}}
        ).execute()
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    error = next(output for output in outputs if output.output_type == "error")
    return error.evalue, error.traceback


@pytest.mark.parametrize(
    ("name", "number", "sentence"),
    [
        ("02_stage", errno.ENOTCONN, "the drive is not connected any more"),
        ("01_download", 0, "it holds notes.txt"),
    ],
)
def test_a_notebook_stops_with_one_sentence(tmp_path, name, number, sentence):
    touch(tmp_path / "in" / "notes.txt")
    source = "" if number else str(tmp_path / "in")
    value, trace = run(name, BROKEN_DRIVE.format(number=number) if number else "", source=source)
    assert sentence in value and len(trace) == 1 and value in trace[0] and "\n" not in trace[0]
