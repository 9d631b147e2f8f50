"""Making batches before they are asked for: by worker threads, and on the device by a stream of copies."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from ...device import device, device_of, on, simulated
from ...tensor import Tensor


class WorkerInfo(NamedTuple):
    """Which worker of a DataLoader a thread is: its number, how many there are, a seed of its own, and the data set."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_thread = threading.local()


def get_worker_info() -> WorkerInfo | None:
    """In a worker of a DataLoader, which one it is; elsewhere None, so where an IterableDataset is read, too."""
    return getattr(_thread, "worker", None)


class Workers:
    """Threads that call a function of many arguments and keep the order.

    start  called with the number of a thread, from 0, before its first work.
    dataset, seed  what `get_worker_info` tells of; the number is added to the seed.
    """

    def __init__(
        self, count: int, start: Callable[[int], None] | None = None, dataset: Any = None, seed: int = 0
    ) -> None:
        self.count, self.start, self.dataset, self.seed = count, start, dataset, seed
        self.pool = ThreadPoolExecutor(count, "tinynet-data")
        self._numbers = itertools.count()

    def map(self, function: Callable[[Any], Any], arguments: Iterable[Any], ahead: int) -> Iterator[Any]:
        """The results in order, of which `ahead` are begun before they are asked for.

        What a worker raises is raised here in its turn, with the worker's traceback. When the iterator is closed, what was
        not begun is given up, and what was is waited for.
        """
        begun: deque[Future[Any]] = deque()
        try:
            for argument in arguments:
                begun.append(self.pool.submit(self._call, function, argument))
                if len(begun) > ahead:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            for future in begun:
                future.cancel()
            for future in begun:
                if not future.cancelled():
                    future.exception()

    def close(self) -> None:
        self.pool.shutdown(cancel_futures=True)

    def _call(self, function: Callable[[Any], Any], argument: Any) -> Any:
        if get_worker_info() is None:
            number = next(self._numbers)
            _thread.worker = WorkerInfo(number, self.count, self.seed + number, self.dataset)
            try:
                if self.start is not None:
                    self.start(number)
            except BaseException:
                del _thread.worker
                raise
        return function(argument)


def each_tensor(batch: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """The batch with its tensors changed, inside the tuples, lists and dictionaries they are in."""
    if isinstance(batch, Tensor):
        return change(batch)
    if isinstance(batch, dict):
        return {key: each_tensor(value, change) for key, value in batch.items()}
    if isinstance(batch, (tuple, list)):
        changed = [each_tensor(value, change) for value in batch]
        return type(batch)(*changed) if hasattr(batch, "_fields") else type(batch)(changed)
    return batch


def pinned(tensor: Tensor) -> Tensor:
    """A copy in memory that a device can copy from while the program goes on; a tensor on a device stays."""
    if not isinstance(tensor._array, np.ndarray):
        return tensor
    import cupyx

    array = cupyx.empty_pinned(tensor.shape, tensor.dtype)
    array[...] = tensor._array
    return Tensor._make(array)


def on_device(batches: Iterator[Any], wanted: device) -> Iterator[Any]:
    """Each batch on the device. On CUDA the next one is copied, by a stream of its own, while the program uses one."""
    if wanted.type == "cpu" or simulated():
        for batch in batches:
            yield each_tensor(batch, lambda tensor: tensor.to(wanted))
        return
    import cupy

    with on(wanted):
        copies = cupy.cuda.Stream(non_blocking=True)
    current: tuple[Any, list[Tensor], Any] | None = None
    for batch in batches:
        coming = _send(batch, wanted, copies)
        if current is not None:
            yield _arrived(current, wanted)
        current = coming
    if current is not None:
        yield _arrived(current, wanted)


def _send(batch: Any, wanted: device, copies: Any) -> tuple[Any, list[Tensor], Any]:
    """(the batch on the device, the pinned memory it comes from, the event of its arrival)."""
    import cupy

    sources: list[Tensor] = []

    def copy(tensor: Tensor) -> Tensor:
        if device_of(tensor._array) == wanted:
            return tensor
        if not isinstance(tensor._array, np.ndarray):
            return tensor.to(wanted)
        sources.append(pinned(tensor))
        target = cupy.empty(tensor.shape, tensor.dtype)
        target.set(sources[-1]._array, stream=copies)
        return Tensor._make(target)

    with on(wanted):
        # The memory that `copies` allocates may be that of a batch which was let go, but which work on the present stream
        # that was asked for before still reads.
        copies.wait_event(cupy.cuda.get_current_stream().record())
        with copies:
            moved = each_tensor(batch, copy)
            return moved, sources, copies.record()


def _arrived(sent: tuple[Any, list[Tensor], Any], wanted: device) -> Any:
    """The batch, which the work that the present stream is given from here on finds complete."""
    import cupy

    batch, sources, arrival = sent
    with on(wanted):
        cupy.cuda.get_current_stream().wait_event(arrival)
    if sources:
        arrival.synchronize()  # until here the pinned memory must stay; the copy was begun a whole step ago
    return batch
