"""The compiled loops of `channel_sum` and `relu_grad`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from ..runtime.compiled import for_each, once, parallel

PARTS = 16  # at most; fixed, so that the order of the sums is
BLOCK = 64  # rows that are summed in the dtype of the array


@once
def _sum(part: int, x: Any, totals: Any) -> None:
    """The sums of one part."""
    rows, channels = x.shape
    stop = (part + 1) * rows // totals.shape[0]
    block = np.empty(channels, x.dtype)
    for begin in range(part * rows // totals.shape[0], stop, BLOCK):
        block[:] = 0
        for row in range(begin, min(begin + BLOCK, stop)):
            for c in range(channels):
                block[c] += x[row, c]
        for c in range(channels):
            totals[part, c] += block[c]


@njit(inline="always")
def _mask_row(gy: Any, y: Any, gx: Any, block: Any) -> None:
    """gx = gy where y > 0, else 0, which is added to the block."""
    for c in range(block.size):
        value = gy[c]  # read in any case, as a vector of them is
        value = value if y[c] > 0 else gy.dtype.type(0)
        gx[c] = value
        block[c] += value


@once
def _masked_sum(part: int, gy: Any, y: Any, gx: Any, totals: Any) -> None:
    rows, channels = gy.shape
    stop = (part + 1) * rows // totals.shape[0]
    block = np.empty(channels, gy.dtype)
    for begin in range(part * rows // totals.shape[0], stop, BLOCK):
        block[:] = 0
        for row in range(begin, min(begin + BLOCK, stop)):
            _mask_row(gy[row], y[row], gx[row], block)
        for c in range(channels):
            totals[part, c] += block[c]


@once
def _masked_sum_of_planes(part: int, gy: Any, y: Any, gx: Any, totals: Any) -> None:
    """The same for gy (N, C, pixels), whose channels do not lie side by side."""
    rows, channels = y.shape
    stop = (part + 1) * rows // totals.shape[0]
    block = np.empty(channels, gy.dtype)
    for begin in range(part * rows // totals.shape[0], stop, BLOCK):
        block[:] = 0
        for row in range(begin, min(begin + BLOCK, stop)):
            _mask_row(gy[row // gy.shape[2], :, row % gy.shape[2]], y[row], gx[row], block)
        for c in range(channels):
            totals[part, c] += block[c]


@parallel
def sums(x: Any) -> Any:
    """Float64 sums (parts, C) of the rows of each part of x (rows, C)."""
    totals = np.zeros((min(PARTS, (x.shape[0] + BLOCK - 1) // BLOCK), x.shape[1]))
    for_each(totals.shape[0], _sum, x, totals)
    return totals


@parallel
def masked_sums(gy: Any, y: Any, gx: Any) -> Any:
    """gx = gy where y > 0, else 0; returns `sums(gx)`."""
    totals = np.zeros((min(PARTS, (gy.shape[0] + BLOCK - 1) // BLOCK), gy.shape[1]))
    for_each(totals.shape[0], _masked_sum, gy, y, gx, totals)
    return totals


@parallel
def masked_sums_of_planes(gy: Any, y: Any, gx: Any) -> Any:
    """The same for gy (N, C, pixels)."""
    totals = np.zeros((min(PARTS, (y.shape[0] + BLOCK - 1) // BLOCK), y.shape[1]))
    for_each(totals.shape[0], _masked_sum_of_planes, gy, y, gx, totals)
    return totals
