"""The compiled loops of a pooled convolution by Winograd: a tile of its results is a window of the pooling, 2 x 2."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

from ..conv2d.loops import add_parts
from ..conv2d.minimal import TAPS, minimal, transposed
from ..conv2d.winograd_loops import add_up, filters, from_points, place, products, sums, to_points
from ..runtime.simd import ROWS
from ..runtime.transforms import store_largest, store_spread

M = 2
POINTS = (M + TAPS - 1) ** 2

_once: Any = njit(cache=True, nogil=True)  # compiled by itself, not again in each caller
_parallel: Any = njit(parallel=True, cache=True, nogil=True)
_largest, _spread = store_largest(minimal(M).output), store_spread(transposed(minimal(M).output))


@_once
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


@_once
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


@_parallel
def pooled(
    x: Any,
    x_grid: Any,
    plan: Any,
    w: Any,
    w_steps: Any,
    copies: Any,
    init: Any,
    floor: Any,
    y: Any,
    indices: Any,
    grid: Any,
    width: int,
    piece: int,
    strides: Any,
    work: Any,
    zero: Any,
    lanes: int,
) -> None:
    """y and indices (N, PH, PW, O), `piece` windows at a time. The convolution's result is `width` wide."""
    tiles = x.shape[0] * grid[0] * grid[1]
    pieces, workers = (tiles + piece - 1) // piece, work.shape[0]
    for worker in prange(workers):
        filters(M, w, w_steps, y.shape[3], np.int64(worker), workers, copies)
    for worker in prange(workers):
        u = copies[min(np.int64(worker), copies.shape[0] - 1)]
        inputs, outputs = work[worker, : POINTS * strides[0]], work[worker, POINTS * strides[0] :]
        for part in range(worker * pieces // workers, (worker + 1) * pieces // workers):
            first, last = part * piece, min((part + 1) * piece, tiles)
            to_points(M, False, x, x_grid, first, last, inputs, strides[0])
            products(inputs, strides[0], plan, last - first, u, zero, outputs, strides[1], y.shape[3], lanes)
            _pool(outputs, strides[1], first, last, y, indices, grid, width, init, floor)


@_parallel
def gradients(
    gy: Any,
    y: Any,
    indices: Any,
    active: bool,
    grid: Any,
    width: int,
    x: Any,
    x_grid: Any,
    offsets: Any,
    gw: Any,
    plan: Any,
    w: Any,
    w_steps: Any,
    copies: Any,
    gx: Any,
    inputs: int,
    shares: int,
    chunk: int,
    strides: Any,
    work: Any,
    zero: Any,
    lanes: int,
) -> Any:
    """The gradients of the pooled convolution: gw (O, C, TAPS * TAPS), gx if inputs > 0, and that of the bias in shares.

    gy, y and indices are (N, PH, PW, O); plan and w those of the gradient of the input.
    """
    images, outputs, size = gy.shape[0], gy.shape[3], x.shape[3]
    groups = (size + ROWS - 1) // ROWS
    workers = work.shape[0]
    parts = np.empty((shares, TAPS * TAPS * size, outputs), gy.dtype)
    totals = np.zeros((shares, outputs))
    floor = zero[0] - gy.dtype.type(np.inf)
    if inputs:
        for worker in prange(workers):
            filters(M, w, w_steps, inputs, np.int64(worker), workers, copies)
    for worker in prange(workers):
        u = copies[min(np.int64(worker), copies.shape[0] - 1)]
        v = work[worker, : POINTS * strides[0]]
        p = work[worker, POINTS * strides[0] : POINTS * (strides[0] + strides[1])]
        found = work[worker, POINTS * (strides[0] + strides[1]) :].reshape(POINTS, groups * ROWS * outputs)
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
                lines = np.array([0, 0, last - first])
                sums(v, strides[0], lines, offsets, (0, groups), p, strides[1], outputs, found, lanes)
                if inputs:
                    products(p, strides[1], plan, last - first, u, zero, v, strides[0], inputs, lanes)
                    from_points(M, True, v, strides[0], first, last, gx, x_grid, zero, floor)
            add_up(M, found, 0, size * outputs, parts[share].reshape(-1))
    for c in prange(size):
        add_parts(parts, c, gw)
    return totals
