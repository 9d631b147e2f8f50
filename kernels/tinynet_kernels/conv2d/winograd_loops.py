"""The compiled loops of Winograd's convolutions. See `winograd` for what they compute.

Tiles are counted image by image, row by row. What a few of them become at the points stays in the cache of a processor: an
array of planes, one to a point, each (tiles, channels), that lie `stride` numbers apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from ..runtime.compiled import for_each, once, parallel
from ..runtime.simd import BLOCK_ROWS, BLOCK_VECTORS, add_product1, add_product2, product1, product2
from ..runtime.transforms import store, store_onto
from .loops import add_parts
from .minimal import TAPS, minimal, transposed

_inline: Any = njit(cache=True, inline="always")

_input2, _input3, _input4 = (store(minimal(m).input) for m in (2, 3, 4))
_filter2, _filter3, _filter4 = (store(minimal(m).filter) for m in (2, 3, 4))
_output2, _output3, _output4 = (store_onto(minimal(m).output) for m in (2, 3, 4))
# their transposes, of which the gradients are made
_input_t2, _input_t3, _input_t4 = (store_onto(transposed(minimal(m).input)) for m in (2, 3, 4))
_filter_t2, _filter_t3, _filter_t4 = (store(transposed(minimal(m).filter)) for m in (2, 3, 4))
_output_t2, _output_t3, _output_t4 = (store(transposed(minimal(m).output)) for m in (2, 3, 4))

_copy, _add = store(((1.0,),)), store_onto(((1.0,),))


@once
def filters(m: int, w: Any, steps: Any, columns: int, first: int, last: int, u: Any) -> None:
    """The rows first to last - 1 of u (points, blocks, K, width) = G w G'; columns beyond the last are zeros.

    w (K, columns, TAPS * TAPS), flat, has such steps from a row and from a column to the next.
    """
    _, blocks, inner, width = u.shape
    flat, panel = u.reshape(-1), np.zeros(TAPS * TAPS * width, w.dtype)
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


@once
def _some_filters(piece: int, pieces: int, m: int, w: Any, steps: Any, columns: int, u: Any) -> None:
    filters(m, w, steps, columns, piece * u.shape[2] // pieces, (piece + 1) * u.shape[2] // pieces, u)


@parallel
def shared_filters(m: int, w: Any, steps: Any, columns: int, pieces: int, u: Any) -> None:
    """All rows of u."""
    for_each(pieces, _some_filters, pieces, m, w, steps, columns, u)


@once
def own_filters(m: int, w: Any, steps: Any, columns: int, worker: int, copies: Any) -> Any:
    """A worker's copy of u, computed; or the only one, which is computed already."""
    if copies.shape[0] == 1:
        return copies[0]
    u = copies[worker]
    filters(m, w, steps, columns, 0, u.shape[2], u)
    return u


@once
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


@once
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


@once
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


@once
def products(
    planes: Any, stride: int, tiles: int, depth: int, u: Any, result: Any, to: int, columns: int, lanes: int
) -> None:
    """The planes of the result, (tiles, columns), = those of (tiles, depth) times u[point].

    The planes have room for as many tiles as make whole tiles of registers; zeros are put there.
    """
    points, blocks, _, width = u.shape
    flat, count = u.reshape(-1), (tiles + BLOCK_ROWS - 1) // BLOCK_ROWS
    for point in range(points):
        a, c = point * stride, point * to
        planes[a + tiles * depth : a + count * BLOCK_ROWS * depth] = 0
        for block in range(blocks):
            b, start = (point * blocks + block) * depth * width, block * width
            if columns - start >= BLOCK_VECTORS * lanes:
                product2(planes, a, depth, 1, depth, flat, b, width, result, c + start, columns, count)
            else:
                product1(planes, a, depth, 1, depth, flat, b, width, result, c + start, columns, count)


