"""A run folder: parameters in, history and scores as they come, metrics.json last. Its presence is success."""

from __future__ import annotations

import hashlib
import itertools
import os
import platform
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from helpers.environment import PROJECT, where_am_i
from helpers.files import digest, read_json, write_json, write_text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

SCHEMA = 1
SCORE_COLUMNS = ["utterance", "attack", "label", "split", "score"]
# Rooms whose change can alter a result; the others only start, show or check runs.
CODE = ("data", "features", "models", "training", "evaluation")
# The runner names the folder and the state of the data; a notebook opened by hand finds neither here.
HANDED_FOLDER, HANDED_DATA = "HELPERS_RUN_FOLDER", "HELPERS_DATA_FINGERPRINT"
WORKING, REPLACED, LOCKS = ".working", ".replaced", ".locks"  # below runs/
# Chosen anew at each start: they say how long or where to compute, not what.
NOT_IDENTITY = ("max_minutes", "device", "workers")


def run_name(notebook: str, parameters: Mapping[str, Any]) -> str:
    """`<notebook>-<dataset>-<seed>-<hash>`, the hash over every parameter that can change the result."""
    identity = {name: value for name, value in parameters.items() if name not in NOT_IDENTITY}
    dataset = parameters.get("dataset") or "all"
    return f"{notebook}-{dataset}-{parameters.get('seed', 0)}-{digest(identity)}"


def code_digest(notebook: str, project: Path = PROJECT) -> str:
    """Hash of the notebook's code cells and of the rooms of helpers that can change a result."""
    helpers = project / "helpers"
    files = [helpers / f"{name}.py" for name in ("environment", "files", "metrics", "runs")]
    for room in CODE:
        files += sorted((helpers / room).rglob("*.py"))
    total = hashlib.sha256(b"".join(file.read_bytes() for file in files if file.name != "cli.py"))
    source = project / "notebooks" / f"{notebook}.ipynb"
    if source.is_file():
        for cell in read_json(source)["cells"]:
            if cell["cell_type"] == "code" and "set-up" not in cell["metadata"].get("tags", []):
                total.update("".join(cell["source"]).encode())
    return total.hexdigest()[:16]


def lock_of(runs_dir: Path, name: str) -> FileLock:
    """The lock of one name below runs/; the system lets go of it when its process ends, however it ends."""
    return FileLock(runs_dir / LOCKS / f"{name}.lock", timeout=0, is_singleton=True)


def read_record(folder: Path, name: str) -> dict[str, Any]:
    """params.json or metrics.json of a run folder; {} where there is none, or only half of one."""
    try:
        return dict(read_json(folder / name))
    except (OSError, ValueError, TypeError):
        return {}


def read_metrics(folder: Path) -> dict[str, Any]:
    """metrics.json, {} where the run has not ended; its `complete` says that the run ended well."""
    return read_record(folder, "metrics.json")


def take_folder(runs_dir: Path, name: str) -> tuple[Path, FileLock]:
    """The folder to work in, .working/<name>, or .working/<name>~2 while somebody else is at work in the first.

    runs/<name> itself is touched by `publish` alone, so that a finished run stays until the next one is complete.
    """
    (runs_dir / LOCKS).mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        folder = runs_dir / WORKING / (name if number == 1 else f"{name}~{number}")
        lock = lock_of(runs_dir, folder.name)
        try:
            lock.acquire()
        except Timeout:
            continue
        if read_metrics(folder).get("complete"):  # its program was killed before it could publish
            publish(folder)
        folder.mkdir(parents=True, exist_ok=True)
        return folder, lock
    raise AssertionError("unreachable")


def publish(folder: Path) -> Path:
    """.working/<name> becomes runs/<name>, by rename; an earlier run of that name moves to runs/.replaced/."""
    runs_dir = folder.parent.parent
    target = runs_dir / folder.name.partition("~")[0]
    with FileLock(runs_dir / LOCKS / "publish.lock"):
        if target.exists():
            move_aside(target)
        folder.rename(target)
    return target


