"""Max-pooling, one thread per image plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit, prange

from .geometry import Geometry, geometry


def max_pool2d(outputs: tuple[Any, Any], x: Any, kernel_size: Any, **params: Any) -> None:
    g = geometry(x.shape, kernel_size, **params)
    planes = np.ascontiguousarray(x).reshape(-1, *x.shape[2:])
    y, indices = (_planes(o) for o in outputs)
    _forward(planes, y, indices, *_parameters(g))
    _return(outputs, (y, indices))


def max_pool2d_grad(
    outputs: tuple[Any], gy: Any, indices: Any, input_shape: Sequence[int], kernel_size: Any, **params: Any
) -> None:
    gx = _planes(outputs[0])
    _backward(*(np.ascontiguousarray(a).reshape(gx.shape[0], -1) for a in (gy, indices)), gx.reshape(gx.shape[0], -1))
    _return(outputs, (gx,))


def max_pool2d_gather(outputs: tuple[Any], x: Any, indices: Any) -> None:
    (y,) = outputs
    n, c, h, w = x.shape
    y[...] = np.take_along_axis(x.reshape(n, c, h * w), indices.reshape(n, c, -1), axis=2).reshape(y.shape)


def _planes(array: Any) -> Any:
    """The array as (N * C, height, width), contiguous: itself, or a buffer that `_return` copies back."""
    shape = (array.shape[0] * array.shape[1], *array.shape[2:])
    return array.reshape(shape) if array.flags.c_contiguous else np.empty(shape, array.dtype)


def _return(outputs: tuple[Any, ...], results: tuple[Any, ...]) -> None:
    for output, result in zip(outputs, results):
        if not np.may_share_memory(output, result):
            output[...] = result.reshape(output.shape)


def _parameters(g: Geometry) -> tuple[int, ...]:
    return (*g.kernel, *g.stride, *g.padding, *g.dilation)


@njit(parallel=True, cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _forward(
    x: Any, y: Any, indices: Any, kh: int, kw: int, sh: int, sw: int, ph: int, pw: int, dh: int, dw: int
) -> None:
    planes, height, width = x.shape
    for plane in prange(planes):
        for row in range(y.shape[1]):
            top = row * sh - ph
            first_i = (-top + dh - 1) // dh if top < 0 else 0
            for column in range(y.shape[2]):
                left = column * sw - pw
                first_j = (-left + dw - 1) // dw if left < 0 else 0
                best = x[plane, top + first_i * dh, left + first_j * dw]
                where = (top + first_i * dh) * width + left + first_j * dw
                for i in range(first_i, kh):
                    r = top + i * dh
                    if r >= height:
                        break
                    for j in range(first_j, kw):
                        c = left + j * dw
                        if c >= width:
                            break
                        value = x[plane, r, c]
                        if value > best or value != value:
                            best = value
                            where = r * width + c
                y[plane, row, column] = best
                indices[plane, row, column] = where


@njit(parallel=True, cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _backward(gy: Any, indices: Any, gx: Any) -> None:
    for plane in prange(gx.shape[0]):
        gx[plane] = 0
        for k in range(gy.shape[1]):
            where = indices[plane, k]
            if 0 <= where < gx.shape[1]:
                gx[plane, where] += gy[plane, k]
