"""The compiled loops of `channel_sum` and `relu_grad`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from ..runtime.compiled import parallel

PARTS = 16  # at most; fixed, so that the order of the sums is
BLOCK = 64  # rows that are summed in the dtype of the array


@parallel
def sums(x: Any) -> Any:
    """Float64 sums (parts, C) of the rows of each part of x (rows, C)."""
    rows, channels = x.shape
    parts = min(PARTS, (rows + BLOCK - 1) // BLOCK)
    totals = np.zeros((parts, channels))
    for part in prange(parts):
        stop = (part + 1) * rows // parts
        block = np.empty(channels, x.dtype)
        for begin in range(part * rows // parts, stop, BLOCK):
            block[:] = 0
            for row in range(begin, min(begin + BLOCK, stop)):
                for c in range(channels):
                    block[c] += x[row, c]
            for c in range(channels):
                totals[part, c] += block[c]
    return totals


@parallel
def masked_sums(gy: Any, y: Any, gx: Any) -> Any:
    """gx = gy where y > 0, else 0; returns `sums(gx)`."""
    rows, channels = gy.shape
    parts = min(PARTS, (rows + BLOCK - 1) // BLOCK)
    totals = np.zeros((parts, channels))
    for part in prange(parts):
        stop = (part + 1) * rows // parts
        block = np.empty(channels, gy.dtype)
        for begin in range(part * rows // parts, stop, BLOCK):
            block[:] = 0
            for row in range(begin, min(begin + BLOCK, stop)):
                for c in range(channels):
                    value = gy[row, c] if y[row, c] > 0 else gy.dtype.type(0)
                    gx[row, c] = value
                    block[c] += value
            for c in range(channels):
                totals[part, c] += block[c]
    return totals
