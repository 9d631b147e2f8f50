"""Convolution on CUDA: matrix products whose second factor is gathered from the image ("implicit GEMM").

Chetlur et al. 2014, "cuDNN: Efficient Primitives for Deep Learning". The tile scheme is that of the matmul kernel; the
tables of `tables` say where the factors lie. Convolutions that the tables cannot describe take the plain kernels.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..runtime.cuda import blocks_for, contiguous, finish, module, writable
from ..runtime.parts import sum_of_parts
from . import naive, tables, tiled
from .geometry import Geometry, geometry
from .tables import Tables


def conv2d(outputs: Any, x: Any, w: Any, bias: Any = None, *, activation: str | None = None, **params: Any) -> None:
    (y,) = outputs
    g = geometry(x.shape, w.shape, **params)
    if g.flops == 0 or not tables.fits(g):
        conv2d_naive(outputs, x, w, bias, activation=activation, **params)
        return
    y_out = writable(y)
    t = _forward_tables(g, x)
    _gathered_product(g, t, contiguous(x), contiguous(w), contiguous(bias), y_out, activation == "relu")
    finish(y, y_out)


def conv2d_input_grad(outputs: Any, gy: Any, w: Any, input_shape: Sequence[int], **params: Any) -> None:
    (gx,) = outputs
    g = geometry(input_shape, w.shape, **params)
    if g.flops == 0 or not tables.fits(g):
        conv2d_input_grad_naive(outputs, gy, w, input_shape, **params)
        return
    gx_out, gy = writable(gx), contiguous(gy)
    o, c, kh, kw = g.w_shape
    split = w.reshape(g.groups, o // g.groups, c, kh, kw).transpose(0, 2, 1, 3, 4)  # (groups, C, O, KH, KW)
    for phase in np.ndindex(*g.stride):
        t = _input_grad_tables(g, phase, gy)
        if t is None:
            continue
        rows, columns = ([tap[axis] for tap in t.taps] for axis in (0, 1))
        weights = split if len(t.taps) == kh * kw else split[..., rows, columns]
        _gathered_product(g, t, gy, contiguous(weights), None, gx_out, False)
    finish(gx, gx_out)


def conv2d_weight_grad(outputs: Any, x: Any, gy: Any, weight_shape: Sequence[int], **params: Any) -> None:
    (gw,) = outputs
    g = geometry(x.shape, weight_shape, **params)
    if g.flops == 0 or not tables.fits(g):
        conv2d_weight_grad_naive(outputs, x, gy, weight_shape, **params)
        return
    t = _forward_tables(g, x)
    x, gy, gw_out = contiguous(x), contiguous(gy), writable(gw)
    n, c, h, width = g.x_shape
    _, o, oh, ow = g.y_shape
    rows, pixels = o // g.groups, oh * ow
    r = 4 if min(rows, t.products) > 32 else 2
    tiles = blocks_for(rows, 16 * r) * blocks_for(t.products, 16 * r)
    splits, length = _splits(n * pixels, tiles * g.groups)
    partial = gw_out if splits == 1 else module().empty((splits, gw.size), gw.dtype)
    tiled.weight_grad(x.dtype, r)(
        (tiles, g.groups, splits),
        x,
        gy,
        partial,
        t.base,
        t.mask,
        t.factors,
        rows,
        t.products,
        n * pixels,
        pixels,
        length,
        c * h * width,
        c // g.groups * h * width,
        o * pixels,
        blocks_for(t.products, 16 * r),
        gw.size,
    )
    if splits > 1:
        sum_of_parts(partial, gw_out)
    finish(gw, gw_out)


def _gathered_product(g: Geometry, t: Tables, x: Any, w: Any, bias: Any, y: Any, relu: bool) -> None:
    """y = w x for each group, where x and y are images of the geometry, in either direction."""
    n, rows = y.shape[0], y.shape[1] // g.groups
    pixels = len(t.base)
    r = _thread_tile(rows, n * pixels, g.groups, x.dtype)
    tiles_m, tiles_n = blocks_for(rows, 16 * r), blocks_for(n * pixels, 16 * r)
    image, plane = x.shape[1] * x.shape[2] * x.shape[3], y.shape[2] * y.shape[3]
    tiled.gathered_product(x.dtype, r, t.products % 4 == 0)(
        (tiles_m * tiles_n, g.groups, 1),
        x,
        w,
        bias,
        y,
        t.base,
        t.mask,
        t.position,
        t.factors,
        rows,
        t.products,
        n * pixels,
        pixels,
        image,
        image // g.groups,
        y.shape[1] * plane,
        plane,
        tiles_m,
        bias is not None,
        relu,
    )


def _thread_tile(rows: int, pixels: int, groups: int, dtype: Any, multiprocessors: int = 108) -> int:
    """The edge of a thread's tile: the largest that wastes little on few channels and gives every multiprocessor a block."""
    for r in (8, 4):
        blocks = blocks_for(rows, 16 * r) * blocks_for(pixels, 16 * r) * groups
        if (r < 8 or dtype == np.float32) and rows > 8 * r and blocks >= multiprocessors:
            return r
    return 4 if rows > 32 and pixels > 32 * multiprocessors else 2


