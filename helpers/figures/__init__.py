"""Every figure of the suite by one import. Each takes data, returns the Figure, and most accept `ax`."""
# ruff: noqa: F401

from helpers.figures.data import (
    class_examples,
    counts,
    filter_banks,
    lines,
    measures,
    plot_features,
    side_by_side,
)
from helpers.figures.models import (
    attack_bars,
    attack_map,
    cross_data_map,
    dev_against_eval,
    eer_against,
    eer_bars,
    shortcut_bars,
    summary_bars,
)
from helpers.figures.palette import CLASS_NAMES, PALETTE, canvas, canvases
from helpers.figures.scores import (
    confusion,
    confusions,
    det_curves,
    reliability_diagram,
    roc_curves,
    score_histogram,
    training_curves,
)
