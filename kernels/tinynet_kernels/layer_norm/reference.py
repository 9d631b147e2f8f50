"""The definitions of layer_norm and its gradient."""

from __future__ import annotations

from typing import Any

import numpy as np


def layer_norm(x: Any, weight: Any = None, bias: Any = None, *, eps: float = 1e-5, centre: bool = True) -> Any:
    mean = x.mean(axis=1) if centre else np.zeros(len(x), x.dtype)
    centred = x - mean[:, None]
    scale = 1 / np.sqrt((centred**2).mean(axis=1) + eps)
    y = centred * scale[:, None]
    y = y if weight is None else y * weight
    return y if bias is None else y + bias, mean, scale


def layer_norm_grad(gy: Any, x: Any, mean: Any, scale: Any, weight: Any = None, *, centre: bool = True) -> Any:
    normalised = (x - mean[:, None]) * scale[:, None]
    g = gy if weight is None else gy * weight
    gx = g - normalised * (g * normalised).mean(axis=1, keepdims=True)
    if centre:
        gx = gx - g.mean(axis=1, keepdims=True)
    return gx * scale[:, None], (gy * normalised).sum(axis=0), gy.sum(axis=0)
