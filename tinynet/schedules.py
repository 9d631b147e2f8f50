"""Learning-rate schedules by name, as the command line takes them: `step:step_size=2,gamma=0.5`.

Times in options are epochs, as in the classes of `tinynet.optim.lr_scheduler` these names stand for; cosine, linear, one-cycle
and warm-up move with each update.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from .optim import Optimizer


class Cosine:
    """The default: `warmup` steps of linear rise, then half a cosine down to `final` times the rate, over each group.

    Loshchilov and Hutter 2017. It is CosineAnnealingLR after LinearLR, but of the step alone: no rounding adds up.
    """

    def __init__(self, optimizer: Optimizer, steps: int, warmup: int = 0, final: float = 0.01) -> None:
        if not 0 <= warmup < steps:
            raise ValueError(f"warmup is {warmup} steps, expected 0 to below the {steps} of the run")
        self.optimizer, self.steps, self.warmup, self.final = optimizer, steps, warmup, final
        self.base_lrs = [group["lr"] for group in optimizer.param_groups]
        self.last_step = -1
        self.step()

    def step(self) -> None:
        self.last_step += 1
        if self.last_step < self.warmup:
            share = (self.last_step + 1) / (self.warmup + 1)
        else:
            done = (self.last_step - self.warmup) / (self.steps - self.warmup)
            share = self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * done))
        for group, lr in zip(self.optimizer.param_groups, self.base_lrs):
            group["lr"] = lr * share

    def state_dict(self) -> dict[str, Any]:
        return {"last_step": self.last_step, "base_lrs": self.base_lrs}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        self.last_step, self.base_lrs = state_dict["last_step"], list(state_dict["base_lrs"])


def _cosine(optimizer: Optimizer, steps: int, per_epoch: int, *, final: float = 0.01, warmup: float = 0.0) -> Any:
    """See `Cosine`; `warmup` in epochs."""
    return Cosine(optimizer, steps, round(warmup * per_epoch), final)


def _one_cycle(optimizer: Optimizer, steps: int, per_epoch: int, *, pct_start: float = 0.3) -> Any:
    """Up from 1/25 of the rate to the rate, then down to almost nothing (Smith and Topin 2018)."""
    from .optim import lr_scheduler

    peak = optimizer.param_groups[0]["lr"]
    return lr_scheduler.OneCycleLR(optimizer, max_lr=peak, total_steps=steps, pct_start=pct_start)


def _linear(optimizer: Optimizer, steps: int, per_epoch: int, *, final: float = 0.01) -> Any:
    """A straight line down to `final` times the rate."""
    from .optim import lr_scheduler

    return lr_scheduler.LinearLR(optimizer, start_factor=1.0, end_factor=final, total_iters=steps)


def _constant(optimizer: Optimizer, steps: int, per_epoch: int) -> Any:
    return None


def _step(optimizer: Optimizer, steps: int, per_epoch: int, *, step_size: int = 2, gamma: float = 0.1) -> Any:
    """Times `gamma` every `step_size` epochs."""
    from .optim import lr_scheduler

    return lr_scheduler.StepLR(optimizer, step_size, gamma)


def _multistep(
    optimizer: Optimizer, steps: int, per_epoch: int, *, milestones: tuple[int, ...] = (3,), gamma: float = 0.1
) -> Any:
    """Times `gamma` at each milestone, such as milestones=3+8."""
    from .optim import lr_scheduler

    return lr_scheduler.MultiStepLR(optimizer, list(milestones), gamma)


def _exponential(optimizer: Optimizer, steps: int, per_epoch: int, *, gamma: float = 0.7) -> Any:
    """Times `gamma` every epoch."""
    from .optim import lr_scheduler

    return lr_scheduler.ExponentialLR(optimizer, gamma)


def _restarts(optimizer: Optimizer, steps: int, per_epoch: int, *, T_0: int = 1, T_mult: int = 2) -> Any:
    """Cosines of T_0, T_0 T_mult, T_0 T_mult^2, ... epochs, each from the full rate."""
    from .optim import lr_scheduler

    return lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0 * per_epoch, T_mult)


def _plateau(optimizer: Optimizer, steps: int, per_epoch: int, *, factor: float = 0.3, patience: int = 1) -> Any:
    """Times `factor` when the validation loss (or the training loss) has not improved for more than `patience` epochs."""
    from .optim import lr_scheduler

    return lr_scheduler.ReduceLROnPlateau(optimizer, factor=factor, patience=patience)


SCHEDULES: dict[str, tuple[Callable[..., Any], str]] = {
    "constant": (_constant, "step"),
    "cosine": (_cosine, "step"),
    "exponential": (_exponential, "epoch"),
    "linear": (_linear, "step"),
    "multistep": (_multistep, "epoch"),
    "one-cycle": (_one_cycle, "step"),
    "plateau": (_plateau, "loss"),
    "step": (_step, "epoch"),
    "warm-restarts": (_restarts, "step"),
}


def parse(text: str) -> tuple[str, dict[str, Any]]:
    """(name, options) of `NAME` or `NAME:KEY=VALUE,...`. ValueError that says what is wrong."""
    name, _, rest = text.partition(":")
    if name not in SCHEDULES:
        raise ValueError(f"{name!r} is no schedule, expected one of {', '.join(SCHEDULES)}")
    defaults = SCHEDULES[name][0].__kwdefaults__ or {}
    options = {}
    for item in rest.split(",") if rest else []:
        key, _, value = item.partition("=")
        if key not in defaults:
            known = ", ".join(defaults) or "none"
            raise ValueError(f"{key!r} is no option of the schedule {name}, which has: {known}")
        try:
            kind = type(defaults[key])
            options[key] = tuple(int(v) for v in value.split("+")) if kind is tuple else kind(value)
        except ValueError:
            raise ValueError(
                f"{key} is {value!r}, expected {'numbers like 3+8' if kind is tuple else 'a number'}"
            ) from None
    return name, options


def create(text: str, optimizer: Optimizer, steps: int, per_epoch: int) -> tuple[Any, str]:
    """The scheduler for a run of so many updates, or None for a constant rate, and when it steps (see `Trainer`)."""
    name, options = parse(text)
    make, every = SCHEDULES[name]
    return make(optimizer, steps, per_epoch, **options), every
