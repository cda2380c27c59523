"""Checkers of the notebooks 01 to 03: data and features."""

from __future__ import annotations

import math

from helpers.execution.exercises.answers import not_yet, right, takes_number


def check_layout(answer: str) -> bool:
    """01: the layout of a folder that holds `real` and `fake`."""
    if not isinstance(answer, str):
        return not_yet("Give the name of a layout, in quotation marks.")
    if answer == "real_fake_folders":
        return right(
            "Labels come from the folders' names; splits too where there are training, validation, testing."
        )
    if answer == "asvspoof":
        return not_yet("That layout reads labels from protocol files; a folder of yours has none.")
    return not_yet(
        f"{answer!r} is not how labels are told here: look at the column `layout` of the table above."
    )


@takes_number("Give a number of seconds.")
def check_staging_seconds(answer: float) -> bool:
    """02: 25,380 files at 4 ms each."""
    if math.isclose(answer, 101.52, rel_tol=0.01):
        return right("And that is the waiting alone: the reading comes on top, at every epoch.")
    if math.isclose(answer, 101_520, rel_tol=0.01):
        return not_yet("That is milliseconds: divide by 1,000.")
    return not_yet("Every file waits once: number of files times 4 ms.")


@takes_number()
def check_n_frames(answer: float) -> bool:
    """03: frames of 48,000 samples, hop 256, centred."""
    if answer == 188:
        return right(
            "48,000 / 256 = 187.5, rounded down, and one more since the first frame is centred on sample 0."
        )
    if answer == 187:
        return not_yet("Almost: with padding on both sides there is a frame at sample 0 as well.")
    return not_yet("Count the hops of 256 that fit into 48,000 samples, then think of the frame at sample 0.")