def _splits(pixels: int, blocks: int, multiprocessors: int = 108) -> tuple[int, int]:
    """Into how many parts the sum over the pixels is cut so that all multiprocessors have work, and the pixels of a part."""
    wanted = max(1, min(2 * multiprocessors // blocks, pixels // 256))
    length = blocks_for(blocks_for(pixels, wanted), 32) * 32
    return blocks_for(pixels, length), length


def _forward_tables(g: Geometry, x: Any) -> Tables:
    found = _tables("forward", _one_image(g), (0, 0), _device(x))
    assert found is not None
    return found


def _input_grad_tables(g: Geometry, phase: tuple[int, ...], gy: Any) -> Tables | None:
    return _tables("input_grad", _one_image(g), (phase[0], phase[1]), _device(gy))


def _one_image(g: Geometry) -> Geometry:
    """The tables of an image serve batches of any size."""
    return Geometry((1, *g.x_shape[1:]), g.w_shape, g.stride, g.padding, g.dilation, g.groups)


def _device(array: Any) -> int:
    return 0 if isinstance(array, np.ndarray) else int(array.data.device_id)


@functools.lru_cache(maxsize=256)
def _tables(kind: str, shape: Geometry, phase: tuple[int, int], device: int) -> Tables | None:
    """The tables in the memory of the device, which is the current one: copied there once for each shape."""
    host = tables.forward(shape) if kind == "forward" else tables.input_grad(shape, phase)
    if host is None:
        return None
    base, mask, position, factors = map(module().asarray, (host.base, host.mask, host.position, host.factors))
    return Tables(base, mask, position, factors, host.products, host.taps)


def conv2d_naive(
    outputs: Any, x: Any, w: Any, bias: Any = None, *, activation: str | None = None, **params: Any
) -> None:
    (y,) = outputs
    g = geometry(x.shape, w.shape, **params)
    y_out = writable(y)
    arrays = contiguous(x), contiguous(w), contiguous(bias), y_out
    naive.forward(blocks_for(y.size, 256), *arrays, *_numbers(g), bias is not None, activation == "relu", y.size)
    finish(y, y_out)


def conv2d_input_grad_naive(outputs: Any, gy: Any, w: Any, input_shape: Sequence[int], **params: Any) -> None:
    (gx,) = outputs
    g = geometry(input_shape, w.shape, **params)
    gx_out = writable(gx)
    naive.input_grad(blocks_for(gx.size, 256), contiguous(gy), contiguous(w), gx_out, *_numbers(g), gx.size)
    finish(gx, gx_out)


def conv2d_weight_grad_naive(outputs: Any, x: Any, gy: Any, weight_shape: Sequence[int], **params: Any) -> None:
    (gw,) = outputs
    g = geometry(x.shape, weight_shape, **params)
    gw_out = writable(gw)
    naive.weight_grad(
        blocks_for(gw.size, 256), contiguous(x), contiguous(gy), gw_out, *_numbers(g), g.x_shape[0], gw.size
    )
    finish(gw, gw_out)


def _numbers(g: Geometry) -> tuple[int, ...]:
    """Channels and channels of a group, of x and of y, sizes and parameters, in the order of the plain kernels."""
    (_, c, h, w), (o, _, kh, kw), (_, _, oh, ow) = g.x_shape, g.w_shape, g.y_shape
    per_group = c // g.groups, o // g.groups
    return (c, o, *per_group, h, w, oh, ow, kh, kw, *g.stride, *g.padding, *g.dilation)
