"""The compiled loops around `conv2d.loops.stretch` for matrices that lie the other way around."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from ..conv2d.loops import stretch
from ..runtime.compiled import once, parallel
from ..runtime.transpose import transpose_square

STEP = 64  # rows of a panel in a piece of work


@once
def _transpose(
    a: Any, a_start: int, a_step: int, b: Any, b_start: int, b_step: int, rows: int, columns: int, lanes: int
) -> None:
    """b[b_start + j * b_step + i] = a[a_start + i * a_step + j] for i < rows and j < columns. Flat a and b."""
    whole_rows, whole_columns = rows // lanes * lanes, columns // lanes * lanes
    for j in range(0, whole_columns, lanes):
        for i in range(0, whole_rows, lanes):
            transpose_square(a, a_start + i * a_step + j, a_step, b, b_start + j * b_step + i, b_step)
    for j in range(columns):
        for i in range(whole_rows if j < whole_columns else 0, rows):
            b[b_start + j * b_step + i] = a[a_start + i * a_step + j]


@once
def _pack(b: Any, rows: int, columns: int, panel: Any, block: int, first: int, last: int, lanes: int) -> None:
    """Rows first to last - 1 of a block of the panel (blocks, columns, width) of the transpose of b (rows, columns), flat."""
    _, depth, width = panel.shape
    have = min(width, rows - block * width)
    start = (block * depth + first) * width
    _transpose(b, block * width * columns + first, columns, panel.reshape(-1), start, width, have, last - first, lanes)
    for k in range(first, last):
        for n in range(have, width):
            panel[block, k, n] = 0


@parallel
def pack(b: Any, rows: int, columns: int, panel: Any, lanes: int) -> None:
    """The panel of the transpose of b (rows, columns), flat: column i of it is row i of b; zeros beyond its end."""
    pieces = (columns + STEP - 1) // STEP
    for piece in prange(panel.shape[0] * pieces):
        first = piece % pieces * STEP
        _pack(b, rows, columns, panel, piece // pieces, first, min(first + STEP, columns), lanes)


@once
def _turn(x: Any, first: int, last: int, bias: Any, floor: Any, y: Any, lanes: int) -> None:
    """y[m, n] = max(floor, x[n, m] + bias[n]) for n from first to last - 1."""
    for n in range(first, last):
        row, shift = x[n], bias[n]
        for m in range(row.size):
            value = row[m] + shift
            row[m] = floor if value < floor else value
    rows, columns = y.shape
    width = x.shape[1]
    _transpose(x.reshape(-1), first * width, width, y.reshape(-1), first, columns, last - first, rows, lanes)


@parallel
def few_rows(
    x: Any, w: Any, bias: Any, floor: Any, plan: Any, panel: Any, start: Any, turned: Any, y: Any, lanes: int
) -> None:
    """y (M, N) = max(floor, x @ w.T + bias) for x (M, K) and w (N, K), as the transpose of w @ x.T.

    The panel of the transpose of x, turned (N, columns of the panel) and start, a row of zeros, are for its own use.
    """
    (rows, depth), columns = x.shape, w.shape[0]
    pieces = (depth + STEP - 1) // STEP
    for piece in prange(panel.shape[0] * pieces):
        begin = piece % pieces * STEP
        _pack(x.reshape(-1), rows, depth, panel, piece // pieces, begin, min(begin + STEP, depth), lanes)
    size, least = (columns + 8 * lanes - 1) // (8 * lanes) * lanes, y.dtype.type(-np.inf)
    for piece in prange((columns + size - 1) // size):
        first, last = piece * size, min(piece * size + size, columns)
        stretch(
            *(w.reshape(-1), depth, 1, plan, 0, first, last, panel, start),
            *(turned.reshape(-1), turned.shape[1], 0, rows, least, lanes),
        )
        _turn(turned, first, last, bias, floor, y, lanes)
