"""The trainer's work on a batch, update included, as a CUDA graph: what `Trainer(graph=True)` adds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from . import cuda
from .tensor import Tensor
from .utils.data import DataLoader, Subset, TensorDataset

if TYPE_CHECKING:
    from .trainer import Trainer


class GraphedBatches:
    """Batches as the graph takes them, and the graph.

    If the data set is made of tensors on the model's device, a batch is its indices, and gathering it is part of the graph;
    else it is (inputs, targets). The graph is for batches of the first one's size. Others, such as the last of an epoch, are
    not for it.
    """

    def __init__(self, trainer: Trainer, loader: Any) -> None:
        self.trainer, self.loader = trainer, loader
        self.data = _on_device(loader, trainer.place())
        self.graph = cuda.graph(self._step)
        self.size: int | None = None
        self.counts: list[dict[str, Any]] = []

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        for batch in self._batches():
            self.size = len(batch[0]) if self.size is None else self.size
            yield batch

    def _batches(self) -> Iterator[tuple[Tensor, ...]]:
        if self.data is None:
            for batch in self.loader:
                yield tuple(part.to(self.trainer.place()) for part in batch)
            return
        for chosen in self.loader.batch_sampler:
            indices, dataset = np.asarray(chosen, np.int64), self.loader.dataset
            while isinstance(dataset, Subset):
                indices, dataset = dataset.indices[indices], dataset.dataset
            yield (Tensor._make(indices).to(self.trainer.place()),)

    def unpacked(self, batch: tuple[Tensor, ...]) -> Any:
        """(inputs, targets)"""
        return batch if self.data is None else self.data.batch(batch[0]._array)

    def fits(self, batch: tuple[Tensor, ...]) -> bool:
        """Whether the batch is for the graph."""
        return len(batch[0]) == self.size

    def train(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Trains on a batch, which `fits`; returns its loss."""
        replayed = self.graph.captured
        meters = [self.trainer.mean_loss, *self.trainer.metrics.values()]
        before = [dict(meter.counts()) for meter in meters]
        loss: Tensor = self.graph(*batch)
        if replayed:  # what Python counts is not part of a graph
            for meter, counts in zip(meters, self.counts):
                meter.count(counts)
        else:
            self.counts = [
                {name: value - old.get(name, 0) for name, value in meter.counts().items()}
                for meter, old in zip(meters, before)
            ]
        return loss

    def _step(self, *batch: Tensor) -> Tensor:
        loss = self.trainer.learn(*self.unpacked(batch))
        self.trainer.apply(1)
        return loss


def _on_device(loader: Any, place: Any) -> TensorDataset | None:
    """The data set that a loader takes whole batches of, if its tensors are on that device."""
    if not isinstance(loader, DataLoader) or loader.collate_fn is not None:
        return None
    dataset = loader.dataset
    while isinstance(dataset, Subset):
        dataset = dataset.dataset
    whole = isinstance(dataset, TensorDataset) and all(t.device == place for t in dataset.tensors)
    return dataset if whole else None
