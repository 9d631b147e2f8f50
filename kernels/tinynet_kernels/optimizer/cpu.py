"""The update rules in one pass over memory, in parallel; every element is independent, so any thread count gives one result.

Where gradients stay zero, or become it as the loss does, means of them fade into the denormal numbers, with which a processor
computes a hundred times as slowly. They become zero here, as do squares that would be denormal.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numba import njit

from ..runtime.compiled import for_each, once, parallel, span

PIECE = 1 << 12  # elements of a piece of work


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
    new = _copied(outputs, param, momentum_buffer)
    _sgd(_pieces(param), *new, grad, *numbers, nesterov)


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
    _adam(_pieces(param), *_copied(outputs, param, exp_avg, exp_avg_sq), grad, *numbers)


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
    _rmsprop(_pieces(param), *_copied(outputs, param, square_avg, momentum_buffer), grad, *numbers)


def _numbers(param: Any, *values: float) -> tuple[Any, ...]:
    """Scalars in the dtype of the arrays, lest the arithmetic become float64."""
    return tuple(map(param.dtype.type, values))


def _pieces(param: Any) -> int:
    return -(-int(param.size) // PIECE)


def _copied(outputs: Any, *arrays: Any) -> Any:
    """The outputs, to be updated in place: loops that read one array and write another, which may be the same, take no vectors
    of elements at once."""
    for output, array in zip(outputs, arrays):
        if output is not array:
            output[...] = array
    return outputs


_once: Any = partial(once, error_model="numpy")
_inline: Any = njit(inline="always")


@_inline
def _normal(value: Any) -> Any:
    """Zero in place of a denormal number. NaN stays."""
    return type(value)(0) if abs(value) < np.finfo(type(value)).tiny else value


@_inline
def _square(g: Any) -> Any:
    """Zero where the square would be denormal."""
    return type(g)(0) if abs(g) < np.sqrt(np.finfo(type(g)).tiny) else g * g


@_once
def _sgd_piece(
    piece: int,
    param: Any,
    buffer: Any,
    grad: Any,
    sign: Any,
    lr: Any,
    momentum: Any,
    decay: Any,
    keep: Any,
    add: Any,
    nesterov: Any,
) -> None:
    for i in range(*span(piece, PIECE, param.size)):
        g = sign * grad[i] + decay * param[i]
        b = buffer[i]
        if momentum != 0:
            b = _normal(keep * b + add * g)
            g = g + momentum * b if nesterov else b
        buffer[i] = b
        param[i] = param[i] - lr * g


@parallel
def _sgd(pieces: int, *args: Any) -> None:
    for_each(pieces, _sgd_piece, *args)


@_once
def _adam_piece(
    piece: int,
    param: Any,
    avg: Any,
    avg_sq: Any,
    grad: Any,
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
    for i in range(*span(piece, PIECE, param.size)):
        p = param[i]
        g = sign * grad[i] + decay * p
        m = _normal(beta1 * avg[i] + rest1 * g)
        v = _normal(beta2 * avg_sq[i] + rest2 * _square(g))
        avg[i] = m
        avg_sq[i] = v
        param[i] = shrink * p - step_size * m / (np.sqrt(v) * root + eps)


@parallel
def _adam(pieces: int, *args: Any) -> None:
    for_each(pieces, _adam_piece, *args)


@_once
def _rmsprop_piece(
    piece: int,
    param: Any,
    avg: Any,
    buffer: Any,
    grad: Any,
    sign: Any,
    lr: Any,
    alpha: Any,
    rest: Any,
    eps: Any,
    decay: Any,
    momentum: Any,
) -> None:
    for i in range(*span(piece, PIECE, param.size)):
        g = sign * grad[i] + decay * param[i]
        v = _normal(alpha * avg[i] + rest * _square(g))
        g = g / (np.sqrt(v) + eps)
        b = buffer[i]
        if momentum != 0:
            b = _normal(momentum * b + g)
            g = b
        avg[i] = v
        buffer[i] = b
        param[i] = param[i] - lr * g


@parallel
def _rmsprop(pieces: int, *args: Any) -> None:
    for_each(pieces, _rmsprop_piece, *args)
