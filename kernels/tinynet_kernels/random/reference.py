"""Philox4x32-10 and what is made of its words, in NumPy integer arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np

MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
WEYL = 0x9E3779B9, 0xBB67AE85
LOW = np.uint64(0xFFFFFFFF)


def philox4x32(counter: Any, key: tuple[int, int]) -> Any:
    """Ten rounds over counters (n, 4) of uint32: an array (n, 4) of uint32."""
    c0, c1, c2, c3 = (counter[:, i].astype(np.uint64) for i in range(4))
    k0, k1 = key
    for _ in range(10):
        p0, p1 = np.uint64(MULTIPLIERS[0]) * c0, np.uint64(MULTIPLIERS[1]) * c2
        c0, c1, c2, c3 = (
            (p1 >> np.uint64(32)) ^ c1 ^ np.uint64(k0),
            p1 & LOW,
            (p0 >> np.uint64(32)) ^ c3 ^ np.uint64(k1),
            p0 & LOW,
        )
        k0, k1 = (k0 + WEYL[0]) & 0xFFFFFFFF, (k1 + WEYL[1]) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], axis=1).astype(np.uint32)


def position(seed: int, offset: int, state: Any) -> tuple[int, int]:
    """Seed and offset with what is in `state` added."""
    if state is None:
        return seed, offset
    added = np.asarray(state).view(np.uint64)
    return (seed + int(added[0])) % (1 << 64), (offset + int(added[1])) % (1 << 64)


def words(count: int, seed: int, offset: int) -> Any:
    """The first `count` words from counter `offset` on: uint32."""
    blocks = -(-count // 4)
    index = np.arange(blocks, dtype=np.uint64) + np.uint64(offset)
    zero = np.zeros_like(index)
    counter = np.stack([index & LOW, index >> np.uint64(32), zero, zero], axis=1).astype(np.uint32)
    return philox4x32(counter, (seed & 0xFFFFFFFF, seed >> 32)).reshape(-1)[:count]


def threshold(p: float) -> int:
    """An element is kept when the upper 24 bits of its word are at least this."""
    return round(p * (1 << 24))


def uniform(word: Any, dtype: Any) -> Any:
    """Numbers in [0, 1): as many of the word's upper bits as the dtype holds exactly."""
    if dtype == np.float64:
        return word * 2.0**-32
    return (word >> np.uint32(8)).astype(dtype) * dtype.type(2.0**-24)


def philox_uniform(out: Any, *, seed: int, offset: int, state: Any = None) -> Any:
    return uniform(words(out.size, *position(seed, offset, state)), out.dtype).reshape(out.shape)


def philox_normal(out: Any, *, seed: int, offset: int, state: Any = None) -> Any:
    pairs = words(out.size + out.size % 2, *position(seed, offset, state)).reshape(-1, 2) >> np.uint32(8)
    radius = np.sqrt(-2 * np.log((pairs[:, 0] + 1.0) * 2.0**-24))
    angle = 2 * np.pi * pairs[:, 1] * 2.0**-24
    both = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return both.reshape(-1)[: out.size].reshape(out.shape).astype(out.dtype)


def dropout(x: Any, *, p: float, seed: int, offset: int, state: Any = None) -> Any:
    kept = (words(x.size, *position(seed, offset, state)) >> np.uint32(8)) >= threshold(p)
    scale = x.dtype.type(1 / (1 - p) if p < 1 else 0)
    return np.where(kept.reshape(x.shape), x * scale, np.zeros_like(x))
