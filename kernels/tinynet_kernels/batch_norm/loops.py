"""The compiled loops of batch normalisation over rows of channels. Vectors are as long as a row; sums are float64, by part."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

from ..channel_sum.loops import BLOCK, PARTS

_once: Any = njit(cache=True, nogil=True)  # compiled by itself, not again in each caller
_parallel: Any = njit(parallel=True, cache=True, nogil=True)


@_once
def _squares(x: Any, mean: Any, block: Any) -> None:
    """Adds the squares of the deviations of some rows."""
    for row in range(x.shape[0]):
        for c in range(x.shape[1]):
            deviation = x[row, c] - mean[c]
            block[c] += deviation * deviation


@_once
def _products(
    gy: Any, x: Any, mean: Any, scale: Any, shift: Any, active: bool, line: Any, block: Any, total: Any
) -> None:
    """Adds gy * (x - mean) of some rows, and gy. If `active`, only where (x - mean) * scale + shift > 0.

    `line` is as long as a row. Two loops: with more arrays in one, the compiler makes no vectors of it.
    """
    none = x.dtype.type(0)
    for row in range(x.shape[0]):
        if active:
            for c in range(x.shape[1]):
                line[c] = gy[row, c] if (x[row, c] - mean[c]) * scale[c] + shift[c] > 0 else none
        else:
            line[:] = gy[row]
        for c in range(x.shape[1]):
            block[c] += line[c] * (x[row, c] - mean[c])
            total[c] += line[c]


@_parallel
def squares(x: Any, mean: Any) -> Any:
    """Sums of (x - mean) ** 2: (parts, C)."""
    rows, channels = x.shape
    parts = min(PARTS, (rows + BLOCK - 1) // BLOCK)
    sums = np.zeros((parts, channels))
    for part in prange(parts):
        stop = (part + 1) * rows // parts
        block = np.empty(channels, x.dtype)
        for begin in range(part * rows // parts, stop, BLOCK):
            block[:] = 0
            _squares(x[begin : min(begin + BLOCK, stop)], mean, block)
            for c in range(channels):
                sums[part, c] += block[c]
    return sums


@_parallel
def products(gy: Any, x: Any, mean: Any, scale: Any, shift: Any, active: bool) -> Any:
    """Sums of gy * (x - mean), and of gy: (parts, 2, C). If `active`, gy counts where (x - mean) * scale + shift > 0."""
    rows, channels = x.shape
    parts = min(PARTS, (rows + BLOCK - 1) // BLOCK)
    sums = np.zeros((parts, 2, channels))
    for part in prange(parts):
        stop = (part + 1) * rows // parts
        line, block, total = np.empty(channels, x.dtype), np.empty(channels, x.dtype), np.empty(channels, x.dtype)
        for begin in range(part * rows // parts, stop, BLOCK):
            end = min(begin + BLOCK, stop)
            block[:] = 0
            total[:] = 0
            _products(gy[begin:end], x[begin:end], mean, scale, shift, active, line, block, total)
            for c in range(channels):
                sums[part, 0, c] += block[c]
                sums[part, 1, c] += total[c]
    return sums


@_parallel
def normalise(x: Any, mean: Any, scale: Any, shift: Any, floor: Any, y: Any) -> None:
    """y = max(floor, (x - mean) * scale + shift); nan stays."""
    for row in prange(x.shape[0]):
        for c in range(x.shape[1]):
            value = (x[row, c] - mean[c]) * scale[c] + shift[c]
            y[row, c] = floor if value < floor else value


@_parallel
def gradient(
    gy: Any, x: Any, mean: Any, scale: Any, shift: Any, active: bool, of_product: Any, of_total: Any, gx: Any
) -> None:
    """gx = scale * (gy - (x - mean) * of_product - of_total), with gy as in `products`."""
    none = x.dtype.type(0)
    for row in prange(x.shape[0]):
        for c in range(x.shape[1]):
            deviation = x[row, c] - mean[c]
            value = gy[row, c]
            if active:
                value = value if deviation * scale[c] + shift[c] > 0 else none
            gx[row, c] = scale[c] * (value - deviation * of_product[c] - of_total[c])
