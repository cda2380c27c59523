"""The recordings the detector is trained on, in one table with the project each came from."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from helpers.data import open_dataset

PAGES = ("speech_pairs", "demo_clips")


def project_of(group: str) -> str:
    """`vits/as` -> `vits`: what is left out together, for the pages of a project share recordings and readers.
    speechresearch is one site of many systems, divided by the speakers that its pages read."""
    site, _, page = group.partition("/")
    if site != "speechresearch":
        return site.removesuffix("-tests").removesuffix("-lj-pairs")
    if page.startswith("adaspeech"):
        return "speechresearch/adaspeech*"
    if page in ("multispeech", "seminas", "speechtransducer"):
        return "speechresearch/multispeech, seminas, speechtransducer"
    return group if page == "denoispeech" else "speechresearch/lj"


def read_pages(folder: Path) -> pd.DataFrame:
    """`speech_pairs` and `demo_clips` in one table: utterance, path, label, group, project, split, dataset."""
    parts = []
    for name in PAGES:
        table = pd.read_csv(folder / name / "protocol.csv", dtype=str)
        table["path"] = [str(folder / name / path) for path in table["path"]]
        parts.append(table.assign(dataset=name, project=table["group"].map(project_of)))
    columns = ["utterance", "path", "label", "group", "project", "split", "dataset"]
    return pd.concat(parts, ignore_index=True)[columns]


def read_starter() -> pd.DataFrame:
    """The starter corpus in the same columns; the group of a spoof is its attack, of a recording its speaker."""
    starter = open_dataset("starter")
    table = starter.table.copy()
    group = table["attack"].where(table["label"] == "spoof", table["speaker"])
    table = table.assign(group="starter/" + group, project="starter", dataset="starter")
    table["path"] = [str(path if Path(path).is_absolute() else starter.root / path) for path in table["path"]]
    return table[["utterance", "path", "label", "group", "project", "split", "dataset"]]


def read_pool(folder: Path) -> pd.DataFrame:
    """All recordings. The column `role` is `train` or `test`: the eval part of speech_pairs and of the starter and
    the dev part of demo_clips are never trained on and never chosen by."""
    table = pd.concat([read_pages(folder), read_starter()], ignore_index=True)
    kept_back = (table["split"] == "eval") | ((table["dataset"] == "demo_clips") & (table["split"] == "dev"))
    return table.assign(role=kept_back.map({True: "test", False: "train"}))