@once
def _convolve(
    worker: int,
    m: int,
    adjoint: bool,
    x: Any,
    x_grid: Any,
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
    lanes: int,
) -> None:
    """What `convolve` gives to a worker: pieces of the tiles, as many as to the others."""
    u = own_filters(m, w, w_steps, y.shape[3], worker, copies)
    tiles, points = x.shape[0] * x_grid[0] * x_grid[1], u.shape[0]
    pieces, workers = (tiles + piece - 1) // piece, work.shape[0]
    inputs, outputs = work[worker, : points * strides[0]], work[worker, points * strides[0] :]
    begin = worker * pieces // workers * piece
    end = min((worker + 1) * pieces // workers * piece, tiles)
    if adjoint:
        per_image = x_grid[0] * x_grid[1]
        y[begin // per_image : end // per_image] = 0
    for first in range(begin, end, chunk):
        last = min(first + chunk, end)
        to_points(m, adjoint, x, x_grid, first, last, inputs, strides[0])
        products(inputs, strides[0], last - first, x.shape[3], u, outputs, strides[1], y.shape[3], lanes)
        from_points(m, adjoint, outputs, strides[1], first, last, y, y_grid, init, floor)


@parallel
def convolve(
    m: int,
    adjoint: bool,
    x: Any,
    x_grid: Any,
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
    lanes: int,
) -> None:
    """y = max(floor, init + x * w); or if `adjoint` the gradient of that with respect to its input, given x.

    Workers get `piece` tiles or a multiple, of which `chunk` at a time stay in the cache, in a row of `work`. w with its steps:
    see `filters`; copies (n, points, blocks, K, columns of a block): room for one for each worker, or one filled already.
    """
    for_each(
        *(work.shape[0], _convolve, m, adjoint, x, x_grid, w, w_steps, copies, init, floor, y, y_grid),
        *(piece, chunk, strides, work, lanes),
    )


@once
def sums(
    inputs: Any,
    stride: int,
    tiles: int,
    channels: int,
    own: Any,
    gradients: Any,
    to: int,
    columns: int,
    totals: Any,
    lanes: int,
) -> None:
    """totals[point] (K, columns) += the planes of the inputs, transposed, times those of the gradients.

    The rows of the tiles of registers from own[0] to own[1] - 1: what they have beyond the channels is of no use.
    """
    flat, size = totals.reshape(-1), totals.shape[1]
    first, count = own[0] * BLOCK_ROWS, own[1] - own[0]
    for point in range(totals.shape[0]):
        a, b = point * stride + first, point * to
        c = point * size + first * columns
        start = 0
        while start < columns:
            if columns - start >= BLOCK_VECTORS * lanes:
                add_product2(
                    *(inputs, a, 1, channels, tiles, gradients, b + start, columns, flat, c + start, columns, count)
                )
                start += BLOCK_VECTORS * lanes
            else:
                add_product1(
                    *(inputs, a, 1, channels, tiles, gradients, b + start, columns, flat, c + start, columns, count)
                )
                start += lanes


@once
def add_up(m: int, totals: Any, begin: int, end: int, part: Any) -> None:
    """part, a flat (TAPS * TAPS, C, O) = G' u G, for the elements begin to end - 1 of each of its (C, O)."""
    size = part.size // (TAPS * TAPS)
    side, step = m + TAPS - 1, totals.shape[1]
    _filters_t(m, totals.reshape(-1), (begin, side * step, step), part, (begin, TAPS * size, size), end - begin)


@once
def _share(
    m: int,
    x: Any,
    x_grid: Any,
    gy: Any,
    gy_grid: Any,
    begin: int,
    end: int,
    own: Any,
    chunk: int,
    strides: Any,
    work: Any,
    lanes: int,
    part: Any,
) -> None:
    """The sum over the tiles begin to end - 1: the rows of the tiles of BLOCK_ROWS that are the worker's own."""
    inputs, outputs = x.shape[3], gy.shape[3]
    points, rows = (m + TAPS - 1) * (m + TAPS - 1), (inputs + BLOCK_ROWS - 1) // BLOCK_ROWS * BLOCK_ROWS
    v = work[: points * strides[0]]
    p = work[points * strides[0] : points * (strides[0] + strides[1])]
    totals = work[points * (strides[0] + strides[1]) :].reshape(points, rows * outputs)
    first_row, last_row = own[0] * BLOCK_ROWS * outputs, own[1] * BLOCK_ROWS * outputs
    totals[:, first_row:last_row] = 0
    for first in range(begin, end, chunk):
        last = min(first + chunk, end)
        to_points(m, False, x, x_grid, first, last, v, strides[0])
        to_points(m, True, gy, gy_grid, first, last, p, strides[1])
        sums(v, strides[0], last - first, inputs, own, p, strides[1], outputs, totals, lanes)
    add_up(m, totals, first_row, min(last_row, inputs * outputs), part)


@once
def _shares(
    worker: int,
    m: int,
    x: Any,
    x_grid: Any,
    gy: Any,
    gy_grid: Any,
    teams: int,
    chunk: int,
    strides: Any,
    work: Any,
    lanes: int,
    parts: Any,
) -> None:
    """What `weight_grad` gives to a worker."""
    tiles, shares = x.shape[0] * x_grid[0] * x_grid[1], parts.shape[0]
    groups = (x.shape[3] + BLOCK_ROWS - 1) // BLOCK_ROWS
    workers, items = work.shape[0], shares * teams
    for item in range(worker * items // workers, (worker + 1) * items // workers):
        share, team = item // teams, item % teams
        own = team * groups // teams, (team + 1) * groups // teams
        begin, end = share * tiles // shares, (share + 1) * tiles // shares
        _share(
            *(m, x, x_grid, gy, gy_grid, begin, end, own, chunk, strides, work[worker], lanes),
            *(parts[share].reshape(-1),),
        )


@parallel
def weight_grad(
    m: int,
    x: Any,
    x_grid: Any,
    gy: Any,
    gy_grid: Any,
    teams: int,
    chunk: int,
    strides: Any,
    work: Any,
    lanes: int,
    parts: Any,
    gw: Any,
) -> None:
    """gw (O, C, TAPS * TAPS), the sum over the tiles, a share of them by itself; and the shares in their order.

    A share is given to as many teams, each of which sums some rows of it. `parts` (shares, TAPS * TAPS * C, O) and `work` are
    for its own use.
    """
    for_each(work.shape[0], _shares, m, x, x_grid, gy, gy_grid, teams, chunk, strides, work, lanes, parts)
    for_each(x.shape[3], add_parts, parts, gw)
