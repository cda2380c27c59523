"""Pretrained weights: from timm's or torchvision's loader, from a file, or none because somebody asked so."""

from __future__ import annotations

import socket
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import torch
from torch import nn

STATE_DICT = "give a .safetensors file, or what torch.save wrote of a network's state_dict()"


def timm_backbone(name: str, weights: str, in_channels: int = 1) -> nn.Module:
    """A timm network without its classifier, pooled: (batch, in_channels, h, w) -> (batch, features).

    weights: "imagenet" (needs the internet or timm's cache), a path (see `read_weights`), or "none", which is
    the only way to random initialisation. RuntimeError in words when the weights cannot be had.
    """
    import timm

    if weights != "imagenet":
        network = timm.create_model(name, pretrained=False, in_chans=in_channels, num_classes=0)
        if weights != "none":
            load_into(network, read_weights(weights), weights)
        return network
    if not hub_is_near():
        network = timm.create_model(name, pretrained=False, in_chans=in_channels, num_classes=0)
        cached = _cached_weights(getattr(timm.get_pretrained_cfg(name), "hf_hub_id", ""))
        if cached is None:
            raise RuntimeError(no_weights(name))
        load_into(network, read_weights(cached), cached)
        return network
    try:
        return timm.create_model(name, pretrained=True, in_chans=in_channels, num_classes=0)
    except Exception as error:  # whatever the hub's client raises, the reader needs the way out
        raise RuntimeError(no_weights(name)) from error


def no_weights(name: str) -> str:
    """The sentence for weights that could not be downloaded."""
    return (
        f"the ImageNet weights of {name} could not be downloaded: attach a weights file and pass weights=<its path> "
        '(.safetensors or .pth), or pass weights="none" to start from random numbers'
    )


def hub_is_near() -> bool:
    """Whether the name of the Hugging Face hub resolves (or a proxy is set), asked once and without retries:
    its client would repeat a hopeless request for most of a minute."""
    from huggingface_hub import constants

    if urllib.request.getproxies():
        return True
    try:
        socket.getaddrinfo(urllib.parse.urlsplit(constants.ENDPOINT).hostname, 443)
    except OSError:
        return False
    return True


def _cached_weights(repository: Any) -> str | None:
    """Path of a repository's weights in the hub's local cache, if an earlier call left them there."""
    from huggingface_hub import try_to_load_from_cache

    for name in ("model.safetensors", "pytorch_model.bin"):
        path = try_to_load_from_cache(repository, name)
        if isinstance(path, str):
            return path
    return None


def read_weights(path: str | Path) -> dict[str, torch.Tensor]:
    """State dict from .safetensors or a torch file; only tensors are read, no pickled code ever runs.

    Tensors wrapped under "state_dict", "model_state_dict", "model" or "net" are unwrapped, and a prefix "module." or
    "model." that all names share is cut off. ValueError for a file without any.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'no weights at {path}: weights is "imagenet", "none" or the path of a file')
    try:
        state = _load(path)
    except Exception as error:  # whatever a decoder raises on a file that is none of its own
        reason = (str(error) or type(error).__name__).split(". ")[0]
        raise ValueError(f"{path} cannot be read as weights ({reason}): {STATE_DICT}") from error
    for key in ("state_dict", "model_state_dict", "model", "net"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ValueError(f"{path} does not hold tensors by their names: {STATE_DICT}")
    for prefix in ("module.", "model."):  # of DataParallel, and of a network inside another
        if state and all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state


def _load(path: Path) -> Any:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(str(path))
    return torch.load(path, map_location="cpu", weights_only=True)


def load_exactly(network: nn.Module, state: dict[str, torch.Tensor], origin: str | Path) -> None:
    """Load a state dict whose names and shapes must be the network's. ValueError with the first three that are not."""
    wanted = network.state_dict()
    missing = [name for name in wanted if name not in state]
    unexpected = [name for name in state if name not in wanted]
    if missing or unexpected:
        words = [
            f"{kind} {_first(names)}"
            for kind, names in (("lacks", missing), ("has besides", unexpected))
            if names
        ]
        raise ValueError(f"{origin} {' and '.join(words)}: are these the weights of another network?")
    for name, target in wanted.items():
        if state[name].shape != target.shape:
            raise ValueError(
                f"{origin} has {name!r} of shape {tuple(state[name].shape)}, not {tuple(target.shape)}"
            )
    network.load_state_dict(state)


def _first(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(repr(name) for name in names[:3]) + more


def load_into(network: nn.Module, state: dict[str, torch.Tensor], origin: str | Path) -> None:
    """Load a backbone from a whole ImageNet network's state dict; its classifier is left out.

    A first convolution for three colours is summed into one channel, as timm does. See `load_exactly`.
    """
    wanted = network.state_dict()
    chosen = {name: target for name, target in wanted.items() if name.endswith("num_batches_tracked")}
    for name, value in state.items():
        if name in wanted:
            grey = value.dim() == 4 and value.shape[1] == 3 and wanted[name].shape[1] == 1
            chosen[name] = value.sum(dim=1, keepdim=True) if grey else value
    load_exactly(network, chosen, origin)
