"""Which run the demo listens with: one that the user names, or the best that there is."""

from __future__ import annotations

from pathlib import Path

from helpers.data.audio import SAMPLE_RATE
from helpers.environment import where_am_i
from helpers.features import FEATURES
from helpers.models import MODELS, is_classical
from helpers.runs import Run, load_runs, read_run

SHIPPED = Path(__file__).parent / "shipped"


def usable_runs(runs_dir: Path | None = None) -> list[Run]:
    """Complete runs that can hear a file and have scores of a dev set, the shipped one among them, the best first.

    Best is the lowest upper end of the interval of the dev EER: a lucky result on few clips does not win.
    """
    runs = load_runs(runs_dir)
    if (SHIPPED / "metrics.json").is_file():
        runs.append(read_run(SHIPPED))
    return sorted(filter(can_hear, runs), key=_worst_likely_eer)


def can_hear(run: Run) -> bool:
    """Whether the run holds a model that scores audio, and the dev scores that give its thresholds."""
    model, features = run.metrics.get("model", ""), run.metrics.get("features", "")
    if model not in MODELS or features not in FEATURES or model == "vgg16_svm":
        return False
    if FEATURES[features].sample_rate != SAMPLE_RATE:  # the DEEP-VOICE means belong to a table made elsewhere
        return False
    weights = ("model.npz", "model.skops") if is_classical(model) else ("best.safetensors",)
    has_model = any((run.folder / name).is_file() for name in weights)
    return (
        has_model
        and (run.folder / "scores.csv").is_file()
        and "eer" in run.metrics.get("metrics", {}).get("dev", {})
    )


def _worst_likely_eer(run: Run) -> float:
    dev = run.metrics["metrics"]["dev"]
    return float((dev.get("eer_interval") or [0, dev["eer"]])[1])


def find_run(name: Path | str | None = None) -> Run:
    """A folder, the name of a run or its beginning, or `shipped`; None takes the first of `usable_runs`.

    Raises FileNotFoundError where there is none, ValueError where it cannot hear or a name fits several.
    """
    if name is None:
        runs = usable_runs()
        if not runs:
            raise FileNotFoundError(
                "no detector is there: train one (python -m helpers run), or give --run FOLDER"
            )
        return runs[0]
    runs_dir = where_am_i().folders.runs
    folder = SHIPPED if str(name) == "shipped" else Path(name)
    if not (folder / "params.json").is_file():
        folder = runs_dir / str(name)
    if not (folder / "params.json").is_file():
        fitting = sorted(
            path.parent for path in runs_dir.glob("*/metrics.json") if path.parent.name.startswith(str(name))
        )
        if len(fitting) != 1:
            found = ", ".join(path.name for path in fitting) or "none"
            raise FileNotFoundError(
                f"{name} is no run folder, and of the runs in {runs_dir} that begin so there are: {found}"
            )
        folder = fitting[0]
    run = read_run(folder)
    if not run.complete:
        raise ValueError(f"{run.name} has not ended: run {run.notebook} again, it goes on where it was")
    if not can_hear(run):
        raise ValueError(
            f"{run.name} holds no detector of speech: choose one of {', '.join(r.name for r in usable_runs()) or 'none'}"
        )
    return run
