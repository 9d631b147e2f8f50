"""The definition of batch normalisation (Ioffe and Szegedy 2015, algorithm 1), and its gradient (section 3)."""

from __future__ import annotations

from typing import Any

import numpy as np


def batch_norm_stats(
    x: Any, running_mean: Any = None, running_variance: Any = None, *, momentum: float = 0.1
) -> tuple[Any, ...]:
    axes = (0, *range(2, x.ndim))
    mean, variance = x.mean(axis=axes), x.var(axis=axes)
    if running_mean is None:
        return mean, variance
    count = x.size // x.shape[1]
    unbiased = variance * (count / (count - 1))
    followed = [
        (1 - momentum) * old + momentum * new for old, new in zip((running_mean, running_variance), (mean, unbiased))
    ]
    return mean, variance, *followed


def batch_norm(
    x: Any,
    mean: Any,
    variance: Any,
    weight: Any = None,
    bias: Any = None,
    residual: Any = None,
    *,
    eps: float,
    activation: str | None = None,
) -> Any:
    y = (x - per_channel(x, mean)) / np.sqrt(per_channel(x, variance) + eps)
    y = y if weight is None else y * per_channel(x, weight)
    y = y if bias is None else y + per_channel(x, bias)
    y = y if residual is None else y + residual
    return np.where(y < 0, np.zeros_like(y), y) if activation == "relu" else y


def batch_norm_grad(
    gy: Any,
    x: Any,
    mean: Any,
    variance: Any,
    weight: Any = None,
    bias: Any = None,
    y: Any = None,
    *,
    eps: float,
    activation: str | None = None,
) -> tuple[Any, ...]:
    axes, count = (0, *range(2, x.ndim)), x.size // x.shape[1]
    scale = 1 / np.sqrt(per_channel(x, variance) + eps)
    normalised = (x - per_channel(x, mean)) * scale
    if activation == "relu":
        output = batch_norm(x, mean, variance, weight, bias, eps=eps) if y is None else y
        gy = np.where(output > 0, gy, np.zeros_like(gy))
    gw, gb = (gy * normalised).sum(axis=axes), gy.sum(axis=axes)
    gx = scale * (gy - (per_channel(x, gb) + normalised * per_channel(x, gw)) / count)
    gx = gx if weight is None else gx * per_channel(x, weight)
    return (gx, gw, gb) if y is None else (gx, gw, gb, gy)


def per_channel(x: Any, values: Any) -> Any:
    """Values (C,) in a shape that broadcasts with x (N, C, ...)."""
    return values.reshape(1, -1, *(1,) * (x.ndim - 2))
