"""matmul on the register tiles of the convolutions; BLAS for stacks of matrices and for products too large for a cache.

A step of a small network is a chain of short products and other loops. BLAS has threads of its own, which wait for more by
spinning when its product is done and take the processor from the loops that come next; so it is left out where the tiles
are as fast.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..runtime.memory import empty

LARGE = 1 << 30  # multiplications and additions
FEW = 512  # rows


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
    if 4 * a.shape[0] <= b.shape[1] and b.T.flags.c_contiguous and not b.flags.c_contiguous:
        # (b.T @ a.T).T: the small matrix is rearranged instead of the large one
        from ..conv2d import cpu, loops

        turned = empty((b.shape[1], a.shape[0]), y.dtype)
        _product(turned, b.T, a.T, None, None)
        loops.turn(turned, *cpu.start_and_floor(b.shape[1], y.dtype, bias, activation), y)
        return
    _product(y, a, b, bias, activation)


def _product(y: Any, a: Any, b: Any, bias: Any, activation: str | None) -> None:
    from ..conv2d import cpu, loops, positions

    columns = a.flags.f_contiguous and not a.flags.c_contiguous
    flat = a.T.reshape(-1) if columns else np.ascontiguousarray(a).reshape(-1)
    row, step = (1, a.shape[0]) if columns else (a.shape[1], 1)
    # a few rows see a matrix too seldom for it to be worth a copy in blocks
    weights = b[None] if a.shape[0] <= FEW and cpu.whole_rows(b) else cpu.panel(b)
    taps = np.array([0, 0, a.shape[1]], np.int64)
    plan = positions.SINGLE._replace(taps=taps)
    start, floor = cpu.start_and_floor(weights.shape[0] * weights.shape[2], y.dtype, bias, activation)
    loops.product(
        *(flat, a.shape[0], row, step, plan, weights, start, y.reshape(-1), y.shape[1], y.shape[1]),
        *(floor, cpu.lanes(a), cpu.PIECES),
    )
