"""Every figure of the suite by one import. Each takes data, returns the Figure, and most accept `ax`."""

from helpers.figures.attacks import attack_bars, attack_map, cross_data_map, shortcut_bars
from helpers.figures.data import counts, filter_banks, lines, measures, pictures
from helpers.figures.features import (
    class_examples,
    heat_over_features,
    plot_features,
    side_by_side,
    wave_over_features,
)
from helpers.figures.models import dev_against_eval, eer_against, eer_bars, summary_bars
from helpers.figures.palette import (
    CLASS_NAMES,
    FEATURE_MAP,
    LOOK,
    MODEL_COLOURS,
    PALETTE,
    canvas,
    canvases,
)
from helpers.figures.scores import (
    confusion,
    confusions,
    det_curves,
    reliability_diagram,
    roc_curves,
    score_histogram,
    training_curves,
)

__all__ = [
    "CLASS_NAMES",
    "FEATURE_MAP",
    "LOOK",
    "MODEL_COLOURS",
    "PALETTE",
    "attack_bars",
    "attack_map",
    "canvas",
    "canvases",
    "class_examples",
    "confusion",
    "confusions",
    "counts",
    "cross_data_map",
    "det_curves",
    "dev_against_eval",
    "eer_against",
    "eer_bars",
    "filter_banks",
    "heat_over_features",
    "lines",
    "measures",
    "pictures",
    "plot_features",
    "reliability_diagram",
    "roc_curves",
    "score_histogram",
    "shortcut_bars",
    "side_by_side",
    "summary_bars",
    "training_curves",
    "wave_over_features",
]
