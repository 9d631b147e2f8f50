"""Convolution on CUDA: matrix products whose second factor is gathered from the image ("implicit GEMM").

Chetlur et al. 2014, "cuDNN: Efficient Primitives for Deep Learning". The tile scheme is that of the matmul kernel; the
tables of `tables` say where the factors lie. Results of few products take the kernel of `direct`, convolutions that the
tables cannot describe the plain ones.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..runtime import tuning
from ..runtime.cuda import aligned, blocks_for, contiguous, finish, module, writable
from ..runtime.last_block import counters
from . import direct, naive, tables, tiled
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
    phases = [t for phase in np.ndindex(*g.stride) if (t := _input_grad_tables(g, phase, gy)) is not None]
    if not all(t.taps for t in phases):
        gx_out.fill(0)  # pixels between the windows
    for t in phases:
        if t.taps:
            rows, columns = ([tap[axis] for tap in t.taps] for axis in (0, 1))
            weights = split if len(t.taps) == kh * kw else split[..., rows, columns]
            _gathered_product(g, t, gy, contiguous(weights), None, gx_out, False, whole=len(phases) == 1)
    finish(gx, gx_out)


def conv2d_weight_grad(outputs: Any, x: Any, gy: Any, weight_shape: Sequence[int], **params: Any) -> None:
    (gw,) = outputs
    g = geometry(x.shape, weight_shape, **params)
    if g.flops == 0 or not tables.fits(g):
        conv2d_weight_grad_naive(outputs, x, gy, weight_shape, **params)
        return
    t = _forward_tables(g, x)
    x, gy, gw_out = contiguous(x), contiguous(gy), writable(gw)
    n, o, oh, ow = g.y_shape
    rows, products = o // g.groups, len(t.offset)
    allowed = tuning.allowed_by_gathers(x.dtype.itemsize)
    product = tuning.Product(rows, products, n * oh * ow, g.groups, x.dtype.itemsize, allowed)

    def run(plan: tuning.Plan) -> None:
        tile, splits = plan.tile, plan.splits
        tiles_n = blocks_for(products, tile.columns)
        parts = gw_out if splits == 1 else module().empty((splits, gw.size), gw.dtype)
        tiled.weight_grad(x.dtype, tile, t.padded)(
            (blocks_for(rows, tile.rows) * tiles_n, g.groups, splits),
            x,
            gy,
            gw_out,
            parts,
            counters() if splits > 1 else None,
            t.base,
            t.mask,
            t.offset,
            t.tap,
            rows,
            products,
            n * oh * ow,
            oh * ow,
            plan.length,
            x.size // n,
            x.size // n // g.groups,
            o * oh * ow,
            tiles_n,
            gw.size,
        )

    run(tuning.plan("conv2d_weight_grad", product, run))
    finish(gw, gw_out)


def _gathered_product(
    g: Geometry, t: Tables, x: Any, w: Any, bias: Any, y: Any, relu: bool, whole: bool = True
) -> None:
    """y = w x for each group, where x and y are images of the geometry, in either direction.

    whole  whether the tables cover all pixels of y, and not one phase of it.
    """
    n, rows = y.shape[0], y.shape[1] // g.groups
    pixels, products = len(t.base), len(t.offset)
    x_image, plane = x.size // n, y.shape[2] * y.shape[3]
    where = (t.base, t.mask, t.position, t.offset, t.tap)
    if products <= direct.MAX_PRODUCTS:
        direct.few_products(x.dtype, products, t.padded)(
            (blocks_for(n * pixels, direct.THREADS), g.groups, blocks_for(rows, direct.ROWS)),
            x,
            w,
            bias,
            y,
            *where,
            rows,
            n * pixels,
            pixels,
            x_image,
            x_image // g.groups,
            y.size // n,
            plane,
            bias is not None,
            relu,
        )
        return
    wide = products % 4 == 0 and aligned(w)
    allowed = tuning.allowed(x.dtype.itemsize, wide)
    product = tuning.Product(rows, n * pixels, products, g.groups, x.dtype.itemsize, allowed, splittable=whole)

    def run(plan: tuning.Plan) -> None:
        tile, splits = plan.tile, plan.splits
        tiles_m = blocks_for(rows, tile.rows)
        parts = y if splits == 1 else module().empty((splits, y.size), y.dtype)
        tiled.gathered_product(x.dtype, tile, t.padded, wide)(
            (tiles_m * blocks_for(n * pixels, tile.columns), g.groups, splits),
            x,
            w,
            bias,
            y,
            parts,
            counters() if splits > 1 else None,
            *where,
            rows,
            products,
            n * pixels,
            pixels,
            x_image,
            x_image // g.groups,
            y.size // n,
            plane,
            y.size,
            tiles_m,
            plan.length,
            bias is not None,
            relu,
        )

    run(tuning.plan("conv2d", product, run))


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


@functools.cache  # never given back: a captured graph may read them as long as the process lives
def _tables(kind: str, shape: Geometry, phase: tuple[int, int], device: int) -> Tables | None:
    """The tables in the memory of the device, which is the current one: copied there once for each shape."""
    host = tables.forward(shape) if kind == "forward" else tables.input_grad(shape, phase)
    if host is None:
        return None
    moved = {name: module().asarray(getattr(host, name)) for name in ("base", "mask", "position", "offset", "tap")}
    return dataclasses.replace(host, **moved)


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
