"""Device "cuda" without a device: arrays on the host, kernels in Numba's simulator (NUMBA_ENABLE_CUDASIM=1).

Every thread of a block is a run of the kernel's Python: slow, but with a debugger, print and bounds checks.
"""

from __future__ import annotations

import ast
import functools
import inspect
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .unroll import rebuilt


class SimArray(np.ndarray):
    """An array of the simulated device: a NumPy array that, like a CuPy array, stays an array when it has one element."""

    __tinynet_device__ = "cuda"

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        return _wrap(array)

    def __getitem__(self, index: Any) -> Any:
        result = super().__getitem__(index)
        if isinstance(result, np.generic):  # a view of the one element
            result = super().__getitem__((*index, ...) if isinstance(index, tuple) else (index, ...))
        return _wrap(result)


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
    if isinstance(value, (np.ndarray, np.generic)) and not isinstance(value, SimArray):
        return np.asarray(value).view(SimArray)
    return value


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


def prepare() -> None:
    """Puts our way of running a block, and of giving it shared memory, in the place of the simulator's own.

    Numba's simulator makes every thread of a block a thread of Python and polls them. Here one thread of Python is all of
    them in turn: each runs until it waits at a barrier or ends, then the next. That is many times faster, and every run has
    the same order.
    """
    from numba.cuda.simulator import kernel
    from numba.cuda.simulator.kernelapi import Dim3, FakeCUDAShared

    class Block(kernel.BlockThread):  # type: ignore[misc]
        def __init__(self, function: Callable[..., Any], manager: Any, block: Any, arguments: Any) -> None:
            super().__init__(lambda: self.take_turns(function, arguments), manager, block, (0, 0, 0), False)
            self.board: dict[int, Any] = {}

        def take_turns(self, function: Callable[..., Any], arguments: Any) -> None:
            running: list[Any] = []
            for number, (z, y, x) in enumerate(np.ndindex(*reversed(self._manager._block_dim))):
                self.thread_id, self.threadIdx = number, Dim3(x, y, z)
                progress = function(*arguments)  # the whole thread, unless its kernel has barriers
                if progress is not None:
                    running.append((self.thread_id, self.threadIdx, progress))
            while running:
                running = [thread for thread in running if self.reaches_a_barrier(*thread)]

        def reaches_a_barrier(self, number: int, index: Any, progress: Iterator[None]) -> bool:
            self.thread_id, self.threadIdx = number, index
            return next(progress, False) is None

    def run(self: Any, block: Any, *arguments: Any) -> None:
        kernel._get_kernel_context().shared._allocations.clear()
        thread = Block(self._f, self, block, arguments)
        thread.start()
        thread.join()
        if thread.exception:
            raise thread.exception[0].with_traceback(thread.exception[1])

    kernel.BlockManager.run = run
    FakeCUDAShared.array = _shared_array


def _shared_array(self: Any, shape: Any, dtype: Any, alignment: int | None = None) -> Any:
    """The block's array for the line that asks for it, full of what is no result."""
    frame = sys._getframe(1)
    key = frame.f_code.co_filename, frame.f_lineno
    if key not in self._allocations:
        self._allocations[key] = np.full(shape, np.nan if np.dtype(dtype).kind == "f" else -77, dtype)
    return self._allocations[key]


def with_turns(function: Callable[..., Any]) -> Callable[..., Any]:
    """The kernel as a generator that yields wherever its threads wait for each other; itself if they never do.

    They wait in `cuda.syncthreads()`, `cuda.syncwarp()`, and in functions that are generators themselves, such as
    `shuffle_xor`, which a kernel calls by their names.
    """
    function = inspect.unwrap(function)  # as it was written: unrolled code would only be slower here
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    closure = dict(inspect.getclosurevars(function).nonlocals)
    turns = _Turns({**function.__globals__, **closure})
    turns.visit(tree)
    return rebuilt(function, tree, closure) if turns.found else function


class _Turns(ast.NodeTransformer):
    def __init__(self, names: dict[str, Any]) -> None:
        self.names, self.found = names, False

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        called = node.func
        result: ast.AST = node
        if isinstance(called, ast.Attribute) and called.attr in ("syncthreads", "syncwarp"):
            result = ast.Yield()
        elif isinstance(called, ast.Name) and inspect.isgeneratorfunction(self.names.get(called.id)):
            result = ast.YieldFrom(node)
        self.found |= result is not node
        return ast.copy_location(result, node)


def shuffle_xor(value: Any, mask: int) -> Any:
    """`value` of the thread of this warp whose number differs by the bits of `mask`. All threads of the block must call it."""
    block: Any = threading.current_thread()
    me = block.thread_id
    block.board[me] = value
    yield
    result = block.board[me ^ mask]
    yield
    return result
