"""Where tensors live: device names, the array module of each device, and moving arrays between them."""

from __future__ import annotations

import importlib.util
import math
import os
import sys
from contextlib import AbstractContextManager, nullcontext
from types import ModuleType
from typing import Any

import numpy as np

from . import capture

Array = Any  # numpy.ndarray, cupy.ndarray or a simulated device array


class device:
    """A device by name, as `torch.device`: `device("cpu")`, `device("cuda")`, `device("cuda:1")`, `device("cuda", 1)`.

    Attributes: type, "cpu" or "cuda"; index, None for the CPU; "cuda" without a number is the device that is current then.
    Raises ValueError for another name. Naming a device does not need it to exist. In a `with` block it is the default device.
    """

    __slots__ = ("index", "type")

    type: str
    index: int | None

    def __init__(self, type: str | device, index: int | None = None) -> None:
        if isinstance(type, device):
            self.type, self.index = type.type, type.index
            return
        kind, colon, number = str(type).partition(":")
        if kind not in ("cpu", "cuda") or (colon and not number.isdigit()) or (colon and index is not None):
            raise ValueError(f"device is {type!r}, expected 'cpu', 'cuda' or 'cuda:N'")
        self.type = kind
        if colon:
            index = int(number)
        self.index = None if kind == "cpu" else _current_index() if index is None else index

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        return f"device('{self}')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __enter__(self) -> device:
        before = get_default_device()
        set_default_device(self)
        _entered.append(before)
        return self

    def __exit__(self, *error: object) -> None:
        set_default_device(_entered.pop())


def _current_index() -> int:
    """CuPy's current device; 0 where CuPy has not been asked for anything yet, or there is none."""
    cupy = sys.modules.get("cupy")
    if cupy is None or simulated():
        return 0
    try:
        return int(cupy.cuda.runtime.getDevice())
    except cupy.cuda.runtime.CUDARuntimeError:  # no driver
        return 0


CPU = device("cpu")


_default = CPU
_entered: list[device] = []  # what the default was outside of the `with` blocks that are open


def get_default_device() -> device:
    """Where tensors are made that name no device; the CPU unless `set_default_device` changed it."""
    return _default


def set_default_device(wanted: str | device | None) -> None:
    """Makes tensors there from now on: `zeros(3)`, `tensor([1.0])`, `nn.Linear(3, 2)`. None is the CPU again.

    An array or tensor on a device stays there, and `from_numpy` shares memory on the CPU. ValueError for a bad name,
    DeviceUnavailableError for a device that is not there.
    """
    global _default
    chosen = CPU if wanted is None else device(wanted)
    require(chosen)
    _default = chosen


class DeviceUnavailableError(RuntimeError):
    """A CUDA device was asked for and there is none; the message says what was looked for and what to do."""


def simulated() -> bool:
    """Whether CUDA is Numba's simulator on host arrays (NUMBA_ENABLE_CUDASIM=1)."""
    return os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"


def cuda_problem() -> str | None:
    """Why CUDA cannot be used on this machine, with what to do about it; None if it can."""
    if simulated():
        return None
    advice = (
        "Install the extra for your driver (pip install 'tinynet-gpu[cuda13]' or '[cuda12]') and see "
        "`python -m tinynet.doctor`; or use --device cpu; or set NUMBA_ENABLE_CUDASIM=1 to run the kernels, slowly, in "
        "Numba's simulator."
    )
    for package, module in (("CuPy", "cupy"), ("numba-cuda", "numba_cuda")):
        if importlib.util.find_spec(module) is None:
            return f"no CUDA device: {package} is not installed. {advice}"
    try:
        import cupy

        count = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:  # a broken driver or toolkit shows itself in many ways
        return f"no CUDA device: CuPy {type(error).__name__}: {error}. {advice}"
    return None if count else f"no CUDA device: the driver lists none. {advice}"


