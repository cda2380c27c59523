"""A wav2vec 2.0 of the real shape and the size of a toy, with random numbers: for tests, and to see the parts move."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import torch

from helpers.environment import where_am_i


def front_end_named(name: str, seed: int = 0) -> str:
    """What a notebook calls a front end -> a folder or hub name: `tiny` is written into the cache, others stay as they are."""
    if name != "tiny":
        return name
    return str(write_tiny_front_end(where_am_i().folders.cache / f"tiny-wav2vec2-{seed}", seed))


def write_tiny_front_end(folder: Path, seed: int = 0, hidden: int = 64, n_layers: int = 2) -> Path:
    """Save an **untrained** wav2vec 2.0 with `save_pretrained`, as published ones are; return the folder.

    The convolutions have the published kernels and strides (one frame of 25 ms every 20 ms), 32 maps in place of
    512; the transformer has `n_layers` layers of `hidden` numbers. Written once: what is there is kept.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of progress bars that a notebook without widgets cannot draw
        from transformers import Wav2Vec2Config, Wav2Vec2Model
        from transformers.utils import logging as words
    words.disable_progress_bar()  # hundreds of lines in a notebook, for a model that is read in milliseconds
    if (folder / "config.json").is_file() and (folder / "model.safetensors").is_file():
        return folder
    config = Wav2Vec2Config(
        hidden_size=hidden,
        num_hidden_layers=n_layers,
        num_attention_heads=4,
        intermediate_size=2 * hidden,
        conv_dim=[32] * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        mask_time_prob=0.0,
        mask_feature_prob=0.0,
    )
    before = words.get_verbosity()
    words.set_verbosity(logging.ERROR)
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            Wav2Vec2Model(config).save_pretrained(folder)
    finally:
        words.set_verbosity(before)
    return folder
