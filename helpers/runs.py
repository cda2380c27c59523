"""A run folder: parameters in, history and scores as they come, metrics.json last. Its presence is success."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from helpers.environment import PROJECT, where_am_i

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

SCHEMA = 1
SCORE_COLUMNS = ["utterance", "attack", "label", "split", "score"]
# What a change of code can alter in a finished run, by the first part of the notebook's name.
FOLDERS_OF_CODE = {
    "01": ("data",),
    "02": ("data",),
    "03": ("data", "features"),
    "25": ("evaluation",),
    "90": ("evaluation",),
    "91": ("data", "features", "models", "evaluation", "demo"),
}
TRAINING_CODE = ("data", "features", "models", "training")
# Chosen anew at each start: they say how long or where to compute, not what.
NOT_IDENTITY = ("max_minutes", "device", "workers")


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """All or nothing: a reader sees the old file or the new one, never a half, though others write the same file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        with open(part, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Text in UTF-8, all or nothing."""
    write_whole(path, lambda file: file.write(text.encode("utf-8")))


def write_json(path: Path, value: Any) -> None:
    """JSON by rename. NaN and infinity are refused: they are not JSON, and no result of ours."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False, default=_plain) + "\n")


def read_json(path: Path) -> Any:
    """The parsed file; ValueError names the file where it is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not valid JSON ({error}): remove it and run again") from error


def _plain(value: Any) -> Any:
    """numpy scalars and arrays, and paths, as JSON knows them."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"cannot write a {type(value).__name__} to JSON")


def digest(value: Any, length: int = 10) -> str:
    """Short sha256 of anything JSON can hold, independent of the order of keys."""
    text = json.dumps(value, sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def run_name(notebook: str, parameters: Mapping[str, Any], data_fingerprint: str) -> str:
    """`<notebook>-<dataset>-<seed>-<hash>`, the hash over every parameter that changes the result, and the data."""
    identity = {name: value for name, value in parameters.items() if name not in NOT_IDENTITY}
    dataset = parameters.get("dataset", "all")
    return f"{notebook}-{dataset}-{parameters.get('seed', 0)}-{digest([identity, data_fingerprint])}"


def code_digest(notebook: str, project: Path = PROJECT) -> str:
    """Hash of the notebook's cells and of the helpers it rests on; outputs and plots of others do not count."""
    folders = FOLDERS_OF_CODE.get(notebook[:2], TRAINING_CODE)
    files = sorted((project / "helpers").glob("*.py"))
    for folder in folders:
        files += sorted((project / "helpers" / folder).rglob("*.py"))
    total = hashlib.sha256()
    for file in files:
        if file.name != "__main__.py":
            total.update(file.read_bytes())
    source = project / "notebooks" / f"{notebook}.ipynb"
    if source.is_file():
        for cell in read_json(source)["cells"]:
            if cell["cell_type"] == "code":
                total.update("".join(cell["source"]).encode())
    return total.hexdigest()[:16]


@dataclass
class Run:
    """One execution of one notebook with one set of parameters on one data set."""

    folder: Path
    parameters: dict[str, Any]
    notebook: str
    data_fingerprint: str = ""
    started: float = field(default_factory=time.time)

    @property
    def name(self) -> str:
        return self.folder.name

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
        path = self.folder / "metrics.json"
        return read_json(path) if path.is_file() else {}

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
        others = [column for column in scores if column not in SCORE_COLUMNS]
        write_text(
            self.path("scores.csv"), scores[SCORE_COLUMNS + others].to_csv(index=False, float_format="%.8g")
        )

    def read_scores(self) -> pd.DataFrame:
        """scores.csv as a table; FileNotFoundError says which run has none."""
        import pandas as pd

        path = self.folder / "scores.csv"
        if not path.is_file():
            raise FileNotFoundError(f"{self.name} holds no scores.csv: run {self.notebook} again")
        words = dict.fromkeys(["utterance", "attack", "label", "split", "speaker"], str)
        return pd.read_csv(path, dtype=words, keep_default_na=False)  # an attack may be called "None"

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

        The checkpoint of a complete run goes: it is three times the weights, and nothing goes on from it.
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
            **sections,
        }
        record["data"] = {"fingerprint": self.data_fingerprint, **sections.get("data", {})}
        record["timing"] = {
            "total_seconds": round(time.time() - self.started, 2),
            **sections.get("timing", {}),
        }
        record["environment"] = {
            "place": where_am_i().name,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "machine": platform.machine(),
            **sections.get("environment", {}),
        }
        write_json(self.path("metrics.json"), record)
        if complete:  # after metrics.json: killed in between, the run is complete and has a file too many
            (self.folder / "last.pt").unlink(missing_ok=True)
        self.__dict__.pop("metrics", None)
        return record


def open_run(
    notebook: str, parameters: Mapping[str, Any], data_fingerprint: str, runs_dir: Path | None = None
) -> Run:
    """Make or take up the run folder of these parameters.

    metrics.json of an earlier end is removed, since this run has not ended; a checkpoint of other code is removed too.
    """
    runs_dir = where_am_i().folders.runs if runs_dir is None else Path(runs_dir)
    run = Run(
        runs_dir / run_name(notebook, parameters, data_fingerprint),
        dict(parameters),
        notebook,
        data_fingerprint,
    )
    run.folder.mkdir(parents=True, exist_ok=True)
    code = code_digest(notebook)
    earlier = run.folder / "params.json"
    if earlier.is_file() and read_json(earlier).get("code") != code:
        (run.folder / "last.pt").unlink(missing_ok=True)
    (run.folder / "metrics.json").unlink(missing_ok=True)
    record = {
        "notebook": notebook,
        "parameters": run.parameters,
        "data_fingerprint": data_fingerprint,
        "code": code,
    }
    write_json(earlier, record)
    return run


def read_run(folder: Path) -> Run:
    """Open an existing run folder for reading; FileNotFoundError says what a run folder must hold."""
    path = Path(folder) / "params.json"
    if not path.is_file():
        raise FileNotFoundError(f"{folder} is no run folder: it has no params.json")
    record = read_json(path)
    lacking = [key for key in ("parameters", "notebook") if key not in record]
    if lacking:
        raise ValueError(f"{path} has no {lacking[0]!r}: remove the folder and run its notebook again")
    return Run(Path(folder), record["parameters"], record["notebook"], record.get("data_fingerprint", ""))


def load_runs(runs_dir: Path | None = None, dataset: str | None = None) -> list[Run]:
    """All complete runs below `runs_dir`, by name; only those of one data set where it is given."""
    runs_dir = where_am_i().folders.runs if runs_dir is None else Path(runs_dir)
    runs = [read_run(path.parent) for path in sorted(runs_dir.glob("*/params.json"))]
    return [run for run in runs if run.complete and dataset in (None, run.metrics.get("dataset"))]
