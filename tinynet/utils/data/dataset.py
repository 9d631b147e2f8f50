"""Datasets, under the names of `torch.utils.data`."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from types import GenericAlias
from typing import Any

import numpy as np

from ... import random
from ...device import xp
from ...tensor import Tensor


class Dataset:
    """A collection with `__getitem__` and `__len__`; `Dataset[T]` is for type checkers."""

    __class_getitem__: Any = classmethod(GenericAlias)

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
