"""Batch normalisation on the CPU, some samples at a time so that they stay in the cache from one pass to the next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .reference import per_channel

CACHE = 1 << 18  # bytes of a block


def batch_norm_stats(
    outputs: tuple[Any, ...], x: Any, running_mean: Any = None, running_variance: Any = None, *, momentum: float = 0.1
) -> None:
    mean, variance = outputs[:2]
    count = x.size // x.shape[1]
    sums = _channel_sums(x)
    mean[...] = sums / count
    centre = per_channel(x, (sums / count).astype(x.dtype))
    squares = np.zeros(x.shape[1], np.float64)
    for block in _blocks(x):
        deviation = x[block] - centre
        deviation *= deviation
        squares += _channel_sums(deviation)
    variance[...] = squares / count
    if running_mean is not None:
        for output, old, new in zip(
            outputs[2:], (running_mean, running_variance), (sums / count, squares / (count - 1))
        ):
            output[...] = (1 - momentum) * old + momentum * new


def batch_norm(
    outputs: tuple[Any],
    x: Any,
    mean: Any,
    variance: Any,
    weight: Any = None,
    bias: Any = None,
    *,
    eps: float,
    activation: str | None = None,
) -> None:
    (y,) = outputs
    mean, _, factor, bias = _vectors(x, mean, variance, weight, bias, eps)
    for block in _blocks(x):
        _affine(x[block], mean, factor, bias, y[block])
        if activation == "relu":
            np.maximum(y[block], 0, out=y[block])


def batch_norm_grad(
    outputs: tuple[Any, Any, Any],
    gy: Any,
    x: Any,
    mean: Any,
    variance: Any,
    weight: Any = None,
    bias: Any = None,
    *,
    eps: float,
    activation: str | None = None,
) -> None:
    gx, gw, gb = outputs
    mean, scale, factor, bias = _vectors(x, mean, variance, weight, bias, eps)
    products, totals = np.zeros(x.shape[1], np.float64), np.zeros(x.shape[1], np.float64)
    for block in _blocks(x):
        masked = gy[block]
        if activation == "relu":
            positive = _affine(x[block], mean, factor, bias, gx[block]) > 0
            masked = masked * positive
        totals += _channel_sums(masked)
        normalised = np.subtract(x[block], mean, out=gx[block])
        normalised *= scale
        normalised *= masked
        products += _channel_sums(normalised)
    gw[...], gb[...] = products, totals
    count = max(x.size // x.shape[1], 1)
    of_product, of_total = (per_channel(x, (sums / count).astype(x.dtype)) for sums in (products, totals))
    for block in _blocks(x):
        result, masked = gx[block], gy[block]
        if activation == "relu":
            masked = masked * (_affine(x[block], mean, factor, bias, result) > 0)
        np.subtract(x[block], mean, out=result)
        result *= -scale * of_product
        result += masked
        result -= of_total
        result *= factor


def _vectors(x: Any, mean: Any, variance: Any, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any, Any]:
    """Mean, the factor that normalises, that with the weight in it, and bias, to broadcast with x."""
    scale = 1 / np.sqrt(variance + variance.dtype.type(eps))
    factor = scale if weight is None else scale * weight
    return tuple(v if v is None else per_channel(x, v) for v in (mean, scale, factor, bias))  # type: ignore[return-value]


def _affine(x: Any, mean: Any, factor: Any, bias: Any, out: Any) -> Any:
    np.subtract(x, mean, out=out)
    out *= factor
    if bias is not None:
        out += bias
    return out


def _channel_sums(x: Any) -> Any:
    """In float64, of the sums of the planes."""
    inner = tuple(range(2, x.ndim))
    return (x.sum(axis=inner) if inner else x).sum(axis=0, dtype=np.float64)


def _blocks(x: Any) -> Iterator[slice]:
    step = max(1, CACHE // max(1, x[:1].size * x.dtype.itemsize))
    return (slice(start, start + step) for start in range(0, x.shape[0], step))
