"""The compiled loops of `linear_grad`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..matmul.loops import start_of, tiles
from ..runtime.compiled import for_each, once, parallel
from ..runtime.transpose import transpose_masked_square, transpose_square


@once
def _band(piece: int, gy: Any, y: Any, relu: bool, masked: Any, turned: Any, sums: Any, lanes: int) -> None:
    """Of a band of `lanes` rows of gy, through the ReLU of y if there is one: a copy, its transpose and its sums.

    A band is read and written along its rows: where columns are a power of two apart, the cache has few places for them.
    """
    rows, columns = gy.shape
    first, last = piece * lanes, min(piece * lanes + lanes, rows)
    whole = columns // lanes * lanes if last - first == lanes else 0
    g, positive, copy = gy.reshape(-1), y.reshape(-1), masked.reshape(-1)
    for c in range(0, whole, lanes):
        start, target = first * columns + c, c * rows + first
        if relu:
            transpose_masked_square(g, positive, copy, start, columns, turned, target, rows)
        else:
            transpose_square(g, start, columns, turned, target, rows)
    for row in range(first, last):
        for c in range(whole, columns):
            if relu:
                masked[row, c] = gy[row, c] if y[row, c] > 0 else gy.dtype.type(0)
            turned[c * rows + row] = masked[row, c]
    for c in range(columns):
        sums[piece, c] = 0
    for row in range(first, last):
        for c in range(columns):
            sums[piece, c] += masked[row, c]


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
    bands = (rows + lanes - 1) // lanes
    sums, totals = np.empty((bands, columns), gy.dtype), np.zeros(columns)
    for_each(bands, _band, gy, y, relu, masked, turned, sums, lanes)
    for band in range(bands):
        for c in range(columns):
            totals[c] += sums[band, c]
    for c in range(columns):
        gb[c] = totals[c]
    for_each(pieces, _products, pieces, turned, masked.reshape(-1), of_x, of_w, start, gw, gx, lanes)
