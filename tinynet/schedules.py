"""Learning-rate schedules by name, as the command line takes them: `step:step_size=2,gamma=0.5`, `lambda:1/(1+epoch)`, or one
after the other: `linear:start=0.1,final=1 for 2 then cosine`.

Times in options are epochs. The names stand for the classes of `tinynet.optim.lr_scheduler`, which here step with each update.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from typing import Any

from .optim import Optimizer, lr_scheduler


class Cosine(lr_scheduler.LRScheduler):
    """The default: `warmup` steps of linear rise, then half a cosine down to `final` times the rate, over each group.

    Loshchilov and Hutter 2017. It is CosineAnnealingLR after LinearLR, but of the step alone: no rounding adds up.
    """

    def __init__(self, optimizer: Optimizer, steps: int, warmup: int = 0, final: float = 0.01) -> None:
        if not 0 <= warmup < steps:
            raise ValueError(f"warmup is {warmup} steps, expected 0 to below the {steps} of the run")
        self.steps, self.warmup, self.final = steps, warmup, final
        super().__init__(optimizer)

    def get_lr(self) -> list[float]:
        if self.last_epoch < self.warmup:
            share = (self.last_epoch + 1) / (self.warmup + 1)
        else:
            done = (self.last_epoch - self.warmup) / (self.steps - self.warmup)
            share = self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * done))
        return [lr * share for lr in self.base_lrs]


def _cosine(optimizer: Optimizer, steps: int, per_epoch: int, *, final: float = 0.01, warmup: float = 0.0) -> Any:
    """See `Cosine`; `warmup` in epochs."""
    return Cosine(optimizer, steps, round(warmup * per_epoch), final)


def _one_cycle(optimizer: Optimizer, steps: int, per_epoch: int, *, pct_start: float = 0.3) -> Any:
    """Up from 1/25 of the rate to the rate, then down to almost nothing (Smith and Topin 2018)."""
    peak = optimizer.param_groups[0]["lr"]
    return lr_scheduler.OneCycleLR(optimizer, max_lr=peak, total_steps=steps, pct_start=pct_start)


def _linear(optimizer: Optimizer, steps: int, per_epoch: int, *, start: float = 1.0, final: float = 0.01) -> Any:
    """A straight line from `start` to `final` times the rate."""
    return lr_scheduler.LinearLR(optimizer, start_factor=start, end_factor=final, total_iters=steps)


def _constant(optimizer: Optimizer, steps: int, per_epoch: int) -> Any:
    return lr_scheduler.ConstantLR(optimizer, factor=1.0)


def _step(optimizer: Optimizer, steps: int, per_epoch: int, *, step_size: int = 2, gamma: float = 0.1) -> Any:
    """Times `gamma` every `step_size` epochs."""
    return lr_scheduler.StepLR(optimizer, step_size * per_epoch, gamma)


def _multistep(
    optimizer: Optimizer, steps: int, per_epoch: int, *, milestones: tuple[int, ...] = (3,), gamma: float = 0.1
) -> Any:
    """Times `gamma` at each milestone, such as milestones=3+8."""
    return lr_scheduler.MultiStepLR(optimizer, [epoch * per_epoch for epoch in milestones], gamma)


def _exponential(optimizer: Optimizer, steps: int, per_epoch: int, *, gamma: float = 0.7) -> Any:
    """Times `gamma` every epoch, a little with each update."""
    return lr_scheduler.ExponentialLR(optimizer, gamma ** (1 / per_epoch))


def _restarts(optimizer: Optimizer, steps: int, per_epoch: int, *, T_0: int = 1, T_mult: int = 2) -> Any:
    """Cosines of T_0, T_0 T_mult, T_0 T_mult^2, ... epochs, each from the full rate."""
    return lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0 * per_epoch, T_mult)


def _plateau(optimizer: Optimizer, steps: int, per_epoch: int, *, factor: float = 0.3, patience: int = 1) -> Any:
    """Times `factor` when the validation loss (or the training loss) has not improved for more than `patience` epochs."""
    return lr_scheduler.ReduceLROnPlateau(optimizer, factor=factor, patience=patience)


def _lambda(optimizer: Optimizer, steps: int, per_epoch: int, *, share: str = "1") -> Any:
    """The rate times an expression of `epoch`, a number with a fraction; see `expression`."""
    value = expression(share)
    for step in range(steps + 1):
        if not 0 <= value(step / per_epoch) < math.inf:
            raise ValueError(
                f"{share!r} is {value(step / per_epoch):g} at epoch {step / per_epoch:g}, expected at least 0"
            )
    return lr_scheduler.LambdaLR(optimizer, lambda step: value(step / per_epoch))


SCHEDULES: dict[str, Callable[..., Any]] = {
    "constant": _constant,
    "cosine": _cosine,
    "exponential": _exponential,
    "lambda": _lambda,
    "linear": _linear,
    "multistep": _multistep,
    "one-cycle": _one_cycle,
    "plateau": _plateau,
    "step": _step,
    "warm-restarts": _restarts,
}
ALONE = ("one-cycle", "plateau")  # the one keeps its own rates in the optimizer, the other needs a loss
FUNCTIONS: dict[str, Any] = {name: getattr(math, name) for name in ("cos", "exp", "floor", "log", "sin", "sqrt")}
FUNCTIONS |= {"abs": abs, "max": max, "min": min, "pi": math.pi}
_NODES = (
    *(ast.Expression, ast.BinOp, ast.UnaryOp, ast.IfExp, ast.Compare, ast.Call, ast.Name, ast.Constant, ast.Load),
    *(ast.operator, ast.unaryop, ast.cmpop),
)


def expression(text: str) -> Callable[[float], float]:
    """The function of `epoch` that an arithmetic expression is, which may use +, -, *, /, **, %, comparisons, `x if y else z`
    and abs, cos, exp, floor, log, max, min, pi, sin, sqrt. ValueError for anything else."""
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except SyntaxError as error:
        raise ValueError(f"{text!r} is no expression: {error.msg}") from None
    for node in ast.walk(tree):
        known = isinstance(node, _NODES) and not getattr(node, "keywords", None)
        if isinstance(node, ast.Name):
            known = node.id == "epoch" or node.id in FUNCTIONS
        elif isinstance(node, ast.Constant):
            known = isinstance(node.value, (int, float))
        if not known:
            shown = ast.unparse(node) if isinstance(node, ast.expr) else type(node).__name__
            raise ValueError(f"{text!r} has {shown!r}, expected arithmetic of epoch and {', '.join(FUNCTIONS)}")
    code = compile(tree, text, "eval")

    def value(epoch: float) -> float:
        try:
            return float(eval(code, {"__builtins__": {}, **FUNCTIONS, "epoch": epoch}))
        except (ArithmeticError, ValueError, TypeError) as error:
            raise ValueError(f"{text!r} has no value at epoch {epoch:g}: {error}") from None

    value(0.0)
    return value


def parse(text: str) -> list[tuple[str, dict[str, Any], float]]:
    """(name, options, epochs) of each of the schedules `NAME[:KEY=VALUE,...] for EPOCHS then ...`; those of the last are
    infinite. ValueError that says what is wrong."""
    *firsts, last = text.split(" then ")
    parts = []
    for part in firsts:
        name, found, epochs = part.rpartition(" for ")
        try:
            length = float(epochs)
        except ValueError:
            length = 0
        if not found or not 0 < length < math.inf:
            raise ValueError(f"{part!r} has no time, expected 'NAME for EPOCHS then ...'")
        parts.append((*_parse_one(name.strip()), length))
    parts.append((*_parse_one(last.strip()), math.inf))
    alone = [name for name, _, _ in parts if name in ALONE]
    if alone and len(parts) > 1:
        raise ValueError(f"{alone[0]} cannot be one of several schedules")
    return parts


def _parse_one(text: str) -> tuple[str, dict[str, Any]]:
    name, _, rest = text.partition(":")
    if name not in SCHEDULES:
        raise ValueError(f"{name!r} is no schedule, expected one of {', '.join(SCHEDULES)}")
    if name == "lambda":
        expression(rest)
        return name, {"share": rest}
    defaults = SCHEDULES[name].__kwdefaults__ or {}
    options: dict[str, Any] = {}
    for item in rest.split(",") if rest else []:
        key, _, value = item.partition("=")
        if key not in defaults:
            known = ", ".join(defaults) or "none"
            raise ValueError(f"{key!r} is no option of the schedule {name}, which has: {known}")
        try:
            kind = type(defaults[key])
            numbers = [int(v) for v in value.split("+")] if kind is tuple else [kind(value)]
            if not all(0 <= number < math.inf for number in numbers):
                raise ValueError
            options[key] = tuple(numbers) if kind is tuple else numbers[0]
        except ValueError:
            what = {tuple: "whole numbers like 3+8", int: "a whole number"}.get(kind, "a number")
            raise ValueError(f"{key} is {value!r}, expected {what} of at least 0") from None
    return name, options


def create(text: str, optimizer: Optimizer, steps: int, per_epoch: int) -> tuple[Any, str]:
    """The scheduler for a run of so many updates, and when it steps (see `Trainer`)."""
    parts = parse(text)
    if len(parts) == 1:
        name, options, _ = parts[0]
        return SCHEDULES[name](optimizer, steps, per_epoch, **options), "loss" if name == "plateau" else "step"
    rates = [group["lr"] for group in optimizer.param_groups]
    schedulers, milestones, begun = [], [], 0
    for name, options, epochs in parts:
        for group, lr in zip(optimizer.param_groups, rates):
            group["lr"] = lr
        length = steps - begun if epochs == math.inf else round(epochs * per_epoch)
        if not 0 < length <= steps - begun or (epochs < math.inf and length == steps - begun):
            raise ValueError(f"{text!r} is longer than the {steps / per_epoch:g} epochs of the run")
        schedulers.append(SCHEDULES[name](optimizer, length, per_epoch, **options))
        begun += length
        milestones.append(begun)
    return lr_scheduler.SequentialLR(optimizer, schedulers, milestones[:-1]), "step"
