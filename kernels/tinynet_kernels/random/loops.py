"""Philox4x32-10 compiled by Numba, one counter at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from ..runtime.compiled import for_each, once, parallel, span
from .reference import MULTIPLIERS, WEYL

_M0, _M1 = (np.uint64(m) for m in MULTIPLIERS)
_W0, _W1 = (np.uint32(w) for w in WEYL)
_HALF = np.uint64(32)
_1, _2, _3 = (np.uint64(n) for n in (1, 2, 3))
BLOCKS = 1 << 12  # of a piece of work

_inline: Any = njit(cache=True, inline="always")


@_inline
def _philox(block: Any, key0: Any, key1: Any) -> Any:
    c0, c1, c2, c3 = np.uint32(block), np.uint32(block >> _HALF), np.uint32(0), np.uint32(0)
    k0, k1 = key0, key1
    for _ in range(10):
        p0, p1 = _M0 * np.uint64(c0), _M1 * np.uint64(c2)
        c0, c1, c2, c3 = (
            np.uint32(np.uint32(p1 >> _HALF) ^ c1 ^ k0),
            np.uint32(p1),
            np.uint32(np.uint32(p0 >> _HALF) ^ c3 ^ k1),
            np.uint32(p0),
        )
        k0, k1 = np.uint32(k0 + _W0), np.uint32(k1 + _W1)
    return c0, c1, c2, c3


@once
def _words(piece: int, out: Any, key0: int, key1: int, offset: int) -> None:
    for block in range(*span(piece, BLOCKS, out.size // 4)):
        c0, c1, c2, c3 = _philox(block + np.uint64(offset), np.uint32(key0), np.uint32(key1))
        out[4 * block] = c0
        out[4 * block + 1] = c1
        out[4 * block + 2] = c2
        out[4 * block + 3] = c3


@parallel
def words(out: Any, key0: Any, key1: Any, offset: Any) -> None:
    """Fills `out`, uint32 of a length divisible by four."""
    for_each((out.size // 4 + BLOCKS - 1) // BLOCKS, _words, out, key0, key1, offset)


@once
def _dropout(piece: int, x: Any, y: Any, threshold: int, scale: Any, key0: int, key1: int, offset: int) -> None:
    zero, least, shift = x.dtype.type(0), np.uint32(threshold), np.uint32(8)
    first, last = span(piece, BLOCKS, (x.size + 3) // 4)
    for block in range(first, min(last, np.uint64(x.size // 4))):
        c0, c1, c2, c3 = _philox(block + np.uint64(offset), np.uint32(key0), np.uint32(key1))
        i = np.uint64(4) * block
        a, b, c, d = x[i], x[i + _1], x[i + _2], x[i + _3]  # read in any case, as vectors of them are
        y[i] = a * scale if (c0 >> shift) >= least else zero
        y[i + _1] = b * scale if (c1 >> shift) >= least else zero
        y[i + _2] = c * scale if (c2 >> shift) >= least else zero
        y[i + _3] = d * scale if (c3 >> shift) >= least else zero
    if 4 * last > x.size:
        drawn = _philox(last - _1 + np.uint64(offset), np.uint32(key0), np.uint32(key1))
        for i in range(x.size // 4 * 4, x.size):
            y[i] = x[i] * scale if (drawn[i % 4] >> shift) >= least else zero


@parallel
def dropout(x: Any, y: Any, threshold: Any, scale: Any, key0: Any, key1: Any, offset: Any) -> None:
    """Flat x and y; the last block may be cut short."""
    for_each(((x.size + 3) // 4 + BLOCKS - 1) // BLOCKS, _dropout, x, y, threshold, scale, key0, key1, offset)
