"""The compiled loops of `layer_norm`."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numba import njit

from ..runtime.compiled import for_each, once, parallel

PIECE = 1 << 13  # elements, at least, of a piece of work
PARTS = 16  # of the rows in the gradient, at most; fixed, so that the order of the sums is
SHORT = 1 << 10  # numbers of a row, and
BLOCK = 64  # rows, that are summed in the dtype of the array

_once: Any = partial(once, error_model="numpy", fastmath={"contract", "reassoc"})  # sums in vectors
_inline: Any = njit(cache=True, inline="always")


@_inline
def _sum(x: Any) -> Any:
    total = x.dtype.type(0)
    for i in range(x.size):
        total += x[i]
    return np.float64(total)


@_inline
def _sum_of_squares(x: Any, mean: Any) -> Any:
    total = x.dtype.type(0)
    for i in range(x.size):
        total += (x[i] - mean) * (x[i] - mean)
    return np.float64(total)


@_inline
def _sums_of_grad(gy: Any, weight: Any, x: Any, mean: Any) -> Any:
    """Of gy * weight, and of its products with x - mean."""
    plain = weighted = x.dtype.type(0)
    for i in range(x.size):
        g = gy[i] * weight[i]
        plain += g
        weighted += g * (x[i] - mean)
    return np.float64(plain), np.float64(weighted)


@_inline
def _affine(x: Any, mean: Any, scale: Any, weight: Any, bias: Any, y: Any) -> None:
    for i in range(x.size):
        y[i] = (x[i] - mean) * scale * weight[i] + bias[i]


@_once
def _rows(
    piece: int, step: int, x: Any, weight: Any, bias: Any, eps: float, centre: bool, y: Any, mean: Any, scale: Any
) -> None:
    rows, size = x.shape
    for n in range(piece * step, min((piece + 1) * step, rows)):
        row, total, squares = x[n], 0.0, 0.0
        if centre:
            for start in range(0, size, SHORT):
                total += _sum(row[start : start + SHORT])
            mean[n] = total / max(size, 1)
        for start in range(0, size, SHORT):
            squares += _sum_of_squares(row[start : start + SHORT], mean[n])
        scale[n] = 1 / np.sqrt(squares / max(size, 1) + eps)
        _affine(row, mean[n], scale[n], weight, bias, y[n])


@parallel
def layer_norm(x: Any, weight: Any, bias: Any, eps: float, centre: bool, y: Any) -> Any:
    """Writes y (N, D), and returns mean and scale."""
    rows, size = x.shape
    mean, scale = np.zeros(rows, x.dtype), np.empty(rows, x.dtype)
    step = max(1, PIECE // max(size, 1))
    for_each((rows + step - 1) // step, _rows, step, x, weight, bias, eps, centre, y, mean, scale)
    return mean, scale


@_inline
def _row_grad(gy: Any, x: Any, mean: Any, scale: Any, weight: Any, shift: Any, slope: Any, gx: Any) -> None:
    for i in range(x.size):
        gx[i] = scale * (gy[i] * weight[i] - shift - (x[i] - mean) * slope)


@_inline
def _add_up(gy: Any, x: Any, mean: Any, scale: Any, weighted: Any, plain: Any) -> None:
    for i in range(x.size):
        weighted[i] += gy[i] * (x[i] - mean) * scale
    for i in range(x.size):
        plain[i] += gy[i]


@_once
def _rows_grad(
    part: int, gy: Any, x: Any, mean: Any, scale: Any, weight: Any, centre: bool, gx: Any, totals: Any
) -> None:
    rows, size = x.shape
    stop = (part + 1) * rows // totals.shape[0]
    sums = np.empty((2, size), x.dtype)
    for begin in range(part * rows // totals.shape[0], stop, BLOCK):
        sums[:] = 0
        for n in range(begin, min(begin + BLOCK, stop)):
            plain = weighted = 0.0
            for start in range(0, size, SHORT):
                here = slice(start, start + SHORT)
                a, b = _sums_of_grad(gy[n, here], weight[here], x[n, here], mean[n])
                plain, weighted = plain + a, weighted + b
            shift = x.dtype.type(plain / size if centre else 0)
            slope = x.dtype.type(weighted / size * scale[n] * scale[n])
            _row_grad(gy[n], x[n], mean[n], scale[n], weight, shift, slope, gx[n])
            _add_up(gy[n], x[n], mean[n], scale[n], sums[0], sums[1])
        for k in range(2):
            for i in range(size):
                totals[part, k, i] += sums[k, i]


@parallel
def layer_norm_grad(gy: Any, x: Any, mean: Any, scale: Any, weight: Any, centre: bool, gx: Any) -> Any:
    """Writes gx (N, D), and returns float64 sums (parts, 2, D) of the gradients of weight and bias."""
    totals = np.zeros((min(PARTS, (x.shape[0] + BLOCK - 1) // BLOCK), 2, x.shape[1]))
    for_each(totals.shape[0], _rows_grad, gy, x, mean, scale, weight, centre, gx, totals)
    return totals
