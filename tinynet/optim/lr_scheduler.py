"""Learning-rate schedules. Names, arguments, defaults and formulas are those of `torch.optim.lr_scheduler`.

A schedule changes `lr` in the optimizer's parameter groups: once when it is made, and with each `step()`, which comes after
the optimizer's. Except where a docstring says otherwise it multiplies the rate it finds there, so schedules compose.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, SupportsFloat

from .optimizer import Optimizer


class LRScheduler:
    """The base: counts steps in `last_epoch` (0 after construction) and gives each group the rate of `get_lr`.

    last_epoch  default -1; another value goes on from there with the rates and "initial_lr" of the groups.

    Raises TypeError for what is no optimizer, KeyError for groups without "initial_lr" if `last_epoch` is not -1.
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.optimizer = _optimizer(optimizer)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(f"param_groups[{i}] has no 'initial_lr', which last_epoch={last_epoch} needs")
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._first_step()

    def get_lr(self) -> list[float]:
        """The rate of each group at `last_epoch`."""
        raise TypeError(f"{type(self).__name__} does not define get_lr()")

    def get_last_lr(self) -> list[float]:
        """The rates that the last step gave."""
        return self._last_lr

    def step(self) -> None:
        self.last_epoch += 1
        self._apply()

    def state_dict(self) -> dict[str, Any]:
        """All attributes but the optimizer."""
        return {name: value for name, value in vars(self).items() if name != "optimizer"}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        vars(self).update(state_dict)

    def _apply(self) -> None:
        for group, lr in zip(self.optimizer.param_groups, self.get_lr()):
            group["lr"] = lr
        self._last_lr = self._present()

    def _first_step(self) -> None:
        """The step of construction, which leaves rates as they are where others would multiply them."""
        self._is_initial = True
        self.step()
        self._is_initial = False

    def _restart(self) -> None:
        """As if made now, for groups at their initial rates."""
        for group, lr in zip(self.optimizer.param_groups, self.base_lrs):
            group["lr"] = lr
        self.last_epoch = -1
        self._first_step()

    def _present(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]

    def _times(self, factor: float) -> list[float]:
        return [lr * factor for lr in self._present()]


_LRScheduler = LRScheduler  # its name in PyTorch before 2.0, by which schedulers are still derived from it


class LambdaLR(LRScheduler):
    """The initial rate times `lr_lambda(last_epoch)`: one function, or a list with one for each group.

    Functions are not in the state_dict; the attributes of other callables are.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        self.lr_lambdas = _per_group(optimizer, "lr_lambda", lr_lambda)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return [base * factor(self.last_epoch) for base, factor in zip(self.base_lrs, self.lr_lambdas)]

    def state_dict(self) -> dict[str, Any]:
        state = [None if hasattr(f, "__code__") else dict(getattr(f, "__dict__", {})) for f in self.lr_lambdas]
        return {**super().state_dict(), "lr_lambdas": state}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "lr_lambdas"})
        for factor, state in zip(self.lr_lambdas, state_dict["lr_lambdas"]):
            if state:
                vars(factor).update(state)


class MultiplicativeLR(LambdaLR):
    """Times `lr_lambda(last_epoch)` with each step: one function, or a list with one for each group."""

    def get_lr(self) -> list[float]:
        if self._is_initial:
            return self._present()
        return [lr * factor(self.last_epoch) for lr, factor in zip(self._present(), self.lr_lambdas)]


class StepLR(LRScheduler):
    """Times `gamma` every `step_size` steps."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.step_size, self.gamma = _count("step_size", step_size), gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        due = self.last_epoch > 0 and self.last_epoch % self.step_size == 0
        return self._times(self.gamma) if due else self._present()


class MultiStepLR(LRScheduler):
    """Times `gamma` at each of the milestones, as often as it is listed."""

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.milestones: Mapping[int, int] = Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return self._times(self.gamma ** self.milestones.get(self.last_epoch, 0))


class ConstantLR(LRScheduler):
    """`factor` times the rate for `total_iters` steps, then the rate."""

    def __init__(
        self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1
    ) -> None:
        if not 0 < factor <= 1:
            raise ValueError(f"factor is {factor}, expected above 0 and at most 1")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0:
            return self._times(self.factor)
        return self._times(1 / self.factor) if self.last_epoch == self.total_iters else self._present()


class LinearLR(LRScheduler):
    """From `start_factor` to `end_factor` times the rate in `total_iters` steps, on a straight line; then it stays."""

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1:
            raise ValueError(f"start_factor is {start_factor}, expected above 0 and at most 1")
        if not 0 <= end_factor <= 1:
            raise ValueError(f"end_factor is {end_factor}, expected 0 to 1")
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0:
            return self._times(self.start_factor)
        if self._is_initial or self.last_epoch > self.total_iters:
            return self._present()
        rise = self.end_factor - self.start_factor
        return self._times(1 + rise / (self.total_iters * self.start_factor + (self.last_epoch - 1) * rise))


