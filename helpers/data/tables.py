"""Tables as people save them (CSV, TSV, semicolons, blanks; headings or none), and the words that they write in them.

Protocols, feature tables, score files and keys all go through here. `read_table` takes the headings as they are;
`read_named` gives the columns the suite's names, by their headings or, where there are none, by what they hold.
Every cell is text, and the index is the line of the file, to be named in messages.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.data.errors import DataError

# ---------------------------------------------------------------- words

UNKNOWN = "unknown"
NOT_TOLD = ("", "-", UNKNOWN)
_WORDS = {
    "bonafide": "bonafide,bona fide,genuine,human,human speech,human voice,real,real speech,real audio,real voice,"
    "original,authentic,natural,organic,live,target,nontarget",
    "spoof": "spoof,spoofed,fake,fake speech,fake audio,fake voice,synthetic,synthesized,synthesised,deepfake,deep fake,"
    "deepfaked,generated,ai,ai generated,ai voice,artificial,cloned,tts,converted,vocoded,replay,replayed",
}
LABEL_WORDS = {word.replace(" ", ""): label for label, words in _WORDS.items() for word in words.split(",")}
CLASS_FOLDERS = {
    word.replace(" ", joint): label
    for label, words in _WORDS.items()
    for word in words.split(",")
    for joint in ("", " ", "-", "_")
}
SPLIT_WORDS = {
    **dict.fromkeys(["train", "training", "trn"], "train"),
    **dict.fromkeys(["dev", "development", "validation", "valid", "val"], "dev"),
    **dict.fromkeys(["eval", "evaluation", "test", "testing"], "eval"),
}
SUBSET_WORDS = {**SPLIT_WORDS, "progress": "progress", "hidden": "hidden"}  # the keys of ASVspoof 2021
NUMBERS_SAY = '`labels: {"1": bonafide, "0": spoof}` in the options, or the other way round'


def plain(word: str) -> str:
    """`Bona-Fide`, `bona fide` and `bona_fide` are one word; the label 1.0 is 1."""
    return re.sub(r"\.0+$|[\s_\-]+", "", str(word).strip().strip("\"'").lower())


def in_words(column: pd.Series, words: Mapping[str, str]) -> pd.Series:
    """Each cell by its plain word in `words`, NaN where it has none."""
    return column.map({cell: words.get(plain(cell), np.nan) for cell in column.unique()})


def read_labels_in_words(
    labels: pd.Series, own: Mapping[str, str] | None, name: str, say: str = NUMBERS_SAY
) -> pd.Series:
    """real, fake, genuine, … and the user's `own` words -> bonafide | spoof; DataError names the first unknown one.

    Numbers are refused until `own` says what they mean: half of the public code has 1 for fake. `say` is how to.
    """
    own = {plain(word): label for word, label in (own or {}).items()}
    wrong = sorted(set(own.values()) - {"bonafide", "spoof"})
    if wrong:
        raise DataError(f"`labels` in the options leads to {wrong}; only bonafide and spoof exist")
    found = in_words(labels, {**LABEL_WORDS, **own})
    if found.isna().any():
        line = first_line(found.isna())
        numbers = "numbers mean different things in different data: " * (plain(labels[line]) in ("0", "1"))
        raise DataError(
            f"{name}, line {line}: label {labels[line]!r} is neither bonafide nor spoof; {numbers}say {say}"
        )
    return found


def read_splits_in_words(splits: pd.Series, name: str) -> pd.Series:
    """training, Test, … -> train | dev | eval; DataError names the first unknown one."""
    found = in_words(splits, SPLIT_WORDS)
    if found.isna().any():
        line = first_line(found.isna())
        raise DataError(f"{name}, line {line}: split {splits[line]!r} is none of train, dev, eval")
    return found


def fill_attack_and_speaker(table: pd.DataFrame) -> pd.DataFrame:
    """Bona fide speech gets the attack "-"; what is not told is "unknown"."""
    for column in ("attack", "speaker"):
        told = table[column] if column in table else pd.Series(UNKNOWN, index=table.index)
        table[column] = told.where(~told.isin(NOT_TOLD), UNKNOWN)
    table["attack"] = table["attack"].where(table["label"] == "spoof", "-")
    return table


def first_line(wrong: pd.Series) -> int:
    """The line in the file of the first row for which `wrong` is true."""
    return int(wrong.index[wrong][0])


# ---------------------------------------------------------------- from a file to cells

SEPARATORS = ",;\t|"
ROW_NUMBERS = re.compile(r"(Unnamed: \d+)?")  # what pandas makes of the row numbers that it wrote


def read_text(path: Path) -> str:
    """The text of a file in UTF-8 or UTF-16, with or without a byte order mark; DataError for another encoding."""
    raw = path.read_bytes()
    encoding = "utf-8-sig"
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    elif raw[:200].count(0) > len(raw[:200]) // 4:
        encoding = "utf-16-le" if raw[1:2] == b"\0" else "utf-16-be"
    try:
        return raw.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        raise DataError(f"{path.name} is not in UTF-8: save it in UTF-8") from None


def read_cells(path: Path) -> pd.DataFrame:
    """Every line with something in it, columns 0, 1, …; as many as the first line has.

    The separator is the one that stands most often in the first line, or the one in Excel's first line `sep=;`, or
    blanks where there is none. DataError for an empty file, quotation marks that never close, and lines that are
    longer than the first.
    """
    text = read_text(path)
    lines = text.split("\n")
    start = next((number for number, line in enumerate(lines) if line.strip(SEPARATORS + " \n")), None)
    if start is None:
        raise DataError(f"{path.name} is empty")
    separator = max(SEPARATORS, key=lines[start].count)
    if re.fullmatch(r"sep=[,;\t|]\s*", lines[start]):
        separator, start = lines[start][4], start + 1
    blanks = separator not in lines[start]
    longest = max(len(line.split()) if blanks else line.count(separator) + 1 for line in lines)
    try:
        cells = pd.read_csv(
            io.StringIO(text),
            sep=r"\s+" if blanks else separator,
            header=None,
            names=range(longest),
            skiprows=start,
            dtype=object,
            na_filter=False,
            skip_blank_lines=False,
            skipinitialspace=True,
        )
    except pd.errors.ParserError as error:
        line = start + 1 + int((re.findall(r"row (\d+)", str(error)) or ["0"])[0])
        raise DataError(
            f"{path.name}, line {line} cannot be read as a table: a quotation mark does not close"
        ) from None
    cells.index += start + 1
    if '"' in text:  # a cell may hold the end of a line
        ends = cells.apply(lambda column: column.str.count("\n")).sum(axis=1)
        cells.index += ends.cumsum().shift(fill_value=0).to_numpy()
    if not blanks:
        cells = cells.apply(lambda column: column.str.strip())
    cells = cells[(cells != "").any(axis=1)]
    one_line = csv.reader([lines[start]], delimiter=" " if blanks else separator, skipinitialspace=True)
    width = len(lines[start].split()) if blanks and '"' not in lines[start] else len(next(one_line))
    wide = (cells.iloc[:, width:] != "").any(axis=1)
    if wide.any():
        line = first_line(wide)
        n_cells = int(np.flatnonzero(cells.loc[line] != "")[-1]) + 1
        raise DataError(
            f"{path.name}, line {line}: {n_cells} cells under {width} headings; "
            "a cell that holds the separator needs quotation marks"
        )
    return cells.iloc[:, :width]


def read_table(path: Path) -> pd.DataFrame:
    """The table under the headings of its first line; DataError where two of them are the same."""
    return _under_headings(read_cells(path), path.name)


def _under_headings(cells: pd.DataFrame, name: str) -> pd.DataFrame:
    table = cells.iloc[1:].set_axis(list(cells.iloc[0]), axis=1)
    table = table.loc[:, [not ROW_NUMBERS.fullmatch(heading) for heading in table.columns]]
    if table.columns.has_duplicates:
        twice = table.columns[table.columns.duplicated()][0]
        raise DataError(f"{name} has two columns called {twice!r}")
    return table


# ---------------------------------------------------------------- columns in the suite's names

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
AUDIO_ENDING = re.compile(r"\.(wav|flac|ogg|opus|mp3|m4a|aac|aiff?|wma|amr|mp4|webm|caf)$", re.IGNORECASE)


def plain_name(name: str) -> str:
    """`flac\\LA_E_1.flac` -> `LA_E_1`: an utterance's name without folders and ending."""
    return AUDIO_ENDING.sub("", str(name).replace("\\", "/")).rpartition("/")[2]


