"""Max-pooling on the CPU, channels last: the innermost loops run over neighbouring channels, eight or sixteen at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit, prange

from .geometry import geometry


def max_pool2d(outputs: tuple[Any, Any], x: Any, kernel_size: Any, **params: Any) -> None:
    g = geometry(x.shape, kernel_size, **params)
    y, indices = (_target(o) for o in outputs)
    _forward(_source(x), y, indices, *g.kernel, *g.stride, *g.padding, *g.dilation)
    _return(outputs, (y, indices))


def max_pool2d_grad(
    outputs: tuple[Any], gy: Any, indices: Any, input_shape: Sequence[int], kernel_size: Any, **params: Any
) -> None:
    gx = _target(outputs[0])
    _backward(_source(gy), _source(indices), gx)
    _return(outputs, (gx,))


def max_pool2d_gather(outputs: tuple[Any], x: Any, indices: Any) -> None:
    (y,) = outputs
    n, c, h, w = x.shape
    flat = indices.reshape(n, c, indices.shape[2] * indices.shape[3])
    taken = np.take_along_axis(x.reshape(n, c, h * w), flat, axis=2).reshape(y.shape)
    y[...] = np.where(indices < 0, 0, taken)


def _source(array: Any) -> Any:
    """(N, C, H, W) as contiguous (N, H, W, C): a view where the memory is so already."""
    return np.ascontiguousarray(array.transpose(0, 2, 3, 1))


def _target(array: Any) -> Any:
    """The output as (N, H, W, C) if that is contiguous, else a buffer that `_return` copies back."""
    moved = array.transpose(0, 2, 3, 1)
    return moved if moved.flags.c_contiguous else np.empty(moved.shape, array.dtype)


def _return(outputs: tuple[Any, ...], results: tuple[Any, ...]) -> None:
    for output, result in zip(outputs, results):
        if not np.may_share_memory(output, result):
            output[...] = result.transpose(0, 3, 1, 2)


_parallel: Any = njit(parallel=True, cache=True, nogil=True)


@_parallel
def _forward(
    x: Any, y: Any, indices: Any, kh: int, kw: int, sh: int, sw: int, ph: int, pw: int, dh: int, dw: int
) -> None:
    images, height, width, channels = x.shape
    for line in prange(images * y.shape[1]):
        n, row = line // y.shape[1], line % y.shape[1]
        top = row * sh - ph
        first_i = (-top + dh - 1) // dh if top < 0 else 0  # the first row of the window that is not padding
        for column in range(y.shape[2]):
            left = column * sw - pw
            first_j = (-left + dw - 1) // dw if left < 0 else 0
            best, where = y[n, row, column], indices[n, row, column]
            r, s = top + first_i * dh, left + first_j * dw
            if r >= height or s >= width:  # a dilated window can step over the whole input
                best[:] = -np.inf
                where[:] = -1
                continue
            for c in range(channels):
                best[c] = x[n, r, s, c]
                where[c] = r * width + s
            for i in range(first_i, kh):
                r = top + i * dh
                if r >= height:
                    break
                for j in range(first_j, kw):
                    s = left + j * dw
                    if s >= width:
                        break
                    here = np.int32(r * width + s)
                    values = x[n, r, s]
                    for c in range(channels):
                        value = values[c]
                        better = (value > best[c]) | np.isnan(value)
                        best[c] = value if better else best[c]
                        where[c] = here if better else where[c]


@_parallel
def _backward(gy: Any, indices: Any, gx: Any) -> None:
    images, height, width, channels = gy.shape
    limit = gx.shape[1] * gx.shape[2]
    for n in prange(images):
        plane = gx[n].reshape(limit, channels)
        plane[:] = 0
        for row in range(height):
            for column in range(width):
                for c in range(channels):
                    where = indices[n, row, column, c]
                    if 0 <= where < limit:
                        plane[where, c] += gy[n, row, column, c]
