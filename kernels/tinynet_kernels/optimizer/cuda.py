"""Optimizer updates on CUDA: one launch over all parameters of a model, a thread per parameter."""

from __future__ import annotations

import math
from typing import Any

from numpy import int32

from ..runtime.cuda import Pointer, Real, blocks_for, contiguous, cuda, finish, kernel, writable
from ..runtime.primitives import zero

THREADS = 256


@kernel(threads=THREADS)
def _sgd(
    param: Pointer,
    grad: Pointer,
    buffer: Pointer,
    param_out: Pointer,
    buffer_out: Pointer,
    sign: Real,
    lr: Real,
    momentum: Real,
    fresh: Real,
    weight_decay: Real,
    nesterov: int32,
    first_step: int32,
    size: int32,
) -> None:
    i = cuda.grid(1)
    if i >= size:
        return
    p = param[i]
    g = sign * grad[i] + weight_decay * p
    b = buffer[i]
    if momentum != zero(param):
        b = g if first_step else momentum * b + fresh * g
        g = g + momentum * b if nesterov else b
    param_out[i] = p - lr * g
    buffer_out[i] = b


@kernel(threads=THREADS)
def _adam(
    param: Pointer,
    grad: Pointer,
    mean: Pointer,
    square: Pointer,
    param_out: Pointer,
    mean_out: Pointer,
    square_out: Pointer,
    sign: Real,
    shrink: Real,
    weight_decay: Real,
    beta1: Real,
    fresh1: Real,
    beta2: Real,
    fresh2: Real,
    step_size: Real,
    root_correction: Real,
    eps: Real,
    size: int32,
) -> None:
    i = cuda.grid(1)
    if i >= size:
        return
    p = param[i] * shrink
    g = sign * grad[i] + weight_decay * p
    m = beta1 * mean[i] + fresh1 * g
    v = beta2 * square[i] + fresh2 * g * g
    mean_out[i] = m
    square_out[i] = v
    param_out[i] = p - step_size * m / (math.sqrt(v) / root_correction + eps)


@kernel(threads=THREADS)
def _rmsprop(
    param: Pointer,
    grad: Pointer,
    square: Pointer,
    buffer: Pointer,
    param_out: Pointer,
    square_out: Pointer,
    buffer_out: Pointer,
    sign: Real,
    lr: Real,
    alpha: Real,
    fresh: Real,
    eps: Real,
    weight_decay: Real,
    momentum: Real,
    size: int32,
) -> None:
    i = cuda.grid(1)
    if i >= size:
        return
    p = param[i]
    g = sign * grad[i] + weight_decay * p
    v = alpha * square[i] + fresh * g * g
    g = g / (math.sqrt(v) + eps)
    b = buffer[i]
    if momentum != zero(param):
        b = momentum * b + g
        g = b
    param_out[i] = p - lr * g
    square_out[i] = v
    buffer_out[i] = b


def _run(run: Any, outputs: Any, inputs: tuple[Any, ...], *numbers: Any) -> None:
    size = inputs[0].size
    written = [writable(output) for output in outputs]
    run(blocks_for(size, THREADS), *map(contiguous, inputs), *written, *numbers, size)
    for output, result in zip(outputs, written):
        finish(output, result)


def sgd(
    outputs: Any,
    *arrays: Any,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    first_step: bool,
    maximize: bool = False,
) -> None:
    sign = -1 if maximize else 1
    _run(_sgd, outputs, arrays, sign, lr, momentum, 1 - dampening, weight_decay, nesterov, first_step)


def adam(
    outputs: Any,
    *arrays: Any,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    step: int,
    maximize: bool = False,
) -> None:
    shrink, added = (1 - lr * weight_decay, 0.0) if decoupled else (1.0, weight_decay)
    corrected = lr / (1 - beta1**step), math.sqrt(1 - beta2**step)
    sign = -1 if maximize else 1
    _run(_adam, outputs, arrays, sign, shrink, added, beta1, 1 - beta1, beta2, 1 - beta2, *corrected, eps)


def rmsprop(
    outputs: Any,
    *arrays: Any,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
    maximize: bool = False,
) -> None:
    sign = -1 if maximize else 1
    _run(_rmsprop, outputs, arrays, sign, lr, alpha, 1 - alpha, eps, weight_decay, momentum)
