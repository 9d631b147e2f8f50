"""The compiled loops of a pooled convolution by Winograd: a tile of its results is a window of the pooling, 2 x 2."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..conv2d.loops import add_parts
from ..conv2d.minimal import TAPS, minimal, transposed
from ..conv2d.winograd_loops import add_up, from_points, own_filters, place, products, sums, to_points
from ..runtime.compiled import for_each, once, parallel
from ..runtime.simd import BLOCK_ROWS
from ..runtime.transforms import store_largest, store_spread

M = 2
POINTS = (M + TAPS - 1) ** 2

_largest, _spread = store_largest(minimal(M).output), store_spread(transposed(minimal(M).output))


@once
def _pool(
    planes: Any, stride: int, first: int, last: int, y: Any, indices: Any, grid: Any, width: int, init: Any, floor: Any
) -> None:
    """The windows first to last - 1: the largest of max(floor, init + A' p A), and where in an image of `width` it is."""
    channels = y.shape[3]
    best, where = y.reshape(-1), indices.reshape(-1)
    for tile in range(first, last):
        _, row, column = place(tile, grid)
        source = ((tile - first) * channels, 4 * stride, stride)
        here = row * width + column
        _largest(planes, source, init, floor, best, where, tile * channels, here, width, channels)


@once
def _unpool(
    gy: Any,
    y: Any,
    indices: Any,
    active: bool,
    grid: Any,
    width: int,
    first: int,
    last: int,
    totals: Any,
    planes: Any,
    stride: int,
) -> None:
    """The planes A d A' of the windows first to last - 1, d being gy at the window's maximum, and zero elsewhere.

    If `active`, gy counts where y > 0 only. Adds to totals (C,) what counts.
    """
    channels = gy.shape[3]
    grads, best, where, added = gy.reshape(-1), y.reshape(-1), indices.reshape(-1), np.zeros(channels, gy.dtype)
    for tile in range(first, last):
        _, row, column = place(tile, grid)
        target = ((tile - first) * channels, 4 * stride, stride)
        here = row * width + column
        _spread(grads, best, where, tile * channels, active, here, width, added, planes, target, channels)
    for c in range(channels):
        totals[c] += added[c]


@once
def _pooled(
    worker: int,
    x: Any,
    x_grid: Any,
    w: Any,
    w_steps: Any,
    copies: Any,
    init: Any,
    floor: Any,
    y: Any,
    indices: Any,
    grid: Any,
    width: int,
    chunk: int,
    strides: Any,
    work: Any,
    lanes: int,
) -> None:
    """What `pooled` gives to a worker: some of the windows."""
    u = own_filters(M, w, w_steps, y.shape[3], worker, copies)
    tiles, workers = x.shape[0] * grid[0] * grid[1], work.shape[0]
    chunks = (tiles + chunk - 1) // chunk
    inputs, outputs = work[worker, : POINTS * strides[0]], work[worker, POINTS * strides[0] :]
    for part in range(worker * chunks // workers, (worker + 1) * chunks // workers):
        first, last = part * chunk, min((part + 1) * chunk, tiles)
        to_points(M, False, x, x_grid, first, last, inputs, strides[0])
        products(inputs, strides[0], last - first, x.shape[3], u, outputs, strides[1], y.shape[3], lanes)
        _pool(outputs, strides[1], first, last, y, indices, grid, width, init, floor)


@parallel
def pooled(
    x: Any,
    x_grid: Any,
    w: Any,
    w_steps: Any,
    copies: Any,
    init: Any,
    floor: Any,
    y: Any,
    indices: Any,
    grid: Any,
    width: int,
    chunk: int,
    strides: Any,
    work: Any,
    lanes: int,
) -> None:
    """y and indices (N, PH, PW, O), `chunk` windows at a time. The convolution's result is `width` wide.

    w, copies and work: see `conv2d.winograd_loops.convolve`.
    """
    for_each(
        *(work.shape[0], _pooled, x, x_grid, w, w_steps, copies, init, floor, y, indices, grid, width, chunk),
        *(strides, work, lanes),
    )


@once
def _gradients(
    worker: int,
    gy: Any,
    y: Any,
    indices: Any,
    active: bool,
    grid: Any,
    width: int,
    x: Any,
    x_grid: Any,
    w: Any,
    w_steps: Any,
    copies: Any,
    gx: Any,
    inputs: int,
    chunk: int,
    strides: Any,
    work: Any,
    lanes: int,
    parts: Any,
    totals: Any,
) -> None:
    """What `gradients` gives to a worker: some of the shares."""
    images, outputs, size, shares = gy.shape[0], gy.shape[3], x.shape[3], parts.shape[0]
    groups, workers = (size + BLOCK_ROWS - 1) // BLOCK_ROWS, work.shape[0]
    v = work[worker, : POINTS * strides[0]]
    p = work[worker, POINTS * strides[0] : POINTS * (strides[0] + strides[1])]
    found = work[worker, POINTS * (strides[0] + strides[1]) :].reshape(POINTS, groups * BLOCK_ROWS * outputs)
    u = own_filters(M, w, w_steps, inputs, worker, copies) if inputs else copies[0]
    zero, floor = np.zeros(inputs, x.dtype), x.dtype.type(-np.inf)
    for share in range(worker * shares // workers, (worker + 1) * shares // workers):
        begin, end = share * images // shares, (share + 1) * images // shares
        found[:] = 0
        if inputs:
            gx[begin:end] = 0
        stop = end * grid[0] * grid[1]
        for first in range(begin * grid[0] * grid[1], stop, chunk):
            last = min(first + chunk, stop)
            to_points(M, False, x, x_grid, first, last, v, strides[0])
            _unpool(gy, y, indices, active, grid, width, first, last, totals[share], p, strides[1])
            sums(v, strides[0], last - first, size, (0, groups), p, strides[1], outputs, found, lanes)
            if inputs:
                products(p, strides[1], last - first, outputs, u, v, strides[0], inputs, lanes)
                from_points(M, True, v, strides[0], first, last, gx, x_grid, zero, floor)
        add_up(M, found, 0, size * outputs, parts[share].reshape(-1))


@parallel
def gradients(
    gy: Any,
    y: Any,
    indices: Any,
    active: bool,
    grid: Any,
    width: int,
    x: Any,
    x_grid: Any,
    w: Any,
    w_steps: Any,
    copies: Any,
    gx: Any,
    inputs: int,
    chunk: int,
    strides: Any,
    work: Any,
    lanes: int,
    parts: Any,
    gw: Any,
) -> Any:
    """The gradients of the pooled convolution: gw (O, C, TAPS * TAPS), gx if inputs > 0, and that of the bias in shares.

    gy, y and indices are (N, PH, PW, O); w and copies those of the gradient of the input. `parts`, (shares,
    TAPS * TAPS * C, O), and `work` are for its own use.
    """
    totals = np.zeros((parts.shape[0], gy.shape[3]))
    for_each(
        *(work.shape[0], _gradients, gy, y, indices, active, grid, width, x, x_grid, w, w_steps, copies, gx),
        *(inputs, chunk, strides, work, lanes, parts, totals),
    )
    for_each(x.shape[3], add_parts, parts, gw)
    return totals
