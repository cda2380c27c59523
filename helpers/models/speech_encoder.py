"""Pre-trained speech models as front ends (Whisper in plain torch, wav2vec 2.0 and its kin), and a detector on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional
from torchaudio.functional import melscale_fbanks

from helpers.models.detector import Detector, require_wave
from helpers.models.weights import hub_is_near

SAMPLE_RATE, WINDOW, HOP = 16_000, 400, 160
EMBEDDED_NAME = "whisper-tiny.en"
EMBEDDED = Path(__file__).parent / "whisper_tiny_en" / "encoder.safetensors"


class WhisperLogMel(nn.Module):
    """(batch, samples) at 16 kHz -> (batch, mels, samples // 160), as Radford et al. 2023 (sec. 2.2) feed Whisper.

    Log10 power in Slaney mel bands, at most 8 below the clip's loudest cell, then (x + 4) / 4. The Fourier
    transform is a convolution, so that the whole network exports to ONNX.
    """

    basis: torch.Tensor
    bands: torch.Tensor

    def __init__(self, n_mels: int = 80) -> None:
        super().__init__()
        bins, times = torch.arange(WINDOW // 2 + 1).double(), torch.arange(WINDOW).double()
        angles = 2 * torch.pi * bins[:, None] * times[None] / WINDOW
        window = torch.hann_window(WINDOW, dtype=torch.float64)
        basis = torch.cat([angles.cos() * window, -angles.sin() * window])
        bands = melscale_fbanks(len(bins), 0.0, SAMPLE_RATE / 2, n_mels, SAMPLE_RATE, "slaney", "slaney")
        self.register_buffer("basis", basis.float()[:, None], persistent=False)
        self.register_buffer("bands", bands.T.contiguous(), persistent=False)

    def forward(self, wave: torch.Tensor) -> torch.Tensor:
        if torch.is_autocast_enabled(
            wave.device.type
        ):  # eight bits are too few for a logarithm of small power
            with torch.autocast(wave.device.type, enabled=False):
                return self.forward(wave.float())
        padded = functional.pad(wave[:, None], (WINDOW // 2, WINDOW // 2), mode="reflect")
        real, imaginary = functional.conv1d(padded, self.basis, stride=HOP)[..., :-1].chunk(2, dim=1)
        log = torch.log10((self.bands @ (real.square() + imaginary.square())).clamp_min(1e-10))
        return (torch.maximum(log, log.amax(dim=(1, 2), keepdim=True) - 8.0) + 4.0) / 4.0


class _Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.n_heads = width // 64  # in every published size
        self.q_proj, self.v_proj, self.out_proj = (nn.Linear(width, width) for _ in range(3))
        self.k_proj = nn.Linear(width, width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        projections = (self.q_proj, self.k_proj, self.v_proj)
        heads = [layer(x).unflatten(2, (self.n_heads, 64)).transpose(1, 2) for layer in projections]
        return self.out_proj(functional.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2))


class _Layer(nn.Module):
    """One pre-norm transformer layer; the names are those of the published tensors."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.self_attn = _Attention(width)
        self.self_attn_layer_norm, self.final_layer_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.self_attn(self.self_attn_layer_norm(x))
        return x + self.fc2(functional.gelu(self.fc1(self.final_layer_norm(x))))


class WhisperFrontEnd(nn.Module):
    """(batch, samples) at 16 kHz -> [(batch, frames of 20 ms, width)] * (layers + 1): the stem, then each layer.

    weights: a safetensors file of the encoder's tensors (default: the stem and two layers of whisper-tiny.en
    that come with the suite, width 384), unless its `tensors` are given. layers: how many of the first, 0 for all.
    The positions are cut to the clip (at most 30 s), which is never padded to 30 s; Whisper's last norm is left out.
    ValueError for more layers than there are.
    """

    def __init__(
        self, layers: int = 2, weights: str | Path = EMBEDDED, tensors: dict[str, torch.Tensor] | None = None
    ) -> None:
        super().__init__()
        tensors = {
            name.removeprefix("model.").removeprefix("encoder."): tensor.float()
            for name, tensor in (tensors or load_file(weights)).items()
            if "decoder." not in name
        }
        found = 1 + max(int(name.split(".")[1]) for name in tensors if name.startswith("layers."))
        if not 0 <= layers <= found:
            raise ValueError(f"{weights} has {found} transformer layers, not {layers}; 0 takes all")
        width, n_mels, _ = tensors["conv1.weight"].shape
        self.width, self.n_layers = width, layers or found
        self.log_mel = WhisperLogMel(n_mels)
        self.conv1 = nn.Conv1d(n_mels, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.embed_positions = nn.Embedding(*tensors["embed_positions.weight"].shape)
        self.layers = nn.ModuleList(_Layer(width) for _ in range(self.n_layers))
        self.load_state_dict({name: tensors[name] for name in self.state_dict()})

    def forward(self, wave: torch.Tensor) -> list[torch.Tensor]:
        mel = self.log_mel(wave)
        x = functional.gelu(self.conv2(functional.gelu(self.conv1(mel)))).transpose(1, 2)
        outputs = [x + self.embed_positions.weight[: x.shape[1]]]
        for layer in self.layers:
            outputs.append(layer(outputs[-1]))
        return outputs


class _Wav2Vec(nn.Module):
    """wav2vec 2.0, WavLM, HuBERT or XLS-R as transformers reads it: (batch, samples) -> hidden states of each layer."""

    def __init__(self, model: Any, layers: int) -> None:
        super().__init__()
        config = model.config
        if not 0 <= layers <= config.num_hidden_layers:
            raise ValueError(
                f"this front end has {config.num_hidden_layers} transformer layers, not {layers}; 0 takes all"
            )
        config.layerdrop = 0.0  # a layer that is left out has no output to weigh
        config.num_hidden_layers = self.n_layers = layers or config.num_hidden_layers
        model.encoder.layers = model.encoder.layers[: self.n_layers]
        self.model, self.width = model.float(), config.hidden_size

    @property
    def layers(self) -> nn.ModuleList:
        return self.model.encoder.layers

    def forward(self, wave: torch.Tensor) -> list[torch.Tensor]:
        centred = wave - wave.mean(dim=1, keepdim=True)
        normal = centred / torch.sqrt(centred.square().mean(dim=1, keepdim=True) + 1e-7)
        return list(self.model(normal, output_hidden_states=True).hidden_states)


def open_front_end(name: str, layers: int = 0) -> Any:
    """The first `layers` (0: all) layers of a speech model: wave (batch, samples) -> list of (batch, frames, width).

    name: "whisper-tiny.en" (two layers come with the suite), a safetensors file of a Whisper encoder, a folder
    written by `save_pretrained`, or a name on the Hugging Face hub. RuntimeError where nothing can be read.
    """
    if name == EMBEDDED_NAME:
        return WhisperFrontEnd(layers)
    path = Path(name) / "encoder.safetensors" if Path(name).is_dir() else Path(name)
    if path.is_file():
        return WhisperFrontEnd(layers, path)
    from transformers import AutoModel

    try:
        near = Path(name).is_dir() or hub_is_near()
        model = AutoModel.from_pretrained(name, local_files_only=not near)
    except (OSError, ValueError) as error:
        raise RuntimeError(
            f"no speech model could be read from {name!r}: attach its folder (config.json and "
            "model.safetensors) and pass front_end=<its path>, or go online for a hub name"
        ) from error
    if model.config.model_type == "whisper":
        return WhisperFrontEnd(layers, tensors=model.get_encoder().state_dict())
    return _Wav2Vec(model, layers)


class AttentiveStatistics(nn.Module):
    """(batch, channels, frames) -> (batch, 2 * channels): mean and deviation over time, each frame weighted by
    what a small network makes of it (Okabe et al. 2018, "Attentive statistics pooling", sec. 3.3).
    """

    def __init__(self, channels: int, hidden: int = 32) -> None:
        super().__init__()
        self.attention = nn.Sequential(
            nn.Conv1d(channels, hidden, 1), nn.Tanh(), nn.Conv1d(hidden, channels, 1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weights = torch.softmax(self.attention(x), dim=2)
        mean = (weights * x).sum(dim=2)
        variance = (weights * (x - mean.unsqueeze(2)).square()).sum(dim=2)
        return torch.cat([mean, torch.sqrt(variance + 1e-5)], dim=1)


class SpeechEncoder(Detector):
    """A pre-trained speech model with a small back end on the raw wave at 16 kHz.

    Each layer's output is normalised and enters a learned weighted sum (Yang et al. 2021, "SUPERB"), then a linear
    layer, pooling over time and one output. The front end follows Tak et al. 2022 for wav2vec 2.0.

    front_end, n_layers: see `open_front_end`; traces of synthesis sit in the first layers. fine_tune: how many of
    the last layers are trained too (0: frozen, in evaluation mode; -1: the whole front end). pooling: "attention",
    or "statistics" (plain mean and deviation).
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        front_end: str = EMBEDDED_NAME,
        n_layers: int = 0,
        fine_tune: int = 0,
        pooling: str = "attention",
        width: int = 128,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        require_wave(shape, "ssl")
        if pooling not in ("attention", "statistics"):
            raise ValueError(f"ssl pools by 'attention' or 'statistics', not {pooling!r}")
        self.front_end: Any = open_front_end(front_end, n_layers)
        if not -1 <= fine_tune <= self.front_end.n_layers:
            raise ValueError(f"fine_tune is {fine_tune}: -1 (all) to {self.front_end.n_layers} layers")
        self.fine_tune = int(fine_tune)
        self.front_end.requires_grad_(self.fine_tune < 0)
        if self.fine_tune > 0:
            self.front_end.layers[-self.fine_tune :].requires_grad_(True)
        self.layer_weights = nn.Parameter(torch.zeros(self.front_end.n_layers + 1))
        self.narrow = nn.Sequential(nn.Linear(self.front_end.width, width), nn.ReLU())
        self.pool = AttentiveStatistics(width) if pooling == "attention" else _plain_statistics
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * width, 1)
        self.train()

    def train(self, mode: bool = True) -> SpeechEncoder:
        """As usual, but a frozen front end keeps its dropout and masking off."""
        super().train(mode)
        if not self.fine_tune:
            self.front_end.eval()
        return self

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        with torch.set_grad_enabled(bool(self.fine_tune) and torch.is_grad_enabled()):
            layers = self.front_end(batch)
        # Without a norm of its own the last layer's larger numbers would drown the others.
        normal = [functional.layer_norm(layer, layer.shape[-1:]) for layer in layers]
        weights = torch.softmax(self.layer_weights, dim=0)
        mixed = (torch.stack(normal, dim=-1) * weights).sum(dim=-1)  # (batch, frames of 20 ms, width)
        return self.dropout(self.pool(self.narrow(mixed).transpose(1, 2)))


def _plain_statistics(x: torch.Tensor) -> torch.Tensor:
    return torch.cat([x.mean(dim=2), x.std(dim=2, correction=0)], dim=1)
