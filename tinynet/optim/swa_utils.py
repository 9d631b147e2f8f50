"""Averages of a model's weights beside it, under the names of `torch.optim.swa_utils`."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .. import ops
from ..autograd import no_grad
from ..nn import Module
from ..tensor import Tensor
from .lr_scheduler import LRScheduler, _count, _per_group
from .optimizer import Optimizer

Average = Callable[[Tensor, Tensor, int], Tensor]


def get_swa_avg_fn() -> Average:
    """The plain average of all weights so far (Izmailov et al. 2018)."""

    def average(averaged: Tensor, present: Tensor, num_averaged: int) -> Tensor:
        return averaged + (present - averaged) / (num_averaged + 1)

    return average


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """decay * average + (1 - decay) * weight (Polyak and Juditsky 1992). ValueError for a decay outside [0, 1]."""
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"decay is {decay}, expected 0 to 1")

    def average(averaged: Tensor, present: Tensor, num_averaged: int) -> Tensor:
        return averaged * decay + present * (1 - decay)

    return average


Averages = Callable[[Sequence[Tensor], Sequence[Tensor], int], None]


def _of_all(average: Average) -> Averages:
    def averages(averaged: Sequence[Tensor], present: Sequence[Tensor], num_averaged: int) -> None:
        for mean, value in zip(averaged, present):
            mean.copy_(average(mean, value, num_averaged))

    return averages


def get_swa_multi_avg_fn() -> Averages:
    """`get_swa_avg_fn` for lists of tensors, of which it changes the first in place."""
    return _of_all(get_swa_avg_fn())


def get_ema_multi_avg_fn(decay: float = 0.999) -> Averages:
    """`get_ema_avg_fn` for lists of tensors, of which it changes the first in place."""
    return _of_all(get_ema_avg_fn(decay))


class AveragedModel(Module):
    """A copy of a model, in `module`, whose weights are averages of those that the model has had.

    device        where the copy is to be; default: beside the model.
    avg_fn        `avg_fn(average, weight, n)` gives the new average after n models; default: `get_swa_avg_fn()`.
    multi_avg_fn  in its place, the same for lists of tensors, in place.
    use_buffers   average the buffers too; else they are copied.

    The first `update_parameters(model)` copies. Raises ValueError if both functions are given.
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Average | None = None,
        multi_avg_fn: Averages | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise ValueError("avg_fn and multi_avg_fn are both given, expected one of them")
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", ops.zeros((), dtype="int64", device=device))
        self.averages = _of_all(avg_fn or get_swa_avg_fn()) if multi_avg_fn is None else multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Takes the model's present weights in."""
        own: list[Tensor] = list(self.module.parameters())
        given: list[Tensor] = list(model.parameters())
        buffers = list(zip(self.module.buffers(), model.buffers()))
        if self.use_buffers:
            own += [mine for mine, _ in buffers]
            given += [theirs for _, theirs in buffers]
        count = int(self.n_averaged.item())
        with no_grad():
            present = [value.detach().to(mean.device) for mean, value in zip(own, given)]
            if count:
                self.averages([mean.detach() for mean in own], present, count)
            else:
                for mean, value in zip(own, present):
                    mean.copy_(value)
            if not self.use_buffers:
                for mine, theirs in buffers:
                    mine.copy_(theirs)
            self.n_averaged.add_(1)


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """New running statistics of all batch normalisation in a model: averages over the batches of a loader.

    Each batch, or the first entry of a tuple or list, goes through the model once, moved to `device` if that is given.
    """
    tracking = [m for m in model.modules() if hasattr(m, "reset_running_stats") and hasattr(m, "momentum")]
    tracking = [m for m in tracking if m.running_mean is not None]
    if not tracking:
        return
    momenta, training = [m.momentum for m in tracking], model.training
    for m in tracking:
        m.reset_running_stats()
        m.momentum = None
    model.train()
    try:
        for batch in loader:
            input = batch[0] if isinstance(batch, (list, tuple)) else batch
            model(input if device is None else input.to(device))
    finally:
        for m, momentum in zip(tracking, momenta):
            m.momentum = momentum
        model.train(training)


class SWALR(LRScheduler):
    """From the rates there to `swa_lr`, one or one for each group, in `anneal_epochs` steps; then constant.

    anneal_strategy  "cos" or "linear". ValueError for another.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | Sequence[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy is {anneal_strategy!r}, expected 'cos' or 'linear'")
        self.anneal_epochs = anneal_epochs and _count("anneal_epochs", anneal_epochs)
        self.anneal_strategy = anneal_strategy
        for group, lr in zip(optimizer.param_groups, _per_group(optimizer, "swa_lr", swa_lr)):
            group["swa_lr"] = lr
        super().__init__(optimizer, last_epoch)

    def _share(self, step: int) -> float:
        """How much of the way has been gone."""
        done = min(1.0, max(0.0, step / max(1, self.anneal_epochs)))
        return (1 - math.cos(math.pi * done)) / 2 if self.anneal_strategy == "cos" else done

    def get_lr(self) -> list[float]:
        before = self._share(self.last_epoch - 1) if self.anneal_epochs else 1.0
        share = self._share(self.last_epoch) if self.anneal_epochs else 1.0
        rates = []
        for (
            group
        ) in self.optimizer.param_groups:  # where it began follows from where it is: other schedules may go before
            start = group["lr"] if before == 1 else (group["lr"] - before * group["swa_lr"]) / (1 - before)
            rates.append(group["swa_lr"] * share + start * (1 - share))
        return rates
