"""Datasets, samplers and batches, under the names of `torch.utils.data`."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, chain, islice
from typing import Any

import numpy as np

from .. import ops, random
from ..device import cuda_problem, simulated, xp
from ..device import device as Device
from ..tensor import Tensor, as_tensor, tensor
from .prefetch import WorkerInfo, Workers, each_tensor, get_worker_info, on_device, pinned

__all__ = [
    "BatchSampler",
    "ClassBalancedSampler",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "IterableDataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "WorkerInfo",
    "default_collate",
    "default_convert",
    "get_worker_info",
    "random_split",
]


class Dataset:
    """A collection with `__getitem__` and `__len__`."""

    def __getitem__(self, index: int) -> Any:
        raise TypeError(f"{type(self).__name__} does not define __getitem__()")

    def __len__(self) -> int:
        raise TypeError(f"{type(self).__name__} does not define __len__()")

    def __add__(self, other: Dataset) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset(Dataset):
    """A stream of items: defines `__iter__`, and not `__getitem__`. It has an order of its own: no shuffle, no sampler."""

    def __iter__(self) -> Iterator[Any]:
        raise TypeError(f"{type(self).__name__} does not define __iter__()")


class TensorDataset(Dataset):
    """Tensors of one length; item i is the tuple of their entries i. A DataLoader indexes whole batches at once."""

    def __init__(self, *tensors: Tensor) -> None:
        if not tensors:
            raise ValueError("TensorDataset needs at least one tensor")
        if len({len(t) for t in tensors}) > 1:
            raise ValueError(f"tensors have lengths {[len(t) for t in tensors]}, expected one length")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(t[index] for t in self.tensors)

    def __len__(self) -> int:
        return len(self.tensors[0])

    def batch(self, indices: Any) -> list[Tensor]:
        """The entries at an array of indices, gathered at once on the device of each tensor."""
        return [Tensor._make(t._array[xp(t._array).asarray(indices)]) for t in self.tensors]


class Subset(Dataset):
    """The items of a dataset at some indices."""

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset, self.indices = dataset, np.asarray(indices, np.int64)

    def __getitem__(self, index: Any) -> Any:
        return self.dataset[int(self.indices[index])]

    def __len__(self) -> int:
        return len(self.indices)

    def batch(self, indices: Any) -> Any:
        return self.dataset.batch(self.indices[indices])


class ConcatDataset(Dataset):
    """Datasets one after the other."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        self.ends = list(accumulate(len(d) for d in self.datasets))

    def __getitem__(self, index: int) -> Any:
        index = index + len(self) if index < 0 else index
        if not 0 <= index < len(self):
            raise IndexError(f"index is {index}, expected 0 to {len(self) - 1}")
        which = bisect_right(self.ends, index)
        return self.datasets[which][index - (self.ends[which - 1] if which else 0)]

    def __len__(self) -> int:
        return self.ends[-1] if self.ends else 0


def random_split(dataset: Any, lengths: Sequence[float], generator: random.Generator | None = None) -> list[Subset]:
    """Random disjoint subsets of these lengths, or fractions that add up to 1. ValueError if they do not add up."""
    total = len(dataset)
    sizes = [int(n) for n in lengths]
    if any(isinstance(n, float) for n in lengths):
        if abs(sum(lengths) - 1) > 1e-9:
            raise ValueError(f"lengths is {list(lengths)}, expected fractions that add up to 1")
        sizes = [int(total * n) for n in lengths]
        for i in range(total - sum(sizes)):
            sizes[i % len(sizes)] += 1
    if sum(sizes) != total:
        raise ValueError(f"lengths is {list(lengths)}, expected numbers that add up to {total}")
    order = np.asarray(random.randperm(total, generator=generator)).tolist()
    ends = list(accumulate(sizes))
    return [Subset(dataset, order[end - size : end]) for size, end in zip(sizes, ends)]


class Sampler:
    """An iterable of indices."""

    def __iter__(self) -> Iterator[int]:
        raise TypeError(f"{type(self).__name__} does not define __iter__()")


class SequentialSampler(Sampler):
    def __init__(self, data_source: Any) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler):
    """Every index once, in random order, and again until there are `num_samples`; or so many with replacement."""

    def __init__(
        self,
        data_source: Any,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: random.Generator | None = None,
    ) -> None:
        self.data_source, self.replacement, self.generator = data_source, replacement, generator
        self.num_samples = len(data_source) if num_samples is None else num_samples

    def __iter__(self) -> Iterator[int]:
        n = len(self.data_source)
        if self.replacement:
            drawn = random.randint(0, n, (self.num_samples,), generator=self.generator)
            return iter(drawn.tolist())
        rounds = range(-(-self.num_samples // n) if n else 0)
        orders = (random.randperm(n, generator=self.generator).tolist() for _ in rounds)
        return islice(chain.from_iterable(orders), self.num_samples)

    def __len__(self) -> int:
        return self.num_samples


class WeightedRandomSampler(Sampler):
    """Indices drawn with these weights."""

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: random.Generator | None = None,
    ) -> None:
        self.weights, self.num_samples = tensor(weights), num_samples
        self.replacement, self.generator = replacement, generator

    def __iter__(self) -> Iterator[int]:
        drawn = random.multinomial(self.weights, self.num_samples, self.replacement, generator=self.generator)
        return iter(drawn.tolist())

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler):
    """Each of some indices once, in random order."""

    def __init__(self, indices: Sequence[int], generator: random.Generator | None = None) -> None:
        self.indices, self.generator = indices, generator

    def __iter__(self) -> Iterator[int]:
        return (self.indices[i] for i in random.randperm(len(self.indices), generator=self.generator).tolist())

    def __len__(self) -> int:
        return len(self.indices)


class ClassBalancedSampler(Sampler):
    """As many indices of every class, however many there are of it: one of each class, in random order, then again.

    targets      the class of each index, integers.
    num_samples  default: as many as there are targets.

    No index of a class comes again before all of them have come.
    """

    def __init__(self, targets: Any, num_samples: int | None = None, generator: random.Generator | None = None) -> None:
        array = np.asarray(targets.cpu() if isinstance(targets, Tensor) else targets)
        if array.ndim != 1 or not array.size or array.dtype.kind not in "iu":
            raise ValueError(f"targets has shape {array.shape} and dtype {array.dtype}, expected (N,) integers")
        self.members = [np.flatnonzero(array == value) for value in np.unique(array)]
        self.num_samples, self.generator = len(array) if num_samples is None else num_samples, generator

    def __iter__(self) -> Iterator[int]:
        source = random.chosen(self.generator).numpy()
        rounds = -(-self.num_samples // len(self.members))
        columns = []
        for indices in self.members:
            orders = [source.permutation(indices) for _ in range(-(-rounds // len(indices)))]
            columns.append(np.concatenate(orders)[:rounds])
        mixed = source.permuted(np.stack(columns, axis=1), axis=1)
        return iter(mixed.reshape(-1)[: self.num_samples].tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler):
    """Lists of `batch_size` indices of another sampler."""

    def __init__(self, sampler: Any, batch_size: int, drop_last: bool = False) -> None:
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __iter__(self) -> Iterator[Any]:
        batch: list[int] = []
        for index in self.sampler:
            batch.append(index)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch

    def __len__(self) -> int:
        n = len(self.sampler)
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)


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
