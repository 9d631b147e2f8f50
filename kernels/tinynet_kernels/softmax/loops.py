"""The compiled loops of `softmax`."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numba import njit

from ..counted_mean.loops import LANES, largest
from ..runtime.compiled import for_each, once, parallel
from ..runtime.exponential import exp

PIECE = 1 << 13  # elements, at least, of a piece of work

_once: Any = partial(once, error_model="numpy", fastmath={"contract", "reassoc"})  # sums in vectors
_inline: Any = njit(cache=True, inline="always")


@_inline
def _row(x: Any, y: Any, best: Any) -> None:
    top, total = largest(x, best), x.dtype.type(0)
    for i in range(x.size):
        value = exp(x[i] - top)
        y[i] = value
        total += value
    share = x.dtype.type(1) / total
    for i in range(x.size):
        y[i] *= share


@_once
def _rows(piece: int, step: int, x: Any, y: Any) -> None:
    best = np.empty(LANES, x.dtype)
    for n in range(piece * step, min((piece + 1) * step, x.shape[0])):
        _row(x[n], y[n], best)


@parallel
def softmax(x: Any, y: Any) -> None:
    step = max(1, PIECE // x.shape[1])
    for_each((x.shape[0] + step - 1) // step, _rows, step, x, y)


@_inline
def _row_grad(gy: Any, y: Any, gx: Any) -> None:
    total = y.dtype.type(0)
    for i in range(y.size):
        total += gy[i] * y[i]
    for i in range(y.size):
        gx[i] = y[i] * (gy[i] - total)


@_once
def _rows_grad(piece: int, step: int, gy: Any, y: Any, gx: Any) -> None:
    for n in range(piece * step, min((piece + 1) * step, y.shape[0])):
        _row_grad(gy[n], y[n], gx[n])


@parallel
def softmax_grad(gy: Any, y: Any, gx: Any) -> None:
    step = max(1, PIECE // y.shape[1])
    for_each((y.shape[0] + step - 1) // step, _rows_grad, step, gy, y, gx)
