"""Which items, in which order: samplers, under the names of `torch.utils.data`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from types import GenericAlias
from typing import Any

import numpy as np

from ... import random
from ...tensor import Tensor, tensor


class Sampler:
    """An iterable of indices; `Sampler[T]` is for type checkers."""

    __class_getitem__: Any = classmethod(GenericAlias)

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
