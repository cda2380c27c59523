"""Checkers for the notebooks' **Build** exercises: each says what is wrong and why, and returns whether it is right.

A wrong answer prints a hint and never raises, so that an unsolved exercise does not stop a notebook.
"""

from helpers.execution.exercises.demonstration import check_alarm
from helpers.execution.exercises.judging import (
    check_blind_accuracy,
    check_groups,
    check_number_of_fits,
    check_posterior,
)
from helpers.execution.exercises.networks import (
    check_ann_parameters,
    check_bottleneck_weights,
    check_class_weight,
    check_flattened_size,
    check_linear_parameters,
    check_lstm_steps,
    check_macro_f1,
    check_residual,
    check_zero_crossings,
)
from helpers.execution.exercises.stages import (
    check_layout,
    check_n_frames,
    check_staging_seconds,
)
from helpers.execution.exercises.strong import (
    check_attention,
    check_equal_error_threshold,
    check_frontier,
    check_likelihood_ratio,
    check_rawnet_steps,
    check_ssl_frames,
)

__all__ = [
    "check_alarm",
    "check_ann_parameters",
    "check_attention",
    "check_blind_accuracy",
    "check_bottleneck_weights",
    "check_class_weight",
    "check_equal_error_threshold",
    "check_flattened_size",
    "check_frontier",
    "check_groups",
    "check_layout",
    "check_likelihood_ratio",
    "check_linear_parameters",
    "check_lstm_steps",
    "check_macro_f1",
    "check_n_frames",
    "check_number_of_fits",
    "check_posterior",
    "check_rawnet_steps",
    "check_residual",
    "check_ssl_frames",
    "check_staging_seconds",
    "check_zero_crossings",
]
