"""Audio in, features out: named settings, their computation, and the cache on disk.

`from helpers.features import FEATURES, build_cache, compute` is what notebooks need. Names are imported when first
used, so that reading a setting costs no torch.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "axes": ("Axes", "axis_labels"),
    "cache": ("Cache", "build_cache", "cache_folder", "open_cache"),
    "computation": ("compute", "feature_shape", "fit_length", "level"),
    "deep_voice": ("one_second_means",),
    "spectral": ("chroma_filters", "dct_matrix", "filter_bank"),
    "settings": ("FEATURES", "FeatureSetting", "get_setting"),
}

__all__ = [name for names in _HOME.values() for name in names]  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    for module, names in _HOME.items():
        if name in names:
            return getattr(importlib.import_module(f"helpers.features.{module}"), name)
    raise AttributeError(f"helpers.features has no {name!r}")
