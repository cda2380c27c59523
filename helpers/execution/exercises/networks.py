"""Checkers of the notebooks that train the seed systems' networks: 10 to 18."""

from __future__ import annotations

import math
from collections.abc import Sequence

from helpers.execution.exercises.answers import AS_PERCENT, is_percent_of, not_yet, plain, right, takes_number


@takes_number()
def check_ann_parameters(answer: float) -> bool:
    """10: weights and biases of 12,032 -> 1024 -> 512 -> 256 -> 1."""
    sizes = [64 * 188, 1024, 512, 256, 1]
    weights = sum(a * b for a, b in zip(sizes, sizes[1:]))
    if answer == weights + sum(sizes[1:]):
        return right("13 million numbers, 12.3 million of them in the first layer, for a few thousand clips.")
    if answer == weights:
        return not_yet("The weights are right. Add one bias for each neuron: 1024 + 512 + 256 + 1.")
    return not_yet(
        "Multiply each pair of neighbouring sizes, add the products, then one bias for each neuron."
    )


@takes_number()
def check_linear_parameters(answer: float) -> bool:
    """11: weights and biases of the layer behind 64 x 16 x 47 values."""
    inputs, neurons = 64 * 16 * 47, 1024
    if answer == inputs * neurons + neurons:
        return right("49 million numbers in one layer, and the two convolutions before it hold 52 thousand.")
    if answer == inputs * neurons:
        return not_yet("The weights are right. Each neuron has a bias as well.")
    return not_yet("Every one of the 64 · 16 · 47 inputs is connected with every one of the 1,024 neurons.")


def check_residual(answer: Sequence[float]) -> bool:
    """12: x + f(x) for x = [1, 2] and f(x) = [0.5, -2]."""
    try:
        values = [float(plain(value)) for value in answer]
    except (TypeError, ValueError):
        return not_yet("Give a list of two numbers, as in [0.5, -2.0].")
    if values == [1.5, 0.0]:
        return right("The input passes by the convolutions and is added to what they found.")
    if values == [0.5, -2.0]:
        return not_yet("That is f(x) alone, a plain network without the shortcut.")
    return not_yet("Add x and f(x), element by element.")


@takes_number()
def check_lstm_steps(answer: float) -> bool:
    """13: steps that 188 frames leave behind a stride of 32."""
    if answer == 6:
        return right("Half a second a step: the LSTM reads six columns, not 188.")
    if answer in (5, 5.875):
        return not_yet("188 / 32 is 5.875, and padding keeps the last, incomplete step: round up.")
    if answer == 188:
        return not_yet(
            "Those are the frames of the feature; the network halves time five times before the LSTM."
        )
    return not_yet("Divide 188 by 2 five times, rounding up each time.")


@takes_number()
def check_bottleneck_weights(answer: float) -> bool:
    """14: weights of 1x1 256 -> 64, 3x3 64 -> 64, 1x1 64 -> 256, without biases."""
    if answer == 256 * 64 + 9 * 64 * 64 + 64 * 256:
        return right("Two plain 3×3 layers on 256 channels would hold 1,179,648: seventeen times as many.")
    if answer == 9 * (256 * 64 + 64 * 64 + 64 * 256):
        return not_yet("Only the middle convolution is 3×3; the other two look at one point.")
    if answer == 2 * 9 * 256 * 256:
        return not_yet("That is two plain 3×3 layers on 256 channels, what the bottleneck avoids.")
    return not_yet("Add three products: channels in × channels out × points the convolution looks at.")


@takes_number("Give one number between 0 and 1.")
def check_macro_f1(answer: float) -> bool:
    """15: 50 of 100 bona fide clips and 855 of 900 spoofs recognised."""
    bonafide, spoof = 2 * 50 / (2 * 50 + 50 + 45), 2 * 855 / (2 * 855 + 50 + 45)
    if math.isclose(answer, (bonafide + spoof) / 2, abs_tol=2e-3):
        return right(
            "0.73, where the accuracy is 0.905: half of the recordings are lost and accuracy hardly notices."
        )
    if is_percent_of(answer, (bonafide + spoof) / 2):
        return not_yet(AS_PERCENT)
    if math.isclose(answer, 0.905, abs_tol=2e-3):
        return not_yet("That is the accuracy, (50 + 855) / 1,000.")
    if math.isclose(answer, spoof, abs_tol=2e-3) or math.isclose(answer, bonafide, abs_tol=2e-3):
        return not_yet("That is the F1 of one class. Macro-F1 is the mean of both.")
    return not_yet(
        "F1 of a class is 2·hits / (2·hits + missed + wrongly given). Take the mean of the two classes."
    )


@takes_number()
def check_class_weight(answer: float) -> bool:
    """16: weight of a bona fide clip among 2,580 and 22,800 spoofs, mean weight 1."""
    if math.isclose(answer, 25_380 / (2 * 2_580), rel_tol=5e-3):
        return right(
            "4.92, and a spoof weighs 0.557: both classes add up to the same, and the mean weight is 1."
        )
    if math.isclose(answer, 22_800 / 2_580, rel_tol=5e-3):
        return not_yet("That is the ratio of the weights. Scale both so that the mean over all clips is 1.")
    if math.isclose(answer, 25_380 / (2 * 22_800), rel_tol=5e-3):
        return not_yet("That is the weight of a spoof: the rarer class weighs more.")
    return not_yet("Each class should hold half of the total: half of 25,380, shared by its own clips.")


@takes_number()
def check_flattened_size(answer: float) -> bool:
    """17: 64 x 188 halved four times, odd sizes rounded up, 128 maps."""
    if answer == 128 * 4 * 12:
        return right("And the next layer, 6,144 by 512, holds nine of ten parameters of this network.")
    if answer == 128 * 4 * 11:
        return not_yet(
            "188 → 94 → 47 → 23 would drop the last frame: `same` padding keeps it, 47 becomes 24."
        )
    if answer == 4 * 12:
        return not_yet("That is one map; there are 128.")
    return not_yet("Halve 64 and 188 four times, rounding up, then multiply by the 128 maps.")


@takes_number("Give a share of the samples.")
def check_zero_crossings(answer: float) -> bool:
    """18: zero-crossing rate of a 440 Hz tone at 16 kHz."""
    if math.isclose(answer, 0.055, abs_tol=5e-4):
        return right("880 changes of sign a second among 16,000 samples. A hiss at 4 kHz would have 0.5.")
    if math.isclose(answer, 5.5, abs_tol=0.05):
        return not_yet(AS_PERCENT)
    if math.isclose(answer, 0.0275, abs_tol=5e-4):
        return not_yet("A tone crosses zero twice in each period, once up and once down.")
    if math.isclose(answer, 880, abs_tol=1) or math.isclose(answer, 440, abs_tol=1):
        return not_yet("That is a count a second; the rate is a share of the samples.")
    return not_yet("Count the changes of sign in a second and divide by the samples in a second.")