def read_named(path: Path, own: Mapping[str, str] | None = None) -> pd.DataFrame:
    """The table with columns in the suite's names (`ALIASES`); further columns keep their heading.

    Without headings the columns are told by what they hold; those that tell nothing are left out. `own` has the
    user's own label words.
    """
    cells = read_cells(path)
    headings = list(cells.iloc[0])
    words = [_heading_word(heading) for heading in headings]
    known = {NAME_OF.get(word) for word in words} - {None, "score_bonafide", "score_spoof"}
    if not known or any(re.fullmatch(r"[-+]?\d[\d.,]*(e[-+]?\d+)?", heading.lower()) for heading in headings):
        return _named_by_content(cells, path.name, {*LABEL_WORDS, *map(plain, own or {})})
    table = _under_headings(cells, path.name)
    words = [_heading_word(heading) for heading in table.columns]
    names = [NAME_OF.get(word) for word in words]
    columns: list[str] = []
    for place, (given, word, name) in enumerate(zip(table.columns, words, names, strict=True)):
        # Of two columns that mean the same, the one of that very name counts, else the first.
        counts = name is not None and name not in columns and (word == name or name not in words)
        columns.append(name if name and counts else f"{given}_{place}" if name else given)
    return table.set_axis(columns, axis=1)


def _heading_word(heading: str) -> str:
    return re.sub(r"[\s\-.]+", "_", heading.strip().lower())


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
    cells = [table[column] for column in table]
    places = range(len(cells))
    kinds = [column.unique() for column in cells]

    def all_in(place: int, allowed: Collection[str]) -> bool:
        return len(kinds[place]) < 100 and {plain(word) for word in kinds[place]} <= set(allowed)

    names: dict[int, str] = {}
    # A thousand lines tell whether a column has numbers: half a million take seconds.
    numeric = [p for p in places if as_numbers(cells[p].iloc[:: len(table) // 1000 + 1]).notna().mean() > 0.5]
    label = next((place for place in places if all_in(place, words)), None)
    if label is None:
        zeros_and_ones = [place for place in numeric if all_in(place, "01")]
        label = zeros_and_ones[0] if zeros_and_ones else None
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
    utterance = max(texts, key=lambda place: len(kinds[place]))
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
    return table.iloc[:, sorted(names)].set_axis([names[place] for place in sorted(names)], axis=1)
