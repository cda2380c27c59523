"""Which part of the picture moved the score: Grad-CAM on a network's `cam_layer` (Selvaraju et al. 2017, section 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch


def find_layer(model: torch.nn.Module) -> torch.nn.Module:
    """The module that `cam_layer` names, also inside wrappers; ValueError for a network without one."""
    modules: list[tuple[str, Any]] = list(model.named_modules())
    for _, module in modules:
        layer = getattr(module, "cam_layer", None)
        if isinstance(layer, str):
            return module.get_submodule(layer)
        if layer is not None:
            return layer
    raise ValueError(f"{type(model).__name__} names no cam_layer: Grad-CAM needs the last convolution")


def grad_cam(model: torch.nn.Module, batch: torch.Tensor, towards: str = "bonafide") -> np.ndarray:
    """Features (n, [1,] height, width) -> heat maps (n, height, width) in 0..1, on the axes of the features.

    `towards` picks what the map explains: evidence for bona fide, or for spoof. A map of zeros means that nothing
    in the layer spoke for that class. ValueError where the layer's output is no picture (n, channels, h, w).
    """
    import torch
    from torch.nn import functional

    if towards not in ("bonafide", "spoof"):
        raise ValueError(f"towards must be bonafide or spoof, not {towards!r}")
    kept: dict[str, torch.Tensor] = {}

    def keep(_module, _inputs, output):
        # A leaf in place of the layer's output: the way back ends here and does not pass the layers below.
        kept["maps"] = output.detach().requires_grad_(True)
        return kept["maps"]

    was_training = model.training
    model.eval()
    handle = find_layer(model).register_forward_hook(keep)
    try:
        with torch.enable_grad():
            score = model(batch.detach())
            model.zero_grad(set_to_none=True)
            (score if towards == "bonafide" else -score).sum().backward()
    finally:
        handle.remove()
        model.train(was_training)
        model.zero_grad(set_to_none=True)
    maps = kept["maps"]
    gradient = maps.grad
    if maps.ndim != 4 or gradient is None:
        raise ValueError(
            f"cam_layer gives {tuple(maps.shape)}, Grad-CAM needs (batch, channels, height, width)"
        )
    weights = gradient.mean(dim=(2, 3), keepdim=True)  # (n, channels, 1, 1)
    heat = functional.relu((weights * maps.detach()).sum(dim=1, keepdim=True))
    heat = functional.interpolate(heat, size=tuple(batch.shape[-2:]), mode="bilinear", align_corners=False)[
        :, 0
    ]
    highest = heat.amax(dim=(1, 2), keepdim=True)
    return (heat / torch.where(highest > 0, highest, torch.ones_like(highest))).detach().cpu().numpy()
