"""What sources report stands beside what runs measure."""

from types import SimpleNamespace

import pytest

from helpers.evaluation.published import PUBLISHED, beside_published


def finished(model, dataset, accuracy):
    record = {
        "model": model,
        "features": "logmel",
        "dataset": dataset,
        "metrics": {"eval": {"accuracy": accuracy}},
    }
    return SimpleNamespace(metrics=record)


def test_runs_of_the_same_model_features_and_data_stand_beside_the_published_figure():
    runs = [
        finished("custom_cnn", "for_norm", 0.8),
        finished("custom_cnn", "for_norm", 0.9),
        finished("dnn", "for_norm", 1.0),
    ]
    table = beside_published("FoR repository", runs).set_index("dataset")
    assert table.loc["for_norm", ["published", "ours", "seeds"]].tolist() == pytest.approx([0.9632, 0.85, 2])
    assert table["ours"].isna().sum() == 2 and table.loc["for_rerec", "seeds"] == 0


def test_every_published_row_names_a_known_model_and_data_set():
    import pandas as pd

    from helpers.data import read_manifest
    from helpers.models import MODELS

    table = pd.read_csv(PUBLISHED)
    assert set(table["model"]) <= set(MODELS)
    assert set(table["dataset"]) <= set(read_manifest())


def test_an_unknown_source_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="slides"):
        beside_published("blog", [])
