"""matmul on the register tiles of the convolutions; BLAS for stacks of matrices and for products too large for a cache.

A step of a small network is a chain of short products and other loops. BLAS has threads of its own, which wait for more by
spinning when its product is done and take the processor from the loops that come next; so it is left out where the tiles
are as fast.
"""

from __future__ import annotations

from functools import lru_cache
from math import gcd
from typing import Any

import numpy as np
from numba import config

from ..runtime.memory import empty
from ..runtime.simd import REGISTER, WIDEST
from . import loops

THREADS = config.NUMBA_NUM_THREADS
LARGE = 1 << 32  # multiplications and additions
FEW = 512  # rows: they see the other matrix too seldom for it to be worth a copy
SOME = 128  # rows: they see it often enough for that where each of its vectors crosses the end of a cache line
WAY = 1 << 17  # bytes: rows that begin so far from each other, or a multiple of it, have the same few places in a cache
WAYS = 8  # of these places; a usual second cache has twice as many


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
    if y.ndim == 2 and 2 * y.size * a.shape[not transpose_a] < LARGE and y.flags.c_contiguous:
        _tiles(y, a, transpose_a, b, transpose_b, bias, activation == "relu")
        return
    np.matmul(a.swapaxes(-1, -2) if transpose_a else a, b.swapaxes(-1, -2) if transpose_b else b, out=y)
    if bias is not None:
        np.add(y, bias, out=y)
    if activation == "relu":
        np.maximum(y, 0, out=y)


def _tiles(y: Any, a: Any, turned_a: bool, b: Any, turned_b: bool, bias: Any, relu: bool) -> None:
    if not a.flags.c_contiguous:
        a, turned_a = (a.T, not turned_a) if a.T.flags.c_contiguous else (np.ascontiguousarray(a), turned_a)
    if not b.flags.c_contiguous:
        b, turned_b = (b.T, not turned_b) if b.T.flags.c_contiguous else (np.ascontiguousarray(b), turned_b)
    shift = np.empty(0, y.dtype) if bias is None else np.ascontiguousarray(bias)
    copied = turned_b or y.shape[0] > FEW or not lies_well(b) or (y.shape[0] >= SOME and not _aligned(b))
    size, *way = _way(*y.shape, a.shape[not turned_a], turned_a, turned_b, copied, y.itemsize)
    loops.product(
        a, turned_a, b, turned_b, *way, shift, relu, empty((size,), y.dtype), y, REGISTER // y.itemsize, THREADS
    )


@lru_cache(maxsize=1024)
def _way(
    rows: int, columns: int, depth: int, turned_a: bool, turned_b: bool, packed: bool, itemsize: int
) -> tuple[int, bool, int, int, bool]:
    """The elements of scratch memory, whether the rows are few, blocks and width of the panel, and whether it is packed: see
    `loops.product`."""
    lanes = REGISTER // itemsize
    few = turned_b and 4 * rows <= columns
    inner = rows if few else columns
    width = min(WIDEST, -(-inner // lanes)) * lanes
    blocks = -(-inner // width)
    rest = columns * blocks * width if few else rows * depth * turned_a
    return packed * blocks * depth * width + rest, few, blocks, width, packed


def lies_well(matrix: Any) -> bool:
    """Whether a contiguous matrix (K, N) can be a panel as it is."""
    row = matrix.shape[1] * matrix.itemsize
    return bool(row % REGISTER == 0 and matrix.shape[0] * gcd(row, WAY) <= WAYS * WAY)


def _aligned(matrix: Any) -> bool:
    return bool(matrix.__array_interface__["data"][0] % REGISTER == 0)
