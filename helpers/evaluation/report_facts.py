"""What the cards and the sections of report.html about one data set share, and how they write a rate."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from helpers.data import DataError, open_dataset
from helpers.environment import where_am_i
from helpers.evaluation import audit as shortcuts
from helpers.evaluation.calibration import calibrate
from helpers.evaluation.compare import best_by_dev, comparison_table, differences, first_seeds, labels_of
from helpers.runs import Run


class Section(NamedTuple):
    """A heading and what stands below it: sentences, tables, (figure, caption); or the cards of a first screen."""

    title: str
    parts: list[Any]
    cards: Sequence[dict] = ()


@dataclass(frozen=True)
class Compared:
    """What the cards and the sections about one data set share."""

    runs: list[Run]  # one seed of each; the chosen one first, then by eval EER
    table: pd.DataFrame  # comparison_table
    labels: dict[str, str]
    by_dev: bool  # False where no run has dev figures and the first was taken
    against: pd.DataFrame  # differences from the chosen run
    audit: dict | None
    calibrated: tuple[pd.DataFrame, dict] | str  # or why not
    clips: dict[str, str]  # utterance -> recording, where the data are on this machine

    @classmethod
    def of(cls, runs: Sequence[Run], dataset: str) -> Compared:
        mine = first_seeds(runs, dataset)
        table = comparison_table(mine)
        try:
            chosen, by_dev = best_by_dev(mine), True
        except ValueError:
            chosen, by_dev = mine[0], False
        ranks = [chosen.name, *table["run"]]
        mine.sort(key=lambda run: ranks.index(run.name))
        measures = shortcuts.find_measures(runs, dataset)
        audit = shortcuts.audit(measures) if measures is not None else None
        try:
            calibrated: Any = calibrate(chosen.read_scores())
        except ValueError as error:  # no dev, or scores upside down on dev
            calibrated = str(error)
        against, clips = differences(mine, chosen), clips_at_hand(dataset)
        return cls(mine, table, labels_of(mine), by_dev, against, audit, calibrated, clips)

    @property
    def chosen(self) -> Run:
        return self.runs[0]

    @property
    def label(self) -> str:
        return self.labels[self.chosen.name]

    @property
    def section(self) -> dict:
        return self.chosen.metrics["metrics"]["eval"]


def clips_at_hand(dataset: str) -> dict[str, str]:
    """utterance -> path of a data set that is staged on this machine; empty elsewhere, since nothing is fetched."""
    data = where_am_i().folders.data
    if not all((data / name).is_dir() for name in dataset.split("+")):
        return {}
    try:
        with redirect_stdout(io.StringIO()):
            table = open_dataset(dataset, allow_mismatch=True, remember=False).table
    except (DataError, OSError):
        return {}
    return dict(zip(table["utterance"], table["path"], strict=True))


def rate(value: float) -> str:
    return f"{100 * value:.1f} %"


def interval(section: dict) -> str:
    low, high = section["eer_interval"]
    return f"{100 * low:.1f}–{100 * high:.1f} %"


def few(names: Sequence[str], limit: int = 3) -> str:
    """The first names, and how many more there are."""
    more = len(names) - limit
    return ", ".join(names) if more < 2 else f"{', '.join(names[:limit])} and {more} more"
