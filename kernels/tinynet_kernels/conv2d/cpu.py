"""Convolution as matrix products over blocks of samples.

A block's input windows are copied into columns (im2col) in a buffer small enough for the cache, and BLAS does the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .geometry import Geometry, geometry

CACHE = 1 << 20  # bytes that a block's columns may take


def conv2d(
    outputs: tuple[Any], x: Any, w: Any, bias: Any = None, *, activation: str | None = None, **params: Any
) -> None:
    (y,) = outputs
    g = geometry(x.shape, w.shape, **params)
    weights = w.reshape(1, g.groups, g.w_shape[0] // g.groups, _taps(g))
    for block, columns in _columns(x, g):
        product = np.matmul(weights, columns).reshape(columns.shape[0], *g.y_shape[1:])
        if bias is not None:
            product += bias[:, None, None]
        if activation == "relu":
            np.maximum(product, 0, out=product)
        y[block] = product


def conv2d_input_grad(outputs: tuple[Any], gy: Any, w: Any, input_shape: Sequence[int], **params: Any) -> None:
    (gx,) = outputs
    g = geometry(input_shape, w.shape, **params)
    (top, left), (_, c, h, width) = g.padding, g.x_shape
    _, o, oh, ow = g.y_shape
    _, _, kh, kw = g.w_shape
    weights = w.reshape(1, g.groups, o // g.groups, _taps(g)).swapaxes(-1, -2)
    for block in _blocks(g):
        count = block.stop - block.start
        part = gy[block].reshape(count, g.groups, o // g.groups, oh * ow)
        columns = np.matmul(weights, part).reshape(count, c, kh, kw, oh, ow)
        padded = np.zeros((count, c, h + 2 * top, width + 2 * left), gx.dtype)
        for i in range(kh):
            for j in range(kw):
                padded[(slice(None), slice(None), *g.window(i, j))] += columns[:, :, i, j]
        gx[block] = padded[:, :, top : top + h, left : left + width]


def conv2d_weight_grad(outputs: tuple[Any], x: Any, gy: Any, weight_shape: Sequence[int], **params: Any) -> None:
    (gw,) = outputs
    g = geometry(x.shape, weight_shape, **params)
    _, o, oh, ow = g.y_shape
    total = np.zeros((g.groups, o // g.groups, _taps(g)), gw.dtype)
    for block, columns in _columns(x, g):
        part = gy[block].reshape(columns.shape[0], g.groups, o // g.groups, oh * ow)
        total += np.matmul(part, columns.swapaxes(-1, -2)).sum(axis=0)
    gw[...] = total.reshape(gw.shape)


def _taps(g: Geometry) -> int:
    """Elements of one output channel's kernel."""
    return g.w_shape[1] * g.w_shape[2] * g.w_shape[3]


def _blocks(g: Geometry) -> list[slice]:
    """Slices of the batch whose columns fit in the cache."""
    n, _, oh, ow = g.y_shape
    step = max(1, CACHE // max(1, 4 * g.groups * _taps(g) * oh * ow))
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]


def _columns(x: Any, g: Geometry) -> Iterator[tuple[slice, Any]]:
    """For each block of samples its columns (samples, groups, C // groups * KH * KW, OH * OW)."""
    (vertical, horizontal), (_, c, h, w) = g.padding, g.x_shape
    _, _, oh, ow = g.y_shape
    _, _, kh, kw = g.w_shape
    blocks = _blocks(g)
    if not blocks:
        return
    size = blocks[0].stop
    buffer = np.empty((size, c, kh, kw, oh, ow), x.dtype)
    padded = np.zeros((size, c, h + 2 * vertical, w + 2 * horizontal), x.dtype) if vertical or horizontal else None
    for block in blocks:
        part = x[block]
        count = part.shape[0]
        if padded is not None:
            padded[:count, :, vertical : vertical + h, horizontal : horizontal + w] = part
            part = padded[:count]
        for i in range(kh):
            for j in range(kw):
                buffer[:count, :, i, j] = part[(slice(None), slice(None), *g.window(i, j))]
        yield block, buffer[:count].reshape(count, g.groups, _taps(g), oh * ow)
