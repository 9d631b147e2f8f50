"""layer_norm of the array module's functions, for CUDA."""

from __future__ import annotations

from typing import Any

from ..channel_sum import channel_sum
from ..runtime.cuda import module


def layer_norm(
    outputs: Any, x: Any, weight: Any = None, bias: Any = None, *, eps: float = 1e-5, centre: bool = True
) -> None:
    y, mean, scale = outputs
    m = module()
    if centre:
        x.mean(axis=1, out=mean)
        x = x - mean[:, None]
    else:
        mean[...] = 0
    scale[...] = 1 / m.sqrt((x * x).mean(axis=1) + x.dtype.type(eps))
    m.multiply(x, scale[:, None], out=y)
    if weight is not None:
        y *= weight
    if bias is not None:
        y += bias


def layer_norm_grad(
    outputs: Any, gy: Any, x: Any, mean: Any, scale: Any, weight: Any = None, *, centre: bool = True
) -> None:
    gx, gw, gb = outputs
    m = module()
    normalised = (x - mean[:, None]) * scale[:, None]
    channel_sum(gy * normalised, out=gw)
    channel_sum(gy, out=gb)
    g = gy if weight is None else gy * weight
    flow = g - normalised * (g * normalised).mean(axis=1, keepdims=True)
    m.multiply(flow - g.mean(axis=1, keepdims=True) if centre else flow, scale[:, None], out=gx)
