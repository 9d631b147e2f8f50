"""Max-pooling on CUDA: how a call becomes a launch of the kernels in `bands`, or in `naive` where those do not fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy import int32

from ..runtime.cuda import Int32Pointer, Pointer, aligned, blocks_for, contiguous, cuda, finish, kernel, writable
from ..runtime.primitives import zero
from . import bands, naive
from .geometry import Geometry, geometry

THREADS = 256


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
    run(split.blocks, gy, indices, gx_out, *_numbers(g), split.planes, split.per_block, split.rows)
    finish(gx, gx_out)


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
