"""The update rules in one pass over memory, in parallel; every element is independent, so any thread count gives one result."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numba import prange

from ..runtime.compiled import parallel


def sgd(
    outputs: Any,
    param: Any,
    grad: Any,
    momentum_buffer: Any,
    *,
    first_step: bool,
    nesterov: bool,
    maximize: bool = False,
    **params: float,
) -> None:
    keep, add = params["momentum"], 1 - params["dampening"]
    if first_step:
        keep, add = 0.0, 1.0
    numbers = _numbers(
        param, -1.0 if maximize else 1.0, params["lr"], params["momentum"], params["weight_decay"], keep, add
    )
    _sgd(*outputs, param, grad, momentum_buffer, *numbers, nesterov)


def adam(
    outputs: Any,
    param: Any,
    grad: Any,
    exp_avg: Any,
    exp_avg_sq: Any,
    *,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    step: int,
    maximize: bool = False,
) -> None:
    shrink, decay = (1 - lr * weight_decay, 0.0) if decoupled else (1.0, weight_decay)
    step_size, root = lr / (1 - beta1**step), 1 / (1 - beta2**step) ** 0.5
    sign = -1.0 if maximize else 1.0
    numbers = _numbers(param, sign, shrink, decay, beta1, 1 - beta1, beta2, 1 - beta2, step_size, root, eps)
    _adam(*outputs, param, grad, exp_avg, exp_avg_sq, *numbers)


def rmsprop(
    outputs: Any,
    param: Any,
    grad: Any,
    square_avg: Any,
    momentum_buffer: Any,
    *,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
    maximize: bool = False,
) -> None:
    sign = -1.0 if maximize else 1.0
    numbers = _numbers(param, sign, lr, alpha, 1 - alpha, eps, weight_decay, momentum)
    _rmsprop(*outputs, param, grad, square_avg, momentum_buffer, *numbers)


def _numbers(param: Any, *values: float) -> tuple[Any, ...]:
    """Scalars in the dtype of the arrays, lest the arithmetic become float64."""
    return tuple(param.dtype.type(value) for value in values)


_parallel: Any = partial(parallel, error_model="numpy")


@_parallel
def _sgd(
    new_param: Any,
    new_buffer: Any,
    param: Any,
    grad: Any,
    buffer: Any,
    sign: Any,
    lr: Any,
    momentum: Any,
    decay: Any,
    keep: Any,
    add: Any,
    nesterov: Any,
) -> None:
    for i in prange(param.size):
        g = sign * grad[i] + decay * param[i]
        b = buffer[i]
        if momentum != 0:
            b = keep * b + add * g
            g = g + momentum * b if nesterov else b
        new_buffer[i] = b
        new_param[i] = param[i] - lr * g


@_parallel
def _adam(
    new_param: Any,
    new_avg: Any,
    new_avg_sq: Any,
    param: Any,
    grad: Any,
    avg: Any,
    avg_sq: Any,
    sign: Any,
    shrink: Any,
    decay: Any,
    beta1: Any,
    rest1: Any,
    beta2: Any,
    rest2: Any,
    step_size: Any,
    root: Any,
    eps: Any,
) -> None:
    for i in prange(param.size):
        p = param[i]
        g = sign * grad[i] + decay * p
        m = beta1 * avg[i] + rest1 * g
        v = beta2 * avg_sq[i] + rest2 * g * g
        new_avg[i] = m
        new_avg_sq[i] = v
        new_param[i] = shrink * p - step_size * m / (np.sqrt(v) * root + eps)


@_parallel
def _rmsprop(
    new_param: Any,
    new_avg: Any,
    new_buffer: Any,
    param: Any,
    grad: Any,
    avg: Any,
    buffer: Any,
    sign: Any,
    lr: Any,
    alpha: Any,
    rest: Any,
    eps: Any,
    decay: Any,
    momentum: Any,
) -> None:
    for i in prange(param.size):
        g = sign * grad[i] + decay * param[i]
        v = alpha * avg[i] + rest * g * g
        g = g / (np.sqrt(v) + eps)
        b = buffer[i]
        if momentum != 0:
            b = momentum * b + g
            g = b
        new_avg[i] = v
        new_buffer[i] = b
        new_param[i] = param[i] - lr * g
