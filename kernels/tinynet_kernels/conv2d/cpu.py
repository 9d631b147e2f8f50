"""Convolution on the CPU: channels last, register tiles, and no copy of the input's windows.

With the channels of a pixel side by side, a window is KH * KW runs of neighbouring numbers, and the address of one of its
elements is that of the pixel plus an offset that only depends on the element (`Geometry.taps`). So the product of windows
and weights, a matrix product in all but the layout of its left operand, runs on the tiles of `runtime.simd` directly:

    forward       y[pixel, o]  = sum over k of      x[pixel + taps[k]] * w[k, o]
    weight grad   gw[k, o]     = sum over pixels of x[pixel + taps[k]] * gy[pixel, o]
    input grad    gx[pixel + taps[k]] += sum over o of gy[pixel, o] * w[o, k]

Every sum is taken in an order that depends on the shapes alone, so any number of threads gives the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..runtime.simd import REGISTER
from . import loops
from .geometry import Geometry, geometry


def conv2d(
    outputs: tuple[Any], x: Any, w: Any, bias: Any = None, *, activation: str | None = None, **params: Any
) -> None:
    g = geometry(x.shape, w.shape, **params)
    padded = channels_last(x, g.padding)
    y, result = _target(outputs[0])
    pixels, taps = _pixels(g, padded.shape), _taps(g, padded.shape)
    for c, o in _groups(g):
        weights = _panel(w[o].transpose(2, 3, 1, 0).reshape(taps.size, o.stop - o.start))
        shift = np.zeros(o.stop - o.start, x.dtype) if bias is None else np.ascontiguousarray(bias[o])
        loops.forward(
            padded.reshape(-1), pixels, taps + c.start, weights, shift, result, o.start, activation == "relu", _lanes(x)
        )
    if result.base is not y:
        y[...] = result.reshape(y.shape)


def conv2d_input_grad(outputs: tuple[Any], gy: Any, w: Any, input_shape: Sequence[int], **params: Any) -> None:
    g = geometry(input_shape, w.shape, **params)
    (top, left), (n, c_all, h, width) = g.padding, g.x_shape
    gx = np.zeros((n, h + 2 * top, width + 2 * left, c_all), gy.dtype)
    rows = channels_last(gy, (0, 0)).reshape(-1)
    pixels = _pixels(g, gx.shape).reshape(n, -1)
    _, c_group, kh, kw = g.w_shape
    starts = _taps(g, gx.shape)[:: max(c_group, 1)]
    for c, o in _groups(g):
        weights = _panel(w[o].transpose(0, 2, 3, 1).reshape(o.stop - o.start, kh * kw * c_group))
        loops.input_grad(
            rows, g.w_shape[0], o.start, weights, pixels, starts + c.start, c_group, gx.reshape(-1), _lanes(gy)
        )
    outputs[0].transpose(0, 2, 3, 1)[...] = gx[:, top : top + h, left : left + width]


def conv2d_weight_grad(outputs: tuple[Any], x: Any, gy: Any, weight_shape: Sequence[int], **params: Any) -> None:
    (gw,) = outputs
    g = geometry(x.shape, weight_shape, **params)
    padded = channels_last(x, g.padding)
    rows = channels_last(gy, (0, 0)).reshape(-1, g.w_shape[0])
    pixels, taps = _pixels(g, padded.shape), _taps(g, padded.shape)
    _, c_group, kh, kw = g.w_shape
    for c, o in _groups(g):
        panel = rows if _fits(rows) and g.groups == 1 else _panel(rows[:, o])
        parts = loops.weight_grad(padded.reshape(-1), pixels, taps + c.start, panel, _lanes(x))
        total = parts.sum(axis=0)[: taps.size, : o.stop - o.start]
        gw[o] = total.reshape(kh, kw, c_group, -1).transpose(3, 2, 0, 1)


def channels_last(x: Any, padding: tuple[int, int]) -> Any:
    """x (N, C, H, W) as contiguous (N, H + 2 padding, W + 2 padding, C): a view where the memory is so already."""
    vertical, horizontal = padding
    moved = x.transpose(0, 2, 3, 1)
    if not vertical and not horizontal:
        return np.ascontiguousarray(moved)
    n, h, w, c = moved.shape
    padded = np.zeros((n, h + 2 * vertical, w + 2 * horizontal, c), x.dtype)
    padded[:, vertical : vertical + h, horizontal : horizontal + w] = moved
    return padded


def _target(y: Any) -> tuple[Any, Any]:
    """The output channels last, and a contiguous matrix (pixels, channels): the same memory if it can be."""
    moved = y.transpose(0, 2, 3, 1)
    shape = (moved.size // max(moved.shape[3], 1), moved.shape[3])
    return moved, moved.reshape(shape) if moved.flags.c_contiguous else np.empty(shape, y.dtype)


def _pixels(g: Geometry, shape: tuple[int, ...]) -> Any:
    """Where the window of each output pixel begins in an input of `shape` (N, H, W, C), padding included."""
    n, h, w, c = shape
    _, _, oh, ow = g.y_shape
    rows, columns = np.arange(oh) * g.stride[0] * w * c, np.arange(ow) * g.stride[1] * c
    return (np.arange(n)[:, None, None] * (h * w * c) + rows[:, None] + columns).reshape(-1)


def _taps(g: Geometry, shape: tuple[int, ...]) -> Any:
    """Where the elements of a window lie from its beginning, in the order (KH, KW, channel of the group)."""
    _, _, w, c = shape
    _, c_group, kh, kw = g.w_shape
    rows, columns = np.arange(kh) * g.dilation[0] * w * c, np.arange(kw) * g.dilation[1] * c
    return (rows[:, None, None] + columns[:, None] + np.arange(c_group)).reshape(-1)


def _groups(g: Geometry) -> list[tuple[slice, slice]]:
    """The input and output channels of each group."""
    c, o = g.x_shape[1] // g.groups, g.w_shape[0] // g.groups
    return [(slice(i * c, (i + 1) * c), slice(i * o, (i + 1) * o)) for i in range(g.groups)]


def _lanes(array: Any) -> int:
    return int(REGISTER // array.itemsize)


def _fits(matrix: Any) -> bool:
    return bool(matrix.flags.c_contiguous and matrix.shape[1] % _lanes(matrix) == 0)


def _panel(matrix: Any) -> Any:
    """The matrix, contiguous, with columns of zeros up to whole vectors."""
    if _fits(matrix):
        return matrix
    rows, columns = matrix.shape
    panel = np.zeros((rows, -(-columns // _lanes(matrix)) * _lanes(matrix)), matrix.dtype)
    panel[:, :columns] = matrix
    return panel
