"""The speech encoder that comes with the suite: the stem and first layers of a published Whisper, in half precision."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file, save_file

from helpers.models.speech_encoder import EMBEDDED

LARGEST_MB = 10.0
STEM = ("conv1.", "conv2.", "embed_positions.")


def embed(published: Path, layers: int = 2, target: Path = EMBEDDED) -> Path:
    """Write the encoder's first `layers` layers from a folder or file of published weights. ValueError over 10 MB."""
    tensors = load_file(published / "encoder.safetensors" if published.is_dir() else published)
    wanted = (*STEM, *(f"layers.{i}." for i in range(layers)))
    named = {n.removeprefix("model.").removeprefix("encoder."): t for n, t in tensors.items()}
    kept = {name: tensor.half().contiguous() for name, tensor in named.items() if name.startswith(wanted)}
    size = sum(tensor.numel() * 2 for tensor in kept.values()) / 1e6
    if size > LARGEST_MB:
        raise ValueError(
            f"{layers} layers are {size:.1f} MB, the package takes {LARGEST_MB:g} MB: keep fewer"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    save_file(kept, target, metadata={"source": "openai/whisper-tiny.en", "licence": "MIT"})
    return target
