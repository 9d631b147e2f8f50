"""Random numbers on the CPU: NumPy for short arrays, a compiled parallel loop for long ones; the bits are the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import reference

LONG = 1 << 15  # from here on a compiled loop is faster than NumPy even counting the import of Numba


def philox_uniform(outputs: tuple[Any], like: Any, *, seed: int, offset: int, state: Any = None) -> None:
    (out,) = outputs
    out[...] = reference.uniform(_words(out.size, *reference.position(seed, offset, state)), out.dtype).reshape(
        out.shape
    )


def philox_normal(outputs: tuple[Any], like: Any, *, seed: int, offset: int, state: Any = None) -> None:
    (out,) = outputs
    pairs = _words(out.size + out.size % 2, *reference.position(seed, offset, state)).reshape(-1, 2) >> np.uint32(8)
    kind = out.dtype.type
    radius = np.sqrt(kind(-2) * np.log((pairs[:, 0] + np.uint32(1)).astype(kind) * kind(2.0**-24)))
    angle = pairs[:, 1].astype(kind) * kind(2 * np.pi * 2.0**-24)
    both = np.empty(pairs.shape, out.dtype)
    np.multiply(radius, np.cos(angle), out=both[:, 0])
    np.multiply(radius, np.sin(angle), out=both[:, 1])
    out[...] = both.reshape(-1)[: out.size].reshape(out.shape)


def dropout(outputs: tuple[Any], x: Any, *, p: float, seed: int, offset: int, state: Any = None) -> None:
    (y,) = outputs
    scale = x.dtype.type(1 / (1 - p) if p < 1 else 0)
    seed, offset = reference.position(seed, offset, state)
    if x.size < LONG:
        y[...] = reference.dropout(x, p=p, seed=seed, offset=offset)
        return
    from . import loops

    flat = np.ascontiguousarray(x).reshape(-1)
    result = y.reshape(-1) if y.flags.c_contiguous else np.empty_like(flat)
    loops.dropout(flat, result, np.uint32(reference.threshold(p)), scale, *_key(seed), np.uint64(offset))
    if not y.flags.c_contiguous:
        y[...] = result.reshape(y.shape)


def _words(count: int, seed: int, offset: int) -> Any:
    if count < LONG:
        return reference.words(count, seed, offset)
    from . import loops

    result = np.empty(-(-count // 4) * 4, np.uint32)
    loops.words(result, *_key(seed), np.uint64(offset))
    return result[:count]


def _key(seed: int) -> tuple[Any, Any]:
    return np.uint32(seed & 0xFFFFFFFF), np.uint32(seed >> 32)
