"""Audio in, features out: named settings, their computation, and the cache on disk.

`from helpers.features import FEATURES, build_cache, compute` is what notebooks need. Names are imported when first
used, so that reading a setting costs no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from helpers.features.axes import Axes, axis_labels
    from helpers.features.cache import Cache, cache_folder, open_cache
    from helpers.features.computation import compute, feature_shape, fit_length
    from helpers.features.deep_voice import one_second_means
    from helpers.features.filling import build_cache
    from helpers.features.filters import (
        chroma_filters,
        dct_matrix,
        filter_bank,
        linear_filters,
        mel_filters,
        window,
    )
    from helpers.features.settings import FEATURES, FeatureSetting, get_setting, setting_name

_HOME_OF = {
    **dict.fromkeys(["Axes", "axis_labels"], "axes"),
    **dict.fromkeys(["Cache", "cache_folder", "open_cache"], "cache"),
    **dict.fromkeys(["compute", "feature_shape", "fit_length"], "computation"),
    "one_second_means": "deep_voice",
    "build_cache": "filling",
    **dict.fromkeys(
        ["chroma_filters", "dct_matrix", "filter_bank", "linear_filters", "mel_filters"], "filters"
    ),
    "window": "filters",
    **dict.fromkeys(["FEATURES", "FeatureSetting", "get_setting", "setting_name"], "settings"),
}

__all__ = [
    "FEATURES",
    "Axes",
    "Cache",
    "FeatureSetting",
    "axis_labels",
    "build_cache",
    "cache_folder",
    "chroma_filters",
    "compute",
    "dct_matrix",
    "feature_shape",
    "filter_bank",
    "fit_length",
    "get_setting",
    "linear_filters",
    "mel_filters",
    "one_second_means",
    "open_cache",
    "setting_name",
    "window",
]


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(importlib.import_module(f"helpers.features.{_HOME_OF[name]}"), name)
    raise AttributeError(f"helpers.features has no {name!r}")
