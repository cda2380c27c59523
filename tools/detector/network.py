"""Wave in, log odds out: Whisper's log-mel and first encoder layers, statistics over time, a linear head."""

from __future__ import annotations

from pathlib import Path

import librosa
import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

SAMPLE_RATE = 16_000
N_FFT, HOP, N_MELS = 400, 160, 80  # Whisper's own
LEVEL = 0.05  # RMS, -26 dBFS
N_LAYERS = 2
STATISTICS = ("mean", "std", "std of differences")


class LogMel(nn.Module):
    """(batch, samples) -> (batch, 80, samples // 160), as OpenAI's Whisper computes it."""

    def __init__(self):
        super().__init__()
        angles = 2 * np.pi * np.outer(np.arange(N_FFT // 2 + 1), np.arange(N_FFT)) / N_FFT
        window = np.hanning(N_FFT + 1)[:-1]
        basis = np.concatenate([np.cos(angles), -np.sin(angles)]) * window
        self.register_buffer("basis", torch.tensor(basis[:, None], dtype=torch.float32))
        mels = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=N_MELS)
        self.register_buffer("mels", torch.tensor(mels, dtype=torch.float32))

    def forward(self, wave):
        wave = wave - wave.mean(1, keepdim=True)
        wave = wave * (LEVEL / (wave.square().mean(1, keepdim=True) + 1e-10).sqrt())
        padded = F.pad(wave[:, None], (N_FFT // 2, N_FFT // 2), mode="reflect")
        # A Fourier transform as a convolution: quick in every ONNX runtime, unlike its STFT.
        real, imaginary = F.conv1d(padded, self.basis, stride=HOP)[:, :, :-1].chunk(2, dim=1)
        mel = torch.log10((self.mels @ (real.square() + imaginary.square())).clamp(min=1e-10))
        top = mel.amax((1, 2), keepdim=True)
        return (torch.maximum(mel, top - 8) + 4) / 4


class Layer(nn.Module):
    """One layer of the encoder: self-attention, then two dense layers, each after a layer norm."""

    def __init__(self, width: int = 384, heads: int = 6):
        super().__init__()
        self.heads = heads
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.self_attn = nn.ModuleDict(
            {name: nn.Linear(width, width, bias=name != "k_proj") for name in PARTS}
        )
        self.final_layer_norm = nn.LayerNorm(width)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        normed = self.self_attn_layer_norm(x)
        query, key, value = (
            self.self_attn[name](normed).unflatten(2, (self.heads, -1)).transpose(1, 2) for name in PARTS[:3]
        )
        attended = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        x = x + self.self_attn["out_proj"](attended)
        return x + self.fc2(F.gelu(self.fc1(self.final_layer_norm(x))))


PARTS = ("q_proj", "k_proj", "v_proj", "out_proj")


class Encoder(nn.Module):
    """(batch, samples) -> (batch, 2 layers * 3 statistics * 384): the first two layers of whisper-tiny.en, over time
    the mean, the deviation, and the deviation of the differences."""

    def __init__(self, weights: Path):
        super().__init__()
        self.log_mel = LogMel()
        self.conv1 = nn.Conv1d(N_MELS, 384, 3, padding=1)
        self.conv2 = nn.Conv1d(384, 384, 3, stride=2, padding=1)
        self.embed_positions = nn.Embedding(1500, 384)
        self.layers = nn.ModuleList(Layer() for _ in range(N_LAYERS))
        published = {
            name.removeprefix("encoder."): value.float() for name, value in load_file(weights).items()
        }
        own = self.state_dict()
        self.load_state_dict({name: published.get(name, value) for name, value in own.items()})
        lacking = [name for name in own if name not in published and not name.startswith("log_mel.")]
        if lacking:
            raise ValueError(
                f"{weights} has no tensor {lacking[0]}: it is not the encoder of whisper-tiny.en"
            )
        self.requires_grad_(False).eval()

    def outputs(self, wave):
        """(batch, samples) -> list of (batch, frames of 20 ms, 384)."""
        x = F.gelu(self.conv2(F.gelu(self.conv1(self.log_mel(wave))))).transpose(1, 2)
        found = []
        x = x + self.embed_positions.weight[: x.shape[1]]
        for layer in self.layers:
            x = layer(x)
            found.append(x)
        return found

    def forward(self, wave):
        pooled = []
        for x in self.outputs(wave):
            steps = x[:, 1:] - x[:, :-1]
            pooled += [x.mean(1), deviation(x), deviation(steps)]
        return torch.cat(pooled, dim=1)


def deviation(x):
    """(batch, frames, width) -> (batch, width) standard deviation over the frames."""
    return ((x - x.mean(1, keepdim=True)).square().mean(1) + 1e-6).sqrt()


class Detector(nn.Module):
    """The encoder and a linear head: (batch, samples) -> (batch,) log odds, higher = bona fide."""

    def __init__(self, encoder: Encoder, weight: np.ndarray, bias: float):
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(len(weight), 1)
        self.head.weight.data = torch.tensor(weight[None], dtype=torch.float32)
        self.head.bias.data = torch.tensor([bias], dtype=torch.float32)
        self.requires_grad_(False).eval()

    def forward(self, wave):
        return self.head(self.encoder(wave))[:, 0]
