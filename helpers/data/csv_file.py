"""A CSV as people save it -> a table of texts that knows the line of each row."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pandas as pd

from helpers.data.errors import DataError

SEPARATORS = ",;\t|"
NO_HEADING = re.compile(r"(Unnamed: \d+)?")  # what pandas makes of the row numbers that it wrote


def read_csv_file(path: Path) -> pd.DataFrame:
    """Every cell as text without blanks around it; the index is the line in the file, to be named in messages.

    The separator is the one that stands most often among the headings, or the one in Excel's first line `sep=;`.
    Empty lines and columns without a heading are left out.
    """
    try:
        rows = _rows(path.read_text(encoding="utf-8-sig"))
        if not rows:
            raise csv.Error("it is empty")
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path.name} cannot be read ({error}): save it as CSV in UTF-8, with a line of headings"
        ) from None
    headings = rows.pop(min(rows))
    width = len(headings)
    for line, cells in rows.items():
        if any(cells[width:]):
            raise DataError(
                f"{path.name}, line {line}: {len(cells)} cells under {width} headings; "
                "a cell that holds the separator needs quotation marks"
            )
        rows[line] = (cells + [""] * width)[:width]
    table = pd.DataFrame.from_dict(rows, "index", columns=headings, dtype=str)
    table = table.loc[:, [not NO_HEADING.fullmatch(heading) for heading in headings]]
    if table.columns.has_duplicates:
        raise DataError(
            f"{path.name} has two columns called {table.columns[table.columns.duplicated()][0]!r}"
        )
    return table


def first_line(wrong: pd.Series) -> int:
    """The line in the file of the first row for which `wrong` is true."""
    return int(wrong.index[wrong][0])


def _rows(text: str) -> dict[int, list[str]]:
    """Line of the file -> its cells, lines with nothing in them left out."""
    lines = list(io.StringIO(text))
    start = next((number for number, line in enumerate(lines) if line.strip()), 0)
    heading = lines[start] if lines else ""
    separator = max(SEPARATORS, key=heading.count)
    if re.fullmatch(r"sep=[,;\t|]\s*", heading):
        separator, start = heading[4], start + 1
    reader = csv.reader(lines[start:], delimiter=separator, skipinitialspace=True, strict=True)
    rows = {}
    line = start + 1
    for cells in reader:
        cells = [cell.strip() for cell in cells]
        if any(cells):
            rows[line] = cells
        line = start + reader.line_num + 1
    return rows
