"""scikit-learn and XGBoost behind the same two calls: `fit(X, y)` and `score(X)` -> bona fide log-odds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

# 4 x 3 x 2 = 24 candidates, the size of the image report's search.
SVC_GRID: dict[str, list[Any]] = {
    "svc__C": [0.1, 1.0, 10.0, 100.0],
    "svc__gamma": ["scale", 1e-3, 1e-4],
    "svc__kernel": ["rbf", "linear"],
}
BATCH = 16  # pictures that VGG16 sees at once
TRUSTED = (  # what a saved model of ours may hold beside what skops trusts by itself
    "sklearn.tree._tree.Tree",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
)


class ClassicalDetector:
    """A pipeline on one vector a clip. Scaling, where the method needs it, is inside the pipeline, so that it
    is fitted on training clips alone.

    X: (n, d) vectors, or (n, rows, frames), of which the mean over frames is taken. y: 1 bona fide, 0 spoof.
    """

    pipeline: Any

    def __init__(self, shape: tuple[int, ...], pipeline: BaseEstimator) -> None:
        self.shape, self.pipeline = shape, pipeline

    def fit(self, X: np.ndarray, y: np.ndarray) -> ClassicalDetector:
        """Fit the pipeline. ValueError unless both classes are there."""
        labels = np.asarray(y).astype(int)
        if set(labels) != {0, 1}:
            raise ValueError(
                f"need both classes, got {labels.sum()} bona fide and {(1 - labels).sum()} spoof"
            )
        self.pipeline.fit(self.vectors(X), labels)
        return self

    def score(self, X: np.ndarray) -> np.ndarray:
        """(n,) higher = more likely bona fide: log-odds where the method has probabilities, else its margin."""
        return np.asarray(self.pipeline.decision_function(self.vectors(X)), dtype=np.float64)

    def vectors(self, X: np.ndarray) -> np.ndarray:
        """(n, d) float32 of what `fit` and `score` were given."""
        values = np.asarray(X, dtype=np.float32)
        return values.mean(axis=2) if values.ndim == 3 else values

    def count_parameters(self) -> int:
        """Numbers that the fitted method keeps: coefficients, support vectors, tree nodes or neighbours."""
        fitted = getattr(self.pipeline, "best_estimator_", self.pipeline)
        last = fitted[-1] if hasattr(fitted, "steps") else fitted
        if hasattr(last, "support_vectors_"):
            return int(last.support_vectors_.size + last.dual_coef_.size + last.intercept_.size)
        if hasattr(last, "coef_"):
            return int(last.coef_.size + last.intercept_.size)
        if hasattr(last, "estimators_"):
            return int(sum(tree.tree_.node_count for tree in last.estimators_))
        if hasattr(last, "get_booster"):
            return sum(len(tree.splitlines()) for tree in last.get_booster().get_dump())
        return int(last._fit_X.size)

    def save(self, path: str | Path) -> None:
        """Write the fitted pipeline (the best one of a search) with skops."""
        import skops.io

        fitted = getattr(self.pipeline, "best_estimator_", self.pipeline)
        skops.io.dump({"shape": list(self.shape), "pipeline": fitted}, path)

    def load(self, path: str | Path) -> ClassicalDetector:
        """Take over what `save` wrote. ValueError for a file that holds any other kind of object."""
        import skops.io

        unknown = [kind for kind in skops.io.get_untrusted_types(file=path) if kind not in TRUSTED]
        if unknown:
            raise ValueError(f"{path} holds {', '.join(unknown)}: not a model that this suite has saved")
        state = skops.io.load(path, trusted=list(TRUSTED))
        self.shape, self.pipeline = tuple(state["shape"]), state["pipeline"]
        return self


class _Probabilities(ClassicalDetector):
    """For methods that give shares of votes: log-odds, with the certain kept `margin` away from 0 and 1."""

    margin = 1e-3

    def score(self, X: np.ndarray) -> np.ndarray:
        share = np.clip(self.pipeline.predict_proba(self.vectors(X))[:, 1], self.margin, 1 - self.margin)
        return np.log(share) - np.log1p(-share)


class LogisticRegression(ClassicalDetector):
    """Logistic regression on scaled vectors; its score is its log-odds."""

    def __init__(self, shape: tuple[int, ...], C: float = 1.0, balanced: bool = True) -> None:
        from sklearn.linear_model import LogisticRegression as Sk

        weight = "balanced" if balanced else None
        super().__init__(shape, make_pipeline(StandardScaler(), Sk(C=C, class_weight=weight, max_iter=2000)))


class Svm(ClassicalDetector):
    """Support vector machine on scaled vectors; its score is the signed distance to the boundary, which orders
    clips but is no log-odds until it is calibrated."""

    def __init__(
        self, shape: tuple[int, ...], C: float = 1.0, gamma: str | float = "scale", kernel: str = "rbf"
    ) -> None:
        from sklearn.svm import SVC

        super().__init__(shape, make_pipeline(StandardScaler(), SVC(C=C, gamma=gamma, kernel=kernel)))


class Knn(_Probabilities):
    """k nearest neighbours on scaled vectors, the nearer ones counting more."""

    def __init__(self, shape: tuple[int, ...], n_neighbors: int = 5) -> None:
        from sklearn.neighbors import KNeighborsClassifier

        classifier = KNeighborsClassifier(n_neighbors, weights="distance", algorithm="brute")
        super().__init__(shape, make_pipeline(StandardScaler(), classifier))


class RandomForest(_Probabilities):
    """Random forest; trees need no scaling."""

    def __init__(self, shape: tuple[int, ...], n_trees: int = 300, seed: int = 0) -> None:
        from sklearn.ensemble import RandomForestClassifier

        super().__init__(shape, make_pipeline(RandomForestClassifier(n_trees, random_state=seed, n_jobs=-1)))

    def fit(self, X: np.ndarray, y: np.ndarray) -> ClassicalDetector:
        super().fit(X, y)
        self.pipeline[-1].n_jobs = 1  # one clip is scored sooner than threads are called together
        return self


class XGBoost(ClassicalDetector):
    """Gradient-boosted trees, 330 rounds as in Bird & Lotfi 2023 (DEEP-VOICE); the score is the sum of
    the leaves, which is log-odds."""

    def __init__(
        self, shape: tuple[int, ...], n_rounds: int = 330, max_depth: int = 6, lr: float = 0.3, seed: int = 0
    ) -> None:
        from xgboost import XGBClassifier

        trees = XGBClassifier(n_estimators=n_rounds, max_depth=max_depth, learning_rate=lr, random_state=seed)
        super().__init__(shape, trees)

    def score(self, X: np.ndarray) -> np.ndarray:
        return np.asarray(self.pipeline.predict(self.vectors(X), output_margin=True), dtype=np.float64)


class Vgg16Svm(ClassicalDetector):
    """The image report's method: frozen ImageNet VGG16 without its top, then an SVC on its scaled features.

    X: pictures (n, 1 or 3, height, width) in 0..1, or features (n, d) already taken by `vectors`, which is the
    slow part; only SVC and scaler are saved. pooled: the 512 means of the last maps in place of the 25,088 values at 7x7. search: "none" for
    the SVC's defaults, or "precision" or "f1" to choose among the 24 candidates of SVC_GRID by that score over
    5 folds; either is taken for the class that was called 1.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        weights: str = "imagenet",
        pooled: bool = False,
        search: str = "none",
        seed: int = 0,
    ) -> None:
        from sklearn.svm import SVC

        from helpers.models.imagenet import Vgg16Features

        if search not in ("none", "precision", "f1"):
            raise ValueError(f"vgg16_svm searches by 'precision' or 'f1', or 'none', not {search!r}")
        pipeline: Any = make_pipeline(StandardScaler(), SVC())
        if search != "none":
            folds = StratifiedKFold(5, shuffle=True, random_state=seed)
            pipeline = GridSearchCV(pipeline, SVC_GRID, scoring=search, cv=folds)
        super().__init__(shape, pipeline)
        self.network = Vgg16Features(weights, pooled)

    @property
    def best(self) -> dict[str, Any]:
        """The chosen parameters and their cross-validated score; empty without a search or before `fit`."""
        if not hasattr(self.pipeline, "best_params_"):
            return {}
        return {**self.pipeline.best_params_, self.pipeline.scoring: float(self.pipeline.best_score_)}

    def vectors(self, X: np.ndarray) -> np.ndarray:
        """Pictures (n, channels, height, width) -> (n, 25088), or (n, 512) where pooled; features unchanged."""
        if np.ndim(X) == 2:
            return np.asarray(X, dtype=np.float32)
        import torch

        values = torch.as_tensor(np.asarray(X, dtype=np.float32))
        with torch.inference_mode():
            return np.concatenate([self.network(batch).numpy() for batch in values.split(BATCH)])