def require(wanted: device) -> None:
    """Raises DeviceUnavailableError if `wanted` is a CUDA device that is not there."""
    if wanted.type == "cpu":
        return
    problem = cuda_problem()
    if problem is not None:
        raise DeviceUnavailableError(problem)
    from . import cuda

    count = cuda.device_count()
    if (wanted.index or 0) >= count:
        raise DeviceUnavailableError(
            f"device is {wanted}, but there are {count} CUDA devices: cuda:0 to cuda:{count - 1}"
        )


def module_of(wanted: device) -> Any:
    """The module with NumPy's functions for arrays on that device: numpy, cupy or the simulator's."""
    if wanted.type == "cpu":
        return np
    if simulated():
        from tinynet_kernels.runtime import simulator

        return simulator.xp
    return _cupy()


def xp(array: Array) -> Any:
    """The module with NumPy's functions for this array."""
    if type(array) is np.ndarray:
        return np
    return module_of(device_of(array))


def device_of(array: Array) -> device:
    """The device an array lives on."""
    if type(array) is np.ndarray:
        return CPU
    if hasattr(type(array), "__tinynet_device__"):
        return device("cuda", 0)
    if isinstance(array, np.ndarray):
        return CPU
    return device("cuda", int(array.device.id))


def on(wanted: device) -> AbstractContextManager[Any]:
    """A context in which new arrays are made on that device."""
    if wanted.type == "cpu" or simulated():
        return nullcontext()
    return _cupy().cuda.Device(wanted.index)  # type: ignore[no-any-return]


def move(array: Array, wanted: device, non_blocking: bool = False) -> Array:
    """The array on another device: itself if it is there already, else a copy in contiguous memory.

    The host's side of a transfer is page-locked memory: a copy to a device is staged through it and does not wait, a copy
    from one ends in it. With `non_blocking` a page-locked array is read by the device after the call has returned, and one
    from the device is written then: neither may be touched before the stream is synchronised.
    """
    source = device_of(array)
    if source == wanted:
        return array
    require(wanted)
    capture.refuse(f"a tensor moves from {source} to {wanted}", "move it before or after")
    if simulated():
        return module_of(wanted).array(array, order="C", subok=False)
    if wanted.type == "cpu":
        with on(source):
            return array.get(out=pinned_empty(array.shape, array.dtype), blocking=not non_blocking)
    with on(wanted):
        if source.type == "cuda":
            return _from_other(array, source)
        host = np.asarray(array, order="C")
        return module_of(wanted).asarray(host, blocking=not non_blocking and is_pinned(host))


def _from_other(array: Array, source: device) -> Array:
    """A copy on the current device, which no stream but this orders: it comes after what the source's has been given so far,
    and before what that is given next, which may use the memory again.
    """
    cupy = _cupy()
    with on(source):
        theirs = cupy.cuda.get_current_stream()
        written = theirs.record()
    ours = cupy.cuda.get_current_stream()
    ours.wait_event(written)
    copy = cupy.array(array)
    copied = ours.record()
    with on(source):
        theirs.wait_event(copied)
    return copy


def pinned_empty(shape: tuple[int, ...], dtype: Any) -> Array:
    """A NumPy array in page-locked memory, from CuPy's pool; in ordinary memory if the system will not lock so much."""
    if not math.prod(shape):
        return np.empty(shape, dtype)
    from cupy.cuda.runtime import CUDARuntimeError
    from cupyx import empty_pinned

    try:
        return empty_pinned(shape, dtype)
    except CUDARuntimeError:
        return np.empty(shape, dtype)


def is_pinned(array: Array) -> bool:
    """Whether a NumPy array lies in page-locked memory."""
    if simulated() or array.size == 0 or sys.modules.get("cupy") is None:
        return False
    runtime = _cupy().cuda.runtime
    try:
        return bool(runtime.pointerGetAttributes(array.ctypes.data).type == runtime.memoryTypeHost)
    except runtime.CUDARuntimeError:  # no driver
        return False


def _cupy() -> ModuleType:
    require_message = "CuPy is needed for CUDA arrays"
    try:
        import cupy
    except ImportError as error:
        raise DeviceUnavailableError(f"{require_message}: {error}") from error
    return cupy  # type: ignore[no-any-return]
