"""Convolution on CUDA: matrix products whose second factor is gathered from the image ("implicit GEMM").

Chetlur et al. 2014, "cuDNN: Efficient Primitives for Deep Learning". The tile scheme is that of the matmul kernel; the
tables of `tables` say where the factors lie. Results of few products take the kernel of `direct`, convolutions that the
tables cannot describe the plain ones.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..runtime import tuning
from ..runtime.cuda import aligned, blocks_for, lasting, module, repeatable
from ..runtime.last_block import parts_of
from . import direct, naive, tables, tiled
from .geometry import Geometry, geometry
from .tables import Tables


@repeatable
def conv2d(
    outputs: Any, x: Any, w: Any, bias: Any = None, *, activation: str | None = None, **params: Any
) -> Callable[..., Any]:
    g = geometry(x.shape, w.shape, **params)
    if g.flops == 0 or not tables.fits(g):
        return functools.partial(conv2d_naive, activation=activation, **params)
    (y,) = outputs
    launch = _gathered_product(g, _forward_tables(g, x), x, w, bias, y, activation == "relu")
    return lambda outputs, x, w, bias=None: launch(x, w, bias, *outputs)


def conv2d_input_grad(
    outputs: Any, gy: Any, w: Any, input_shape: Sequence[int], **params: Any
) -> Callable[..., None] | None:
    g = geometry(input_shape, w.shape, **params)
    if g.flops == 0 or not tables.fits(g):
        return conv2d_input_grad_naive(outputs, gy, w, input_shape, **params)
    phases = _phases(_one_image(g), _device(gy))

    def weights(w: Any) -> list[Any]:
        """Of the taps of each phase: (groups, C, O, KH, KW)."""
        split = w.reshape(g.groups, g.w_shape[0] // g.groups, *g.w_shape[1:]).swapaxes(1, 2)
        return [tables.used(split, t.taps) for t in phases]

    launch = _sum_over_taps(outputs, gy, *weights(w), g=g, phases=phases)
    if launch is None:
        return None
    return lambda outputs, gy, w, _: launch(outputs, gy, *weights(w))


@repeatable
def _sum_over_taps(outputs: Any, gy: Any, *weights: Any, g: Geometry, phases: list[Tables]) -> Callable[..., None]:
    """The gradient of the input from the weights of each phase."""
    (gx,) = outputs
    whole = len(phases) == 1
    launches = [
        _gathered_product(g, t, gy, w, None, gx, False, whole) if t.taps else None for t, w in zip(phases, weights)
    ]

    def launch(outputs: Any, gy: Any, *weights: Any) -> None:
        (gx,) = outputs
        if None in launches:
            gx.fill(0)  # pixels between the windows
        for start, w in zip(launches, weights):
            if start is not None:
                start(gy, w, None, gx)

    return launch


@repeatable
def conv2d_weight_grad(outputs: Any, x: Any, gy: Any, weight_shape: Sequence[int], **params: Any) -> Callable[..., Any]:
    g = geometry(x.shape, weight_shape, **params)
    if g.flops == 0 or not tables.fits(g):
        return functools.partial(conv2d_weight_grad_naive, **params)
    launch = _sum_over_pixels(g, _forward_tables(g, x), x, gy, *outputs)
    return lambda outputs, x, gy, _: launch(x, gy, *outputs)


def _sum_over_pixels(g: Geometry, t: Tables, x: Any, gy: Any, gw: Any) -> Callable[[Any, Any, Any], None]:
    """The launch of the weight gradient for arrays like these, with the tile that suits them."""
    n, o, oh, ow = g.y_shape
    rows, products, pixels, image = o // g.groups, len(t.offset), n * oh * ow, x.size // n
    allowed = tuning.allowed_by_gathers(x.dtype.itemsize)
    product = tuning.Product(rows, products, pixels, g.groups, x.dtype.itemsize, allowed)

    def prepared(plan: tuning.Plan) -> Callable[[Any, Any, Any], None]:
        tile, splits = plan.tile, plan.splits
        tiles_n = blocks_for(products, tile.columns)
        blocks = blocks_for(rows, tile.rows) * tiles_n, g.groups, splits
        sizes = rows, products, pixels, oh * ow, plan.length, image, image // g.groups, o * oh * ow, tiles_n, gw.size
        start = tiled.weight_grad(x.dtype, tile, t.padded).prepared(x, blocks, *sizes)

        def launch(x: Any, gy: Any, gw: Any) -> None:
            start(x, gy, gw, *parts_of(gw, splits), t.base, t.mask, t.offset, t.tap)

        return launch

    return prepared(
        tuning.plan("conv2d_weight_grad", product, lambda plan: functools.partial(prepared(plan), x, gy, gw))
    )


def _gathered_product(
    g: Geometry, t: Tables, x: Any, w: Any, bias: Any, y: Any, relu: bool, whole: bool = True
) -> Callable[[Any, Any, Any, Any], None]:
    """The launch of y = w x for each group, for arrays like these, which are images of the geometry in either direction.

    whole  whether the tables cover all pixels of y, and not one phase of it.
    """
    n, rows = y.shape[0], y.shape[1] // g.groups
    pixels, products = len(t.base), len(t.offset)
    x_image, plane = x.size // n, y.shape[2] * y.shape[3]
    where = t.base, t.mask, t.position, t.offset, t.tap
    ends = bias is not None, relu
    if direct.takes(rows, products):
        blocks = blocks_for(n * pixels, direct.THREADS), g.groups, blocks_for(rows, direct.ROWS)
        sizes = rows, n * pixels, pixels, x_image, x_image // g.groups, y.size // n, plane
        start = direct.few_products(x.dtype, products, t.padded).prepared(x, blocks, *sizes, *ends)
        return lambda x, w, bias, y: start(x, w, bias, y, *where)
    wide = products % 4 == 0 and aligned(w)
    allowed = tuning.allowed(x.dtype.itemsize, wide)
    product = tuning.Product(rows, n * pixels, products, g.groups, x.dtype.itemsize, allowed, splittable=whole)

    def prepared(plan: tuning.Plan) -> Callable[[Any, Any, Any, Any], None]:
        tile, splits = plan.tile, plan.splits
        tiles_m = blocks_for(rows, tile.rows)
        blocks = tiles_m * blocks_for(n * pixels, tile.columns), g.groups, splits
        sizes = rows, products, n * pixels, pixels, x_image, x_image // g.groups, y.size // n, plane, y.size, tiles_m
        kernel = tiled.gathered_product(x.dtype, tile, t.padded, wide)
        start = kernel.prepared(x, blocks, *sizes, plan.length, *ends)
        return lambda x, w, bias, y: start(x, w, bias, y, *parts_of(y, splits), *where)

    return prepared(tuning.plan("conv2d", product, lambda plan: functools.partial(prepared(plan), x, w, bias, y)))


def _forward_tables(g: Geometry, x: Any) -> Tables:
    found = _tables("forward", _one_image(g), (0, 0), _device(x))
    assert found is not None
    return found


@functools.cache
def _phases(one: Geometry, device: int) -> list[Tables]:
    """The tables of an image's phases that have pixels."""
    found = (_tables("input_grad", one, (row, column), device) for row, column in np.ndindex(*one.stride))
    return [t for t in found if t is not None]


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
    names = "base", "mask", "position", "offset", "tap"
    moved = lasting(*(module().asarray(getattr(host, name)) for name in names))
    return dataclasses.replace(host, **dict(zip(names, moved)))


