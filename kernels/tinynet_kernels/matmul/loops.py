"""The compiled loops around `conv2d.loops.stretch` for matrices: operands that do not lie as it wants them are copied first."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..conv2d.loops import GROUP, stretch
from ..conv2d.positions import Plan
from ..runtime.compiled import for_each, once, parallel
from ..runtime.simd import ROWS
from ..runtime.transpose import copy_vector, transpose

STEP = 64  # rows of a panel in a piece of work


@once
def _plan(depth: int) -> Any:
    """One position, of `depth` taps that lie side by side."""
    only, taps, classes = np.empty((1, 2), np.int64), np.empty(3, np.int64), np.empty((1, 6), np.int64)
    only[0, 0] = only[0, 1] = taps[0] = taps[1] = 0
    taps[2] = depth
    for i in range(6):
        classes[0, i] = i % 2
    return Plan(only, only, taps, classes)


@once
def start_of(bias: Any, columns: int) -> Any:
    """The bias and zeros: a row of so many columns."""
    row = np.empty(columns, bias.dtype)
    for n in range(columns):
        row[n] = bias[n] if n < bias.size else 0
    return row


@once
def pack(
    b: Any, b_row: int, b_column: int, columns: int, panel: Any, block: int, first: int, last: int, lanes: int
) -> None:
    """Rows first to last - 1 of a block of the panel (blocks, K, width) of a matrix: b[i * b_row + j * b_column] at (i, j).

    Flat b; one of the steps is 1. Beyond the last of its columns the panel has zeros.
    """
    width = panel.shape[2]
    have = min(width, columns - block * width)
    if b_column == 1:
        flat, whole = panel.reshape(-1), have // lanes * lanes
        for k in range(first, last):
            source, target = k * b_row + block * width, (block * panel.shape[1] + k) * width
            for n in range(0, whole, lanes):
                copy_vector(b, source + n, flat, target + n)
            for n in range(whole, have):
                flat[target + n] = b[source + n]
    else:
        start = (block * panel.shape[1] + first) * width
        transpose(
            b, block * width * b_column + first, b_column, panel.reshape(-1), start, width, have, last - first, lanes
        )
    for k in range(first, last):
        for n in range(have, width):
            panel[block, k, n] = 0


@once
def tiles(
    x: Any, rows: int, depth: int, share: Any, w: Any, init: Any, y: Any, columns: int, floor: Any, lanes: int
) -> None:
    """A share, (this one, of so many), of the tiles of y, strip by strip of GROUP vectors of columns."""
    height, vectors = (rows + ROWS - 1) // ROWS, (columns + lanes - 1) // lanes
    work = height * vectors  # a tile counts once for each of its vectors
    begin, end = share[0] * work // share[1], (share[0] + 1) * work // share[1]
    while begin < end:
        strip = begin // (height * GROUP) * GROUP
        count, before = min(GROUP, vectors - strip), strip * height
        stop = min(end, before + count * height)
        first, last = (begin - before) // count * ROWS, min((stop - before) // count * ROWS, rows)
        if first < last:
            start = strip * lanes
            stretch(
                *(x, depth, 1, _plan(depth), 0, first, last, w, init, y, columns),
                *(start, min(start + count * lanes, columns), floor, lanes),
            )
        begin = stop


@once
def _turned_tiles(
    x: Any, depth: int, begin: int, end: int, w: Any, init: Any, turned: Any, bias: Any, floor: Any, y: Any, lanes: int
) -> None:
    """y[m, n] = max(floor, x[n] @ w[:, m] + bias[n]) for the tiles `begin` to `end` - 1 of rows n; init is zero."""
    (rows, columns), width = y.shape, turned.shape[1]
    first, last = begin * ROWS, min(end * ROWS, columns)
    if first < last:
        least = y.dtype.type(-np.inf)
        stretch(x, depth, 1, _plan(depth), 0, first, last, w, init, turned.reshape(-1), width, 0, rows, least, lanes)
        for n in range(first, last):
            row, shift = turned[n], bias[n] if bias.size else y.dtype.type(0)
            for m in range(rows):
                value = row[m] + shift
                row[m] = floor if value < floor else value
        transpose(turned.reshape(-1), first * width, width, y.reshape(-1), first, columns, last - first, rows, lanes)


@once
def _copy(
    piece: int,
    of_x: int,
    a: Any,
    x: Any,
    rows: int,
    depth: int,
    b: Any,
    b_row: int,
    b_column: int,
    columns: int,
    panel: Any,
    lanes: int,
) -> None:
    """A piece of what `product` copies: of the rows x of the transpose of a, up to piece `of_x`, then of the panel."""
    if piece < of_x:
        first = piece * STEP
        transpose(a, first, rows, x, first * depth, depth, depth, min(STEP, rows - first), lanes)
    else:
        steps = (depth + STEP - 1) // STEP
        block, first = (piece - of_x) // steps, (piece - of_x) % steps * STEP
        pack(b, b_row, b_column, columns, panel, block, first, min(first + STEP, depth), lanes)


@once
def _piece(
    piece: int,
    pieces: int,
    few: bool,
    x: Any,
    rows: int,
    depth: int,
    columns: int,
    panel: Any,
    start: Any,
    turned: Any,
    bias: Any,
    floor: Any,
    y: Any,
    lanes: int,
) -> None:
    """A share of the work of `product`."""
    if few:
        height = (columns + ROWS - 1) // ROWS
        begin, end = piece * height // pieces, (piece + 1) * height // pieces
        _turned_tiles(x, depth, begin, end, panel, start, turned, bias, floor, y, lanes)
    else:
        tiles(x, rows, depth, (piece, pieces), panel, start, y.reshape(-1), columns, floor, lanes)


@parallel
def product(
    a: Any,
    turned_a: bool,
    b: Any,
    turned_b: bool,
    few: bool,
    blocks: int,
    width: int,
    packed: bool,
    bias: Any,
    relu: bool,
    scratch: Any,
    y: Any,
    lanes: int,
    pieces: int,
) -> None:
    """y (M, N) = a @ b + bias, or the larger of that and 0, for a (M, K), or (K, M) if turned, b (K, N), or (N, K).

    The register tiles want rows of one factor and a panel of the other. Usually they are a and b. With `few` rows, which
    wants b turned, the transpose of y is computed from those of b and a, so that the small matrix is what is copied. Unless
    `packed`, the panel is b itself; it is (blocks, K, width). The scratch is for the panel, then for a copy of a that is
    turned, or the transpose of y. An empty bias is none.
    """
    (rows, columns), depth = y.shape, a.shape[0] if turned_a else a.shape[1]
    floor = y.dtype.type(0 if relu else -np.inf)
    start = start_of(bias[:0] if few else bias, blocks * width)
    size = blocks * depth * width if packed else 0
    panel = scratch[:size].reshape((blocks, depth, width)) if packed else b.reshape((1, depth, columns))
    rest, of_x, steps = scratch[size:], 0, (depth + STEP - 1) // STEP
    x, turned, source, row, column = a.reshape(-1), y, b.reshape(-1), columns, 1
    if few:
        x, source = source, x
        turned = rest[: columns * blocks * width].reshape((columns, blocks * width))
        row, column = (rows, 1) if turned_a else (1, depth)
    else:
        if turned_b:
            row, column = 1, depth
        if turned_a:
            x, of_x = rest[: rows * depth], (rows + STEP - 1) // STEP
    number, length = of_x + (blocks * steps if packed else 0), rows if few else columns
    for_each(number, _copy, of_x, a.reshape(-1), x, rows, depth, source, row, column, length, panel, lanes)
    for_each(pieces, _piece, pieces, few, x, rows, depth, columns, panel, start, turned, bias, floor, y, lanes)
