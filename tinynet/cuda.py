"""The CUDA devices of this machine, under the names of `torch.cuda`. Nothing here is imported until it is used."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from . import capture
from .device import cuda_problem, on, simulated
from .device import device as Device

if TYPE_CHECKING:
    from .cuda_graph import Graph


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
    capture.refuse("synchronize() waits for the device", "call it after the step")
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


def graph(step: Callable[..., Any], *, warmup: int = 2) -> Graph:
    """The step as a function that runs eagerly `warmup` times, then records itself as a CUDA graph, and replays that.

        @tinynet.cuda.graph
        def step(images, labels):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            return loss

        for images, labels in batches:
            loss = step(images, labels)  # from the third call on: one launch, the same bits

    The step may do all that happens on the device: gather a batch from a data set there by an argument of indices, draw
    random numbers, go forward and backward, update with any `capturable` optimizer, add to tensors in place. Each replay
    draws the random numbers that come next, counts as an update, and takes the learning rate that the optimizer has then;
    other options of the optimizer are part of the graph. Python code runs only when the step is recorded: what it does
    outside the device, such as counting, is not repeated.

    Tensors among the arguments are copied to buffers of the graph, and must keep shape and dtype; other arguments must keep
    their value. The tensors it returns are buffers too, which the next call overwrites: `clone()` them to keep them.

    Raises ValueError or TypeError for arguments unlike the captured ones, RuntimeError for a step that cannot be captured,
    because it reads a tensor (`item()`, `print`, `if tensor:`), moves one between devices, draws random numbers on the CPU
    or waits for the device; DeviceUnavailableError without CUDA. Compare `torch.cuda.make_graphed_callables`.
    """
    from .cuda_graph import Graph

    return Graph(step, warmup)


def __getattr__(name: str) -> Any:
    """`OutOfMemoryError` is CuPy's: what a device without enough memory raises, with the sizes."""
    if name == "OutOfMemoryError":
        from cupy.cuda.memory import OutOfMemoryError

        return OutOfMemoryError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
