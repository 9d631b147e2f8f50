"""The convolution of one image at a time, in a buffer that stays in the cache, and its pooling; the gradients likewise."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..conv2d import cpu as conv2d
from ..conv2d import positions
from ..conv2d.cpu import PIECES, channels_last, filters, lanes, lines_of, operands, taps_of
from ..conv2d.geometry import Geometry
from ..conv2d.loops import STEPS, add_all_parts
from ..max_pool2d import cpu as max_pool2d
from ..max_pool2d.geometry import Geometry as PoolGeometry
from ..runtime.memory import empty
from ..runtime.simd import ROWS
from . import composed, loops, narrow
from .geometry import geometries

SHARES = 16  # of the images, at most, whose weight gradients are summed apart


def conv2d_max_pool2d(
    outputs: Any,
    x: Any,
    w: Any,
    bias: Any,
    pool_size: Any,
    *,
    activation: str | None = None,
    **params: Any,
) -> None:
    forward(outputs, *geometries(x, w, pool_size, **params), x, w, bias, activation)


def forward(outputs: Any, g: Geometry, pool: PoolGeometry, x: Any, w: Any, bias: Any, activation: str | None) -> None:
    if narrow.fits(g, pool, x.dtype):
        narrow.pooled(outputs, g, x, w, bias, activation)
        return
    images, channels, height, width = g.y_shape
    if g.groups > 1 or images < PIECES // 4:  # too few images to give each thread some
        y = empty((images, height, width, channels), x.dtype).transpose(0, 3, 1, 2)
        conv2d.forward(y, g, x, w, bias, activation)
        max_pool2d.pool(outputs, pool, y)
        return
    source = channels_last(x, (0, 0))
    weights, shift, floor = operands(w, bias, activation)
    plan = positions.forward(g, weights.shape[2])
    moved = [o.transpose(0, 2, 3, 1) for o in outputs]
    targets = [m if m.flags.c_contiguous else empty(m.shape, m.dtype) for m in moved]
    image = int(np.prod(source.shape[1:]))
    loops.pooled(
        *(source.reshape(-1), image, plan, weights, shift, floor, lanes(x)),
        *(height, width, *targets, pool.window, PIECES),
    )
    for m, target in zip(moved, targets):
        if m is not target:
            m[...] = target


def conv2d_max_pool2d_grad(
    outputs: Any,
    gy: Any,
    x: Any,
    w: Any,
    y: Any,
    indices: Any,
    pool_size: Any,
    *,
    input_grad: bool = True,
    activation: str | None = None,
    **params: Any,
) -> None:
    g, pool = geometries(x, w, pool_size, **params)
    images, channels, height, width = g.y_shape
    shares = min(SHARES, images // 4)
    apart = pool.stride[0] >= pool.kernel[0] and pool.stride[1] >= pool.kernel[1]
    plain = pool.padding == (0, 0) and pool.dilation == (1, 1) and g.groups == 1 and channels % lanes(x) == 0
    contiguous = all(o.flags.c_contiguous for o in outputs[:2])
    if shares < 2 or not (apart and plain and contiguous):
        more = {"input_grad": input_grad, "activation": activation, **params}
        composed.conv2d_max_pool2d_grad(outputs, gy, x, w, y, indices, pool_size, **more)
        return
    gw, gb, *rest = outputs
    if not rest and narrow.fits(g, pool, x.dtype):
        parts = empty((shares, gw[0].size, channels), x.dtype)
        totals = narrow.gradients(g, gy, x, y, indices, activation == "relu", parts)
        add_all_parts(parts, gw.reshape(*gw.shape[:2], -1))
        gb[...] = totals.sum(axis=0)
        return
    padded = channels_last(x, g.padding)
    at_once = max(1, STEPS // (height * width))
    lines = lines_of(g, (at_once, *padded.shape[1:]), channels)
    inputs, target = 0, np.empty(0, x.dtype)
    plan, weights = positions.SINGLE, target.reshape(1, 1, 0)
    if rest:
        inputs = g.x_shape[1]
        moved = rest[0].transpose(0, 2, 3, 1)
        target = moved if moved.flags.c_contiguous else empty(moved.shape, x.dtype)
        weights = filters(w, swapped=True)
        plan = positions.input_grad(g, weights.shape[2])
    taps = taps_of(g, padded.shape)
    parts = empty((shares, -(-taps.size // ROWS) * ROWS, channels), x.dtype)
    totals = loops.gradients(
        *(channels_last(a, (0, 0)) for a in (gy, y, indices)),
        *(activation == "relu", pool.kernel, pool.stride),
        *(padded.reshape(-1), padded[0].size, g.stride[1] * padded.shape[3], lines, taps),
        *(height, width, plan, weights),
        *(target.reshape(-1), target.size // images, inputs, lanes(x), parts),
    )
    add_all_parts(parts, gw.reshape(*gw.shape[:2], -1))
    gb[...] = totals.sum(axis=0)
    if rest and target is not moved:
        moved[...] = target
