"""Convolutions with 3 x 3 filters in fewer multiplications, on the CPU: Winograd's minimal filtering F(m x m, 3 x 3).

A tile of m x m results needs (m + 2)^2 multiplications for each pair of channels instead of 9 m^2:

    y = A' [(G w G') * (B' d B)] A       d: the tile's (m + 2) x (m + 2) inputs, *: element by element

(A. Lavin and S. Gray, Fast Algorithms for Convolutional Neural Networks, 2016, arXiv:1509.09308; `minimal` has the matrices).
The sums over channels are taken between the brackets, and there, for each of the (m + 2)^2 points, all tiles together are a
product of matrices on the register tiles of `runtime.simd`:

    V = B' d B,  U = G w G',  M[point] = V[point] U[point] : (tiles, C) (C, O),  y = A' M A

The gradients are the adjoint of each step, in the same number of multiplications:

    M~ = A gy A',   input grad: V~[point] = M~[point] U[point]',  gx += B V~ B'
                    weight grad: U~[point] = V[point]' M~[point],  gw = G' U~ G, summed over all tiles first

Some tiles at a time are computed from the first step to the last, in the cache. Rounding takes more than from the direct sums:
at 64 channels the error, relative to the root of the sum of the squares of the products, is 4e-7 for m = 2, 2e-6 for m = 4
(root mean square, float32), to 3e-7. A number that is not finite spreads over the tiles that see it, up to m - 1 pixels
further than its own products. Sums are taken in an order that depends on the shapes alone, as the direct ones are.

Shapes for which this does not pay are left to the direct kernels in `cpu`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numba import config

from ..runtime.memory import empty, finish, writable
from ..runtime.simd import BLOCK_ROWS, BLOCK_VECTORS, REGISTER
from . import cpu
from . import winograd_loops as loops
from .geometry import Geometry, geometry
from .minimal import TAPS

CACHE = 1 << 18  # bytes that a thread's tiles take, at most: its cache holds filters, images and results beside them
SMALL = 1 << 20  # bytes of filters of which each thread has a copy
SHARES = 8  # of the tiles, at most, whose weight gradients are summed apart: fixed, so that the order of the sums is
THREADS: int = config.NUMBA_NUM_THREADS


def conv2d(
    outputs: tuple[Any], x: Any, w: Any, bias: Any = None, *, activation: str | None = None, **params: Any
) -> None:
    g = geometry(x.shape, w.shape, **params)
    m = size(g, x.dtype)
    if not m:
        cpu.forward(outputs[0], g, x, w, bias, activation)
        return
    init, floor = cpu.start_and_floor(w.shape[0], x.dtype, bias, activation)
    _convolve(m, False, g, x, w, init, floor, outputs[0])


def conv2d_input_grad(outputs: tuple[Any], gy: Any, w: Any, input_shape: Sequence[int], **params: Any) -> None:
    g = geometry(input_shape, w.shape, **params)
    m = size(g, gy.dtype)
    if not m:
        cpu.input_grad(outputs[0], g, gy, w)
        return
    init, floor = cpu.start_and_floor(w.shape[1], gy.dtype, None, None)
    _convolve(m, True, g, gy, w, init, floor, outputs[0])


def conv2d_weight_grad(outputs: tuple[Any], x: Any, gy: Any, weight_shape: Sequence[int], **params: Any) -> None:
    g = geometry(x.shape, weight_shape, **params)
    m = size(g, x.dtype)
    if not m:
        cpu.weight_grad(outputs[0], g, x, gy)
        return
    tiles = tiling(m, g)
    o, c, *_ = g.w_shape
    total = g.x_shape[0] * tiles.per_image
    chunk = chunk_of(tiles.points * (c + o), x.dtype)
    shares = shares_of(total, chunk)
    # of threads, where the shares are few: each sums some rows of a share
    teams = min(-(-THREADS // shares), -(-c // BLOCK_ROWS))
    chunk = min(chunk, -(-total // shares))
    strides = stride(chunk * c, x.dtype), stride(chunk * o, x.dtype)
    work = empty(
        (min(THREADS, shares * teams), tiles.points * (sum(strides) + -(-c // BLOCK_ROWS) * BLOCK_ROWS * o)), x.dtype
    )
    gw = outputs[0]
    target = writable(gw)
    loops.weight_grad(
        *(m, cpu.channels_last(x, (0, 0)), tiles.inputs, cpu.channels_last(gy, (0, 0)), tiles.outputs),
        *(teams, chunk, strides, work, cpu.lanes(x), empty((shares, TAPS * TAPS * c, o), x.dtype)),
        target.reshape(o, c, TAPS * TAPS),
    )
    finish(gw, target)


def _convolve(m: int, adjoint: bool, g: Geometry, x: Any, w: Any, init: Any, floor: Any, result: Any) -> None:
    source = cpu.channels_last(x, (0, 0))
    y, target = cpu.target_of(result)
    tiles = tiling(m, g)
    k, columns = source.shape[3], target.shape[3]
    total = source.shape[0] * tiles.per_image
    chunk = chunk_of(tiles.points * (k + columns), x.dtype)
    # the gradient of an image is summed by one thread
    piece = piece_of(total, chunk, tiles.per_image if adjoint else BLOCK_ROWS)
    chunk = min(chunk, piece)
    room = -(-chunk // BLOCK_ROWS) * BLOCK_ROWS
    strides = stride(room * k, x.dtype), stride(room * columns, x.dtype)
    workers = min(THREADS, -(-total // piece))
    work = empty((workers, tiles.points * sum(strides)), x.dtype)
    weights, steps, copies = filters(m, w, adjoint, workers)
    from_grid, to_grid = (tiles.outputs, tiles.inputs) if adjoint else (tiles.inputs, tiles.outputs)
    loops.convolve(
        *(m, adjoint, source, from_grid, weights, steps, copies),
        *(init, floor, target, to_grid, piece, chunk, strides, work, cpu.lanes(x)),
    )
    if target is not y:
        y[...] = target


# tiles down and across an image, their distance, and their begin before the image
Grid = tuple[int, int, int, int, int]


class Tiling(NamedTuple):
    points: int
    per_image: int
    inputs: Grid
    outputs: Grid


@lru_cache(maxsize=256)
def tiling(m: int, g: Geometry) -> Tiling:
    down, across = (-(-length // m) for length in g.y_shape[2:])
    return Tiling((m + TAPS - 1) ** 2, down * across, (down, across, m, *g.padding), (down, across, m, 0, 0))


@lru_cache(maxsize=256)
def chunk_of(numbers: int, dtype: Any) -> int:
    """How many tiles of so many numbers at the points stay in the cache."""
    return max(4, CACHE // (numbers * int(np.dtype(dtype).itemsize) * BLOCK_ROWS)) * BLOCK_ROWS


def shares_of(total: int, chunk: int) -> int:
    """How many shares to sum apart: a power of two, with work enough for each to make up for what it costs to add it."""
    return 1 << min(SHARES, max(1, total // (4 * chunk))).bit_length() - 1


def piece_of(total: int, chunk: int, unit: int) -> int:
    """How many tiles to give to a thread at once: about a chunk, a multiple of `unit`, so that all get as many."""
    pieces = THREADS * -(-total // (THREADS * chunk))
    return -(-total // (pieces * unit)) * unit


@lru_cache(maxsize=256)
def stride(count: int, dtype: Any) -> int:
    """The distance of two planes of so many numbers: an odd number of vectors, as powers of two share lines of the cache."""
    lanes: int = REGISTER // np.dtype(dtype).itemsize
    return count + lanes * (1 - count // lanes % 2)


def fits(g: Geometry, dtype: Any) -> bool:
    """Whether a convolution is of the form that this computes: the channels of a pixel are whole vectors, too."""
    o, c, *kernel = g.w_shape
    lanes: int = REGISTER // np.dtype(dtype).itemsize
    plain = kernel == [TAPS, TAPS] and g.stride == g.dilation == (1, 1) and g.groups == 1 and max(g.padding) < TAPS
    return plain and c > 0 and c % lanes == 0 and o % lanes == 0


@lru_cache(maxsize=256)
def size(g: Geometry, dtype: Any) -> int:
    """The m that takes the least time, as far as `cost` knows; 0 where the direct sums are faster."""
    if not fits(g, dtype):
        return 0
    n, o, oh, ow = g.y_shape
    c = g.w_shape[1]
    costs = {m: cost(tiling(m, g).points, n * tiling(m, g).per_image, c, o, dtype) for m in (2, 3, 4)}
    best = min(costs, key=lambda m: costs[m])
    return best if costs[best] < n * oh * ow * TAPS**2 * c * o else 0


def cost(points: int, tiles: int, c: int, o: int, dtype: Any) -> float:
    """About as many multiplications as all steps take the time of, by measurements with vectors of 16 numbers."""
    copied = THREADS if points * c * o * np.dtype(dtype).itemsize <= SMALL else 1
    return points * (tiles * (c * o + 8 * (c + o)) + 16 * copied * c * o)


def filters(m: int, w: Any, swapped: bool, workers: int) -> tuple[Any, tuple[int, int], Any]:
    """w (O, C, 3, 3), flat; the steps in it from one row and one column of U (C, O), or if swapped (O, C), to the next; and U.

    That is (copies, points, blocks, rows, columns of a block). What one thread writes others read slowly: where U is small,
    each is to make its own copy.
    """
    o, c, *_ = w.shape
    window = TAPS * TAPS
    rows, columns, steps = (o, c, (c * window, window)) if swapped else (c, o, (window, c * window))
    width = min(columns, BLOCK_VECTORS * cpu.lanes(w))
    shape = ((m + TAPS - 1) ** 2, -(-columns // width), rows, width)
    own = math.prod(shape) * w.itemsize <= SMALL
    flat, copies = np.ascontiguousarray(w).reshape(-1), empty((workers if own else 1, *shape), w.dtype)
    if len(copies) == 1:
        loops.shared_filters(m, flat, steps, columns, THREADS, copies[0])
    return flat, steps, copies
