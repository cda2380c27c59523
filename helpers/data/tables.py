"""Tables as people save them (CSV, TSV, semicolons, blanks; headings or none) -> texts that know their line.

Protocols, feature tables, score files and keys all go through here. `read_table` takes the headings as they are;
`read_named` gives the columns the suite's names, by their headings or, where there are none, by what they hold.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.data.errors import DataError
from helpers.data.labels import LABEL_WORDS, SUBSET_WORDS, plain

SEPARATORS = ",;\t|"
NO_HEADING = re.compile(r"(Unnamed: \d+)?")  # what pandas makes of the row numbers that it wrote
ALIASES = {
    "utterance": "utterance utt utt_id utterance_id name id trial trial_id audio_id",
    "path": "path file file_name filename file_path filepath wav wav_path wavfile audio audio_path audio_file clip fname",
    "label": "label labels key class truth y y_true target category cm_label ground_truth is_spoof is_fake",
    "attack": "attack attack_id attack_label attack_type system system_id algorithm generator",
    "score": "score scores cm_score llr logit logits prediction pred prob probability y_score output",
    "score_bonafide": "bonafide bonafide_score score_bonafide bonafide_prob prob_bonafide p_bonafide real real_score "
    "score_real real_prob prob_real p_real genuine genuine_score human human_score",
    "score_spoof": "spoof spoof_score score_spoof spoof_prob prob_spoof p_spoof fake fake_score score_fake fake_prob "
    "prob_fake p_fake fake_probability deepfake",
    "split": "split subset partition",
    "speaker": "speaker speaker_id spk spk_id speaker_name",
    "group": "group",
}
NAME_OF = {alias: name for name, aliases in ALIASES.items() for alias in aliases.split()}


def read_text(path: Path) -> str:
    """The text of a file in UTF-8 or UTF-16, with or without a byte order mark; DataError for another encoding."""
    raw = path.read_bytes()
    encoding = "utf-8-sig"
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    elif raw[:200].count(0) > len(raw[:200]) // 4:
        encoding = "utf-16-le" if raw[1:2] == b"\0" else "utf-16-be"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        raise DataError(f"{path.name} is not in UTF-8: save it in UTF-8") from None


def read_rows(path: Path) -> dict[int, list[str]]:
    """Line of the file -> its cells without blanks around them, lines with nothing in them left out.

    The separator is the one that stands most often in the first line, or the one in Excel's first line `sep=;`, or
    blanks where there is none. DataError for an empty file or quotation marks that never close.
    """
    lines = list(io.StringIO(read_text(path)))
    start = next((number for number, line in enumerate(lines) if line.strip()), len(lines))
    if start == len(lines):
        raise DataError(f"{path.name} is empty")
    first = lines[start]
    separator = max(SEPARATORS, key=first.count)
    if re.fullmatch(r"sep=[,;\t|]\s*", first):
        separator, start = first[4], start + 1
    elif separator not in first:
        if not any('"' in line for line in lines):
            return {number: line.split() for number, line in enumerate(lines, 1) if line.strip()}
        separator = " "
    reader = csv.reader(lines[start:], delimiter=separator, skipinitialspace=True, strict=True)
    rows = {}
    line = start + 1
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if any(cells):
                rows[line] = cells
            line = start + reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path.name}, line {line} cannot be read as a table: {error}") from None
    return rows


def _as_table(rows: dict[int, list[str]], headings: list[str], name: str) -> pd.DataFrame:
    width = len(headings)
    for line, cells in rows.items():
        if any(cells[width:]):
            raise DataError(
                f"{name}, line {line}: {len(cells)} cells under {width} headings; "
                "a cell that holds the separator needs quotation marks"
            )
        if len(cells) != width:
            rows[line] = (cells + [""] * width)[:width]
    return pd.DataFrame(list(rows.values()), index=list(rows), columns=headings, dtype=str)


def read_table(path: Path) -> pd.DataFrame:
    """Every cell as text; the index is the line in the file, to be named in messages. The first line has headings."""
    rows = read_rows(path)
    table = _as_table(rows, rows.pop(min(rows)), path.name)
    return _with_headings(table, path.name)


def _with_headings(table: pd.DataFrame, name: str) -> pd.DataFrame:
    table = table.loc[:, [not NO_HEADING.fullmatch(heading) for heading in table.columns]]
    if table.columns.has_duplicates:
        twice = table.columns[table.columns.duplicated()][0]
        raise DataError(f"{name} has two columns called {twice!r}")
    return table


def read_named(path: Path, own: dict[str, str] | None = None) -> pd.DataFrame:
    """The table with columns in the suite's names (`ALIASES`); further columns keep their heading.

    Without headings the columns are told by what they hold; those that tell nothing are left out. `own` has the
    user's own label words.
    """
    rows = read_rows(path)
    first = rows[min(rows)]
    if not _is_heading(first):
        table = _as_table(rows, list(map(str, range(len(first)))), path.name)
        return _named_by_content(table, path.name, {*LABEL_WORDS, *map(plain, own or {})})
    table = _with_headings(_as_table(rows, rows.pop(min(rows)), path.name), path.name)
    headings = list(table.columns)
    words = [re.sub(r"[\s\-.]+", "_", word.strip().lower()) for word in headings]
    names = [NAME_OF.get(word) for word in words]
    columns: list[str] = []
    for place, (given, word, name) in enumerate(zip(headings, words, names, strict=True)):
        # Of two columns that mean the same, the one of that very name counts, else the first.
        counts = name is not None and name not in columns and (word == name or name not in words)
        columns.append(name if name and counts else f"{given}_{place}" if name else given)
    return table.set_axis(columns, axis=1)


def _is_heading(cells: list[str]) -> bool:
    known = {NAME_OF.get(re.sub(r"[\s\-.]+", "_", cell.lower())) for cell in cells} - {None}
    numbers = any(re.fullmatch(r"[-+]?\d[\d.,]*(e[-+]?\d+)?", cell.lower()) for cell in cells)
    return bool(known - {"score_bonafide", "score_spoof"}) and not numbers


def _mostly_numbers(column: pd.Series) -> bool:
    return bool(as_numbers(column).notna().mean() > 0.5)


def as_numbers(column: pd.Series) -> pd.Series:
    """Text -> floats, NaN where it is none; a decimal comma is taken for a point where all of them have one."""
    numbers = pd.to_numeric(column, errors="coerce")
    if numbers.isna().all():
        numbers = pd.to_numeric(column.str.replace(",", "."), errors="coerce")
    return numbers.astype(np.float64)


def _named_by_content(table: pd.DataFrame, name: str, words: set[str]) -> pd.DataFrame:
    """Labels are words, scores are numbers, an utterance differs from line to line.

    ASVspoof 2015 to 5 begin with the speaker and have the attack before the label; 2021 ends with the subset.
    """
    places = range(table.shape[1])
    cells = {place: table.iloc[:, place] for place in places}

    def all_in(place: int, allowed) -> bool:
        return set(map(plain, cells[place].unique())) <= set(allowed)

    names: dict[int, str] = {}
    label = next((place for place in places if all_in(place, words)), None)
    numeric = [place for place in places if place != label and _mostly_numbers(cells[place])]
    if label is None:
        label = next((place for place in numeric if len(numeric) > 1 and all_in(place, "01")), None)
        label = next((p for p in numeric if all_in(p, "01")), None) if label is None else label
        numeric = [place for place in numeric if place != label]
    if label is not None:
        names[label] = "label"
        for place in places:
            if place > label and all_in(place, SUBSET_WORDS):
                names[place] = "split"
    texts = [place for place in places if place not in numeric and place not in names]
    if not texts:  # utterances that are numbers
        texts = [place for place in numeric if cells[place].is_unique and len(numeric) > 1][:1]
        numeric = [place for place in numeric if place not in texts]
    if not texts:
        raise DataError(f"{name}: none of its {len(cells)} columns names the utterances")
    if label is not None and label >= 3:
        texts.sort(key=lambda place: place != 1)  # the speaker stands before the utterance
        numeric = [place for place in numeric if place > label]
    utterance = max(texts, key=lambda place: cells[place].nunique())
    names[utterance] = "utterance"
    if label is not None and label >= 2 and label - 1 not in names and label - 1 in texts:
        names[label - 1] = "attack"
    if utterance == 1 and 0 in texts:
        names[0] = "speaker"
    elif label == 1 and len(cells) == 7 and 2 in texts:  # ASVspoof 2017
        names[2] = "speaker"
    if len(numeric) == 1:
        names[numeric[0]] = "score"
    elif len(numeric) == 2:
        # The public baselines have class 0 for spoof and class 1 for bona fide.
        names[numeric[0]], names[numeric[1]] = "score_spoof", "score_bonafide"
    kept = sorted(names)
    return table.iloc[:, kept].set_axis([names[place] for place in kept], axis=1)


AUDIO_ENDING = re.compile(r"\.(wav|flac|ogg|opus|mp3|m4a|aac|aiff?|wma|amr|mp4|webm|caf)$", re.IGNORECASE)


def plain_name(name: str) -> str:
    """`flac\\LA_E_1.flac` -> `LA_E_1`: an utterance's name without folders and ending."""
    return AUDIO_ENDING.sub("", str(name).replace("\\", "/")).rpartition("/")[2]
