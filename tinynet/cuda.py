"""The CUDA devices of this machine, under the names of `torch.cuda`. Nothing here is imported until it is used."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from .device import cuda_problem, on, simulated
from .device import device as Device


def is_available() -> bool:
    """Whether tensors can be put on "cuda": a device is there, or Numba's simulator is on."""
    return cuda_problem() is None


def device_count() -> int:
    """How many CUDA devices can be used; 1 in the simulator, 0 without CUDA."""
    if simulated():
        return 1
    if not is_available():
        return 0
    import cupy

    return int(cupy.cuda.runtime.getDeviceCount())


def current_device() -> int:
    """The index of the device on which "cuda" tensors without an index are made."""
    if simulated():
        return 0
    import cupy

    return int(cupy.cuda.runtime.getDevice())


def device(wanted: int | str | Device) -> AbstractContextManager[Any]:
    """A context that makes this device the current one."""
    return on(Device("cuda", wanted) if isinstance(wanted, int) else Device(wanted))


def synchronize(wanted: int | str | Device | None = None) -> None:
    """Waits until the device (default: the current one) has done all that was asked of it."""
    if simulated():
        return
    import cupy

    with device(current_device() if wanted is None else wanted):
        cupy.cuda.runtime.deviceSynchronize()


def get_device_name(wanted: int = 0) -> str:
    """The device's name, such as "NVIDIA H100"."""
    if simulated():
        return "Numba's CUDA simulator"
    import cupy

    return str(cupy.cuda.runtime.getDeviceProperties(wanted)["name"].decode())


def mem_get_info(wanted: int = 0) -> tuple[int, int]:
    """Free and total bytes of the device's memory."""
    import cupy

    with device(wanted):
        free, total = cupy.cuda.runtime.memGetInfo()
    return int(free), int(total)


def memory_allocated(wanted: int = 0) -> int:
    """Bytes held by arrays on the device."""
    import cupy

    with device(wanted):
        return int(cupy.get_default_memory_pool().used_bytes())


def memory_reserved(wanted: int = 0) -> int:
    """Bytes the memory pool holds, whether arrays use them or not."""
    import cupy

    with device(wanted):
        return int(cupy.get_default_memory_pool().total_bytes())


def empty_cache() -> None:
    """Gives unused memory of the pools back to the device."""
    import cupy

    cupy.get_default_memory_pool().free_all_blocks()
    cupy.get_default_pinned_memory_pool().free_all_blocks()


def __getattr__(name: str) -> Any:
    """`OutOfMemoryError` is CuPy's: what a device without enough memory raises, with the sizes."""
    if name == "OutOfMemoryError":
        from cupy.cuda.memory import OutOfMemoryError

        return OutOfMemoryError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
