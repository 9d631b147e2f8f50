"""The launcher: how a Python function becomes a CUDA kernel and is started on arrays.

This is the only module that imports numba.cuda. A kernel is a function whose parameters are annotated with

    Pointer       the elements of an array; all such arrays of a call have one dtype, float32 or float64, or for kernels
                  that say so float16 (as its bits), uint16 or uint32
    Float32Pointer, Int32Pointer, Int64Pointer
    Real          a number of that dtype
    int32, uint32, uint64

pointers first, and is started by `kernel(blocks, *arguments)`: arrays are passed as bare addresses, which takes a few
microseconds where Numba's own dispatcher describes each array anew and takes tens. What a bare address loses is checked
before: dtype, shape and device by the `KernelSpec`, layout and size by `contiguous`, alignment by `aligned`; the simulator
checks dtypes and bounds of all arrays. Launches go to CuPy's current stream of the current device, which must be the
arrays' own.
"""

from __future__ import annotations

import ctypes
import functools
import os
import struct
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from . import tuning
from .memory import finish

SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"

from numba import cuda  # noqa: E402  after the variable has been looked at, as numba itself does

if SIMULATED:
    from . import simulator

    simulator.prepare()
else:
    import cupy
    from cuda.bindings import driver
    from numba.cuda import cgutils, types
    from numba.cuda.extending import intrinsic

__all__ = [
    "KERNELS",
    "SIMULATED",
    "Float32Pointer",
    "Int32Pointer",
    "Int64Pointer",
    "Kernel",
    "Pointer",
    "Real",
    "aligned",
    "blocks_for",
    "cgutils",
    "contiguous",
    "cuda",
    "finish",
    "intrinsic",
    "kernel",
    "lasting",
    "module",
    "repeatable",
    "types",
    "writable",
]

Pointer: TypeAlias = Any  # see above
Float32Pointer: TypeAlias = Any
Int32Pointer: TypeAlias = Any
Int64Pointer: TypeAlias = Any
Real: TypeAlias = Any
Blocks: TypeAlias = "int | tuple[int, int, int]"

_ELEMENTS = {"f": "float32", "d": "float64", "e": "uint16", "H": "uint16", "I": "uint32"}
_NUMBERS = {"int32": np.int32, "uint32": np.uint32, "uint64": np.uint64}
_LETTERS = {"int32": "i", "uint32": "I", "uint64": "Q"}  # of the module struct
KERNELS: list[Kernel] = []  # every kernel made so far, for the compile checks


