"""Weights of networks: ImageNet's from the Hugging Face hub, or those of a file. Nothing starts from random numbers
unless somebody asked so."""

from __future__ import annotations

import socket
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import torch
from torch import nn

STATE_DICT = "give a .safetensors file, or what torch.save wrote of a network's state_dict()"
WRAPPERS = ("state_dict", "model_state_dict", "model", "net")
PREFIXES = ("module.", "model.")  # of DataParallel, and of a network inside another


def published(name: str) -> str:
    """Path of the ImageNet weights of a timm network, downloaded where the hub's local cache lacks them. RuntimeError
    in words when they cannot be had."""
    import timm
    from huggingface_hub import hf_hub_download

    repository = timm.get_pretrained_cfg(name).hf_hub_id
    try:
        return hf_hub_download(repository, "model.safetensors", local_files_only=not hub_is_near())
    except Exception as error:  # whatever the hub's client raises, the reader needs the way out
        raise RuntimeError(
            f"the ImageNet weights of {name} could not be downloaded: attach a weights file and pass weights=<its path> "
            '(.safetensors or .pth), or pass weights="none" to start from random numbers'
        ) from error


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


def read_weights(path: str | Path) -> dict[str, torch.Tensor]:
    """State dict from .safetensors or a torch file; only tensors are read, no pickled code ever runs.

    Tensors wrapped under a name of WRAPPERS are unwrapped, and a prefix that all names share is cut off. ValueError for
    a file without any.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'no weights at {path}: weights is "imagenet", "none" or the path of a file')
    state: Any
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a decoder raises on a file that is none of its own
        reason = (str(error) or type(error).__name__).split(". ")[0]
        raise ValueError(f"{path} cannot be read as weights ({reason}): {STATE_DICT}") from error
    for key in WRAPPERS:
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ValueError(f"{path} does not hold tensors by their names: {STATE_DICT}")
    for prefix in PREFIXES:
        if state and all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state


def load_exactly(network: nn.Module, state: dict[str, torch.Tensor], origin: str | Path) -> None:
    """Load a state dict whose names and shapes must be the network's. ValueError with the first three that are not."""
    wanted = network.state_dict()
    found = {
        "lacks": [name for name in wanted if name not in state],
        "has besides": [name for name in state if name not in wanted],
        "has in another shape": [n for n in wanted if n in state and state[n].shape != wanted[n].shape],
    }
    words = [f"{kind} {_first(names)}" for kind, names in found.items() if names]
    if words:
        raise ValueError(f"{origin} {' and '.join(words)}: are these the weights of another network?")
    network.load_state_dict(state)


def _first(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(repr(name) for name in names[:3]) + more


def load_into(network: nn.Module, state: dict[str, torch.Tensor], origin: str | Path) -> None:
    """Load a backbone from a whole ImageNet network's state dict; its classifier is left out.

    A first convolution for three colours is summed into one channel, as timm does. See `load_exactly`.
    """
    wanted = network.state_dict()
    classifier = ("fc.", "classifier.", "head.", "pre_logits.")
    chosen = {name: target for name, target in wanted.items() if name.endswith("num_batches_tracked")}
    for name, value in state.items():
        if not name.startswith(classifier):
            grey = (
                value.dim() == 4 and value.shape[1] == 3 and wanted[name].shape[1] == 1
                if name in wanted
                else False
            )
            chosen[name] = value.sum(dim=1, keepdim=True) if grey else value
    load_exactly(network, chosen, origin)
