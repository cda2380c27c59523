"""The small detector that ships with the project: the least a run folder needs, and its model card."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from helpers.demo import familiar
from helpers.demo.choice import SHIPPED
from helpers.demo.detector import Detector
from helpers.runs import read_json, write_json, write_text

LARGEST_MB = 5.0
MODEL_FILES = ("best.safetensors", "model.npz", "model.skops")
KEPT_ENVIRONMENT = ("python", "torch", "numpy")


def ship(detector: Detector, folder: Path = SHIPPED) -> Path:
    """Write params.json, metrics.json, the weights, dev scores, thresholds, feature statistics and README.md.

    The folder is replaced as a whole and is itself a run folder. ValueError for a detector over 5 MB.
    """
    run = detector.run
    files = [run.folder / name for name in MODEL_FILES if (run.folder / name).is_file()]
    size = sum(path.stat().st_size for path in files) / 1e6
    if size > LARGEST_MB:
        raise ValueError(f"{run.name} is {size:.1f} MB large, what ships must stay under {LARGEST_MB:g} MB")
    part, old = folder.with_name(folder.name + ".part"), folder.with_name(folder.name + ".old")
    for leftover in (part, old):
        shutil.rmtree(leftover, ignore_errors=True)
    part.mkdir(parents=True)
    for path in files:
        shutil.copyfile(path, part / path.name)
    write_json(part / "params.json", read_json(run.folder / "params.json"))
    write_json(part / "metrics.json", _without_machine(run.metrics))
    write_json(part / "operating.json", asdict(detector.operating))
    scores = run.read_scores()
    dev = scores[scores["split"] == "dev"][["utterance", "attack", "label", "split", "score"]]
    write_text(part / "scores.csv", dev.to_csv(index=False, float_format="%.5g"))
    if detector.familiar is not None:
        detector.familiar.save(part / familiar.FILE)
    write_text(part / "README.md", model_card(detector))
    if folder.exists():
        os.replace(folder, old)
    os.replace(part, folder)
    shutil.rmtree(old, ignore_errors=True)
    return folder


def _without_machine(metrics: dict[str, Any]) -> dict[str, Any]:
    """What travels: results and versions, not where they were made."""
    kept = json.loads(json.dumps(metrics))
    kept["environment"] = {
        name: kept["environment"][name] for name in KEPT_ENVIRONMENT if name in kept.get("environment", {})
    }
    return kept


def model_card(detector: Detector) -> str:
    """README.md of a shipped detector: what it was trained on, how good it is, what it cannot do."""
    metrics, operating, settings = detector.metrics, detector.operating, detector.run.parameters
    counts = metrics.get("data", {}).get("counts", {})
    parameters = metrics.get("model_info", {}).get("parameters", 0)
    options = ", ".join(
        f"{name}={value}" for name, value in settings.items() if name not in ("dataset", "model", "features")
    )
    lines = [
        f"# {metrics['model']} on {metrics['features']}, trained on {metrics['dataset']}",
        "",
        f"A countermeasure of {parameters:,} parameters that this suite trained ({detector.run.notebook}).",
        "It scores speech; a higher score means more likely bona fide.",
        "",
        "| data | bona fide | spoof |",
        "|---|---|---|",
        *[f"| {split} | {n.get('bonafide', 0)} | {n.get('spoof', 0)} |" for split, n in counts.items()],
        "",
        "| result | EER | 95 % interval |",
        "|---|---|---|",
        *[_result_row(split, metrics["metrics"][split]) for split in ("dev", "eval") if split in metrics["metrics"]],
        "",
        f"Answers: *likely spoof* below {operating.spoof_below:.3f}, *likely bona fide* above {operating.bonafide_above:.3f}, "
        "*cannot tell* between. 5 % of the dev clips of a class lie on the wrong side of its threshold.",
        "",
        "## Limits",
        "",
        "- It knows the synthesis systems that it was trained on. Newer voices may pass.",
        "- Other microphones, languages, codecs and noise than those of its training data move its score, in either direction.",
        "- Eval's errors, on systems it had not met, are the better guess for the next recording; even they come from the same hand.",
        "- Do not accuse anyone with it. A score is one hint beside where a recording comes from and who vouches for it.",
        "",
        f"Settings: {options}.",
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def _result_row(split: str, metrics: dict[str, Any]) -> str:
    interval = metrics.get("eer_interval")
    between = f"{100 * interval[0]:.1f}–{100 * interval[1]:.1f} %" if interval else "–"
    return f"| {split} | {100 * metrics['eer']:.1f} % | {between} |"
