"""Channels last: blocks of pixels that stay in the cache, summed in parallel. NumPy's sums for what lies otherwise.

Short sums are taken in the dtype of the array, those of them in float64; how they are cut depends on the shape alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import loops

SHORT = 1 << 12  # elements that NumPy sums sooner
SHORTER = 1 << 10  # elements that NumPy masks and sums sooner


def channel_sum(outputs: tuple[Any], x: Any) -> None:
    rows = rows_of(x)
    if rows is None or x.size < SHORT:
        inner = x.sum(axis=tuple(range(2, x.ndim))) if x.ndim > 2 else x
        outputs[0][...] = inner.sum(axis=0, dtype=np.float64)
        return
    outputs[0][...] = loops.sums(rows).sum(axis=0)


def relu_grad(outputs: tuple[Any, ...], gy: Any, y: Any, weight: Any = None) -> None:
    gx, sums, *swapped = outputs
    if swapped:
        swapped[0][...] = weight.swapaxes(0, 1)
    of_y, of_gx = rows_of(y), rows_of(gx)
    if gy.size < SHORTER or of_y is None or of_gx is None:
        gx[...] = np.where(y > 0, gy, gy.dtype.type(0))
        channel_sum((sums,), gx)
        return
    of_gy = rows_of(gy)
    if of_gy is None:  # as the gradient of a Flatten lies
        planes = np.ascontiguousarray(gy).reshape(*gy.shape[:2], -1)
        sums[...] = loops.masked_sums_of_planes(planes, of_y, of_gx).sum(axis=0)
    else:
        sums[...] = loops.masked_sums(of_gy, of_y, of_gx).sum(axis=0)


def rows_of(x: Any) -> Any:
    """x (N, C, ...) as a contiguous matrix (pixels, C), if it lies in memory so; else None."""
    moved = x.transpose(0, *range(2, x.ndim), 1)
    return moved.reshape(-1, x.shape[1]) if moved.flags.c_contiguous else None
