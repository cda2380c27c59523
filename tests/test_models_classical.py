"""Classical detectors: fit, score, save, load."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from helpers.models import build_model
from helpers.models.classical import SVC_GRID
from helpers.models.layers import milliseconds_per_clip

OPTIONS = {"xgboost": {}, "svm": {}, "random_forest": {"n_trees": 60}, "logistic_regression": {}, "knn": {}}


def vectors(n, seed):
    generator = np.random.default_rng(seed)
    labels = generator.integers(2, size=n)
    return (generator.normal(size=(n, 26)) + 0.7 * labels[:, None]).astype(np.float32), labels


@pytest.mark.parametrize("name", OPTIONS)
def test_higher_scores_are_bona_fide_and_survive_saving(name, tmp_path):
    model = build_model(name, (26,), **OPTIONS[name]).fit(*vectors(200, 0))
    held_out, labels = vectors(150, 1)
    scores = model.score(held_out)
    assert scores.shape == (150,) and np.isfinite(scores).all()
    assert roc_auc_score(labels, scores) > 0.9
    model.save(tmp_path / "model.skops")
    np.testing.assert_allclose(
        build_model(name, (26,)).load(tmp_path / "model.skops").score(held_out), scores, rtol=1e-6
    )
    assert model.count_parameters() > 0
    assert milliseconds_per_clip(model, (26,), repeats=2) > 0


@pytest.mark.parametrize("name", ["svm", "logistic_regression", "knn"])
def test_units_of_a_feature_do_not_matter_where_distance_counts(name):
    values, labels = vectors(150, 0)
    units = np.logspace(-3, 3, 26).astype(np.float32)
    plain = build_model(name, (26,)).fit(values, labels).score(values)
    scaled = build_model(name, (26,)).fit(values * units, labels).score(values * units)
    np.testing.assert_allclose(plain, scaled, atol=0.02, rtol=0.02)


def test_xgboost_has_330_rounds_and_scores_in_log_odds():
    model = build_model("xgboost", (26,)).fit(*vectors(100, 0))
    assert model.pipeline.get_booster().num_boosted_rounds() == 330
    held_out, _ = vectors(50, 1)
    probabilities = model.pipeline.predict_proba(held_out)[:, 1]
    np.testing.assert_allclose(1 / (1 + np.exp(-model.score(held_out))), probabilities, atol=1e-6)


def test_features_over_time_enter_as_their_means():
    values, labels = vectors(60, 0)
    over_time = values[:, :, None] + np.array([-1.0, 0.0, 1.0], dtype=np.float32)
    model = build_model("logistic_regression", (26, 3)).fit(over_time, labels)
    np.testing.assert_allclose(model.score(over_time), model.score(values), atol=1e-3)


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="got 3 bona fide and 0 spoof"):
        build_model("knn", (26,)).fit(np.zeros((3, 26)), np.ones(3))


def test_file_with_foreign_objects_is_refused(tmp_path):
    import skops.io
    from sklearn.preprocessing import FunctionTransformer

    skops.io.dump({"shape": [26], "pipeline": FunctionTransformer(np.linalg.norm)}, tmp_path / "model.skops")
    with pytest.raises(ValueError, match="not a model that this suite has saved"):
        build_model("svm", (26,)).load(tmp_path / "model.skops")


def pictures(n):
    """Half of them (label 1) carry a bright bar that moves about."""
    generator = np.random.default_rng(0)
    labels = np.arange(n) % 2
    values = generator.random((n, 1, 32, 32)).astype(np.float32) * 0.3
    for index in np.flatnonzero(labels):
        row = generator.integers(24)
        values[index, 0, row : row + 8] += 0.6
    return values, labels


def test_vgg16_svm_tells_pictures_and_its_search_has_24_candidates(tmp_path):
    values, labels = pictures(30)
    model = build_model("vgg16_svm", (1, 32, 32), weights="none", pooled=True, search="f1")
    features = model.vectors(values)
    assert features.shape == (30, 512)
    model.fit(features, labels)
    assert len(model.pipeline.cv_results_["params"]) == np.prod([len(v) for v in SVC_GRID.values()]) == 24
    assert model.pipeline.n_splits_ == 5 and 0 <= model.best["f1"] <= 1
    scores = model.score(features)
    assert roc_auc_score(labels, scores) > 0.9
    model.save(tmp_path / "model.skops")
    again = build_model("vgg16_svm", (1, 32, 32), weights="none", pooled=True).load(tmp_path / "model.skops")
    np.testing.assert_allclose(again.score(features), scores, rtol=1e-6)
