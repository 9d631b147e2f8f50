"""Max-pooling on CUDA: how a call becomes a launch of the kernels in `bands`, or in `naive` where those do not fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy import int32

from ..runtime.cuda import (
    Int32Pointer,
    Pointer,
    aligned,
    blocks_for,
    contiguous,
    cuda,
    finish,
    kernel,
    module,
    writable,
)
from ..runtime.last_block import counters
from ..runtime.primitives import quotient, zero
from . import bands, naive
from .geometry import Geometry, geometry

THREADS = 256


@kernel(threads=THREADS)
def _gather(x: Pointer, indices: Int32Pointer, y: Pointer, plane_x: int32, plane_y: int32, size: int32) -> None:
    i = cuda.grid(1)
    if i >= size:
        return
    at = indices[i]
    y[i] = x[quotient(int32(i), plane_y) * plane_x + min(at, plane_x - 1)] if at >= 0 else zero(x)


def _numbers(g: Geometry) -> tuple[int, ...]:
    return (*g.x_shape[2:], *g.y_shape[2:], *g.kernel, *g.stride, *g.padding, *g.dilation)


def max_pool2d(outputs: Any, x: Any, kernel_size: Any, **params: Any) -> None:
    y, indices = outputs
    g = geometry(x.shape, kernel_size, **params)
    split = bands.of_outputs(g)
    if split is None:
        max_pool2d_naive(outputs, x, kernel_size, **params)
        return
    x, y_out, indices_out = contiguous(x), writable(y), writable(indices)
    run = bands.pool(x.dtype, aligned(x, y_out, indices_out))
    run(split.blocks, x, y_out, indices_out, *_numbers(g), split.planes, split.per_block, split.rows)
    finish(y, y_out)
    finish(indices, indices_out)


def max_pool2d_grad(
    outputs: Any, gy: Any, indices: Any, input_shape: Sequence[int], kernel_size: Any, **params: Any
) -> None:
    (gx,) = outputs
    g = geometry(input_shape, kernel_size, **params)
    split = bands.of_inputs(g)
    if split is None:
        max_pool2d_grad_naive(outputs, gy, indices, input_shape, kernel_size, **params)
        return
    gy, indices, gx_out = contiguous(gy), contiguous(indices), writable(gx)
    run = bands.pool_grad(gy.dtype, aligned(gy, indices, gx_out))
    numbers = *_numbers(g), split.planes, split.per_block, split.rows
    run(split.blocks, gy, indices, gx_out, *(None,) * 6, *numbers, *(0,) * 5)
    finish(gx, gx_out)


def max_pool2d_grad_and_sums(
    gx: Any, sums: Any, gy: Any, indices: Any, y: Any, g: Geometry, weight: Any = None, swapped: Any = None
) -> bool:
    """In one launch the gradient of pooling and of what is before it, a bias and a ReLU: `max_pool2d_grad` of gy where the
    pooled y is larger than 0 (y None: of all of gy), and the sum of that by channels: (C,). Given the weight (O, C, KH, KW),
    also that with its first two axes swapped. False, and nothing is written, where planes are too large for it.

    gx and swapped are contiguous.
    """
    split = bands.of_inputs(g)
    if split is None or split.bands > 1:
        return False
    gy, indices, y, weight = contiguous(gy), contiguous(indices), contiguous(y), contiguous(weight)
    sums_out = writable(sums)
    run = bands.pool_grad(gy.dtype, aligned(gy, indices, gx, y), True, y is not None)
    work, channels = split.blocks[0], g.x_shape[1]
    outs, ins, taps, extra = 0, 0, 1, 0
    if weight is not None:
        outs, ins, taps = weight.shape[0], weight.shape[1], weight.shape[2] * weight.shape[3]
        extra = blocks_for(weight.size, 4 * THREADS)
    arrays = gy, indices, gx, y, sums_out, module().empty(split.planes, gy.dtype), counters(), weight, swapped
    numbers = *_numbers(g), split.planes, split.per_block, split.rows, channels, outs, ins, taps, work
    run(work + extra, *arrays, *numbers)
    finish(sums, sums_out)
    return True


def max_pool2d_naive(outputs: Any, x: Any, kernel_size: Any, **params: Any) -> None:
    y, indices = outputs
    g = geometry(x.shape, kernel_size, **params)
    y_out, indices_out = writable(y), writable(indices)
    naive.pool(blocks_for(y.size, naive.THREADS), contiguous(x), y_out, indices_out, *_numbers(g), y.size)
    finish(y, y_out)
    finish(indices, indices_out)


def max_pool2d_grad_naive(
    outputs: Any, gy: Any, indices: Any, input_shape: Sequence[int], kernel_size: Any, **params: Any
) -> None:
    (gx,) = outputs
    g = geometry(input_shape, kernel_size, **params)
    gx_out = writable(gx)
    blocks = blocks_for(gx.size, naive.THREADS)
    naive.pool_grad(blocks, contiguous(gy), contiguous(indices), gx_out, *_numbers(g), gx.size)
    finish(gx, gx_out)


def max_pool2d_gather(outputs: Any, x: Any, indices: Any) -> None:
    (y,) = outputs
    y_out = writable(y)
    (*_, h, w), (*_, oh, ow) = x.shape, y.shape
    _gather(blocks_for(y.size, THREADS), contiguous(x), contiguous(indices), y_out, h * w, oh * ow, y.size)
    finish(y, y_out)
