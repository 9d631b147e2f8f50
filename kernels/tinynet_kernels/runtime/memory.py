"""Memory for arrays on the host, used again instead of returned to the system.

A network allocates the same large arrays in every step. Fresh memory from the system costs a page fault for every 4 KiB,
more than it takes to fill it; so a block that is no longer used is kept for the next array of about its size. What is handed
out is an ordinary NumPy array whose `base` owns the block: the block comes back when the last array or view that shows it
is gone, however long that takes. Blocks start at a multiple of 64 bytes, a cache line and the widest vector.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from threading import RLock
from typing import Any

import numpy as np

SMALLEST = 1 << 15  # bytes; the system's allocator is fast enough for what is smaller
MOST = 1 << 29  # bytes kept for later use; what comes back beyond that is released
ALIGN = 64


class _Memory(np.ndarray[Any, Any]):
    """Bytes of the system's, from a multiple of 64 on."""

    def __new__(cls, size: int) -> _Memory:
        buffer = np.empty(size + ALIGN, np.uint8)
        begin = -buffer.ctypes.data % ALIGN
        return buffer[begin : begin + size].view(cls)


class _Block(np.ndarray[Any, Any]):
    """The owner of the arrays in some memory, which returns to the pool when no array refers to its owner any more.

    NumPy lets an array refer to the first array of another type among those whose memory it shows.
    """

    def __del__(self) -> None:
        memory = self.base
        if isinstance(memory, _Memory):  # else a view of a block
            if _made <= MOST:  # so many may be kept
                _free[memory.size].append(memory)
            else:
                _return(memory)


_free: dict[int, list[_Memory]] = {}  # by size; what is appended or popped without the lock comes or goes whole
_lock = RLock()  # the collector may run __del__ while it is held
_made = 0  # bytes of all blocks, free or in use
_counts = {"reused": 0, "new": 0, "new_bytes": 0}


def empty(shape: Sequence[int], dtype: Any) -> Any:
    """An uninitialised, C-contiguous array."""
    dtype = np.dtype(dtype)
    size = math.prod(shape, start=dtype.itemsize)
    if size < SMALLEST:
        return np.empty(shape, dtype)
    return np.ndarray(shape, dtype, _take(_bucket(size)).view(_Block))


def zeros(shape: Sequence[int], dtype: Any) -> Any:
    """The same, filled with zeros."""
    array = empty(shape, dtype)
    array[...] = 0
    return array


def writable(output: Any) -> Any:
    """A C-contiguous array to write for `output`: itself if it is one, else other memory, which `finish` copies over."""
    return output if output.flags.c_contiguous else empty(output.shape, output.dtype)


def finish(output: Any, written: Any) -> None:
    if written is not output:
        output[...] = written


def release() -> None:
    """Returns all memory that is not in use to the system."""
    global _made
    with _lock:
        for size, blocks in _free.items():
            with suppress(IndexError):  # another thread may take some meanwhile
                while True:
                    blocks.pop()
                    _made -= size


def statistics() -> dict[str, int]:
    """Blocks "reused" and "new" since the start, the bytes of the new ones, and the bytes "kept" for the next arrays."""
    return {**_counts, "kept": _kept()}


def _kept() -> int:
    return sum(size * len(blocks) for size, blocks in list(_free.items()))


@lru_cache(maxsize=1024)
def _bucket(size: int) -> int:
    """The size of the block for an array: at most an eighth more than needed, so that close sizes share blocks."""
    unit = 1 << max(size.bit_length() - 4, 12)
    return -(-size // unit) * unit


def _take(size: int) -> _Memory:
    try:
        memory = _free[size].pop()
    except (KeyError, IndexError):
        return _new(size)
    _counts["reused"] += 1
    return memory


def _new(size: int) -> _Memory:
    global _made
    memory = _Memory(size)
    with _lock:
        _free.setdefault(size, [])
        _made += size
        _counts["new"] += 1
        _counts["new_bytes"] += size
    return memory


def _return(memory: _Memory) -> None:
    """Keeps a block if there is room for it, where there is none for all."""
    global _made
    with _lock:
        if _kept() + memory.size <= MOST:
            _free[memory.size].append(memory)
        else:
            _made -= memory.size
