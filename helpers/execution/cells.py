"""The set-up cell that all notebooks share, and how a notebook is written as text."""

from __future__ import annotations

import json
from typing import Any

from helpers.execution import plan as plans

SET_UP = """\
# Set-up, the same in every notebook: find the project, add what Kaggle or Colab lacks, read the parameters.
import subprocess
import sys
from pathlib import Path

depths = ("*", "*/*", "*/*/*", "*/*/*/*")  # of what is attached on Kaggle: the helpers, by either form of mount
attached = [found.parent for depth in depths for found in Path("/kaggle/input").glob(f"{depth}/helpers")]
fetched = Path("/content" if Path("/content").is_dir() else "/kaggle/temp") / "{name}"
places = [place for place in (Path.cwd(), *Path.cwd().parents, *attached) if (place / "helpers").is_dir()]
project = (places or [fetched])[0]
if not project.is_dir():  # a notebook on its own, with internet: fetch the rest
    subprocess.run(["git", "clone", "--depth=1", "https://github.com/{repository}", project], check=True)
sys.path.insert(0, str(project))
from helpers.execution.setup import get_ready, read_parameters  # noqa: E402
get_ready(project)
parameters = read_parameters(globals())"""


def set_up_source() -> str:
    """The set-up cell, byte for byte the same in every notebook."""
    return SET_UP.replace("{repository}", plans.REPOSITORY).replace("{name}", plans.REPOSITORY.split("/")[1])


def to_text(notebook: dict[str, Any]) -> str:
    """A notebook as nbformat writes it: one space of indent, sorted keys, a final newline."""
    return json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
