"""A trained network as one file that runs without torch: `python -m helpers export RUN`, or RUN made the shipped one."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from helpers.demo.detector import Detector, load_detector, weights_digest

AGREEMENT = 1e-4
OPSET = 18


def export_onnx(detector: Detector, path: Path | None = None, n_clips: int = 8) -> Path:
    """Write the network, its normalisation included, as `clips (n, *shape) float32 -> scores (n,)`, n free.

    It stays only where its scores equal torch's within 1e-4 on random clips, in batches of several sizes. The file says
    which weights it was made from, which feature it reads, and what its thresholds are. ValueError for a classical model.
    """
    import onnx
    import onnxruntime

    if not detector.is_network:
        raise ValueError(f"{detector.name} is no network: only networks can be exported")
    path = path or detector.run.folder / "model.onnx"
    clips = random_clips(detector, n_clips)
    part = path.with_name(path.name + ".part")
    _write(detector, clips[:2], part)
    model = onnx.load(part)
    facts = {
        "weights_sha256": weights_digest(detector.run),
        "run": detector.name,
        "model": detector.metrics["model"],
        "features": detector.metrics["features"],
        "spoof_below": repr(detector.operating.spoof_below),
        "bonafide_above": repr(detector.operating.bonafide_above),
    }
    onnx.helper.set_model_props(model, facts)
    onnx.save(model, part)
    session = onnxruntime.InferenceSession(part.read_bytes(), providers=["CPUExecutionProvider"])
    try:
        for n in (1, 3, n_clips):
            theirs = session.run(None, {"clips": clips[:n].numpy()})[0]
            with torch.inference_mode(), detector.lock:
                ours = detector.model(clips[:n]).numpy()
            apart = float(np.abs(theirs - ours).max())
            if theirs.shape != ours.shape or not apart <= AGREEMENT * max(1.0, float(np.abs(ours).max())):
                raise ValueError(
                    f"the exported network differs from torch by {apart:.2g} on {n} clips: nothing was kept"
                )
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def random_clips(detector: Detector, n_clips: int, seed: int = 0) -> torch.Tensor:
    """(n, *shape) features of random noise of many levels."""
    rng = np.random.default_rng(seed)
    levels = 10 ** rng.uniform(-3, -0.5, n_clips)
    waves = [(level * rng.standard_normal(detector.setting.n_samples)).astype(np.float32) for level in levels]
    return detector.features(waves)


def _write(detector: Detector, clips: torch.Tensor, path: Path) -> None:
    """By the exporter of traced programs, else by the older one, which knows a few more operations."""
    names: dict[str, Any] = {"input_names": ["clips"], "output_names": ["scores"], "opset_version": OPSET}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), detector.lock:
        warnings.simplefilter("ignore")
        try:
            dynamic = ({0: torch.export.Dim("n", min=1)},)
            torch.onnx.export(
                detector.model, (clips,), str(path), dynamo=True, dynamic_shapes=dynamic, external_data=False,
                verbose=False, **names,
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001 - the exporter raises whatever a pass of it raises
            logging.getLogger(__name__).info("the first exporter failed (%s)", error)
            torch.onnx.export(
                detector.model, (clips,), str(path), dynamo=False, dynamic_axes={"clips": {0: "n"}, "scores": {0: "n"}}, **names
            )  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """`export RUN [--out FILE]` writes RUN/model.onnx."""
    parser = argparse.ArgumentParser(prog="python -m helpers export", description=main.__doc__)
    parser.add_argument("run", help="a run folder, or the name of a run or its beginning")
    parser.add_argument("--out", type=Path, help="the file to write, RUN/model.onnx by default")
    options = parser.parse_args(argv)
    try:
        if options.out and (options.out.is_dir() or not options.out.absolute().parent.is_dir()):
            raise ValueError(
                f"--out names a file in a folder that is there, as in model.onnx: {options.out} is none"
            )
        detector = load_detector(options.run)
        path = export_onnx(detector, options.out)
        print(f"{path}, {path.stat().st_size / 1e6:.2f} MB, equal to torch within {AGREEMENT:g}")
    except (ValueError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0
