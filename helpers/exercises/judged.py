"""Exercises whose answer is a name, a list or a column, or depends on the scores of a run."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from helpers.exercises.exercise import Exercise, plain


def _layout(answer: Any) -> tuple[bool, str]:
    if not isinstance(answer, str):
        return False, "Give the name of a layout, in quotation marks."
    if answer != answer.strip():
        return False, f"{answer!r} begins or ends with a space: remove it."
    if answer == "real_fake_folders":
        return (
            True,
            "Labels come from the folders' names; splits too where there are training, validation, testing.",
        )
    if answer == "asvspoof":
        return False, "That layout reads labels from protocol files; a folder of yours has none."
    return False, f"{answer!r} does not read labels this way: look at the column `layout` of the table above."


def _residual(answer: Any) -> tuple[bool, str]:
    try:
        values = [float(plain(value)) for value in answer]
    except (TypeError, ValueError):
        return False, "Give a list of two numbers, as in [0.5, -2.0]."
    if values == [1.5, 0.0]:
        return True, "The input passes by the convolutions and is added to what they found."
    if values == [0.5, -2.0]:
        return False, "That is f(x) alone, a plain network without the shortcut."
    return False, "Add x and f(x), element by element."


def _equal_error(answer: float, scores: Any) -> tuple[bool, str]:
    values, bonafide = scores["score"].to_numpy(), (scores["label"] == "bonafide").to_numpy()
    if not (bonafide.any() and (~bonafide).any()):
        return False, "These scores hold one class only: pass those of eval, bona fide and spoofs."
    miss, alarm = float((values[bonafide] < answer).mean()), float((values[~bonafide] >= answer).mean())
    said = f"At {answer:.3f}, {100 * miss:.1f} % of the recordings are refused and {100 * alarm:.1f} % of the spoofs pass."
    if abs(miss - alarm) <= 0.005:
        return True, f"{said} That common value is the EER."
    return False, f"{said} {'Lower' if miss > alarm else 'Raise'} the threshold."


def _frontier(answer: Any) -> tuple[bool, str]:
    if isinstance(answer, str):
        answer = re.findall(r"\w+", answer) if re.search(r"\W", answer) else list(answer)
    try:
        named = {str(name).strip().upper() for name in answer}
    except TypeError:
        return False, 'Give a list of letters, as in ["A", "B"].'
    if named == {"A", "C"}:
        return (
            True,
            "B is slower and worse than A, D slower and worse than C. Between A and C the task decides.",
        )
    if named - set("ABCD"):
        return False, "Name the detectors by their letters, A to D."
    for name, better in (("B", "A"), ("D", "C")):
        if name in named:
            return (
                False,
                f"{better} is faster than {name} and makes fewer errors: nobody would choose {name}.",
            )
    return False, "A is the fastest, C makes the fewest errors: neither is beaten in both."


def _groups(answer: Any, table: Any) -> tuple[bool, str]:
    speakers = [str(speaker) for speaker in table["speaker"]]
    is_list = isinstance(answer, Iterable) and not isinstance(answer, str)
    try:
        groups = [str(group) for group in answer] if is_list else []
    except TypeError:  # an array of no dimension
        groups = []
    n_speakers, n_groups = len(set(speakers)), len(set(groups))
    if not groups:
        return False, f"Give one group for each of the {len(speakers):,} rows, as a column of the table."
    if len(groups) != len(speakers):
        return (
            False,
            f"One group for each of the {len(speakers):,} rows is needed, you gave {len(groups):,}.",
        )
    if n_groups == len(groups) != n_speakers:
        return False, "Every row is a group of its own: that is a random split."
    n_pairs = len(set(zip(groups, speakers, strict=True)))
    if n_pairs == n_groups == n_speakers:
        return True, f"{n_speakers} groups: no speaker of training is heard again in testing."
    if n_pairs > n_speakers:
        return False, "Some speakers are in several groups, and may be on both sides."
    return False, f"Nothing leaks, but {n_groups} groups are coarser than the {n_speakers} speakers."


check_layout = Exercise(
    "01: the layout of a folder that holds `real` and `fake`.",
    "Which row of the manifest's table reads the label from the name of the folder?",
    '"real_fake_folders"',
    _layout,
)
check_residual = Exercise(
    "12: x + f(x) for x = [1, 2] and f(x) = [0.5, -2].",
    "A residual block adds its input to its output.",
    "[1 + 0.5, 2 - 2] = [1.5, 0.0]",
    _residual,
)
check_equal_error_threshold = Exercise(
    "21: the threshold at which misses and false alarms are equal.",
    "Try the middle of the scores first; each answer tells you in which direction to go.",
    "helpers.metrics.eer(bonafide, spoof)[1] returns it",
    _equal_error,
    "Give one number, on the scale of the scores.",
)
check_frontier = Exercise(
    "26: the detectors that no other one beats in both milliseconds and EER.",
    "Cross out each detector for which another one is faster and better.",
    '["A", "C"]',
    _frontier,
)
check_groups = Exercise(
    "27: one group a row so that pieces of one speaker are never on both sides.",
    "Which column of the table is the same for all pieces of one voice?",
    'table["speaker"]',
    _groups,
)
