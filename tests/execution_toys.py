"""A throw-away project for the runner's tests: the real helpers, small real notebooks, a plan of its own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tools.notebooks import with_shared

PROJECT = Path(__file__).resolve().parents[1]

PLAN = """
PLAN = (
    Notebook("01_make", "Make", "numbers", 0.1, 0.1, core=True),
    Notebook("10_train_tiny", "Tiny", "a tiny run", 0.2, 0.1, needs=("01_make",), core=True,
             rows=(Row("tiny", "tiny"), Row("big", "big", {"width": 64})), profiles={"smoke": {"epochs": 2}}),
    Notebook("11_train_bad", "Bad", "trouble", 0.1, 0.1, needs=("01_make",), rows=(Row("bad", "bad"),)),
    Notebook("12_after_bad", "After", "nothing", 0.1, 0.1, needs=("11_train_bad",)),
    Notebook("90_compare", "Compare", "a table", 0.1, 0.1, core=True, reads_runs=True),
)
"""

MAKE = (
    ["numbers: int = 3  # how many"],
    [
        "from helpers.runs import open_run",
        'run = open_run("01_make", parameters, "")',
        'run.finish(data={"counts": {"train": {"bonafide": numbers, "spoof": numbers}}})',
    ],
)
TINY = (
    [
        "epochs: int = 4  # passes",
        "width: int = 8  # size",
        "lr: float = 1e-3  # rate",
        "pause: float = 0.0  # seconds an epoch",
        "max_minutes: float = 0.0  # 0 means no limit",
        "seed: int = 0  # one seed",
    ],
    [
        """import time
import pandas as pd
from helpers.runs import open_run, read_json, write_json""",
        """run = open_run("10_train_tiny", parameters, "")
last = run.path("last.pt")
state = read_json(last) if last.is_file() else {"epoch": 0, "value": float(seed), "rows": []}
stopped = False""",
        """while state["epoch"] < epochs and not stopped:
    time.sleep(pause)
    state["epoch"] += 1
    state["value"] = (state["value"] * 1.7 + width * lr + state["epoch"]) % 7
    state["rows"].append({"epoch": state["epoch"], "value": state["value"]})
    write_json(last, state)
    run.write_history(state["rows"])
    print("epoch", state["epoch"], "of", epochs)
    stopped = max_minutes > 0""",
        """table = pd.DataFrame({"utterance": ["a", "b"], "attack": ["-", "A07"], "label": ["bonafide", "spoof"]})
table = table.assign(split="eval", score=[state["value"], -state["value"]])
run.write_scores(table)""",
        """record = run.finish(complete=state["epoch"] >= epochs, model="tiny", metrics={"eval": {"eer": 0.125}})""",
    ],
)
BAD = (
    [
        'fault: str = "raise"  # raise | memory | hang | disk | silent | late',
    ],
    [
        "import os\nimport time",
        """print("the fault is", fault)
if fault == "raise":
    raise ValueError("need both classes, got 214 bona fide and 0 spoof")""",
        """if fault == "late":
    from helpers.runs import open_run
    open_run("11_train_bad", parameters, "").finish(model="bad")
    raise KeyError("model")
if fault == "memory":
    os.kill(os.getpid(), 9)
if fault == "hang":
    time.sleep(1000)
if fault == "disk":
    with open("/dev/full", "w") as full:
        full.write("x" * 100000)""",
    ],
)
COMPARE = (
    ["rounds: int = 9  # of something"],
    [
        "from helpers.runs import load_runs, open_run",
        """runs = [run for run in load_runs() if run.notebook.startswith("1")]
run = open_run("90_compare", parameters, "")
record = run.finish(headline=f"{len(runs)} runs")""",
    ],
)
AFTER = ["x: int = 1  # nothing"], ["print(x)"]
TOYS = {
    "01_make": MAKE,
    "10_train_tiny": TINY,
    "11_train_bad": BAD,
    "12_after_bad": AFTER,
    "90_compare": COMPARE,
}


def cell(kind, source, tags=(), place=0):
    made = {"cell_type": kind, "id": f"c{place}", "metadata": {"tags": list(tags)} if tags else {}}
    made["source"] = source.splitlines(keepends=True)
    return made | ({"execution_count": None, "outputs": []} if kind == "code" else {})


def notebook(parameters, cells):
    """A notebook of the agreed form, without the generated cells."""
    made = [cell("markdown", "You will be able to run it.", place=1)]
    made.append(cell("code", "\n".join(parameters), ["parameters"], 2))
    made += [cell("code", source, (), 3 + place) for place, source in enumerate(cells)]
    made += [cell("markdown", "## What to take away", place=90), cell("markdown", "## Exercises", place=91)]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def make_project(folder: Path) -> Path:
    """Copy what the runner needs and write the toys, with the set-up cell of the suite."""
    ignore = shutil.ignore_patterns("__pycache__", "*.zip", "*.ogg", "starter")
    (folder / "helpers").mkdir(parents=True)
    for path in (PROJECT / "helpers").glob("*.py"):
        shutil.copy(path, folder / "helpers")
    for name in ("execution", "data"):
        shutil.copytree(PROJECT / "helpers" / name, folder / "helpers" / name, ignore=ignore)
    entries, plan = (PROJECT / "helpers/execution/plan.py").read_text().split("STAGED = (")
    (folder / "helpers/execution/plan.py").write_text(entries + PLAN + plan.split("# fmt: on")[1])
    (folder / "notebooks").mkdir()
    for stem, (parameters, cells) in TOYS.items():
        made = with_shared(notebook(parameters, cells), f"# {stem}", "student/suite")
        (folder / "notebooks" / f"{stem}.ipynb").write_text(json.dumps(made))
    shutil.copy(PROJECT / "requirements.txt", folder)
    return folder


def environment(**more):
    """The test's environment without a path to the real helpers, so that the copied ones are used."""
    environ = {**os.environ, "PYDEVD_DISABLE_FILE_VALIDATION": "1", **more}
    environ.pop("PYTHONPATH", None)
    return environ


def helpers(project: Path, *arguments, check=True, timeout=120):
    """`python -m helpers ...` in the project; the finished process."""
    line = [sys.executable, "-m", "helpers", *map(str, arguments)]
    done = subprocess.run(
        line, cwd=project, env=environment(), capture_output=True, text=True, timeout=timeout
    )
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done
