"""Batch normalisation on the CPU: over rows of channels in parallel, where the channels of a pixel lie side by side; else, and
where there is little to do, by NumPy, some samples at a time so that they stay in the cache from one pass to the next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..channel_sum.cpu import SHORT, rows_of
from .reference import per_channel

CACHE = 1 << 18  # bytes of a block
LONG = 128  # elements of a row, at most, that is made of several


def batch_norm_stats(
    outputs: tuple[Any, ...], x: Any, running_mean: Any = None, running_variance: Any = None, *, momentum: float = 0.1
) -> None:
    mean, variance = outputs[:2]
    count = x.size // x.shape[1]
    rows = _long_rows(x)
    if rows is None:
        centre = _channel_sums(x) / count
        squares = _squares(x, centre.astype(x.dtype))
    else:
        from . import loops

        centre, squares = loops.statistics(rows[0], x.shape[1])
    mean[...], variance[...] = centre, squares / count
    if running_mean is not None:
        for output, old, new in zip(outputs[2:], (running_mean, running_variance), (centre, squares / (count - 1))):
            output[...] = (1 - momentum) * old + momentum * new


def batch_norm(
    outputs: tuple[Any],
    x: Any,
    mean: Any,
    variance: Any,
    weight: Any = None,
    bias: Any = None,
    residual: Any = None,
    *,
    eps: float,
    activation: str | None = None,
) -> None:
    (y,) = outputs
    rows = _long_rows(x, y) if residual is None else _long_rows(x, y, residual)
    if rows is not None:
        from . import loops

        vectors = _whole(mean, variance, weight, bias)
        floor = x.dtype.type(0 if activation == "relu" else -np.inf)
        loops.normalise(rows[0], *vectors, x.dtype.type(eps), rows[-1], residual is not None, floor, rows[1])
        return
    mean, _, factor, bias = _vectors(x, mean, variance, weight, bias, eps)
    for block in _blocks(x):
        _affine(x[block], mean, factor, bias, y[block])
        if residual is not None:
            y[block] += residual[block]
        if activation == "relu":
            np.maximum(y[block], 0, out=y[block])


def batch_norm_grad(
    outputs: tuple[Any, ...],
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
) -> None:
    gx, gw, gb = outputs[:3]
    own = [] if y is None else [y, outputs[3]]
    rows = _long_rows(gy, x, gx, *own)
    if rows is not None:
        from . import loops

        passing = loops.ALL if activation is None else loops.BY_INPUT if y is None else loops.BY_OUTPUT
        gy_rows, x_rows, gx_rows = rows[:3]
        y_rows, passed = rows[3:] if own else (x_rows, gx_rows)
        vectors = _whole(mean, variance, weight, bias)
        numbers = x.dtype.type(eps), passing
        gw[...], gb[...] = loops.gradients(gy_rows, x_rows, y_rows, *vectors, *numbers, passed, gx_rows)
        return
    if y is not None:
        outputs[3][...] = np.where(y > 0, gy, np.zeros_like(gy))
        gy, activation = outputs[3], None
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


def _whole(mean: Any, variance: Any, weight: Any, bias: Any) -> tuple[Any, ...]:
    """Mean, variance, weight and bias (C,), contiguous, with ones and zeros for those that are not given."""
    weight = np.ones_like(mean) if weight is None else weight
    bias = np.zeros_like(mean) if bias is None else bias
    return tuple(map(np.ascontiguousarray, (mean, variance, weight, bias)))


def _long_rows(*arrays: Any) -> list[Any] | None:
    """The arrays (N, C, ...) as matrices (rows, several times C), a view each; None if they are small or lie otherwise."""
    channels = arrays[0].shape[1]
    if arrays[0].size < SHORT:
        return None
    matrices = [rows_of(a) for a in arrays]
    if any(m is None for m in matrices):
        return None
    times = 1
    while 2 * times * channels <= LONG and len(matrices[0]) % (2 * times) == 0:
        times *= 2
    return [m.reshape(-1, times * channels) for m in matrices]


def _squares(x: Any, mean: Any) -> Any:
    """Sums of the squares of the deviations from mean (C,)."""
    centre = per_channel(x, mean)
    squares = np.zeros(x.shape[1], np.float64)
    for block in _blocks(x):
        deviation = x[block] - centre
        deviation *= deviation
        squares += _channel_sums(deviation)
    return squares


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
