"""Detectors. `MODELS` is the only registry: a name and the class it stands for, imported when it is built."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Iterable, Sequence
from typing import Any

# name -> "module:Class" below helpers.models. Strings, so that `import helpers.models` imports no torch.
MODELS: dict[str, str] = {
    "simple_ann": "seeds:SimpleAnn",
    "simple_cnn": "seeds:SimpleCnn",
    "cnn": "seeds:Cnn",
    "custom_cnn": "seeds:CustomCnn",
    "vgg_like": "seeds:VggLike",
    "dnn": "seeds:Dnn",
    "resnet50": "imagenet:Resnet50",
    "resnet101": "imagenet:Resnet101",
    "resnet200d": "imagenet:Resnet200d",
    "resnet50_lstm": "imagenet:Resnet50Lstm",
    "lcnn": "lcnn:Lcnn",
    "small": "seeds:Small",
    "rawnet2": "rawnet2:RawNet2",
    "aasist": "aasist:Aasist",
    "ssl": "speech_encoder:SpeechEncoder",
    "lfcc_gmm": "gmm:LfccGmm",
    "xgboost": "classical:XGBoost",
    "svm": "classical:Svm",
    "random_forest": "classical:RandomForest",
    "logistic_regression": "classical:LogisticRegression",
    "knn": "classical:Knn",
    "vgg16_svm": "classical:Vgg16Svm",
}


def model_class(name: str) -> type:
    """The class behind a name; imports its module. ValueError with the nearest match for an unknown name."""
    if name not in MODELS:
        raise ValueError(
            f"no model is called {name!r}{_nearest(name, MODELS)}; there are: {', '.join(MODELS)}"
        )
    module, class_name = MODELS[name].split(":")
    return getattr(importlib.import_module(f"{__name__}.{module}"), class_name)


def is_classical(name: str) -> bool:
    """Whether `name` is fitted in one call (`fit(X, y)` / `score(X)`) and not by the training loop."""
    return MODELS.get(name, "").split(":")[0] in ("gmm", "classical")


def model_options(name: str) -> dict[str, Any]:
    """The options that `build_model` accepts for a name and their defaults."""
    parameters = inspect.signature(model_class(name)).parameters
    return {key: value.default for key, value in parameters.items() if key != "shape"}


def check_options(name: str, options: Iterable[str]) -> None:
    """ValueError for an unknown model or option, naming the nearest one that exists."""
    known = model_options(name)
    for option in options:
        if option not in known:
            allowed = ", ".join(known) or "none"
            raise ValueError(f"{name} has no option {option!r}{_nearest(option, known)}; it takes: {allowed}")


def build_model(name: str, shape: Sequence[int], **options: Any) -> Any:
    """A detector for clips of `shape` (without the batch axis): an nn.Module whose forward gives bona fide
    log-odds, or a classical estimator with `fit(X, y)` and `score(X)`; see `is_classical`, `check_options`."""
    return model_class(name)(tuple(int(size) for size in shape), **options)


def _nearest(word: str, words: Iterable[str]) -> str:
    match = difflib.get_close_matches(word, list(words), n=1)
    return f", did you mean {match[0]!r}?" if match else ""
