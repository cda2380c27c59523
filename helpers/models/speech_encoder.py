"""Whisper's speech encoder as a front end: the wave in, what each layer makes of it out. Only torch is needed."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional
from torchaudio.functional import melscale_fbanks

SAMPLE_RATE, WINDOW, HOP = 16_000, 400, 160
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
        heads = [
            layer(x).unflatten(2, (self.n_heads, 64)).transpose(1, 2)
            for layer in (self.q_proj, self.k_proj, self.v_proj)
        ]
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
    that come with the suite, width 384). layers: how many of the first layers, 0 for all that the file has.
    The positions are cut to the clip (at most 30 s), which is never padded to 30 s; Whisper's last norm is left out.
    ValueError for more layers than there are.
    """

    def __init__(self, layers: int = 2, weights: str | Path = EMBEDDED) -> None:
        super().__init__()
        tensors = {
            name.removeprefix("model.").removeprefix("encoder."): tensor.float()
            for name, tensor in load_file(weights).items()
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
