"""The compiled loops of Winograd's convolutions. See `winograd` for what they compute.

Tiles are counted image by image, row by row. What a few of them become at the points stays in the cache of a processor: an
array of planes, one to a point, each (tiles, channels), that lie `stride` numbers apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

from ..runtime.simd import ROWS
from ..runtime.transforms import store, store_onto
from .loops import add_parts, stretch, window_products
from .minimal import TAPS, minimal, transposed

_inline: Any = njit(cache=True, inline="always")
_once: Any = njit(cache=True, nogil=True)  # compiled by itself, not again in each caller
_parallel: Any = njit(parallel=True, cache=True, nogil=True)

_input2, _input3, _input4 = (store(minimal(m).input) for m in (2, 3, 4))
_filter2, _filter3, _filter4 = (store(minimal(m).filter) for m in (2, 3, 4))
_output2, _output3, _output4 = (store_onto(minimal(m).output) for m in (2, 3, 4))
# their transposes, of which the gradients are made
_input_t2, _input_t3, _input_t4 = (store_onto(transposed(minimal(m).input)) for m in (2, 3, 4))
_filter_t2, _filter_t3, _filter_t4 = (store(transposed(minimal(m).filter)) for m in (2, 3, 4))
_output_t2, _output_t3, _output_t4 = (store(transposed(minimal(m).output)) for m in (2, 3, 4))

_copy, _add = store(((1.0,),)), store_onto(((1.0,),))


@_once
def filters(m: int, w: Any, steps: Any, columns: int, worker: int, workers: int, copies: Any) -> None:
    """A worker's share of the copies (n, points, blocks, K, width) of G w G', w (K, columns, taps) with such steps.

    If there is a copy for each worker, its own; else a part of the only one. Columns beyond the last are zeros.
    """
    count, _, blocks, inner, width = copies.shape
    own = count > 1
    flat, panel = copies[worker if own else 0].reshape(-1), np.zeros(TAPS * TAPS * width, w.dtype)
    first, last = (0, inner) if own else (worker * inner // workers, (worker + 1) * inner // workers)
    plane = blocks * inner * width
    source = (0, TAPS * width, width)
    for block in range(blocks):
        have = min(width, columns - block * width)
        panel[:] = 0
        for k in range(first, last):
            begin = k * steps[0] + block * width * steps[1]
            for n in range(have):
                for tap in range(TAPS * TAPS):
                    panel[tap * width + n] = w[begin + n * steps[1] + tap]
            target = ((block * inner + k) * width, (m + TAPS - 1) * plane, plane)
            if m == 2:
                _filter2(panel, source, flat, target, width)
            elif m == 3:
                _filter3(panel, source, flat, target, width)
            else:
                _filter4(panel, source, flat, target, width)


@_once
def _filters_t(m: int, u: Any, u_at: Any, w: Any, w_at: Any, count: int) -> None:
    if m == 2:
        _filter_t2(u, u_at, w, w_at, count)
    elif m == 3:
        _filter_t3(u, u_at, w, w_at, count)
    else:
        _filter_t4(u, u_at, w, w_at, count)


@_inline
def place(tile: int, grid: Any) -> Any:
    """The image of a tile, and the row and column where it begins."""
    down, across, step, top, left = grid
    image, rest = tile // (down * across), tile % (down * across)
    return image, rest // across * step - top, rest % across * step - left


@_once
def to_points(m: int, adjoint: bool, x: Any, grid: Any, first: int, last: int, planes: Any, stride: int) -> None:
    """The planes of the tiles first to last - 1 of x (N, H, W, C): B' d B, or if `adjoint` A d A'.

    grid: tiles down and across an image, their distance, and how far the first begins before the image.
    """
    _, height, width, channels = x.shape
    size, side = (m if adjoint else m + TAPS - 1), m + TAPS - 1
    flat, edge = x.reshape(-1), np.zeros(size * size * channels, x.dtype)
    for tile in range(first, last):
        image, row, column = place(tile, grid)
        source, at = flat, (((image * height + row) * width + column) * channels, width * channels, channels)
        if row < 0 or column < 0 or row + size > height or column + size > width:
            source, at = edge, (0, size * channels, channels)
            edge[:] = 0
            left, right = max(0, -column), min(size, width - column)
            for i in range(max(0, -row), min(size, height - row)):
                begin = ((image * height + row + i) * width + column + left) * channels
                to = (i * size + left) * channels
                _copy(flat, (begin, 0, 0), edge, (to, 0, 0), (right - left) * channels)
        target = ((tile - first) * channels, side * stride, stride)
        if adjoint:
            if m == 2:
                _output_t2(source, at, planes, target, channels)
            elif m == 3:
                _output_t3(source, at, planes, target, channels)
            else:
                _output_t4(source, at, planes, target, channels)
        elif m == 2:
            _input2(source, at, planes, target, channels)
        elif m == 3:
            _input3(source, at, planes, target, channels)
        else:
            _input4(source, at, planes, target, channels)


@_once
def from_points(
    m: int,
    adjoint: bool,
    planes: Any,
    stride: int,
    first: int,
    last: int,
    y: Any,
    grid: Any,
    init: Any,
    floor: Any,
) -> None:
    """The tiles first to last - 1 of y (N, H, W, C): max(floor, init + A' p A); or if `adjoint` B p B' is added to them."""
    _, height, width, channels = y.shape
    size, side = (m + TAPS - 1 if adjoint else m), m + TAPS - 1
    flat, edge = y.reshape(-1), np.empty(size * size * channels, y.dtype)
    for tile in range(first, last):
        image, row, column = place(tile, grid)
        source = ((tile - first) * channels, side * stride, stride)
        target, at = flat, (((image * height + row) * width + column) * channels, width * channels, channels)
        base, base_at = (flat, at) if adjoint else (init, (0, 0, 0))
        inside = row >= 0 and column >= 0 and row + size <= height and column + size <= width
        if not inside:
            target, at, base, base_at = edge, (0, size * channels, channels), init, (0, 0, 0)
        if adjoint:
            if m == 2:
                _input_t2(planes, source, target, at, base, base_at, floor, channels)
            elif m == 3:
                _input_t3(planes, source, target, at, base, base_at, floor, channels)
            else:
                _input_t4(planes, source, target, at, base, base_at, floor, channels)
        elif m == 2:
            _output2(planes, source, target, at, base, base_at, floor, channels)
        elif m == 3:
            _output3(planes, source, target, at, base, base_at, floor, channels)
        else:
            _output4(planes, source, target, at, base, base_at, floor, channels)
        if inside:
            continue
        left, right = max(0, -column), min(size, width - column)
        for i in range(max(0, -row), min(size, height - row)):
            at = (((image * height + row + i) * width + column + left) * channels, 0, 0)
            start = ((i * size + left) * channels, 0, 0)
            if adjoint:
                _add(edge, start, flat, at, flat, at, floor, (right - left) * channels)
            else:
                _copy(edge, start, flat, at, (right - left) * channels)


@_once
def products(
    planes: Any, stride: int, plan: Any, tiles: int, u: Any, zero: Any, result: Any, to: int, columns: int, lanes: int
) -> None:
    """The planes of the result, (tiles, columns), = the planes times u[point]."""
    for point in range(u.shape[0]):
        stretch(
            *(planes[point * stride :], 0, 1, plan, 0, 0, tiles, u[point], zero, result[point * to :], 0),
            *(0, columns, zero[0] - np.inf, lanes),
        )


@_parallel
def convolve(
    m: int,
    adjoint: bool,
    x: Any,
    x_grid: Any,
    plan: Any,
    w: Any,
    w_steps: Any,
    copies: Any,
    init: Any,
    floor: Any,
    y: Any,
    y_grid: Any,
    piece: int,
    chunk: int,
    strides: Any,
    work: Any,
    zero: Any,
    lanes: int,
) -> None:
    """y = max(floor, init + x * w); or if `adjoint` the gradient of that with respect to its input, given x. w: see `filters`.

    `piece` tiles at a time are given to a thread, of which `chunk` stay in its cache, in a row of `work`.
    """
    tiles = x.shape[0] * x_grid[0] * x_grid[1]
    pieces, workers = (tiles + piece - 1) // piece, work.shape[0]
    points = copies.shape[1]
    for worker in prange(workers):
        filters(m, w, w_steps, y.shape[3], np.int64(worker), workers, copies)
    for worker in prange(workers):
        u = copies[min(np.int64(worker), copies.shape[0] - 1)]
        inputs, outputs = work[worker, : points * strides[0]], work[worker, points * strides[0] :]
        for part in range(worker * pieces // workers, (worker + 1) * pieces // workers):
            begin, end = part * piece, min((part + 1) * piece, tiles)
            if adjoint:
                per_image = x_grid[0] * x_grid[1]
                y[begin // per_image : end // per_image] = 0
            for first in range(begin, end, chunk):
                last = min(first + chunk, end)
                to_points(m, adjoint, x, x_grid, first, last, inputs, strides[0])
                products(inputs, strides[0], plan, last - first, u, zero, outputs, strides[1], y.shape[3], lanes)
                from_points(m, adjoint, outputs, strides[1], first, last, y, y_grid, init, floor)


@_once
def sums(
    inputs: Any,
    stride: int,
    lines: Any,
    offsets: Any,
    own: Any,
    gradients: Any,
    to: int,
    columns: int,
    totals: Any,
    lanes: int,
) -> None:
    """totals[point] (K, columns) += the planes of the inputs, transposed, times those of the gradients."""
    channels = offsets.size
    for point in range(totals.shape[0]):
        window_products(
            *(inputs[point * stride :], channels, lines, 0, 1, offsets, own, gradients[point * to :], columns),
            *(totals[point], lanes),
        )


@_parallel
def weight_grad(
    m: int,
    x: Any,
    x_grid: Any,
    gy: Any,
    gy_grid: Any,
    gw: Any,
    shares: int,
    teams: int,
    chunk: int,
    offsets: Any,
    strides: Any,
    work: Any,
    lanes: int,
) -> None:
    """gw (O, C, TAPS * TAPS), the sum over the tiles, a share of them by itself; and the shares in their order.

    A share is given to as many teams, each of which sums some rows of it.
    """
    inputs, outputs = x.shape[3], gy.shape[3]
    tiles = x.shape[0] * x_grid[0] * x_grid[1]
    points = (m + TAPS - 1) * (m + TAPS - 1)
    groups = (inputs + ROWS - 1) // ROWS
    workers, items = work.shape[0], shares * teams
    parts = np.empty((shares, TAPS * TAPS * inputs, outputs), gy.dtype)
    for worker in prange(workers):
        v = work[worker, : points * strides[0]]
        p = work[worker, points * strides[0] : points * (strides[0] + strides[1])]
        totals = work[worker, points * (strides[0] + strides[1]) :].reshape(points, groups * ROWS * outputs)
        for item in range(worker * items // workers, (worker + 1) * items // workers):
            share, team = item // teams, item % teams
            own = team * groups // teams, (team + 1) * groups // teams
            begin, end = own[0] * ROWS * outputs, own[1] * ROWS * outputs
            totals[:, begin:end] = 0
            stop = (share + 1) * tiles // shares
            for first in range(share * tiles // shares, stop, chunk):
                last = min(first + chunk, stop)
                to_points(m, False, x, x_grid, first, last, v, strides[0])
                to_points(m, True, gy, gy_grid, first, last, p, strides[1])
                lines = np.array([0, 0, last - first])
                sums(v, strides[0], lines, offsets, own, p, strides[1], outputs, totals, lanes)
            add_up(m, totals, begin, min(end, inputs * outputs), parts[share].reshape(-1))
    for c in prange(inputs):
        add_parts(parts, c, gw)


@_once
def add_up(m: int, totals: Any, begin: int, end: int, part: Any) -> None:
    """part, a flat (TAPS * TAPS, C, O) = G' u G, for the elements begin to end - 1 of each of its (C, O)."""
    size = part.size // (TAPS * TAPS)
    side, step = m + TAPS - 1, totals.shape[1]
    _filters_t(m, totals.reshape(-1), (begin, side * step, step), part, (begin, TAPS * size, size), end - begin)
