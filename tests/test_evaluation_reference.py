"""What sources report is beside what runs measure, attacks have names, and our own runs ship."""

import re
import zipfile
from types import SimpleNamespace

import pandas as pd
import pytest

from helpers.environment import PROJECT
from helpers.evaluation import reference


def finished(model, dataset, accuracy):
    record = {
        "model": model,
        "features": "logmel",
        "dataset": dataset,
        "metrics": {"eval": {"eer": 0.1, "accuracy": accuracy}},
    }
    return SimpleNamespace(metrics=record)


def test_runs_of_the_same_model_features_and_data_stand_beside_the_published_figure():
    runs = [
        finished("custom_cnn", "for_norm", 0.8),
        finished("custom_cnn", "for_norm", 0.9),
        finished("dnn", "for_norm", 1.0),
    ]
    table = reference.beside_published("FoR repository", runs).set_index("dataset")
    assert table.loc["for_norm", ["published", "ours", "seeds"]].tolist() == pytest.approx([0.9632, 0.85, 2])
    assert table["ours"].isna().sum() == 2 and table.loc["for_rerec", "seeds"] == 0


def test_every_published_row_names_a_known_model_and_data_set():
    from helpers.data import read_manifest
    from helpers.models import MODELS

    table = pd.read_csv(reference.PUBLISHED)
    assert set(table["model"]) <= set(MODELS)
    assert set(table["dataset"]) <= set(read_manifest())


def test_an_unknown_source_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="slides"):
        reference.beside_published("blog", [])


def test_attacks_of_the_starter_corpus_are_described_as_in_its_archive():
    kinds = reference.attack_kinds("starter")
    with zipfile.ZipFile(PROJECT / "helpers" / "data" / "starter.zip") as archive:
        text = archive.read("LA/README.md").decode()
    told = re.findall(r"^\| (A\d\d) \| (\S+) \| (.*?) \|", text, re.MULTILINE)
    assert len(told) == 19 and [(name, kinds.loc[name, "kind"]) for name, *_ in told] == [
        (name, kind) for name, kind, _ in told
    ]
    assert all(kinds.loc[name, "what"].startswith(what) for name, _, what in told)
    assert "starter/A07" in reference.attack_kinds("starter+speech_pairs").index
    assert reference.attack_kinds("speech_pairs").empty