class Kernel:
    """A kernel, compiled for each dtype and device when it is first started there.

    threads     threads per block.
    min_blocks  blocks that must fit on a multiprocessor at a time, which bounds the registers.
    shared      bytes of shared memory that are given at the launch, beyond those the function declares.
    """

    def __init__(self, function: Callable[..., Any], threads: int, min_blocks: int | None, shared: int = 0) -> None:
        self.function, self.threads, self.min_blocks, self.shared = function, threads, min_blocks, shared
        self.annotations = [function.__annotations__[p] for p in function.__code__.co_varnames[: _arity(function)]]
        self.name = function.__name__
        self._real = self.annotations.index("Pointer")
        self._pointers = sum("Pointer" in a for a in self.annotations)
        if any("Pointer" in a for a in self.annotations[self._pointers :]):
            raise ValueError(f"{self.name}: its pointers must come before its numbers, not {self.annotations}")
        self._compiled: dict[tuple[str, int], Any] = {}
        self._starts: dict[tuple[str, int], Callable[..., None]] = {}
        KERNELS.append(self)

    def __call__(self, blocks: Blocks, *arguments: Any) -> None:
        if SIMULATED:
            self._simulate(blocks, arguments)
            return
        array = arguments[self._real]
        key = array.dtype.char, array.data.device_id
        start = self._starts.get(key)
        if start is None:
            parameters = self._parameters(array.dtype)
            start = self._starts[key] = self._start(array, parameters, parameters.pack)
        x, y, z = _grid(blocks)
        start(*arguments[: self._pointers], x=x, y=y, z=z, numbers=arguments[self._pointers :])

    def prepared(self, like: Any, blocks: Blocks, *numbers: Any) -> Callable[..., None]:
        """The launch for arrays on the device, and of the dtype, of `like`, with all but the arrays settled: what it returns
        is called with those alone, and takes about half the time. To be kept for shapes that come again.
        """
        if SIMULATED:
            return lambda *arrays: self(blocks, *arrays, *numbers)
        parameters = self._parameters(like.dtype)
        parameters.pack(parameters.memory, 0, *[0] * self._pointers, *numbers)
        return self._start(like, parameters, struct.Struct("Q" * self._pointers).pack_into, *_grid(blocks))

    def signature(self, dtype: Any) -> tuple[Any, ...]:
        """Numba's types of the arguments for arrays of this dtype."""
        real = getattr(types, _ELEMENTS[np.dtype(dtype).char])
        named = {
            "Pointer": types.CPointer(real),
            "Float32Pointer": types.CPointer(types.float32),
            "Int32Pointer": types.CPointer(types.int32),
            "Int64Pointer": types.CPointer(types.int64),
            "Real": real,
            "int32": types.int32,
            "uint32": types.uint32,
            "uint64": types.uint64,
        }
        return tuple(named[a] for a in self.annotations)

    @property
    def launch_bounds(self) -> Any:
        return self.threads if self.min_blocks is None else (self.threads, self.min_blocks)

    def _compiled_for(self, array: Any) -> Any:
        """The compiled kernel for the dtype and device of an array; the device is the current one."""
        key = array.dtype.char, array.data.device_id
        if key not in self._compiled:
            self._compiled[key] = self._build(array.dtype)
        return self._compiled[key]

    def _build(self, dtype: Any) -> Any:
        begin = time.perf_counter()
        cuda.current_context()  # makes CuPy's context Numba's, once per thread
        dispatcher = cuda.jit(cache=True, launch_bounds=self.launch_bounds)(self.function)
        compiled = dispatcher.compile(self.signature(dtype))._codelibrary.get_cufunc()
        if self.shared > 48 * 1024:  # more than every device has unasked
            attribute = driver.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
            (error,) = driver.cuKernelSetAttribute(attribute, self.shared, compiled.handle, compiled.device.id)
            if error != driver.CUresult.CUDA_SUCCESS:
                raise RuntimeError(
                    f"{self.name} needs {self.shared} bytes of shared memory, which the device refused: {error}"
                )
        seconds = time.perf_counter() - begin
        if seconds > 1:
            print(f"tinynet: compiled {self.name} for {dtype} in {seconds:.1f} s, once", file=sys.stderr, flush=True)
        return driver.CUfunction(int(compiled.handle))

    def _parameters(self, dtype: Any) -> _Parameters:
        return _Parameters(["Q" if "Pointer" in a else _LETTERS.get(a, dtype.char) for a in self.annotations])

    def _start(
        self, like: Any, parameters: _Parameters, pack: Callable[..., None], x: int = 1, y: int = 1, z: int = 1
    ) -> Callable[..., None]:
        """A function that starts x * y * z blocks of the kernel, compiled for `like`, on CuPy's current stream: `pack` writes
        into the memory of `parameters` the addresses of the arrays, and numbers that are not there yet.
        """
        function, threads, shared, launch = self._compiled_for(like), self.threads, self.shared, driver.cuLaunchKernel
        no_context, stream_of = driver.CUresult.CUDA_ERROR_INVALID_CONTEXT, cupy.cuda.get_current_stream
        lock, memory = parameters.lock, parameters.memory

        def start(*arrays: Any, x: int = x, y: int = y, z: int = z, numbers: tuple[Any, ...] = ()) -> None:
            addresses = [0 if a is None else a.data.ptr for a in arrays]
            with lock:
                pack(memory, 0, *addresses, *numbers)
                (error,) = launch(function, x, y, z, threads, 1, 1, shared, stream_of().ptr, parameters.places, 0)
                if error == no_context:  # the first that this thread of the host asks of the device
                    cupy.cuda.runtime.free(0)  # makes its context the thread's, as any call of the runtime does
                    (error,) = launch(function, x, y, z, threads, 1, 1, shared, stream_of().ptr, parameters.places, 0)
            if error:
                raise RuntimeError(
                    f"{self.name}: {x} x {y} x {z} blocks of {threads} threads did not start: {error.name}"
                )

        return start

    @functools.cached_property
    def _turns(self) -> Callable[..., Any]:
        return simulator.with_turns(self.function)

    def _simulate(self, blocks: Any, arguments: tuple[Any, ...]) -> None:
        dtype = arguments[self._real].dtype
        for kind, a in zip(self.annotations, arguments):
            wanted = dtype if kind == "Pointer" else kind.removesuffix("Pointer").lower()
            if "Pointer" in kind and a is not None and a.dtype != wanted:
                raise TypeError(f"{self.name}: an array for a {kind} has dtype {a.dtype}, expected {wanted}")
        converted = [
            simulator.Pointer(np.empty(0) if a is None else a)
            if "Pointer" in kind
            else _NUMBERS.get(kind, dtype.type)(a)
            for kind, a in zip(self.annotations, arguments)
        ]
        with np.errstate(all="ignore"):
            cuda.jit(self._turns)[blocks, self.threads](*converted)


