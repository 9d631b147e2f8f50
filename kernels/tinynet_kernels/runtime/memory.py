"""Memory for arrays on the host, used again instead of returned to the system.

A network allocates the same large arrays in every step. Fresh memory from the system costs a page fault for every 4 KiB,
more than it takes to fill it; so a block that is no longer used is kept for the next array of about its size. What is handed
out is an ordinary NumPy array whose `base` owns the block: the block comes back when the last array or view that shows it
is gone, however long that takes. Blocks start at a multiple of 64 bytes, a cache line and the widest vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import RLock
from typing import Any

import numpy as np

SMALLEST = 1 << 15  # bytes; the system's allocator is fast enough for what is smaller
MOST = 1 << 29  # bytes kept for later use; what comes back beyond that is released
ALIGN = 64


class _Block:
    """Memory that returns to the pool when nothing refers to it any more."""

    __slots__ = ("__array_interface__", "memory")

    def __init__(self, memory: Any) -> None:
        address = memory.ctypes.data
        self.memory = memory
        self.__array_interface__ = {
            "version": 3,
            "data": (address + -address % ALIGN, False),
            "shape": (memory.size - ALIGN,),
            "typestr": "|u1",
        }

    def __del__(self) -> None:
        _give_back(self.memory)


_free: dict[int, list[Any]] = {}  # blocks by their size
_lock = RLock()  # the collector may run __del__ while it is held
_kept = 0  # bytes in `_free`


def empty(shape: Sequence[int], dtype: Any) -> Any:
    """An uninitialised, C-contiguous array."""
    dtype = np.dtype(dtype)
    size = dtype.itemsize
    for n in shape:
        size *= n
    if size < SMALLEST:
        return np.empty(shape, dtype)
    block = np.asarray(_Block(_take(_bucket(size))))
    return block[:size].view(dtype).reshape(shape)


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


def kept() -> int:
    """Bytes that are not in use and kept for the next array."""
    return _kept


def _bucket(size: int) -> int:
    """The size of the block for an array: at most an eighth more than needed, so that close sizes share blocks."""
    unit = 1 << max(size.bit_length() - 4, 12)
    return -(-size // unit) * unit


def _take(size: int) -> Any:
    global _kept
    with _lock:
        blocks = _free.get(size)
        if blocks:
            _kept -= size
            return blocks.pop()
    return np.empty(size + ALIGN, np.uint8)


def _give_back(memory: Any) -> None:
    global _kept
    size = memory.size - ALIGN
    with _lock:
        if _kept + size <= MOST:
            _free.setdefault(size, []).append(memory)
            _kept += size
