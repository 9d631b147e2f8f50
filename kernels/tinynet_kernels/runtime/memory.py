"""Memory for arrays on the host, used again instead of returned to the system.

A network allocates the same large arrays in every step. Fresh memory from the system costs a page fault for every 4 KiB,
more than it takes to fill it; so a block that is no longer used is kept for the next array of about its size. What is handed
out is an ordinary NumPy array whose `base` owns the block: the block comes back when the last array or view that shows it
is gone, however long that takes. Blocks start at a multiple of 64 bytes, a cache line and the widest vector.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from threading import RLock
from typing import Any

import numpy as np

SMALLEST = 1 << 15  # bytes; the system's allocator is fast enough for what is smaller
MOST = 1 << 29  # bytes kept for later use; what comes back beyond that is released
ALIGN = 64


class _Memory:
    """Memory of the system's, and where in it a block begins."""

    __slots__ = ("buffer", "place", "size")

    def __init__(self, size: int) -> None:
        self.size, self.buffer = size, np.empty(size + ALIGN, np.uint8)
        address = self.buffer.ctypes.data
        self.place = (address + -address % ALIGN, False)


class _Block:
    """The owner of the arrays in some memory, which returns to the pool when no array refers to its owner any more."""

    __slots__ = ("__array_interface__", "memory")

    def __init__(self, memory: _Memory, shape: tuple[int, ...], dtype: Any) -> None:
        self.memory = memory
        self.__array_interface__ = {"version": 3, "data": memory.place, "shape": shape, "typestr": dtype.str}

    def __del__(self) -> None:
        _give_back(self.memory)


_free: dict[int, list[_Memory]] = {}  # by size
_lock = RLock()  # the collector may run __del__ while it is held
_kept = 0  # bytes in `_free`
_counts = {"reused": 0, "new": 0, "new_bytes": 0}


def empty(shape: Sequence[int], dtype: Any) -> Any:
    """An uninitialised, C-contiguous array."""
    dtype = np.dtype(dtype)
    size = math.prod(shape, start=dtype.itemsize)
    if size < SMALLEST:
        return np.empty(shape, dtype)
    return np.asarray(_Block(_take(_bucket(size)), tuple(shape), dtype))


def zeros(shape: Sequence[int], dtype: Any) -> Any:
    """The same, filled with zeros."""
    array = empty(shape, dtype)
    array[...] = 0
    return array


def release() -> None:
    """Returns all memory that is not in use to the system."""
    global _kept
    with _lock:
        _free.clear()
        _kept = 0


def statistics() -> dict[str, int]:
    """Blocks "reused" and "new" since the start, the bytes of the new ones, and the bytes "kept" for the next arrays."""
    return {**_counts, "kept": _kept}


def _bucket(size: int) -> int:
    """The size of the block for an array: at most an eighth more than needed, so that close sizes share blocks."""
    unit = 1 << max(size.bit_length() - 4, 12)
    return -(-size // unit) * unit


def _take(size: int) -> _Memory:
    global _kept
    with _lock:
        blocks = _free.get(size)
        if blocks:
            _kept -= size
            _counts["reused"] += 1
            return blocks.pop()
        _counts["new"] += 1
        _counts["new_bytes"] += size
    return _Memory(size)


def _give_back(memory: _Memory) -> None:
    global _kept
    with _lock:
        if _kept + memory.size <= MOST:
            _free.setdefault(memory.size, []).append(memory)
            _kept += memory.size
