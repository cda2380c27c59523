"""The set-up cell that all notebooks share, how a notebook is written as text, and from where it can be fetched."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

from helpers.environment import PROJECT

BRANCH = "main"
SET_UP = """\
# Set-up, the same in every notebook: find the project, add what Kaggle or Colab lacks, read the parameters.
import subprocess
import sys
from pathlib import Path

repository = "OWN"  # on GitHub; `python -m tools notebooks --write` fills it in
depths = ("*", "*/*", "*/*/*", "*/*/*/*")  # of what is attached on Kaggle: the helpers, by either form of mount
attached = [found.parent for depth in depths for found in Path("/kaggle/input").glob(f"{depth}/helpers")]
fetched = Path("/content" if Path("/content").is_dir() else "/kaggle/temp") / "audio-deepfake-detection"
places = [place for place in (Path.cwd(), *Path.cwd().parents, *attached) if (place / "helpers").is_dir()]
project = (places or [fetched])[0]
if not (project / "helpers").is_dir():  # a notebook on its own, with internet: fetch the rest
    if not repository:
        raise FileNotFoundError("no helpers here: open this notebook inside the whole project, or from your fork")
    subprocess.run(["git", "clone", "--depth=1", f"https://github.com/{repository}", project], check=True)
sys.path.insert(0, str(project))
from helpers.execution.setup import get_ready, read_parameters  # noqa: E402
get_ready(project)
parameters = read_parameters(globals())"""


def find_repository(project: Path = PROJECT) -> str:
    """`owner/name` on GitHub, by HELPERS_REPOSITORY, GITHUB_REPOSITORY or git's origin; "" where none of them knows."""
    for name in ("HELPERS_REPOSITORY", "GITHUB_REPOSITORY"):
        if os.environ.get(name):
            return os.environ[name]
    try:
        line = ["git", "-C", str(project), "remote", "get-url", "origin"]
        origin = subprocess.run(line, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""
    found = re.search(r"github\.com[:/]([\w.-]+/[\w.-]+?)(?:\.git)?/?$", origin)
    return found[1] if found else ""


def set_up_source(repository: str = "") -> str:
    """The set-up cell, byte for byte the same in every notebook of one repository."""
    return SET_UP.replace('"OWN"', f'"{repository}"')


def to_text(notebook: dict[str, Any]) -> str:
    """A notebook as nbformat writes it: one space of indent, sorted keys, a final newline."""
    return json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
