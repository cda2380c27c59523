"""The registry: names, options, and what it says about a wrong one."""

import subprocess
import sys
from pathlib import Path

import pytest

from helpers.models import MODELS, build_model, check_options, is_classical, model_class, model_options

PROJECT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", MODELS)
def test_every_name_leads_to_a_documented_class(name):
    assert model_class(name).__doc__
    assert "shape" not in model_options(name)


def test_importing_the_registry_imports_no_torch_and_no_sklearn():
    code = "import sys, helpers.models; print([m for m in ('torch', 'sklearn', 'timm', 'xgboost') if m in sys.modules])"
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"


def test_unknown_name_is_refused_with_the_nearest_one():
    with pytest.raises(ValueError, match="rezent50.*did you mean 'resnet50'"):
        build_model("rezent50", (64, 188))


def test_unknown_option_is_refused_with_the_nearest_one():
    with pytest.raises(ValueError, match="no option 'pool'.*did you mean 'pooling'"):
        check_options("lcnn", ["pool"])
    with pytest.raises(ValueError, match="takes: none"):
        check_options("simple_ann", ["weights"])


def test_classical_models_are_told_from_networks():
    assert [name for name in MODELS if is_classical(name)] == [
        "lfcc_gmm", "xgboost", "svm", "random_forest", "logistic_regression", "knn", "vgg16_svm"
    ]  # fmt: skip