class _Parameters:
    """Memory for the arguments of a launch, of types named by the module struct's letters, and where each lies in it.

    It is one for all threads, which take turns by the lock: `cuLaunchKernel` has read it when it returns.
    """

    def __init__(self, letters: list[str]) -> None:
        whole = struct.Struct("".join(letters))
        ends = [struct.calcsize("".join(letters[: i + 1])) for i in range(len(letters))]
        self.pack, self.lock = whole.pack_into, threading.Lock()
        self.memory = ctypes.create_string_buffer(whole.size)
        begin = ctypes.addressof(self.memory)
        places = (begin + end - struct.calcsize(letter) for end, letter in zip(ends, letters))
        self._places = (ctypes.c_void_p * len(letters))(*places)
        self.places = ctypes.addressof(self._places)


def kernel(threads: int, min_blocks: int | None = None, shared: int = 0) -> Callable[[Callable[..., Any]], Kernel]:
    """A decorator that makes a function a kernel of so many threads per block: see the module's docstring."""
    return lambda function: Kernel(function, threads, min_blocks, shared)


def _arity(function: Callable[..., Any]) -> int:
    return function.__code__.co_argcount


def _grid(blocks: Blocks) -> tuple[int, int, int]:
    return (blocks, 1, 1) if isinstance(blocks, int) else blocks


def module() -> Any:
    """The array module of the device: cupy, or the simulator's."""
    return simulator.xp if SIMULATED else cupy


def contiguous(array: Any) -> Any:
    """The array in C order: itself, or a copy. What is no array is passed over."""
    flags = getattr(array, "flags", None)
    if flags is None:
        return array
    _check_size(array)
    return array if flags.c_contiguous else module().ascontiguousarray(array)


def writable(output: Any) -> Any:
    """A C-contiguous array to write for `output`: itself if it is one, else fresh memory, which `finish` copies over."""
    _check_size(output)
    return output if output.flags.c_contiguous else module().empty(output.shape, output.dtype)


def _check_size(array: Any) -> None:
    """ValueError for 2**31 elements and more: kernels count in 32 bits."""
    if array.size >= 1 << 31:
        raise ValueError(f"an array of shape {array.shape} has {array.size} elements, kernels take less than 2**31")


def repeatable(prepare: Callable[..., Callable[..., Any]]) -> Callable[..., Callable[..., Any] | None]:
    """An implementation, as `KernelSpec` has them, that returns what repeats it, from one that prepares its launches.

    prepare  `prepare(outputs, *args, **params)` returns `launch(outputs, *args)`, which serves all arrays that lie like those
             given. Both get C-contiguous arrays: where the call's are not, copies, from which outputs are copied back.

    Plans that are not final (see `tuning.settled`) are not repeated.
    """

    @functools.wraps(prepare)
    def run(outputs: Any, *args: Any, **params: Any) -> Callable[..., Any] | None:
        written, used = [writable(o) for o in outputs], [contiguous(a) for a in args]
        launch = prepare(written, *used, **params)
        launch(written, *used)
        for output, result in zip(outputs, written):
            finish(output, result)
        if not tuning.settled():
            return None
        copies = any(a is not b for a, b in zip((*outputs, *args), (*written, *used)))
        return functools.partial(_with_copies, launch) if copies else launch

    return run


def _with_copies(launch: Callable[..., None], outputs: Any, *args: Any) -> None:
    written = [writable(o) for o in outputs]
    launch(written, *map(contiguous, args))
    for output, result in zip(outputs, written):
        finish(output, result)


def lasting(*arrays: Any) -> tuple[Any, ...]:
    """The arrays, complete: made once, for launches on whatever stream, none of which waits for the one they are made on.

    RuntimeError while launches are recorded, because only a replay would complete them.
    """
    if not SIMULATED:
        stream = cupy.cuda.get_current_stream()
        if stream.is_capturing():
            raise RuntimeError(
                "tables of a shape that is new cannot be made while launches are recorded: call it once before"
            )
        stream.synchronize()
    return arrays


def aligned(*arrays: Any) -> bool:
    """Whether 16 bytes at a time can be read and written from the start of each array (None is passed over)."""
    return SIMULATED or all(a is None or a.data.ptr % 16 == 0 for a in arrays)


def blocks_for(elements: int, threads: int) -> int:
    """How many blocks give every element a thread."""
    return -(-elements // threads)
