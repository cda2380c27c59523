"""Splits that keep groups whole, grid search and its trap, pictures for VGG16: each against what must hold by construction."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from helpers import metrics
from helpers.data import BadAudio
from helpers.features.deep_voice import COLUMNS
from helpers.models import build_model
from helpers.models.classical import SVC_GRID
from helpers.training import folds
from helpers.training import pictures as picture_files
from helpers.training.classical import open_vectors


def recordings(n_recordings=12, n_pieces=30, seed=0):
    """Vectors that tell the recording and, beyond that, nothing of the class."""
    rng = np.random.default_rng(seed)
    names = np.repeat([f"r{number}" for number in range(n_recordings)], n_pieces)
    labels = np.where(np.repeat(np.arange(n_recordings) % 2, n_pieces) == 0, "bonafide", "spoof")
    places = np.repeat(rng.normal(0, 3, (n_recordings, 8)), n_pieces, axis=0)
    vectors = (places + rng.normal(0, 0.5, places.shape)).astype(np.float32)
    table = pd.DataFrame(
        {"utterance": [f"u{i}" for i in range(len(names))], "label": labels, "recording": names}
    )
    table["attack"] = np.where(labels == "spoof", "RVC", "-")
    return vectors, table.assign(speaker="unknown", split="all", dataset="toy")


def eer_of(table):
    real = (table["label"] == "bonafide").to_numpy()
    return metrics.eer(table["score"].to_numpy()[real], table["score"].to_numpy()[~real])[0]


def test_random_split_flatters_where_recordings_give_the_class_away():
    vectors, table = recordings()
    at_random = folds.out_of_fold("knn", vectors, table, "random")
    by_recording = folds.out_of_fold("knn", vectors, table, "recording")
    assert eer_of(at_random) < 0.01
    assert eer_of(by_recording) > 0.3


def test_no_group_is_fitted_on_and_scored(monkeypatch):
    vectors, table = recordings()
    vectors[:, 0] = np.arange(len(table))  # so that a row can be recognised
    fitted = []

    class Spy:
        def fit(self, X, y):
            fitted.append(set(table["recording"].iloc[X[:, 0].astype(int)]))
            return self

        def score(self, X):
            assert not fitted[-1] & set(table["recording"].iloc[X[:, 0].astype(int)])
            return X[:, 1]

    monkeypatch.setattr(folds, "build_model", lambda *args, **options: Spy())
    found = folds.out_of_fold("knn", vectors, table, "recording", folds=4)
    assert len(fitted) == 4
    assert list(found["utterance"]) == list(table["utterance"]) and found[
        "score"
    ].to_numpy() == pytest.approx(vectors[:, 1])
    assert list(found["speaker"]) == list(table["recording"]), "an interval must resample whole groups"


def test_out_of_fold_at_random_is_what_scikit_learn_gives():
    vectors, table = recordings(4, 20, seed=3)
    labels = (table["label"] == "bonafide").to_numpy().astype(int)
    drawn = StratifiedKFold(5, shuffle=True, random_state=7)
    expected = cross_val_predict(
        make_pipeline(StandardScaler(), SVC()), vectors, labels, cv=drawn, method="decision_function"
    )
    found = folds.out_of_fold("svm", vectors, table, "random", seed=7)
    assert found["score"].to_numpy() == pytest.approx(expected, abs=1e-4)


def test_schemes_are_those_that_the_table_can_tell():
    _, table = recordings()
    assert folds.schemes_of(table) == ["random", "recording"]
    speakers = table.assign(
        speaker=table["recording"].str[-1],
        attack=np.where(table["label"] == "spoof", table["recording"], "-"),
    )
    assert folds.schemes_of(speakers) == ["random", "recording", "speaker", "attack"]
    unknown = speakers.assign(speaker="unknown", utterance=[f"u{n}" for n in range(len(speakers))])
    assert folds.schemes_of(unknown) == ["random", "recording", "attack"]
    found = folds.groups_of(unknown, "attack")[unknown["label"] == "bonafide"]
    assert len(set(found)) == (unknown["label"] == "bonafide").sum(), "who is not known is nobody's neighbour"
    groups = folds.groups_of(speakers, "attack")
    assert set(groups[speakers["label"] == "spoof"]) == set(
        speakers.loc[speakers["label"] == "spoof", "recording"]
    )
    with pytest.raises(ValueError, match="source speaker"):
        folds.groups_of(table, "source speaker")
    with pytest.raises(ValueError, match="no scheme 'by ear'"):
        folds.groups_of(table, "by ear")


def test_a_published_table_is_read_as_it_is_and_a_lost_column_is_named():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(6, 26)), columns=list(COLUMNS))
    table["label"], table["utterance"], table["split"] = ["bonafide", "spoof"] * 3, list("abcdef"), "train"
    data = SimpleNamespace(name="toy", entry=SimpleNamespace(layout="features_csv"), table=table)
    cache, vectors = open_vectors(data)
    assert vectors == pytest.approx(table[list(COLUMNS)].to_numpy(), rel=1e-6)
    assert cache.read(np.array([3]))[0] == pytest.approx(vectors[3], rel=1e-2, abs=1e-3)  # float16
    assert cache.shape == (26,) and "mfcc7" not in cache.table
    data.table = table.drop(columns="mfcc7")
    with pytest.raises(ValueError, match="toy has no column 'mfcc7'"):
        open_vectors(data)


def test_published_deep_voice_table_and_the_honest_split_beside_it(shared):
    """The famous figure, and how little of it is left when source speakers are kept apart (half of the rows, 100 rounds)."""
    table = pd.read_csv(shared / "data" / "deep_voice" / "DATASET-balanced.csv")
    named = table.assign(
        label=table["LABEL"].map({"REAL": "bonafide", "FAKE": "spoof"}), attack="-", speaker="unknown"
    )
    named["utterance"] = [f"row-{i}" for i in range(len(named))]
    vectors = table[list(COLUMNS)].to_numpy(dtype=np.float32)
    found = folds.out_of_fold("xgboost", vectors, named, "random", folds=3, n_rounds=100)
    assert ((found["score"] > 0) == (found["label"] == "bonafide")).mean() >= 0.98
    pieces = (
        pd.read_csv(shared / "data" / "deep_voice" / "segments_by_recording.csv")
        .iloc[::2]
        .reset_index(drop=True)
    )
    named = pieces.assign(
        label=pieces["LABEL"].map({"REAL": "bonafide", "FAKE": "spoof"}), attack="-", speaker="unknown"
    )
    named["utterance"] = [f"row-{i}" for i in range(len(named))]
    named["source_speaker"] = named["original_sample"].str.lower().str.partition("-")[0]
    vectors = pieces[list(COLUMNS)].to_numpy(dtype=np.float32)
    honest = folds.out_of_fold("xgboost", vectors, named, "source speaker", folds=8, n_rounds=100)
    flattering = folds.out_of_fold("xgboost", vectors, named, "random", folds=3, n_rounds=100)
    assert eer_of(flattering) < 0.2 < 0.35 < eer_of(honest)


def overlapping(n=120, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    vectors = rng.normal(size=(n, 6)).astype(np.float32)
    vectors[:, 0] += 1.5 * labels
    return vectors, labels


def test_search_chooses_what_scikit_learn_chooses(tmp_path):
    vectors, labels = overlapping()
    model = build_model("vgg16_svm", (3, 32, 32), weights="none", search="f1", seed=1).fit(vectors, labels)
    folds = StratifiedKFold(5, shuffle=True, random_state=1)
    expected = GridSearchCV(make_pipeline(StandardScaler(), SVC()), SVC_GRID, scoring="f1", cv=folds).fit(
        vectors, labels
    )
    assert {name: model.best[name] for name in expected.best_params_} == expected.best_params_
    assert model.best["f1"] == pytest.approx(expected.best_score_)
    block = picture_files.result_blocks({"f1": model}, {"train": (vectors, labels)}).loc[("f1", "train")]
    assert block["accuracy"] == pytest.approx(expected.best_estimator_.score(vectors, labels))
    said = expected.best_estimator_.predict(vectors)
    assert block["precision"] == pytest.approx(labels[said == 1].mean())
    assert block["recall"] == pytest.approx(said[labels == 1].mean())


def test_all_24_candidates_are_tried_and_choosing_on_test_flatters():
    train, test = overlapping(80, 1), overlapping(40, 2)
    found = picture_files.candidates_on(train, test, folds=3)
    assert len(found) == 24 and not found[["C", "gamma", "kernel"]].duplicated().any()
    assert {"cross_validated", "on_test"} <= set(found)
    shuffled = picture_files.best_of_shuffled(train, test, rounds=4)
    assert (shuffled["best_on_test"] >= shuffled["mean"]).all()
    assert shuffled["best_on_test"].mean() > 0.5 and 0.3 < shuffled["mean"].mean() < 0.7


@pytest.fixture
def faces(tmp_path):
    """Pictures of two kinds in folders, one of them not square, and their table."""
    rng, rows = np.random.default_rng(0), []
    for label, shade in (("bonafide", 200), ("spoof", 60)):
        for number in range(8):
            size = (48, 40, 3) if number else (60, 90, 3)
            pixels = np.clip(shade + rng.normal(0, 10, size), 0, 255).astype(np.uint8)
            path = tmp_path / f"{label}-{number}.png"
            Image.fromarray(pixels).save(path)
            rows.append(
                {
                    "utterance": path.stem,
                    "path": str(path),
                    "label": label,
                    "attack": "-",
                    "speaker": "unknown",
                }
            )
    table = pd.DataFrame(rows).assign(dataset="faces", split="all")
    return SimpleNamespace(name="faces", entry=SimpleNamespace(layout="faces"), table=table)


def test_pictures_are_square_in_0_to_1_and_divided_by_class(faces):
    pictures = picture_files.open_pictures(faces, "", 32, 0.25, seed=4)
    values = pictures.read(np.arange(16))
    assert values.shape == (16, 3, 32, 32) and 0 <= values.min() and values.max() <= 1
    assert values[:8].mean() == pytest.approx(200 / 255, abs=0.02)
    held = pictures.table.groupby("split")["label"].value_counts()
    assert held["eval", "bonafide"] == held["eval", "spoof"] == 2
    again = picture_files.open_pictures(faces, "", 32, 0.25, seed=4)
    assert (again.table["split"] == pictures.table["split"]).all()
    with pytest.raises(ValueError, match="test_share is 1.5"):
        picture_files.divide(faces.table, 1.5, 0)


def test_a_file_that_is_no_picture_is_named(tmp_path):
    (tmp_path / "no.jpg").write_text("words")
    with pytest.raises(BadAudio, match="no.jpg cannot be read as a picture"):
        picture_files.read_picture(tmp_path / "no.jpg", 32)


def test_faces_from_files_to_scores_with_weights_of_a_file(faces, tmp_path):
    """The whole way of notebook 19 with a weights file that the test itself makes; vectors are taken once."""
    from helpers.models.imagenet import Vgg16Features

    torch.manual_seed(0)
    weights = tmp_path / "vgg16.pth"
    torch.save(Vgg16Features("none").state_dict(), weights)
    pictures = picture_files.open_pictures(faces, "", 32, 0.25, seed=0)
    rows = picture_files.chosen_rows(pictures.table)
    assert set(rows) == {"train", "eval"}
    labels = {
        part: (pictures.table["label"].iloc[index] == "bonafide").to_numpy().astype(int)
        for part, index in rows.items()
    }
    model = build_model("vgg16_svm", (3, 32, 32), weights=str(weights), pooled=True)
    vectors = {
        part: picture_files.read_vectors(pictures, index, model, "toy") for part, index in rows.items()
    }
    assert vectors["train"].shape == (12, 512)

    class NoNetwork:
        def vectors(self, X):
            raise AssertionError("the vectors were taken before")

    assert (picture_files.read_vectors(pictures, rows["train"], NoNetwork(), "toy") == vectors["train"]).all()
    model.fit(vectors["train"], labels["train"])
    scores = picture_files.score_rows(model, pictures, rows, vectors, labels)
    assert set(scores["split"]) == {"dev", "eval"} and (scores["split"] == "dev").sum() == 12
    assert eer_of(scores[scores["split"] == "eval"]) == 0
    told = picture_files.describe_pictures(
        model, pictures, rows, labels, {"model": "vgg16_svm", "weights": str(weights)}
    )
    assert told["model_info"]["parameters"] == 14_714_688 and told["notes"] == []
    assert told["model_info"]["started_from"] == str(weights)
    assert told["data"]["counts"]["train"] == {"bonafide": 6, "spoof": 6}


def test_vgg16_svm_on_real_faces(shared):
    """400 photographs and 130 generated faces (64 pixels, random filters): runs, and is better than guessing."""
    folder, rows = shared / "data" / "faces", []
    for name, label in (("real", "bonafide"), ("fake", "spoof")):
        files = sorted((folder / name).glob("*.jpg"))
        assert len(files) == {"real": 400, "fake": 130}[name]
        rows += [{"utterance": f"{name}/{f.stem}", "path": str(f), "label": label} for f in files[:60]]
    table = pd.DataFrame(rows).assign(dataset="faces", attack="-", speaker="unknown")
    pictures = picture_files.Pictures(picture_files.divide(table, 0.25, 0), 32)
    chosen = picture_files.chosen_rows(pictures.table)
    torch.manual_seed(0)
    model = build_model("vgg16_svm", (3, 32, 32), weights="none", pooled=True)
    vectors = {
        part: picture_files.read_vectors(pictures, index, model, "none 0") for part, index in chosen.items()
    }
    labels = {
        part: (pictures.table["label"].iloc[index] == "bonafide").to_numpy().astype(int)
        for part, index in chosen.items()
    }
    model.fit(vectors["train"], labels["train"])
    found = picture_files.result_blocks({"svm": model}, {"eval": (vectors["eval"], labels["eval"])})
    assert found["accuracy"].item() > 0.55
