"""Grid search as a method and as a trap: the image report's three result blocks, and choosing on what one reports."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, precision_recall_fscore_support
from sklearn.model_selection import ParameterGrid, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from helpers.models.classical import SVC_GRID, ClassicalDetector

MEASURES = ("accuracy", "precision", "recall", "f1")


def result_block(model: ClassicalDetector, vectors: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """accuracy, precision, recall, F1 (0..1, of the class called 1, bona fide) at score 0, and the confusion matrix
    [[spoof refused, spoof passed], [bona fide refused, bona fide passed]]."""
    said = (model.score(vectors) > 0).astype(int)
    precision, recall, f1, _ = precision_recall_fscore_support(
        labels, said, average="binary", zero_division=0
    )
    matrix = confusion_matrix(labels, said, labels=[0, 1])
    accuracy = float(np.mean(said == labels))
    return {
        "accuracy": accuracy,
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "confusion": matrix.tolist(),
    }


def blocks_table(
    models: dict[str, ClassicalDetector], parts: dict[str, tuple[np.ndarray, np.ndarray]]
) -> pd.DataFrame:
    """One row for each model and part (train, test): its four measures, as the image report prints them."""
    rows = []
    for name, model in models.items():
        for part, (vectors, labels) in parts.items():
            block = result_block(model, vectors, labels)
            rows.append({"svc": name, "on": part, **{measure: block[measure] for measure in MEASURES}})
    return pd.DataFrame(rows).set_index(["svc", "on"])


def out_of_fold_scores(
    model: ClassicalDetector, vectors: np.ndarray, labels: np.ndarray, seed: int = 0
) -> np.ndarray:
    """(n,) margin of each training clip by the same classifier fitted without its fold: an honest stand-in for dev."""
    estimator = clone(getattr(model.pipeline, "best_estimator_", model.pipeline))
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    return cross_val_predict(estimator, vectors, labels, cv=folds, method="decision_function")


def candidates_on(
    train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray], folds: int = 0, seed: int = 0
) -> pd.DataFrame:
    """Balanced accuracy (0.5 is guessing, however uneven the classes) of each of the 24 candidates fitted on `train`:
    `on_test`, which nobody should choose by, and with `folds` also `cross_validated` within train."""
    rows = []
    for candidate in ParameterGrid(SVC_GRID):
        estimator = make_pipeline(StandardScaler(), SVC()).set_params(**candidate)
        row = {name.partition("__")[2]: value for name, value in candidate.items()}
        if folds:
            parts = StratifiedKFold(folds, shuffle=True, random_state=seed)
            said = cross_val_predict(estimator, *train, cv=parts)
            row["cross_validated"] = float(balanced_accuracy_score(train[1], said))
        row["on_test"] = float(balanced_accuracy_score(test[1], estimator.fit(*train).predict(test[0])))
        rows.append(row)
    return pd.DataFrame(rows)


def best_of_shuffled(
    train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray], rounds: int = 10, seed: int = 0
) -> pd.DataFrame:
    """The same 24 candidates on labels that were shuffled, so that nothing can be learned: in each round the mean
    balanced accuracy on test, and that of the candidate which is best on test."""
    generator = np.random.default_rng(seed)
    rows = []
    for _ in range(rounds):
        labels = [generator.permutation(part[1]) for part in (train, test)]
        found = candidates_on((train[0], labels[0]), (test[0], labels[1]))["on_test"]
        rows.append({"mean": found.mean(), "best_on_test": found.max()})
    return pd.DataFrame(rows)
