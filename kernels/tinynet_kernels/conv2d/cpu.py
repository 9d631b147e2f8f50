"""Convolution on the CPU: channels last, register tiles, and no copy of the input's windows.

With the channels of a pixel side by side, a window is KH * KW runs of neighbouring numbers, and the address of one of its
elements is that of the pixel plus an offset that only depends on the element (`positions`). So the products of windows and
weights, matrix products in all but the layout of their left operand, run on the tiles of `runtime.simd` directly:

    forward       y[pixel, o]  = sum over taps k of   x[pixel + k] * w[k, o]
    input grad    gx[pixel, c] = sum over taps k of   gy[pixel - k, o] * w[k, o, c], a gather: each gx is written once
    weight grad   gw[k, o]     = sum over pixels of   x[pixel + k] * gy[pixel, o]

Every sum is taken in an order that depends on the shapes alone, so any number of threads gives the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numba import config

from ..runtime.memory import empty, finish, writable, zeros
from ..runtime.simd import REGISTER, ROWS, WIDEST
from . import loops, positions
from .geometry import Geometry, geometry

PIECES = 8 * config.NUMBA_NUM_THREADS  # to cut the work into, so that all threads end at about the same time


def conv2d(
    outputs: tuple[Any], x: Any, w: Any, bias: Any = None, *, activation: str | None = None, **params: Any
) -> None:
    forward(outputs[0], geometry(x.shape, w.shape, **params), x, w, bias, activation)


def conv2d_input_grad(outputs: tuple[Any], gy: Any, w: Any, input_shape: Sequence[int], **params: Any) -> None:
    input_grad(outputs[0], geometry(input_shape, w.shape, **params), gy, w)


def conv2d_weight_grad(outputs: tuple[Any], x: Any, gy: Any, weight_shape: Sequence[int], **params: Any) -> None:
    weight_grad(outputs[0], geometry(x.shape, weight_shape, **params), x, gy)


def forward(output: Any, g: Geometry, x: Any, w: Any, bias: Any, activation: str | None) -> None:
    """`conv2d` where the geometry is known; the gradients likewise."""
    source = channels_last(x, (0, 0))
    y, target = target_of(output)
    for c, o in groups(g):
        weights, shift, floor = operands(w[o], None if bias is None else bias[o], activation)
        plan = positions.forward(g, weights.shape[2])
        _product(source, plan, weights, shift, target, c.start, o, floor)
    if target is not y:
        y[...] = target


def input_grad(output: Any, g: Geometry, gy: Any, w: Any) -> None:
    source = channels_last(gy, (0, 0))
    gx, target = target_of(output)
    for c, o in groups(g):
        weights = filters(w[o], swapped=True)
        shift, floor = start_and_floor(weights.shape[0] * weights.shape[2], gy.dtype, None, None)
        plan = positions.input_grad(g, weights.shape[2])
        _product(source, plan, weights, shift, target, o.start, c, floor)
    if target is not gx:
        gx[...] = target


def weight_grad(gw: Any, g: Geometry, x: Any, gy: Any) -> None:
    padded = channels_last(x, g.padding)
    rows = channels_last(gy, (0, 0)).reshape(-1, g.w_shape[0])
    _, c_group, kh, kw = g.w_shape
    taps = taps_of(g, padded.shape)
    target = writable(gw)
    tiles = -(-taps.size // ROWS)
    shares = -(-loops.PARTS // tiles)  # fewer tiles than pieces of work: each for some of the pixels
    for c, o in groups(g):
        matrix = flat_panel(rows if g.groups == 1 else rows[:, o])
        lines = lines_of(g, padded.shape, matrix.shape[1])
        step = g.stride[1] * padded.shape[3]
        grad = target[o].reshape(-1, c_group, kh * kw)
        parts = empty((shares, tiles * ROWS, matrix.shape[1]), x.dtype)
        loops.weight_grad(padded.reshape(-1), step, lines, taps + c.start, matrix, lanes(x), parts)
        loops.add_all_parts(parts, grad)
    finish(gw, target)


def operands(w: Any, bias: Any, activation: str | None) -> tuple[Any, Any, Any]:
    """The panel of the weights (O, C, KH, KW), the row that the sums start from, and the least result."""
    weights = filters(w)
    return weights, *start_and_floor(weights.shape[0] * weights.shape[2], w.dtype, bias, activation)


def filters(w: Any, swapped: bool = False) -> Any:
    """Weights (O, C, KH, KW) as the panel (KH * KW * C, O), or (KH * KW * O, C) if swapped."""
    o, c, kh, kw = w.shape
    window = kh * kw
    of_o, of_c = (c * window, o), (window, c)
    (row, rows), (column, columns) = (of_o, of_c) if swapped else (of_c, of_o)
    return _packed(w, (1, row, column), (window, rows, columns))


def start_and_floor(columns: int, dtype: Any, bias: Any, activation: str | None) -> tuple[Any, Any]:
    """The row of so many columns that sums start from, and the least result."""
    floor = dtype.type(0 if activation == "relu" else -np.inf)
    if bias is not None and bias.size == columns:
        return np.ascontiguousarray(bias), floor
    start = np.zeros(columns, dtype)
    if bias is not None:
        start[: bias.size] = bias
    return start, floor


def _product(
    source: Any, plan: positions.Plan, weights: Any, shift: Any, target: Any, begin: int, channels: slice, floor: Any
) -> None:
    """The product of all images, for one group: from channel `begin` of the source to `channels` of the target."""
    images, *image = source.shape
    loops.product(
        source.reshape(-1)[begin:],
        images,
        math.prod(image),
        1,
        plan,
        weights,
        shift,
        target.reshape(-1)[channels.start :],
        math.prod(target.shape[1:]),
        channels.stop - channels.start,
        floor,
        lanes(source),
        PIECES,
    )


def channels_last(x: Any, padding: tuple[int, int]) -> Any:
    """x (N, C, H, W) as contiguous (N, H + 2 padding, W + 2 padding, C): a view where the memory is so already."""
    vertical, horizontal = padding
    moved = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    if not vertical and not horizontal:
        return moved
    n, h, w, c = moved.shape
    padded = empty((n, h + 2 * vertical, w + 2 * horizontal, c), x.dtype)
    loops.pad(moved, padded)
    return padded


def target_of(y: Any) -> tuple[Any, Any]:
    """The output channels last, and contiguous memory of that shape: the same if it can be."""
    moved = y.transpose(0, 2, 3, 1)
    return moved, moved if moved.flags.c_contiguous else empty(moved.shape, y.dtype)


@lru_cache(maxsize=32)
def lines_of(g: Geometry, shape: tuple[int, ...], width: int) -> Any:
    """For each line of output pixels, where it begins in an input of `shape` (N, H, W, C) and in gy, and its length."""
    n, h, w, c = shape
    _, _, oh, ow = g.y_shape
    lines = np.empty((n, oh, 3), np.int64)
    lines[:, :, 0] = np.arange(n)[:, None] * (h * w * c) + np.arange(oh) * (g.stride[0] * w * c)
    lines[:, :, 1] = np.arange(n * oh).reshape(n, oh) * (ow * width)
    lines[:, :, 2] = ow
    return lines.reshape(-1)


@lru_cache(maxsize=256)
def taps_of(g: Geometry, shape: tuple[int, ...]) -> Any:
    """Where the elements of a window lie from its beginning, in the order (KH, KW, channel of the group)."""
    _, _, w, c = shape
    _, c_group, kh, kw = g.w_shape
    rows, columns = np.arange(kh) * g.dilation[0] * w * c, np.arange(kw) * g.dilation[1] * c
    return (rows[:, None, None] + columns[:, None] + np.arange(c_group)).reshape(-1)


@lru_cache(maxsize=256)
def groups(g: Geometry) -> list[tuple[slice, slice]]:
    """The input and output channels of each group."""
    c, o = g.x_shape[1] // g.groups, g.w_shape[0] // g.groups
    return [(slice(i * c, (i + 1) * c), slice(i * o, (i + 1) * o)) for i in range(g.groups)]


def lanes(array: Any) -> int:
    return int(REGISTER // array.itemsize)


def panel(matrix: Any) -> Any:
    """A matrix (K, N) as `loops.product` reads it: (blocks, K, columns of a block), with whole vectors of columns.

    It is the matrix itself if that will do: a block is to stay in the cache.
    """
    rows, columns = matrix.shape
    if whole_rows(matrix) and (columns <= WIDEST * lanes(matrix) or rows <= 256):
        return matrix[None]
    transposed = matrix.flags.f_contiguous
    source = matrix.T if transposed else matrix
    return _packed(source, (0, 1, rows) if transposed else (0, columns, 1), (1, rows, columns))


def _packed(source: Any, steps: tuple[int, int, int], counts: tuple[int, int, int]) -> Any:
    """The panel of counts[0] * counts[1] rows and counts[2] columns, in whose directions `source` has these steps."""
    outer, inner, columns = counts
    width = width_of(columns, source.dtype)
    blocks = empty((-(-columns // width), outer * inner, width), source.dtype)
    loops.pack(np.ascontiguousarray(source).reshape(-1), steps, counts, blocks, lanes(source))
    return blocks


def width_of(columns: int, dtype: Any) -> int:
    """How many columns a block of a panel of so many columns has."""
    count = REGISTER // dtype.itemsize
    return int(min(WIDEST, -(-columns // count)) * count)


def whole_rows(matrix: Any) -> bool:
    """Whether a matrix is contiguous, and its rows are whole vectors."""
    return bool(matrix.flags.c_contiguous and matrix.shape[1] % lanes(matrix) == 0)


def flat_panel(matrix: Any) -> Any:
    """The matrix, contiguous, with columns of zeros up to whole vectors."""
    if whole_rows(matrix):
        return matrix
    rows, columns = matrix.shape
    padded = zeros((rows, -(-columns // lanes(matrix)) * lanes(matrix)), matrix.dtype)
    padded[:, :columns] = matrix
    return padded
