"""An example to hear and draw."""

from __future__ import annotations

import pandas as pd

from helpers.data.audio import read_audio
from helpers.data.errors import BadAudio


def first_readable(table: pd.DataFrame) -> pd.Series:
    """The first row whose clip can be read: an example to hear and draw. BadAudio where none of them can."""
    problem: BadAudio | None = None
    for _, clip in table.iterrows():
        try:
            read_audio(clip["path"])
            return clip
        except BadAudio as error:
            print(f"note:   another example is taken: {error}")
            problem = error
    raise problem or BadAudio("there is no clip to take an example from")
