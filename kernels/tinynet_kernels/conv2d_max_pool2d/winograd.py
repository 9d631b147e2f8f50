"""The pooled convolution by Winograd's F(2 x 2, 3 x 3): the results of a tile are a window of the pooling.

So only the results that the pooling sees are computed; and its gradient, zero but for one element of each window, goes straight
to the points. See `conv2d.winograd`; calls of another form are left to the direct sums in `cpu`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..conv2d import cpu as direct
from ..conv2d import winograd
from ..conv2d.geometry import Geometry
from ..conv2d.minimal import TAPS
from ..max_pool2d.geometry import Geometry as PoolGeometry
from ..runtime.memory import empty, finish, writable
from ..runtime.simd import BLOCK_ROWS
from . import cpu
from . import winograd_loops as loops
from .geometry import geometries
from .winograd_loops import POINTS, M


def conv2d_max_pool2d(
    outputs: Any, x: Any, w: Any, bias: Any, pool_size: Any, *, activation: str | None = None, **params: Any
) -> None:
    g, pool = geometries(x, w, pool_size, **params)
    if not _fits(g, pool, x.dtype):
        cpu.forward(outputs, g, pool, x, w, bias, activation)
        return
    c, o, dtype = w.shape[1], w.shape[0], x.dtype
    source = direct.channels_last(x, (0, 0))
    (y, y_target), (indices, indices_target) = map(direct.target_of, outputs)
    init, floor = direct.start_and_floor(o, dtype, bias, activation)
    grid, inputs = _grids(g, pool)
    total = x.shape[0] * grid[0] * grid[1]
    chunk = winograd.piece_of(total, winograd.chunk_of(POINTS * (c + o), dtype), BLOCK_ROWS)
    strides = winograd.stride(chunk * c, dtype), winograd.stride(chunk * o, dtype)
    workers = min(winograd.THREADS, -(-total // chunk))
    loops.pooled(
        *(source, inputs, *winograd.filters(M, w, False, workers), init, floor),
        *(y_target, indices_target, grid, g.y_shape[3], chunk, strides),
        *(empty((workers, POINTS * sum(strides)), dtype), direct.lanes(x)),
    )
    for given, target in ((y, y_target), (indices, indices_target)):
        if target is not given:
            given[...] = target


def conv2d_max_pool2d_grad(
    outputs: Any,
    gy: Any,
    x: Any,
    w: Any,
    y: Any,
    indices: Any,
    pool_size: Any,
    *,
    activation: str | None = None,
    input_grad: bool = True,
    **params: Any,
) -> None:
    g, pool = geometries(x, w, pool_size, **params)
    shares = min(cpu.SHARES, x.shape[0] // 4)
    if not _fits(g, pool, x.dtype) or shares < 2:
        more = {"activation": activation, "input_grad": input_grad, **params}
        cpu.conv2d_max_pool2d_grad(outputs, gy, x, w, y, indices, pool_size, **more)
        return
    c, o, dtype = w.shape[1], w.shape[0], x.dtype
    gw, gb, *rest = outputs
    weights = writable(gw)
    gx, target = direct.target_of(rest[0]) if rest else (None, np.empty((0, 0, 0, 0), dtype))
    grid, inputs = _grids(g, pool)
    chunk = winograd.chunk_of(POINTS * (c + o), dtype)
    strides = winograd.stride(chunk * c, dtype), winograd.stride(chunk * o, dtype)
    workers = min(winograd.THREADS, shares)
    totals = loops.gradients(
        *(direct.channels_last(a, (0, 0)) for a in (gy, y, indices)),
        *(activation == "relu", grid, g.y_shape[3], direct.channels_last(x, (0, 0)), inputs),
        *(*winograd.filters(M, w, True, workers), target, c if rest else 0, chunk, strides),
        *(empty((workers, POINTS * (sum(strides) + -(-c // BLOCK_ROWS) * BLOCK_ROWS * o)), dtype), direct.lanes(x)),
        *(empty((shares, TAPS * TAPS * c, o), dtype), weights.reshape(o, c, TAPS * TAPS)),
    )
    gb[...] = totals.sum(axis=0)
    finish(gw, weights)
    if target is not gx and gx is not None:
        gx[...] = target


def _fits(g: Geometry, pool: PoolGeometry, dtype: Any) -> bool:
    windows = pool.kernel == pool.stride == (M, M) and pool.padding == (0, 0) and pool.dilation == (1, 1)
    whole = all(M * count <= length for count, length in zip(pool.y_shape[2:], g.y_shape[2:]))
    return windows and whole and winograd.size(g, dtype) > 0


def _grids(g: Geometry, pool: PoolGeometry) -> tuple[winograd.Grid, winograd.Grid]:
    """The tiles in the convolution's result, and where they are in its input."""
    down, across = pool.y_shape[2:]
    return (down, across, M, 0, 0), (down, across, M, *g.padding)
