"""The CUDA devices of this machine, under the names of `torch.cuda`. Nothing here is imported until it is used."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from .. import capture
from ..device import cuda_problem, on, require, simulated
from ..device import device as Device

if TYPE_CHECKING:
    from ..cuda_graph import Graph


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


def set_device(wanted: int | str | Device) -> None:
    """Makes this device the current one, where "cuda" tensors without an index are made."""
    target = Device("cuda", wanted) if isinstance(wanted, int) else Device(wanted)
    require(target)
    if not simulated():
        import cupy

        cupy.cuda.Device(target.index).use()


class Stream:
    """Work on the current device that runs in its order, beside the work of other streams, as `torch.cuda.Stream`.

    `with cuda.stream(s)` sends all work there, kernels and CuPy's. Streams of tinynet and of CuPy are one: `cuda_stream` is
    the handle, and a `with` on a CuPy stream counts as well. In the simulator there is one stream, and nothing to wait for.

    Memory belongs to the stream it was made on, whose work may have it as soon as no tensor is in it any more: keep a tensor
    that another stream reads until the one has waited for the other.
    """

    def __init__(self, *, _cupy_stream: Any = None) -> None:
        require(Device("cuda"))
        self._stream = _cupy_stream
        if _cupy_stream is None and not simulated():
            import cupy

            self._stream = cupy.cuda.Stream(non_blocking=True)

    @property
    def cuda_stream(self) -> int:
        """The handle, a cudaStream_t; 0 is the default stream."""
        return 0 if self._stream is None else int(self._stream.ptr)

    def synchronize(self) -> None:
        """Waits until all that was sent here is done."""
        capture.refuse("Stream.synchronize() waits for the device", "call it after the step")
        if self._stream is not None:
            self._stream.synchronize()

    def query(self) -> bool:
        """Whether all that was sent here is done."""
        return self._stream is None or bool(self._stream.done)

    def wait_stream(self, other: Stream) -> None:
        """Work sent here from now on starts after all that `other` has been sent so far."""
        if self._stream is not None:
            self._stream.wait_event(other._stream.record())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and self.cuda_stream == other.cuda_stream

    def __hash__(self) -> int:
        return hash(self.cuda_stream)


def stream(wanted: Stream | None) -> AbstractContextManager[Any]:
    """A context that sends all work to this stream; None changes nothing."""
    return nullcontext() if wanted is None or wanted._stream is None else wanted._stream


def current_stream() -> Stream:
    """The stream that work goes to now."""
    if simulated() or not is_available():
        return Stream()
    import cupy

    return Stream(_cupy_stream=cupy.cuda.get_current_stream())


def default_stream() -> Stream:
    """The stream that work goes to unless another is chosen."""
    if simulated() or not is_available():
        return Stream()
    import cupy

    return Stream(_cupy_stream=cupy.cuda.Stream.null)


def manual_seed(seed: int) -> None:
    """`tinynet.manual_seed`: one generator serves all devices."""
    from ..random import manual_seed

    manual_seed(seed)


manual_seed_all = manual_seed


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
    """Free and total bytes of the device's memory. DeviceUnavailableError without one."""
    require(Device("cuda", wanted))
    import cupy

    with device(wanted):
        free, total = cupy.cuda.runtime.memGetInfo()
    return int(free), int(total)


def memory_allocated(wanted: int = 0) -> int:
    """Bytes held by arrays on the device; 0 in the simulator and without CUDA."""
    if simulated() or not is_available():
        return 0
    import cupy

    with device(wanted):
        return int(cupy.get_default_memory_pool().used_bytes())


def memory_reserved(wanted: int = 0) -> int:
    """Bytes the memory pool holds, whether arrays use them or not; 0 in the simulator and without CUDA."""
    if simulated() or not is_available():
        return 0
    import cupy

    with device(wanted):
        return int(cupy.get_default_memory_pool().total_bytes())


def memory_summary(wanted: int = 0) -> str:
    """A table of the device's memory: what it has, what the pool holds, and what of that arrays use."""
    if simulated():
        return "Numba's simulator: arrays are in the memory of the host"
    import cupy

    free, total = mem_get_info(wanted)
    reserved, allocated = memory_reserved(wanted), memory_allocated(wanted)
    rows = [
        ("device total", total),
        ("used by other programs and the driver", total - free - reserved),
        ("held by the pool", reserved),
        ("    by arrays", allocated),
        ("    unused, freed by empty_cache()", reserved - allocated),
        ("free", free),
    ]
    title = f"cuda:{wanted} {get_device_name(wanted)}"
    lines = [f"{name:<40}{size:>20,} bytes {size / 2**20:>12,.1f} MiB" for name, size in rows]
    blocks = cupy.get_default_pinned_memory_pool().n_free_blocks()
    return "\n".join([title, *lines, f"page-locked host memory: {blocks} unused blocks in its pool"])


def empty_cache() -> None:
    """Gives unused memory of the pools back to the device and the host; nothing in the simulator and without CUDA."""
    if simulated() or not is_available():
        return
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
    draws the random numbers that come next, counts as an update, and takes the learning rate and momentum that the optimizer
    has then; other options of it are part of the graph. With a `GradScaler` the device itself skips updates with infinite
    gradients, which then do not count, and changes the factor. Python code runs only when the step is recorded: what it
    does outside the device, such as counting, is not repeated.

    Tensors among the arguments are copied to buffers of the graph, and must keep shape and dtype; other arguments must keep
    their value. The tensors it returns are buffers too, which the next call overwrites: `clone()` them to keep them.

    Raises ValueError or TypeError for arguments unlike the captured ones, RuntimeError for a step that cannot be captured,
    because it reads a tensor (`item()`, `print`, `if tensor:`), moves one between devices, draws random numbers on the CPU
    or waits for the device; DeviceUnavailableError without CUDA. Compare `torch.cuda.make_graphed_callables`.
    """
    from ..cuda_graph import Graph

    return Graph(step, warmup)


def __getattr__(name: str) -> Any:
    """`OutOfMemoryError` is CuPy's: what a device without enough memory raises, with the sizes; `FloatTensor` and its like
    make tensors on the current device."""
    if name == "amp":
        return importlib.import_module(f"{__name__}.amp")
    if name.endswith("Tensor"):
        from ..tensor_types import ON_CUDA

        if name in ON_CUDA:
            return ON_CUDA[name]
    if name == "OutOfMemoryError":
        from cupy.cuda.memory import OutOfMemoryError

        return OutOfMemoryError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
