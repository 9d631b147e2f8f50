"""Max-pooling on CUDA: a thread per output element, and in the gradient a thread per input element.

The gradient gathers: each input element looks through the windows that cover it for those that chose it. So no two
threads write to one place, and the sums need no atomic operations and are the same in every run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy import int32

from ..runtime.cuda import Int32Pointer, Pointer, blocks_for, contiguous, cuda, finish, kernel, writable
from ..runtime.primitives import zero
from .geometry import Geometry, geometry

THREADS = 256
MINUS_INFINITY = float("-inf")


@kernel(threads=THREADS)
def _pool(
    x: Pointer,
    y: Pointer,
    indices: Int32Pointer,
    h: int32,
    w: int32,
    oh: int32,
    ow: int32,
    kernel_h: int32,
    kernel_w: int32,
    stride_h: int32,
    stride_w: int32,
    padding_h: int32,
    padding_w: int32,
    dilation_h: int32,
    dilation_w: int32,
    size: int32,
) -> None:
    i = cuda.grid(1)
    if i >= size:
        return
    plane = i // (oh * ow)
    top = i // ow % oh * stride_h - padding_h
    left = i % ow * stride_w - padding_w
    best = zero(x) + MINUS_INFINITY
    best_at = -1
    for r in range(kernel_h):
        row = top + r * dilation_h
        if row >= 0 and row < h:
            for s in range(kernel_w):
                column = left + s * dilation_w
                if column >= 0 and column < w:
                    at = row * w + column
                    value = x[plane * h * w + at]
                    if value > best or value != value or best_at < 0:  # NaN is larger than everything
                        best = value
                        best_at = at
    y[i] = best
    indices[i] = best_at


@kernel(threads=THREADS)
def _pool_grad(
    gy: Pointer,
    indices: Int32Pointer,
    gx: Pointer,
    h: int32,
    w: int32,
    oh: int32,
    ow: int32,
    kernel_h: int32,
    kernel_w: int32,
    stride_h: int32,
    stride_w: int32,
    padding_h: int32,
    padding_w: int32,
    dilation_h: int32,
    dilation_w: int32,
    size: int32,
) -> None:
    i = cuda.grid(1)
    if i >= size:
        return
    plane = i // (h * w)
    at = i % (h * w)
    row = at // w + padding_h
    column = at % w + padding_w
    first_row = max(0, row - (kernel_h - 1) * dilation_h + stride_h - 1) // stride_h
    first_column = max(0, column - (kernel_w - 1) * dilation_w + stride_w - 1) // stride_w
    total = zero(gy)
    for window_row in range(first_row, min(oh, row // stride_h + 1)):
        for window_column in range(first_column, min(ow, column // stride_w + 1)):
            window = (plane * oh + window_row) * ow + window_column
            if indices[window] == at:
                total += gy[window]
    gx[i] = total


@kernel(threads=THREADS)
def _gather(x: Pointer, indices: Int32Pointer, y: Pointer, plane_x: int32, plane_y: int32, size: int32) -> None:
    i = cuda.grid(1)
    if i >= size:
        return
    at = indices[i]
    y[i] = x[i // plane_y * plane_x + at] if at >= 0 else zero(x)


def _numbers(g: Geometry) -> tuple[int, ...]:
    return (*g.x_shape[2:], *g.y_shape[2:], *g.kernel, *g.stride, *g.padding, *g.dilation)


def max_pool2d(outputs: Any, x: Any, kernel_size: Any, **params: Any) -> None:
    y, indices = outputs
    g = geometry(x.shape, kernel_size, **params)
    y_out, indices_out = writable(y), writable(indices)
    _pool(blocks_for(y.size, THREADS), contiguous(x), y_out, indices_out, *_numbers(g), y.size)
    finish(y, y_out)
    finish(indices, indices_out)


def max_pool2d_grad(
    outputs: Any, gy: Any, indices: Any, input_shape: Sequence[int], kernel_size: Any, **params: Any
) -> None:
    (gx,) = outputs
    g = geometry(input_shape, kernel_size, **params)
    gx_out = writable(gx)
    _pool_grad(blocks_for(gx.size, THREADS), contiguous(gy), contiguous(indices), gx_out, *_numbers(g), gx.size)
    finish(gx, gx_out)


def max_pool2d_gather(outputs: Any, x: Any, indices: Any) -> None:
    (y,) = outputs
    y_out = writable(y)
    (*_, h, w), (*_, oh, ow) = x.shape, y.shape
    _gather(blocks_for(y.size, THREADS), contiguous(x), contiguous(indices), y_out, h * w, oh * ow, y.size)
    finish(y, y_out)