@repeatable
def conv2d_naive(
    outputs: Any, x: Any, w: Any, bias: Any = None, *, activation: str | None = None, **params: Any
) -> Callable[..., None]:
    (y,) = outputs
    numbers = *_numbers(geometry(x.shape, w.shape, **params)), bias is not None, activation == "relu", y.size
    start = naive.forward.prepared(x, blocks_for(y.size, 256), *numbers)
    return lambda outputs, x, w, bias=None: start(x, w, bias, *outputs)


@repeatable
def conv2d_input_grad_naive(
    outputs: Any, gy: Any, w: Any, input_shape: Sequence[int], **params: Any
) -> Callable[..., None]:
    (gx,) = outputs
    numbers = *_numbers(geometry(input_shape, w.shape, **params)), gx.size
    start = naive.input_grad.prepared(gy, blocks_for(gx.size, 256), *numbers)
    return lambda outputs, gy, w, _: start(gy, w, *outputs)


@repeatable
def conv2d_weight_grad_naive(
    outputs: Any, x: Any, gy: Any, weight_shape: Sequence[int], **params: Any
) -> Callable[..., None]:
    (gw,) = outputs
    numbers = *_numbers(geometry(x.shape, weight_shape, **params)), x.shape[0], gw.size
    start = naive.weight_grad.prepared(x, blocks_for(gw.size, 256), *numbers)
    return lambda outputs, x, gy, _: start(x, gy, *outputs)


def _numbers(g: Geometry) -> tuple[int, ...]:
    """Channels and channels of a group, of x and of y, sizes and parameters, in the order of the plain kernels."""
    (_, c, h, w), (o, _, kh, kw), (_, _, oh, ow) = g.x_shape, g.w_shape, g.y_shape
    per_group = c // g.groups, o // g.groups
    return (c, o, *per_group, h, w, oh, ow, kh, kw, *g.stride, *g.padding, *g.dilation)
