"""Batches, under the names of `torch.utils.data`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from ... import ops, random
from ...device import cuda_problem, simulated
from ...device import device as Device
from ...tensor import Tensor, as_tensor, tensor
from .dataset import IterableDataset, Subset
from .prefetch import Workers, each_tensor, on_device, pinned
from .sampler import BatchSampler, RandomSampler, SequentialSampler


def default_collate(batch: Sequence[Any]) -> Any:
    """Items stacked into tensors, inside the tuples, lists and dictionaries they come in; Python floats become float64.

    RuntimeError for sequences of different lengths, TypeError for what is no number, array, string or collection of them.
    """
    first = batch[0]
    if isinstance(first, Tensor):
        return ops.stack(batch)
    if isinstance(first, Mapping):
        return {key: default_collate([item[key] for item in batch]) for key in first}
    if isinstance(first, (tuple, list)):
        if len({len(item) for item in batch}) > 1:
            raise RuntimeError(f"items have lengths {[len(item) for item in batch]}, expected one length")
        columns = [default_collate(column) for column in zip(*batch)]
        return type(first)(*columns) if hasattr(first, "_fields") else columns
    if isinstance(first, (str, bytes)):
        return list(batch)
    return tensor(np.stack([np.asarray(item) for item in batch]))


def default_convert(data: Any) -> Any:
    """Arrays as tensors, inside the tuples, lists and dictionaries they come in; the rest as it is."""
    if isinstance(data, (np.ndarray, np.generic)) and data.dtype.kind in "fiub":
        return as_tensor(data)
    if isinstance(data, Mapping):
        return {key: default_convert(value) for key, value in data.items()}
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*map(default_convert, data))
    return type(data)(map(default_convert, data)) if isinstance(data, (tuple, list)) else data


class DataLoader:
    """Batches of a dataset.

    dataset     anything with `__getitem__` and `__len__`. If it has `batch(indices)`, as TensorDataset, whole batches are
                taken at once, and workers have nothing to do. An IterableDataset is read in its order, not by workers.
    batch_size  default 1; None: single items, made tensors by `default_convert`.
    shuffle     draw a new order each time, from `generator` or the default one.
    sampler     indices in an order of its own; batch_sampler: lists of indices. They exclude shuffle, batch_size.
    num_workers threads (PyTorch: processes) that make batches before they are asked for, in order; 0, the default: each when
                it is asked for. They help where the work is outside Python's lock, such as decoding pictures, or waiting.
                What they raise is raised to whoever asks for the batch, with their traceback.
    collate_fn  makes a batch of a list of items; default `default_collate`.
    pin_memory  batches in memory that a CUDA device copies from without stopping the program; of no effect without a device.
    drop_last   leave out a last batch that is smaller.
    worker_init_fn  is called in each worker, with its number, before its first batch.
    prefetch_factor batches begun beforehand by each worker, default 2.
    persistent_workers  keep the threads from one iteration to the next.
    device      where batches are to be; on CUDA the next one is copied while one is in use. Default: where the data set
                makes them.

    Random numbers drawn by items, such as those of `tinynet.transforms`, are a matter of the state of the generator when the
    iteration begins and of the number of the batch alone: any number of workers gives the same batches.

    Raises ValueError for options that exclude each other or are out of range.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Any = None,
        batch_sampler: Any = None,
        num_workers: int = 0,
        collate_fn: Callable[[Sequence[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        *,
        worker_init_fn: Callable[[int], None] | None = None,
        generator: random.Generator | None = None,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        device: Any = None,
    ) -> None:
        if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
            raise ValueError("batch_sampler excludes batch_size, shuffle, sampler and drop_last")
        if sampler is not None and shuffle:
            raise ValueError("sampler excludes shuffle")
        streamed = isinstance(dataset, IterableDataset)
        if streamed and (shuffle or sampler is not None or batch_sampler is not None):
            raise ValueError("an IterableDataset excludes shuffle, sampler and batch_sampler")
        if batch_size is None and drop_last:
            raise ValueError("batch_size=None excludes drop_last")
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}, expected at least 1")
        if num_workers < 0:
            raise ValueError(f"num_workers is {num_workers}, expected at least 0")
        if prefetch_factor is not None and (num_workers == 0 or prefetch_factor < 1):
            raise ValueError(f"prefetch_factor is {prefetch_factor}, expected at least 1, and num_workers with it")
        if persistent_workers and num_workers == 0:
            raise ValueError("persistent_workers needs num_workers")
        self.dataset, self.batch_size, self.drop_last = dataset, batch_size, drop_last
        self.collate_fn, self.generator = collate_fn, generator
        self.num_workers, self.worker_init_fn = num_workers, worker_init_fn
        self.prefetch_factor = prefetch_factor or 2
        self.persistent_workers, self.pin_memory = persistent_workers, pin_memory
        self.device = None if device is None else Device(device)
        if sampler is None and not streamed:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        self.sampler = sampler
        if batch_sampler is None and batch_size is not None and not streamed:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_sampler = batch_sampler
        self._workers: Workers | None = None

    def __iter__(self) -> Iterator[Any]:
        if isinstance(self.dataset, IterableDataset):
            batches = self._stream()
        elif self.collate_fn is None and self.batch_sampler is not None and _can_batch(self.dataset):
            batches = self._whole()
        else:
            batches = self._item_by_item()
        if self.pin_memory and self.device is None and cuda_problem() is None and not simulated():
            batches = (each_tensor(batch, pinned) for batch in batches)
        return batches if self.device is None else on_device(batches, self.device)

    def _whole(self) -> Iterator[Any]:
        for indices in self.batch_sampler:
            yield self.dataset.batch(np.asarray(indices))

    def _stream(self) -> Iterator[Any]:
        items = iter(self.dataset)
        if self.batch_size is None:
            yield from map(self.collate_fn or default_convert, items)
            return
        while batch := list(islice(items, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield (self.collate_fn or default_collate)(batch)

    def _item_by_item(self) -> Iterator[Any]:
        single = self.batch_sampler is None
        collate = self.collate_fn or (default_convert if single else default_collate)
        seed = int(random.chosen(self.generator).numpy().integers(1 << 63))

        def make(numbered: tuple[int, Any]) -> Any:
            number, indices = numbered
            source = random.Generator().manual_seed(seed)
            source.offset = number << 32  # no batch draws so many numbers
            with random.drawing_from(source):
                return collate(self.dataset[indices] if single else [self.dataset[i] for i in indices])

        numbered = enumerate(self.sampler if single else self.batch_sampler)
        if not self.num_workers:
            yield from map(make, numbered)
            return
        workers = self._workers or Workers(self.num_workers, self.worker_init_fn, self.dataset, seed)
        if self.persistent_workers:
            self._workers = workers
        try:
            yield from workers.map(make, numbered, self.num_workers * self.prefetch_factor)
        finally:
            if not self.persistent_workers:
                workers.close()

    def __len__(self) -> int:
        if isinstance(self.dataset, IterableDataset):  # which may know its length
            n = len(self.dataset)
            return (
                n if self.batch_size is None else n // self.batch_size if self.drop_last else -(-n // self.batch_size)
            )
        return len(self.sampler if self.batch_sampler is None else self.batch_sampler)


def _can_batch(dataset: Any) -> bool:
    """Whether `dataset.batch(indices)` gives what the items would: not if a subclass gives other items."""
    for ancestor in type(dataset).__mro__:
        if "batch" in vars(ancestor):
            return not isinstance(dataset, Subset) or _can_batch(dataset.dataset)
        if "__getitem__" in vars(ancestor):
            return False
    return False
