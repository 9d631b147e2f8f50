"""matmul on the register tiles of the convolutions; BLAS for stacks of matrices and for products too large for a cache.

A step of a small network is a chain of short products and other loops. BLAS has threads of its own, which wait for more by
spinning when its product is done and take the processor from the loops that come next; so it is left out where the tiles
are as fast.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ..runtime.memory import empty

LARGE = 1 << 30  # multiplications and additions
FEW = 512  # rows
BIG = 1 << 16  # elements
FINER = 4  # than a convolution a product is cut: its strips of columns are few, and the last may be narrow


def matmul(
    outputs: tuple[Any],
    a: Any,
    b: Any,
    bias: Any = None,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    activation: str | None = None,
) -> None:
    (y,) = outputs
    a = a.swapaxes(-1, -2) if transpose_a else a
    b = b.swapaxes(-1, -2) if transpose_b else b
    if y.ndim == 2 and 2 * y.size * a.shape[1] < LARGE and y.flags.c_contiguous:
        _tiles(y, a, b, bias, activation)
        return
    np.matmul(a, b, out=y)
    if bias is not None:
        np.add(y, bias, out=y)
    if activation == "relu":
        np.maximum(y, 0, out=y)


def _tiles(y: Any, a: Any, b: Any, bias: Any, activation: str | None) -> None:
    from ..conv2d import cpu, loops
    from . import loops as own

    floor = y.dtype.type(0 if activation == "relu" else -np.inf)
    turned = b.T.flags.c_contiguous and not b.flags.c_contiguous
    lanes, plan = cpu.lanes(a), _plan(a.shape[1])
    if turned and 4 * a.shape[0] <= b.shape[1]:  # the small matrix is rearranged instead of the large one
        shift = np.zeros(b.shape[1], y.dtype) if bias is None else np.ascontiguousarray(bias)
        panel = _panel(a.shape[0], a.shape[1], y.dtype, lanes)
        result = empty((b.shape[1], panel.shape[0] * panel.shape[2]), y.dtype)
        start = np.zeros(result.shape[1], y.dtype)
        own.few_rows(np.ascontiguousarray(a), b.T, shift, floor, plan, panel, start, result, y, lanes)
        return
    if turned and b.size >= BIG:  # what does it faster than `panel` is another function to compile
        weights = _panel(b.shape[1], b.shape[0], y.dtype, lanes)
        own.pack(b.T.reshape(-1), b.shape[1], b.shape[0], weights, lanes)
    elif a.shape[0] <= FEW and cpu.whole_rows(b):  # they see a matrix too seldom for it to be worth a copy in blocks
        weights = b[None]
    else:
        weights = cpu.panel(b)
    columns = a.flags.f_contiguous and not a.flags.c_contiguous
    flat = a.T.reshape(-1) if columns else np.ascontiguousarray(a).reshape(-1)
    row, step = (1, a.shape[0]) if columns else (a.shape[1], 1)
    start, floor = cpu.start_and_floor(weights.shape[0] * weights.shape[2], y.dtype, bias, activation)
    loops.product(
        *(flat, a.shape[0], row, step, plan, weights, start, y.reshape(-1), y.shape[1], y.shape[1]),
        *(floor, lanes, FINER * cpu.PIECES),
    )


@lru_cache(maxsize=256)
def _plan(depth: int) -> Any:
    """One position, of `depth` taps that lie side by side."""
    from ..conv2d import positions

    return positions.SINGLE._replace(taps=np.array([0, 0, depth], np.int64))


def _panel(columns: int, depth: int, dtype: Any, lanes: int) -> Any:
    """Memory for a panel of a matrix (depth, columns)."""
    from ..runtime.simd import WIDEST

    width = min(WIDEST, -(-columns // lanes)) * lanes
    return empty((-(-columns // width), depth, width), dtype)
