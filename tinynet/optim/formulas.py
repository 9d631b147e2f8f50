"""What the update rules share: arrays in, arrays changed in place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def descent(group: Mapping[str, Any], param: Any, grad: Any) -> Any:
    """The gradient to descend along: of the negative to maximise, with weight decay unless that is decoupled."""
    if group["maximize"]:
        grad = -grad
    decay = group["weight_decay"]
    if decay == 0:
        return grad
    if group.get("decoupled_weight_decay"):
        param *= 1 - group["lr"] * decay
        return grad
    return grad + decay * param


def follow(average: Any, value: Any, beta: float) -> None:
    """average = beta * average + (1 - beta) * value, in place."""
    average *= beta
    average += (1 - beta) * value