def move_aside(folder: Path, keep: tuple[str, ...] = ()) -> None:
    """Move a folder, or all in it but `keep`, to .replaced/<name>-<time>; nothing is deleted."""
    runs_dir = folder.parent.parent if folder.parent.name == WORKING else folder.parent
    stamp = f"{folder.name}-{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:4]}"
    target = runs_dir / REPLACED / stamp
    target.parent.mkdir(parents=True, exist_ok=True)
    if not keep:
        folder.rename(target)
        return
    target.mkdir()
    for path in [path for path in folder.iterdir() if path.name not in keep]:
        path.rename(target / path.name)


@dataclass
class Run:
    """One execution of one notebook with one set of parameters on one data set."""

    folder: Path
    parameters: dict[str, Any]
    notebook: str
    data_fingerprint: str = ""
    started: float = field(default_factory=time.time)
    lock: FileLock | None = field(default=None, repr=False)  # None in a child of the runner, which holds it

    @property
    def name(self) -> str:
        return self.folder.name.partition("~")[0]

    def path(self, name: str) -> Path:
        """A file of this run; its folder is made."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    @property
    def complete(self) -> bool:
        """True when metrics.json says so, whatever else lies in the folder."""
        return bool(self.metrics.get("complete"))

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """The content of metrics.json, or {} where the run has not ended."""
        return read_metrics(self.folder)

    def write_scores(self, scores: pd.DataFrame) -> None:
        """Save `utterance, attack, label, split, score` (and further columns) as scores.csv, the primary artefact.

        Raises ValueError for missing columns, scores that are not finite, or an utterance scored twice in a split.
        """
        import numpy as np

        missing = [column for column in SCORE_COLUMNS if column not in scores]
        if missing:
            raise ValueError(f"scores need the columns {', '.join(missing)}")
        bad = scores[~np.isfinite(scores["score"].to_numpy(dtype=float))]
        if len(bad):
            raise ValueError(
                f"{len(bad)} scores are NaN or infinite, first {bad['utterance'].iloc[0]}: lower lr"
            )
        twice = scores[scores.duplicated(["utterance", "split"])]
        if len(twice):
            raise ValueError(f"{len(twice)} utterances are scored twice, first {twice['utterance'].iloc[0]}")
        scores = scores[SCORE_COLUMNS + [column for column in scores if column not in SCORE_COLUMNS]]
        write_text(self.path("scores.csv"), scores.to_csv(index=False, float_format="%.8g"))

    def read_scores(self) -> pd.DataFrame:
        """scores.csv as a table; FileNotFoundError says which run has none."""
        path = self.folder / "scores.csv"
        if not path.is_file():
            raise FileNotFoundError(f"{self.name} holds no scores.csv: run {self.notebook} again")
        return read_scores_csv(path)

    def write_history(self, rows: list[dict[str, float]]) -> None:
        """One row an epoch, rewritten whole: a resumed training leaves no row twice."""
        import pandas as pd

        write_text(self.path("history.csv"), pd.DataFrame(rows).to_csv(index=False, float_format="%.6g"))

    def read_history(self) -> pd.DataFrame:
        """history.csv, empty where the run has none (classical models)."""
        import pandas as pd

        path = self.folder / "history.csv"
        return pd.read_csv(path) if path.is_file() else pd.DataFrame()

    def save_figure(self, figure: Figure, name: str) -> Figure:
        """Write figures/<name>.png at 120 dpi and hand the figure back, to be shown by the cell that saved it."""
        figure.savefig(self.path(f"figures/{name}.png"), dpi=120, bbox_inches="tight")
        return figure

    def finish(self, complete: bool = True, **sections: Any) -> dict[str, Any]:
        """Write metrics.json, last and by rename. `sections`: model, features, data, metrics, model_info, timing, notes.

        The checkpoint of a complete run goes: it is three times the weights, and nothing goes on from it. Then the
        folder moves to its place in runs/ (below the runner, as soon as the notebook has ended).
        """
        import numpy as np

        record: dict[str, Any] = {
            "schema": SCHEMA,
            "complete": complete,
            "notebook": self.notebook,
            "dataset": self.parameters.get("dataset", ""),
            "seed": self.parameters.get("seed", 0),
            "parameters": self.parameters,
            "code": code_digest(self.notebook),
            "ended": round(time.time(), 2),  # seconds of the clock, whatever happens to the file
            **sections,
        }
        own = {
            "data": {"fingerprint": self.data_fingerprint},
            "timing": {"total_seconds": round(time.time() - self.started, 2)},
            "environment": {
                "place": where_am_i().name,
                "python": platform.python_version(),
                "numpy": np.__version__,
                "machine": platform.machine(),
            },
        }
        record |= {name: values | sections.get(name, {}) for name, values in own.items()}
        write_json(self.path("metrics.json"), record)
        if complete:  # after metrics.json: killed in between, the run is complete and has a file too many
            (self.folder / "last.pt").unlink(missing_ok=True)
            if self.lock is not None and self.folder.parent.name == WORKING:
                self.folder = publish(self.folder)
        if self.lock is not None:
            self.lock.release(force=True)
        self.__dict__.pop("metrics", None)
        return record


def read_scores_csv(path: Path) -> pd.DataFrame:
    """A scores.csv as a run wrote it: names stay text, an attack may be called "None"."""
    import pandas as pd

    words = dict.fromkeys(["utterance", "attack", "label", "split", "speaker"], str)
    return pd.read_csv(path, dtype=words, keep_default_na=False)


def open_run(
    notebook: str, parameters: Mapping[str, Any], data_fingerprint: str, runs_dir: Path | None = None
) -> Run:
    """Start the run of these parameters, or go on with one that was interrupted on the same data with the same code.

    A finished run of the same name stays as it is until this one is complete.
    """
    runs_dir = where_am_i().folders.runs if runs_dir is None else Path(runs_dir)
    handed, lock = Path(os.environ.get(HANDED_FOLDER) or "-"), None
    record = {
        "notebook": notebook,
        "parameters": dict(parameters),
        "data_fingerprint": data_fingerprint,
        "code": code_digest(notebook),
    }
    if handed.name.startswith(f"{notebook}-") and handed.parent.parent.resolve() == runs_dir.resolve():
        folder, record["entry"] = handed, os.environ.get(HANDED_DATA, "")
    else:
        folder, lock = take_folder(runs_dir, run_name(notebook, parameters))
    earlier = folder / "params.json"
    if earlier.is_file():
        before = read_json(earlier)
        if any(before.get(key) != record[key] for key in ("code", "data_fingerprint")):
            move_aside(folder, keep=("papermill.log", "notebook.ipynb"))
    (folder / "metrics.json").unlink(missing_ok=True)  # of a pause: this run has not ended
    write_json(earlier, record)
    return Run(folder, dict(parameters), notebook, data_fingerprint, lock=lock)


def read_run(folder: Path) -> Run:
    """Open an existing run folder for reading; FileNotFoundError says what a run folder must hold."""
    path = Path(folder) / "params.json"
    if not path.is_file():
        raise FileNotFoundError(f"{folder} is no run folder: it has no params.json")
    record = read_json(path)
    if not {"parameters", "notebook"} <= set(record):
        raise ValueError(f"{path} is no record of a run: remove the folder and run its notebook again")
    return Run(Path(folder), record["parameters"], record["notebook"], record.get("data_fingerprint", ""))


def load_runs(runs_dir: Path | None = None, dataset: str | None = None) -> list[Run]:
    """All complete runs below `runs_dir`, by name; only those of one data set where it is given."""
    runs_dir = where_am_i().folders.runs if runs_dir is None else Path(runs_dir)
    runs = [read_run(path.parent) for path in sorted(runs_dir.glob("*/params.json"))]
    return [run for run in runs if run.complete and dataset in (None, run.metrics.get("dataset"))]
