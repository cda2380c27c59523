"""Detectors on speech representations learned without labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from helpers.models.detector import Detector, require_wave
from helpers.models.pooling import AttentiveStatistics
from helpers.models.weights import hub_is_near


class SelfSupervised(Detector):
    """wav2vec 2.0, WavLM, HuBERT or XLS-R (any transformers model of that kind) with a small back end.

    Raw wave at 16 kHz, 64,600 samples repeat-padded (Tak et al. 2022, "Automatic speaker verification spoofing
    and deepfake detection using wav2vec 2.0"). Every layer's answer enters a learned weighted sum (Yang
    et al. 2021, "SUPERB"), then a linear layer, attentive statistics pooling and one output.

    front_end: a folder written by `save_pretrained` or a hub name such as facebook/wav2vec2-xls-r-300m.
    fine_tune: train it too; otherwise it is frozen and stays in evaluation mode. n_layers: keep only the first
    transformer layers (0: all), because spoofing cues sit low and every layer costs time.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        front_end: str = "",
        fine_tune: bool = False,
        n_layers: int = 0,
        width: int = 128,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        require_wave(shape, "ssl")
        self.front_end: Any = _read_front_end(front_end)
        self.fine_tune = fine_tune
        config = self.front_end.config
        if not 0 <= n_layers <= config.num_hidden_layers:
            raise ValueError(
                f"{front_end} has {config.num_hidden_layers} transformer layers, not {n_layers}; 0 keeps all"
            )
        if n_layers:
            config.num_hidden_layers = n_layers
            self.front_end.encoder.layers = self.front_end.encoder.layers[:n_layers]
        config.layerdrop = 0.0  # a layer that is left out has no answer to weigh
        if not fine_tune:
            self.front_end.requires_grad_(False)
        self.layer_weights = nn.Parameter(torch.zeros(config.num_hidden_layers + 1))
        self.narrow = nn.Sequential(nn.Linear(config.hidden_size, width), nn.ReLU())
        self.pool = AttentiveStatistics(width)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * width, 1)
        self.train()

    def train(self, mode: bool = True) -> SelfSupervised:
        """As usual, but a frozen front end keeps its dropout and masking off."""
        super().train(mode)
        if not self.fine_tune:
            self.front_end.eval()
        return self

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        centred = batch - batch.mean(dim=1, keepdim=True)
        wave = centred / torch.sqrt(centred.square().mean(dim=1, keepdim=True) + 1e-7)
        with torch.set_grad_enabled(self.fine_tune and torch.is_grad_enabled()):
            layers = self.front_end(wave, output_hidden_states=True).hidden_states
        weights = torch.softmax(self.layer_weights, dim=0)
        mixed = (torch.stack(layers, dim=-1) * weights).sum(dim=-1)  # (batch, frames of 20 ms, hidden)
        return self.dropout(self.pool(self.narrow(mixed).transpose(1, 2)))


def _read_front_end(front_end: str) -> Any:
    if not front_end:
        raise ValueError(
            "ssl needs front_end: the folder of a wav2vec2/WavLM model or a name on the Hugging Face hub"
        )
    from transformers import AutoModel

    try:
        cached_only = not Path(front_end).is_dir() and not hub_is_near()
        model = AutoModel.from_pretrained(front_end, local_files_only=cached_only)
    except (OSError, ValueError) as error:
        raise RuntimeError(
            f"no speech model could be read from {front_end!r}: attach its folder (config.json and "
            "model.safetensors) and pass front_end=<its path>, or go online for a hub name"
        ) from error
    return model.float()  # some are stored in half precision, which the wave and the back end are not
