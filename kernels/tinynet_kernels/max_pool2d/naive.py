"""Max-pooling on CUDA as its definition says: a thread per output element, in the gradient a thread per input element.

The gradient gathers: each input element looks through the windows that cover it for those that chose it. So no two
threads write to one place, and the sums need no atomic operations and are the same in every run.
"""

from __future__ import annotations

import numpy as np
from numpy import int32

from ..runtime.cuda import Int32Pointer, Pointer, cuda, kernel
from ..runtime.primitives import zero

THREADS = 256
MINUS_INFINITY = np.float32("-inf")  # a plain float would make the kernel compute in float64


@kernel(threads=THREADS)
def pool(
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
def pool_grad(
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