class PolynomialLR(LRScheduler):
    """The rate times (1 - step / total_iters) ** power, and 0 from `total_iters` on."""

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        self.total_iters, self.power = _count("total_iters", total_iters), power
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self._is_initial or self.last_epoch > self.total_iters:
            return self._present()
        left, before = (1 - step / self.total_iters for step in (self.last_epoch, self.last_epoch - 1))
        return self._times((left / before) ** self.power)


class ExponentialLR(LRScheduler):
    """Times `gamma` every step."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return self._present() if self._is_initial else self._times(self.gamma)


class CosineAnnealingLR(LRScheduler):
    """Half a cosine from the rate down to `eta_min` in `T_max` steps; then up again (Loshchilov and Hutter 2017)."""

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max, self.eta_min = _count("T_max", T_max), eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self._is_initial:
            return self._present()
        if (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0:  # away from the bottom, where the ratio is 0 / 0
            rise = (1 - math.cos(math.pi / self.T_max)) / 2
            return [lr + (base - self.eta_min) * rise for base, lr in zip(self.base_lrs, self._present())]
        height, before = (1 + math.cos(math.pi * step / self.T_max) for step in (self.last_epoch, self.last_epoch - 1))
        return [height / before * (lr - self.eta_min) + self.eta_min for lr in self._present()]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Cosines from the initial rate to `eta_min` over T_0, T_0 T_mult, T_0 T_mult**2, ... steps (Loshchilov and Hutter 2017).

    `step(epoch)` takes a position that may have a fraction, as in `step(epoch + batch / batches)`.
    """

    def __init__(
        self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_0, self.T_mult, self.eta_min = _count("T_0", T_0), _count("T_mult", T_mult), eta_min
        self.T_i, self.T_cur = T_0, float(last_epoch)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        height = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        at = self.last_epoch + 1 if epoch is None else epoch
        if at < 0:
            raise ValueError(f"epoch is {epoch}, expected at least 0")
        if epoch is None and at > 0:
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur, self.T_i = self.T_cur - self.T_i, self.T_i * self.T_mult
        else:
            self.T_cur, self.T_i = at, self.T_0
            while self.T_cur >= self.T_i:
                self.T_cur, self.T_i = self.T_cur - self.T_i, self.T_i * self.T_mult
        self.last_epoch = math.floor(at)
        self._apply()


class OneCycleLR(LRScheduler):
    """Up from max_lr / div_factor to `max_lr`, then down to that over `final_div_factor`, once (Smith and Topin 2018).

    Momentum, or Adam's first beta, goes the opposite way between `max_momentum` and `base_momentum`. The length of the
    cycle is `total_steps`, or epochs * steps_per_epoch; to go on longer is a ValueError. `pct_start` is the rise's share,
    `anneal_strategy` "cos" or "linear"; with `three_phase` the way down passes the initial rate as steeply as the way up.
    Rates and momenta are set, whatever they were.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        groups = _optimizer(optimizer).param_groups
        if total_steps is None and (epochs is None or steps_per_epoch is None):
            raise ValueError("total_steps is missing, or epochs and steps_per_epoch")
        if total_steps is None:
            total_steps = _count("epochs", epochs) * _count("steps_per_epoch", steps_per_epoch)
        if not 0 <= pct_start <= 1:
            raise ValueError(f"pct_start is {pct_start}, expected 0 to 1")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy is {anneal_strategy!r}, expected 'cos' or 'linear'")
        if cycle_momentum:
            _check_momentum(optimizer)
        peaks = _per_group(optimizer, "max_lr", max_lr)
        momenta = [
            _per_group(optimizer, n, v) for n, v in (("max_momentum", max_momentum), ("base_momentum", base_momentum))
        ]
        self.total_steps = _count("total_steps", total_steps)
        self.anneal_strategy, self.cycle_momentum = anneal_strategy, cycle_momentum
        rise = pct_start * total_steps
        self.phases: list[tuple[float, str, str, str, str]] = [  # last step; rate, momentum: from, to
            (rise - 1, "initial_lr", "max_lr", "max_momentum", "base_momentum")
        ]
        if three_phase:
            self.phases += [
                (2 * rise - 2, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
                (total_steps - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
            ]
        else:
            self.phases.append((total_steps - 1, "max_lr", "min_lr", "base_momentum", "max_momentum"))
        if last_epoch == -1:
            for group, peak, highest, lowest in zip(groups, peaks, *momenta):
                start = peak / div_factor
                group.update(initial_lr=start, max_lr=peak, min_lr=start / final_div_factor)
                if cycle_momentum:
                    group.update(max_momentum=highest, base_momentum=lowest)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch > self.total_steps:
            raise ValueError(f"step {self.last_epoch} is after the end of a cycle of {self.total_steps} steps")
        start = 0.0
        for phase in self.phases:
            end, lr_from, lr_to, momentum_from, momentum_to = phase
            if self.last_epoch <= end or phase is self.phases[-1]:
                break
            start = end
        done = (self.last_epoch - start) / (end - start) if end != start else 1.0
        rates = []
        for group in self.optimizer.param_groups:
            rates.append(self._between(group[lr_from], group[lr_to], done))
            if self.cycle_momentum:
                _set_momentum(group, self._between(group[momentum_from], group[momentum_to], done))
        return rates

    def _between(self, start: float, end: float, done: float) -> float:
        if self.anneal_strategy == "linear":
            return start + (end - start) * done
        return end + (start - end) / 2 * (1 + math.cos(math.pi * done))


class CyclicLR(LRScheduler):
    """From `base_lr` up to `max_lr` and back, over and over (Smith 2017); set, not multiplied.

    step_size_up    steps from base to peak; step_size_down: from peak to base, default: as many.
    mode            "triangular": all peaks alike; "triangular2": each half as high above the base as the last; "exp_range":
                    times `gamma` to the power of the step.
    scale_fn        a function in place of the mode's, of the number of the cycle, from 1, or of the step (scale_mode
                    "cycle" or "iterations").
    cycle_momentum  let momentum, or Adam's first beta, go the other way, from `max_momentum` down to `base_momentum`.

    Raises ValueError for an unknown mode, and for cycle_momentum with an optimizer that has no momentum.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | Sequence[float],
        max_lr: float | Sequence[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.8,
        max_momentum: float | Sequence[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        shapes: dict[str, tuple[Callable[[float], float], str]] = {
            "triangular": (lambda cycle: 1.0, "cycle"),
            "triangular2": (lambda cycle: 1 / 2 ** (cycle - 1), "cycle"),
            "exp_range": (lambda step: gamma**step, "iterations"),
        }
        if mode not in shapes and scale_fn is None:
            raise ValueError(f"mode is {mode!r}, expected one of {', '.join(map(repr, shapes))}")
        self._scale, self._scale_mode = shapes[mode] if scale_fn is None else (scale_fn, scale_mode)
        self._up = step_size_up
        self._total = step_size_up + (step_size_up if step_size_down is None else step_size_down)
        lows = _per_group(optimizer, "base_lr", base_lr)
        self.max_lrs = _per_group(optimizer, "max_lr", max_lr)
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            _check_momentum(optimizer)
            self.base_momentums = _per_group(optimizer, "base_momentum", base_momentum)
            self.max_momentums = _per_group(optimizer, "max_momentum", max_momentum)
        if last_epoch == -1:
            for group, lr in zip(optimizer.param_groups, lows):
                group["lr"] = group["initial_lr"] = lr
        super().__init__(optimizer, last_epoch)
        self.base_lrs = lows

    def get_lr(self) -> list[float]:
        cycle, done = divmod(self.last_epoch, self._total)
        height = done / self._up if done <= self._up else (self._total - done) / (self._total - self._up)
        height *= self._scale(cycle + 1 if self._scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            for group, low, high in zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums):
                _set_momentum(group, high - (high - low) * height)
        return [low + (high - low) * height for low, high in zip(self.base_lrs, self.max_lrs)]

    def state_dict(self) -> dict[str, Any]:
        return {name: value for name, value in super().state_dict().items() if name != "_scale"}


class ChainedScheduler(LRScheduler):
    """All schedules at once: each multiplies the rate that the one before it leaves.

    optimizer  default: that of the schedules. ValueError for no schedules, or schedules of several optimizers.
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        if not schedulers:
            raise ValueError("schedulers is empty, expected at least one")
        self.optimizer = schedulers[0].optimizer if optimizer is None else _optimizer(optimizer)
        if any(scheduler.optimizer is not self.optimizer for scheduler in schedulers):
            raise ValueError("schedulers are of several optimizers, expected one optimizer")
        self._schedulers = list(schedulers)
        self._last_lr = self._present()

    def step(self) -> None:
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = self._present()

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "_schedulers": [s.state_dict() for s in self._schedulers]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "_schedulers"})
        for scheduler, state in zip(self._schedulers, state_dict["_schedulers"]):
            scheduler.load_state_dict(state)


class SequentialLR(LRScheduler):
    """One schedule after the other: `schedulers[i + 1]` takes over, from the initial rates, at step `milestones[i]`.

    Raises ValueError if the lists do not fit, if a schedule is for another optimizer or is ReduceLROnPlateau.
    """

    def __init__(
        self, optimizer: Optimizer, schedulers: list[LRScheduler], milestones: list[int], last_epoch: int = -1
    ) -> None:
        self.optimizer = _optimizer(optimizer)
        if not schedulers or len(milestones) != len(schedulers) - 1:
            raise ValueError(
                f"schedulers has {len(schedulers)} entries and milestones {len(milestones)}, expected one fewer"
            )
        for i, scheduler in enumerate(schedulers):
            if isinstance(scheduler, ReduceLROnPlateau) or scheduler.optimizer is not optimizer:
                raise ValueError(
                    f"schedulers[{i}] is a {type(scheduler).__name__}, expected one of this optimizer that needs no loss"
                )
        self._schedulers, self._milestones = schedulers, milestones
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._restart() if last_epoch == -1 else self._first_step()

    def step(self) -> None:
        self.last_epoch += 1
        index = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[index]
        if self.last_epoch == (self._milestones[index - 1] if index else 0):
            scheduler._restart()
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "_schedulers": [s.state_dict() for s in self._schedulers]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "_schedulers"})
        for scheduler, state in zip(self._schedulers, state_dict["_schedulers"]):
            scheduler.load_state_dict(state)


class ReduceLROnPlateau(LRScheduler):
    """Times `factor` when what is watched, the argument of `step`, has not improved for more than `patience` steps.

    mode        "min" or "max": which way is better.
    threshold   the least improvement that counts, relative to the best ("rel") or absolute ("abs": threshold_mode).
    cooldown    steps after a reduction in which nothing is counted.
    min_lr      limit of the rate, one or one for each group.
    eps         smaller changes of the rate are not made.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        self.optimizer = _optimizer(optimizer)
        if factor >= 1:
            raise ValueError(f"factor is {factor}, expected below 1")
        if mode not in ("min", "max"):
            raise ValueError(f"mode is {mode!r}, expected 'min' or 'max'")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"threshold_mode is {threshold_mode!r}, expected 'rel' or 'abs'")
        self.mode, self.factor, self.patience = mode, factor, patience
        self.threshold, self.threshold_mode, self.cooldown = threshold, threshold_mode, cooldown
        self.min_lrs, self.eps = _per_group(optimizer, "min_lr", min_lr), eps
        self.best = math.inf if mode == "min" else -math.inf
        self.last_epoch, self.num_bad_epochs, self.cooldown_counter = 0, 0, 0
        self._last_lr = self._present()

    def step(self, metrics: SupportsFloat) -> None:  # type: ignore[override]  # as PyTorch's, it needs what it watches
        value = float(metrics)
        self.last_epoch += 1
        better = self._better(value)
        if better:
            self.best = value
        self.num_bad_epochs = 0 if better else self.num_bad_epochs + 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            for group, least in zip(self.optimizer.param_groups, self.min_lrs):
                reduced = max(group["lr"] * self.factor, least)
                if group["lr"] - reduced > self.eps:
                    group["lr"] = reduced
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = self._present()

    def _better(self, value: float) -> bool:
        sign = 1 if self.mode == "min" else -1
        if self.threshold_mode == "rel":
            return sign * value < sign * self.best * (1 - sign * self.threshold)
        return sign * value < sign * self.best - self.threshold


def _optimizer(optimizer: Any) -> Optimizer:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizer is a {type(optimizer).__name__}, expected an Optimizer")
    return optimizer


def _check_momentum(optimizer: Optimizer) -> None:
    if not {"momentum", "betas"} & set(optimizer.defaults):
        raise ValueError(f"cycle_momentum needs momentum or betas, which {type(optimizer).__name__} does not have")


def _set_momentum(group: dict[str, Any], momentum: float) -> None:
    """Sets the momentum of a group, or the first beta of Adam and its relatives."""
    group.update({"betas": (momentum, *group["betas"][1:])} if "betas" in group else {"momentum": momentum})


def _count(name: str, value: Any) -> int:
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} is {value!r}, expected an integer of at least 1")
    return value


def _per_group(optimizer: Optimizer, name: str, value: Any) -> list[Any]:
    """One value for each parameter group."""
    groups = len(_optimizer(optimizer).param_groups)
    if not isinstance(value, (list, tuple)):
        return [value] * groups
    if len(value) != groups:
        raise ValueError(f"{name} has {len(value)} entries, expected one for each of the {groups} parameter groups")
    return list(value)
