"""Device "cuda" without a device: arrays on the host, kernels in Numba's simulator (NUMBA_ENABLE_CUDASIM=1).

The simulator runs every thread of a block as a thread of Python: slow, but with a debugger, print and bounds checks.
"""

from __future__ import annotations

import functools
import sys
import threading
from typing import Any

import numpy as np


class SimArray(np.ndarray):
    """An array of the simulated device: a NumPy array that, like a CuPy array, stays an array when it has one element."""

    __tinynet_device__ = "cuda"

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        return np.asarray(array).view(SimArray)

    def __getitem__(self, index: Any) -> Any:
        return _wrap(super().__getitem__(index))


class _Module:
    """NumPy's functions, whose results are arrays of the simulated device."""

    def __getattr__(self, name: str) -> Any:
        value = getattr(np, name)
        if not callable(value) or isinstance(value, (type, np.ufunc)):
            return value

        @functools.wraps(value)
        def function(*args: Any, **kwargs: Any) -> Any:
            return _wrap(value(*args, **kwargs))

        setattr(self, name, function)
        return function


def _wrap(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return type(value)(*map(_wrap, value)) if hasattr(value, "_fields") else type(value)(map(_wrap, value))
    return np.asarray(value).view(SimArray) if isinstance(value, (np.ndarray, np.generic)) else value


xp = _Module()


class Pointer:
    """What a kernel gets for an array: its elements by number, each checked to be inside."""

    def __init__(self, array: Any) -> None:
        self.elements = np.asarray(array).reshape(-1)

    def __getitem__(self, i: int) -> Any:
        self.check(i)
        return self.elements[i]

    def __setitem__(self, i: int, value: Any) -> None:
        self.check(i)
        self.elements[i] = value

    def check(self, i: int, count: int = 1) -> None:
        if not 0 <= i <= len(self.elements) - count:
            raise IndexError(f"element {i} of an array of {len(self.elements)}")


_lock = threading.Lock()


def _shared_array(self: Any, shape: Any, dtype: Any, alignment: int | None = None) -> Any:
    """Shared memory keyed by the line that asks for it, made once per block however many threads ask at a time."""
    frame = sys._getframe(1)
    key = frame.f_code.co_filename, frame.f_lineno
    with _lock:
        if key not in self._allocations:
            self._allocations[key] = np.full(shape, -77, dtype)
        return self._allocations[key]


def prepare() -> None:
    """Mends what the simulator lacks: shared arrays with an alignment, made safely by many threads; and speed.

    Numba's simulator starts all threads of a block and polls them. Here they take turns: each runs until it waits at a
    barrier or ends, then the next. That is faster, and every run has the same order.
    """
    from numba.cuda.simulator.kernel import BlockManager, BlockThread
    from numba.cuda.simulator.kernelapi import FakeCUDAShared

    class Thread(BlockThread):  # type: ignore[misc]
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.turn, self.done, self.ended = threading.Semaphore(0), threading.Semaphore(0), False

        def run(self) -> None:
            super().run()
            self.ended = True
            self.done.release()

        def syncthreads(self) -> None:
            self.done.release()
            self.turn.acquire()
            if self.abort:
                raise RuntimeError("another thread of the block failed")

    def run(self: Any, block: Any, *args: Any) -> None:
        threads = [
            Thread(lambda: self._f(*args), self, block, point, self._debug) for point in np.ndindex(*self._block_dim)
        ]
        for thread in threads:
            thread.start()
            thread.done.acquire()
        while waiting := [thread for thread in threads if not thread.ended]:
            failed = any(thread.exception for thread in threads)
            for thread in waiting:
                thread.abort = failed
                thread.turn.release()
                thread.done.acquire()
        for thread in threads:
            if thread.exception:
                raise thread.exception[0].with_traceback(thread.exception[1])

    BlockManager.run = run
    FakeCUDAShared.array = _shared_array


def shuffle_xor(value: Any, mask: int) -> Any:
    """`value` of the thread of this warp whose number differs by the bits of `mask`. All threads of the block must call it."""
    thread = threading.current_thread()
    board = thread._manager.__dict__.setdefault("tinynet_board", {})  # type: ignore[attr-defined]
    board[thread.thread_id] = value  # type: ignore[attr-defined]
    thread.syncthreads()  # type: ignore[attr-defined]
    result = board[thread.thread_id ^ mask]  # type: ignore[attr-defined]
    thread.syncthreads()  # type: ignore[attr-defined]
    return result
