"""Notebook prose quotes no figure of a run: readings are printed from the run."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from helpers.evaluation import readings

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").rglob("*.ipynb"))
FIGURE = re.compile(r"\d[\d.,]*(?:\*\*)?\s*%")
# Chance, the level of an interval, a certainty, and the promise by which notebook 91's thresholds are defined.
CONSTANTS = re.compile(r"(?<![\d.])(?:50|95|100|5) %")
ASKED = ("**Build**", "**Guess", "<details>")  # an exercise gives its own figures


def quoted_figures(text):
    """Percentages in one markdown cell that neither a source nor a dated reference box accounts for.

    Allowed: the constants above, exercises, a line with a link or `(source: …)`, and a cell that has
    **Reference figures** (month and year, machine) in it.
    """
    if re.search(r"\*\*Reference figures\*\* \([^)]*\d{4}[^)]*\)", text):
        return []
    found = []
    for line in text.splitlines():
        asked = (
            line.lstrip().startswith(ASKED) or "?**" in line
        )  # "?**": a question, repeated with its answer
        if not (asked or "http" in line or "(source:" in line):
            found += FIGURE.findall(CONSTANTS.sub("", line))
    return found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_prose_quotes_no_percentage_that_no_source_accounts_for(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    prose = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    assert not {text[:60]: quoted_figures(text) for text in prose if quoted_figures(text)}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The EER falls to 38.2 %.", ["38.2 %"]),
        ("An interval that holds 50 % says nothing; 95 % of them hold the truth.", []),
        ("It reports 88 % (source: the slides).", []),
        ("**Reference figures** (May 2026, two cores)\n\n| lcnn | 25.7 % |", []),
        ("**Reference figures**\n\n| lcnn | 25.7 % |", ["25.7 %"]),
        ("**Guess:** 10 % or 40 %?", []),
    ],
)
def test_the_rule_finds_what_it_should(text, found):
    assert quoted_figures(text) == found


def section(eer, low, high, **attacks):
    rates = {
        name: {"eer": rate, "eer_interval": [rate - 0.05, rate + 0.05]} for name, rate in attacks.items()
    }
    return {"eer": eer, "eer_interval": [low, high], "per_attack": rates}


@pytest.mark.parametrize(
    ("low", "high", "judged"),
    [
        (0.25, 0.35, "better than chance, the interval ends"),
        (0.4, 0.55, "not better"),
        (0.6, 0.8, "worse than"),
    ],
)
def test_reading_says_whether_it_is_better_than_chance_and_where_it_fails(low, high, judged, capsys):
    readings.reading({"dev": section(0.1, 0.05, 0.15), "eval": section(0.3, low, high, A07=0.48, A16=0.12)})
    said = capsys.readouterr().out
    assert judged in said and "20.0 points higher than on dev" in said
    assert "hardest attack is A07 (48.0 %)" in said and "Not better than chance on A07." in said


def test_reading_of_attacks_names_what_moved(capsys):
    before, after = section(0.4, 0.3, 0.5, A11=0.46, A16=0.38), section(0.3, 0.2, 0.4, A11=0.44, A16=0.12)
    readings.reading_attacks(before, after, ("lfcc_gmm", "lcnn"))
    said = "From lfcc_gmm to lcnn: A16 falls from 38 to 12 %; less than 5 points: A11.\n"
    assert capsys.readouterr().out == said


def test_reading_of_a_training_says_when_dev_stopped(capsys):
    history = pd.DataFrame({"train_loss": [0.7, 0.3, 0.1], "dev_eer": [0.45, 0.38, 0.41]})
    readings.reading_training(history)
    readings.reading_training(history[:2])
    whole, short = capsys.readouterr().out.splitlines()
    assert "from 0.700 to 0.100." in whole and "epoch 2, 38.0 %, and ends at 41.0 %" in whole
    assert whole.endswith("Later epochs do not help on other speakers.") and "Later" not in short
