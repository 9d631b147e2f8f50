"""The compiled loops of `linear_grad`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..matmul.loops import start_of, tiles, transpose
from ..runtime.compiled import for_each, once, parallel

STEP = 64  # columns in a piece of work
BLOCK = 64  # rows that are summed in the dtype of the array


@once
def _columns(piece: int, gy: Any, y: Any, relu: bool, masked: Any, turned: Any, sums: Any, lanes: int) -> None:
    """Of some columns of gy, through the ReLU of y if there is one: a copy, its transpose and the sums."""
    rows, columns = gy.shape
    first = piece * STEP
    count = min(STEP, columns - first)
    totals, block = np.empty(count), np.empty(count, gy.dtype)
    for c in range(count):
        totals[c] = 0
    for begin in range(0, rows, BLOCK):
        for c in range(count):
            block[c] = 0
        for row in range(begin, min(begin + BLOCK, rows)):
            for c in range(count):
                value = gy[row, first + c]  # read in any case, as a vector of them is
                if relu:
                    value = value if y[row, first + c] > 0 else gy.dtype.type(0)
                    masked[row, first + c] = value
                block[c] += value
        for c in range(count):
            totals[c] += block[c]
    for c in range(count):
        sums[first + c] = totals[c]
    transpose(masked.reshape(-1), first, columns, turned, first * rows, rows, rows, count, lanes)


@once
def _products(
    piece: int, pieces: int, turned: Any, g: Any, x: Any, w: Any, start: Any, gw: Any, gx: Any, lanes: int
) -> None:
    """A share of the products gw = turned @ x and gx = g @ w. Flat g and its transpose; x and w are panels of one block."""
    (_, rows, depth), columns = x.shape, w.shape[1]
    least = start.dtype.type(-np.inf)
    tiles(turned, columns, rows, (piece, pieces), x, start, gw.reshape(-1), depth, least, lanes)
    if gx.size:
        tiles(g, rows, columns, (piece, pieces), w, start, gx.reshape(-1), depth, least, lanes)


@parallel
def gradients(
    gy: Any, y: Any, relu: bool, x: Any, w: Any, scratch: Any, gw: Any, gb: Any, gx: Any, lanes: int, pieces: int
) -> None:
    """gw = g.T @ x, gb the sums of the columns of g and, unless it is empty, gx = g @ w, for g = gy, with `relu` where y > 0.

    The scratch is for the transpose of g, and for g if that is not gy. The rows of x and w are whole vectors.
    """
    (rows, columns), depth = gy.shape, x.shape[1]
    turned = scratch[: gy.size]
    masked = scratch[gy.size :].reshape((rows, columns)) if relu else gy
    of_x, of_w = x.reshape((1, rows, depth)), w.reshape((1, columns, depth))
    start = start_of(scratch[:0], depth)
    for_each((columns + STEP - 1) // STEP, _columns, gy, y, relu, masked, turned, gb, lanes)
    for_each(pieces, _products, pieces, turned, masked.reshape(-1), of_x, of_w, start, gw, gx, lanes)
