"""The whole chain: recordings -> embeddings -> head chosen and measured on left-out projects -> helpers/demo/shipped."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.environment import PROJECT
from helpers.files import write_json
from tools.detector import embed, fit, network, page, spliced
from tools.detector.pool import read_pool

SHIPPED = PROJECT / "helpers" / "demo" / "shipped"
PENALTY, STARTER_PENALTY = 2.0, 0.1
VOCODED_SHARE = 0.15  # of the spoofs' weight; 0.3 gave more pooled errors on left-out projects
TESTS = (("speech_pairs", "eval"), ("demo_clips", "dev"), ("starter", "eval"))


def fitted(examples: fit.Examples, penalty: float = PENALTY) -> tuple[np.ndarray, float]:
    """The shipped recipe. Of each recording its beginning: more windows of the long ones made left-out projects no
    better."""
    keys = pd.Series(examples.row).astype(str) + examples.kind
    examples = examples[~keys.duplicated().to_numpy()]
    return fit.fit_head(examples, fit.balanced_weights(examples, VOCODED_SHARE), penalty)


def measured(scores: np.ndarray, tested: fit.Examples, weight: np.ndarray, card: dict) -> dict:
    """EER with its 95 % interval by groups, verdicts, and stated against true share of fakes."""
    calibration = card["calibration"]
    true, count = fit.fakes_by_bin(scores, tested.bonafide, weight, calibration["edges"])
    drawn = [fit.eer(scores, tested.bonafide, part) for part in fit.drawn_weights(tested, weight)]
    return {
        "recordings": len(scores),
        "eer": round(fit.eer(scores, tested.bonafide, weight), 4),
        "eer_interval_by_group": np.percentile(drawn, [2.5, 97.5]).round(4).tolist(),
        **fit.verdicts(fit.answered(scores, card["thresholds"]), tested.bonafide, weight),
        "bins": [
            {"stated": stated, "true": None if n == 0 else round(share, 3), "count": int(n)}
            for stated, share, n in zip(calibration["fake_share"], true.tolist(), count, strict=True)
        ],
    }


def build(data: Path, out: Path, shipped: Path) -> dict:
    """Make the detector from the folder of data sets; embeddings are kept in `out`. -> the card."""
    pool = read_pool(data)
    everything = embed.embed_pool(pool, out)
    of = pool.iloc[everything.row]
    train, starter = (of["role"] == "train").to_numpy(), (of["dataset"] == "starter").to_numpy()
    windows, worn = (
        everything[train & ~starter & (everything.kind == kind)] for kind in ("plain", "degraded")
    )
    head = fit.left_out_heads(everything[train], fitted)
    scores, tested = fit.by_recording(head(windows), windows)
    card = {
        "name": "Speech encoder (whisper-tiny.en)",
        "trained_on": trained_on(pool[pool["role"] == "train"]),
        "copies": {kind: int((everything.kind == kind).sum()) for kind in list(embed.PARTS)[1:]},
        "seconds_per_window": embed.WINDOW_SECONDS,
        "thresholds": fit.find_thresholds(scores, tested),
        "calibration": fit.calibrate(scores, tested.bonafide, fit.test_weights(tested)),
    }
    across = fit.thresholds_from_other_folds(scores, tested)
    card["left_out"] = {
        "projects": sorted(set(tested.project)),
        **measured(scores, tested, fit.test_weights(tested), card),
        "promise_kept": round(fit.promise_kept(across, tested), 3),
        "thresholds_from_other_folds": fit.verdicts(across, tested.bonafide, fit.test_weights(tested)),
        "degraded_copies": measured(head(worn), worn, fit.test_weights(worn), card),
    }

    slope, bias = fitted(everything[train])
    shipped.mkdir(parents=True, exist_ok=True)
    network.write_onnx(network.Detector(slope, bias), shipped / "detector.onnx")
    plain = everything[everything.kind == "plain"]
    card["tests"] = kept_back(pool, plain, (slope, bias), lambda *tested: measured(*tested, card))
    alone = fitted(everything[train & starter], STARTER_PENALTY)
    card["starter_only"] = kept_back(
        pool, plain, alone, lambda scores, tested, weight: round(fit.eer(scores, tested.bonafide, weight), 4)
    )
    card |= {"opset": network.OPSET, "date": datetime.date.today().isoformat()}
    write_json(shipped / "card.json", card)
    card["spliced"] = spliced.measure(pool, shipped)  # by the page, which reads the card
    write_json(shipped / "card.json", card)
    (shipped / "README.md").write_text(page.model_card(card), encoding="utf-8")
    return card


def trained_on(train: pd.DataFrame) -> dict[str, dict]:
    """Per data set: recordings of each class and the groups, by name."""
    return {
        name: {
            "bonafide": int((part["label"] == "bonafide").sum()),
            "spoof": int((part["label"] == "spoof").sum()),
            "groups": sorted(part["group"].unique()) if name != "starter" else ["train", "dev"],
        }
        for name, part in train.groupby("dataset", sort=True)
    }


def kept_back(pool: pd.DataFrame, plain: fit.Examples, head: tuple, measure: Callable) -> dict:
    """`measure(scores, recordings, weight)` of what nothing was trained on or chosen by; the classes count alike."""
    found = {}
    for dataset, split in TESTS:
        windows = plain[((pool["dataset"] == dataset) & (pool["split"] == split)).to_numpy()[plain.row]]
        scores, tested = fit.by_recording(windows.embedding @ head[0] + head[1], windows)
        share = tested.bonafide.mean()
        weight = np.where(tested.bonafide, 0.5 / share, 0.5 / (1 - share))
        found[f"{dataset} {split}"] = measure(scores, tested, weight)
    return found
