"""Max-pooling on CUDA: how a call becomes a launch of the kernels in `bands`, or in `naive` where those do not fit."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from numpy import int32

from ..runtime.cuda import (
    Int32Pointer,
    Pointer,
    aligned,
    blocks_for,
    cuda,
    kernel,
    module,
    repeatable,
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


@repeatable
def max_pool2d(outputs: Any, x: Any, kernel_size: Any, **params: Any) -> Callable[..., Any]:
    g = geometry(x.shape, kernel_size, **params)
    split = bands.of_outputs(g)
    if split is None:
        return functools.partial(max_pool2d_naive, **params)
    run = bands.pool(x.dtype, aligned(x, *outputs))
    start = run.prepared(x, split.blocks, *_numbers(g), split.planes, split.per_block, split.rows)
    return lambda outputs, x, _: start(x, *outputs)


@repeatable
def max_pool2d_grad(
    outputs: Any, gy: Any, indices: Any, input_shape: Sequence[int], kernel_size: Any, **params: Any
) -> Callable[..., Any]:
    g = geometry(input_shape, kernel_size, **params)
    split = bands.of_inputs(g)
    if split is None:
        return functools.partial(max_pool2d_grad_naive, **params)
    run = bands.pool_grad(gy.dtype, aligned(gy, indices, *outputs))
    start = run.prepared(gy, split.blocks, *_numbers(g), split.planes, split.per_block, split.rows, *(0,) * 5)
    return lambda outputs, gy, indices, *_: start(gy, indices, *outputs, *(None,) * 6)


def grad_and_sums(gy: Any, indices: Any, gx: Any, y: Any, g: Geometry, weight: Any) -> Callable[..., None] | None:
    """The launch, of (gy, indices, gx, y, sums, weight, swapped) that lie like these, which does in one the gradient of pooling
    and of what is before it, a bias and a ReLU: gx, the `max_pool2d_grad` of gy where the pooled y is larger than 0 (y None:
    of all of gy), and the sums of that by channels: (C,). Given the weight (O, C, KH, KW), also that with its first two axes
    swapped. None where planes are too large for it. All arrays are contiguous.
    """
    split = bands.of_inputs(g)
    if split is None or split.bands > 1:
        return None
    dtype, planes = gy.dtype, split.planes
    run = bands.pool_grad(dtype, aligned(gy, indices, gx, y), True, y is not None)
    work, channels = split.blocks[0], g.x_shape[1]
    outs, ins, taps, extra = 0, 0, 1, 0
    if weight is not None:
        outs, ins, taps = weight.shape[0], weight.shape[1], weight.shape[2] * weight.shape[3]
        extra = blocks_for(weight.size, 4 * THREADS)
    numbers = *_numbers(g), planes, split.per_block, split.rows, channels, outs, ins, taps, work
    start = run.prepared(gy, work + extra, *numbers)

    def launch(gy: Any, indices: Any, gx: Any, y: Any, sums: Any, weight: Any, swapped: Any) -> None:
        start(gy, indices, gx, y, sums, module().empty(planes, dtype), counters(), weight, swapped)

    return launch


@repeatable
def max_pool2d_naive(outputs: Any, x: Any, kernel_size: Any, **params: Any) -> Callable[..., None]:
    size = outputs[0].size
    numbers = *_numbers(geometry(x.shape, kernel_size, **params)), size
    start = naive.pool.prepared(x, blocks_for(size, naive.THREADS), *numbers)
    return lambda outputs, x, _: start(x, *outputs)


@repeatable
def max_pool2d_grad_naive(
    outputs: Any, gy: Any, indices: Any, input_shape: Sequence[int], kernel_size: Any, **params: Any
) -> Callable[..., None]:
    size = outputs[0].size
    numbers = *_numbers(geometry(input_shape, kernel_size, **params)), size
    start = naive.pool_grad.prepared(gy, blocks_for(size, naive.THREADS), *numbers)
    return lambda outputs, gy, indices, *_: start(gy, indices, *outputs)


@repeatable
def max_pool2d_gather(outputs: Any, x: Any, indices: Any) -> Callable[..., None]:
    (y,) = outputs
    (*_, h, w), (*_, oh, ow) = x.shape, y.shape
    start = _gather.prepared(x, blocks_for(y.size, THREADS), h * w, oh * ow, y.size)
    return lambda outputs, x, indices: start(x, indices, *outputs)
