"""Optimizer updates on CUDA: one launch over all parameters of a model, a thread per parameter.

What changes from step to step, the learning rate, the momentum and what follows from them and the step's number, are arguments;
or, in a launch that is recorded to be replayed, in the memory of the device, where a kernel of one thread computes them anew.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy import int32

from ..runtime.cuda import Int64Pointer, Pointer, Real, blocks_for, contiguous, cuda, finish, kernel, module, writable
from ..runtime.primitives import zero

THREADS = 256
LR, FIRST, STEP_SIZE, ROOT, SHRINK, MOMENTUM, FRESH, SKIPPED, SCALARS = range(9)
STATE_LR, STATE_STEP, STATE_MOMENTUM = range(3)  # words of the state: a float64, an int64 and a float64
NOW, SO_FAR = range(2)  # words of `skip`: whether to skip this update, and how many were skipped


@kernel(threads=1)
def _scalars(
    numbers: Pointer,
    state: Int64Pointer,
    skip: Int64Pointer,
    scalars: Pointer,
    conditional: int32,
    beta2: Real,
    weight_decay: Real,
) -> None:
    """What changes with the step, in the arithmetic of `changing`: the bits are those of the host.

    `numbers` are the words of the state as float64.
    """
    lr = numbers[STATE_LR]
    beta1 = numbers[STATE_MOMENTUM]
    step = state[STATE_STEP]
    one = zero(numbers) + 1
    scalars[SKIPPED] = zero(numbers)
    if conditional:
        step -= skip[SO_FAR]
        if skip[NOW] != 0:
            scalars[SKIPPED] = one
            skip[SO_FAR] += 1
    power1 = one
    power2 = one
    square1 = beta1
    square2 = beta2
    left = step
    while left > 0:
        if left & 1:
            power1 = power1 * square1
            power2 = power2 * square2
        square1 = square1 * square1
        square2 = square2 * square2
        left >>= 1
    decay = lr * weight_decay
    scalars[LR] = lr
    scalars[FIRST] = one if step == 1 else zero(numbers)
    scalars[STEP_SIZE] = lr / (one - power1)
    scalars[ROOT] = math.sqrt(one - power2)
    scalars[SHRINK] = one - decay
    scalars[MOMENTUM] = beta1
    scalars[FRESH] = one - beta1


@kernel(threads=THREADS)
def _sgd(
    param: Pointer,
    grad: Pointer,
    buffer: Pointer,
    param_out: Pointer,
    buffer_out: Pointer,
    scalars: Pointer,
    recorded: int32,
    lr: Real,
    first_step: Real,
    sign: Real,
    momentum: Real,
    fresh: Real,
    weight_decay: Real,
    nesterov: int32,
    size: int32,
) -> None:
    i = cuda.grid(1)
    if i >= size:
        return
    if recorded:
        if scalars[SKIPPED] != zero(param):
            param_out[i], buffer_out[i] = param[i], buffer[i]
            return
        lr = scalars[LR]
        first_step = scalars[FIRST]
        momentum = scalars[MOMENTUM]
    p = param[i]
    g = sign * grad[i] + weight_decay * p
    b = buffer[i]
    if momentum != zero(param):
        b = g if first_step != zero(param) else momentum * b + fresh * g
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
    scalars: Pointer,
    recorded: int32,
    step_size: Real,
    root_correction: Real,
    shrink: Real,
    sign: Real,
    weight_decay: Real,
    beta1: Real,
    fresh1: Real,
    beta2: Real,
    fresh2: Real,
    decoupled: int32,
    eps: Real,
    size: int32,
) -> None:
    i = cuda.grid(1)
    if i >= size:
        return
    if recorded:
        if scalars[SKIPPED] != zero(param):
            param_out[i], mean_out[i], square_out[i] = param[i], mean[i], square[i]
            return
        step_size = scalars[STEP_SIZE]
        root_correction = scalars[ROOT]
        beta1 = scalars[MOMENTUM]
        fresh1 = scalars[FRESH]
        if decoupled:
            shrink = scalars[SHRINK]
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
    scalars: Pointer,
    recorded: int32,
    lr: Real,
    sign: Real,
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
    if recorded:
        if scalars[SKIPPED] != zero(param):
            param_out[i], square_out[i], buffer_out[i] = param[i], square[i], buffer[i]
            return
        lr = scalars[LR]
        momentum = scalars[MOMENTUM]
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


def changing(lr: float, step: int, beta1: float = 0.0, beta2: float = 0.0, weight_decay: float = 0.0) -> list[float]:
    """[LR, FIRST, STEP_SIZE, ROOT, SHRINK, MOMENTUM, FRESH]; the momentum is called beta1."""
    power1 = power2 = 1.0
    square1, square2, left = beta1, beta2, step
    while left > 0:
        if left & 1:
            power1, power2 = power1 * square1, power2 * square2
        square1, square2 = square1 * square1, square2 * square2
        left >>= 1
    first, step_size, root = float(step == 1), lr / (1.0 - power1), math.sqrt(1.0 - power2)
    return [lr, first, step_size, root, 1.0 - lr * weight_decay, beta1, 1.0 - beta1]


def _changing(
    dtype: Any,
    state: Any,
    skip: Any,
    lr: float,
    step: int,
    beta1: float = 0.0,
    beta2: float = 0.0,
    weight_decay: float = 0.0,
) -> tuple[list[float], Any]:
    """The numbers that change, and, if they are in the memory of the device, where: else None."""
    if state is None:
        return changing(lr, step, beta1, beta2, weight_decay), None
    scalars = module().empty(SCALARS, np.float64)
    _scalars(1, state.view(np.float64), state, skip, scalars, skip is not None, beta2, weight_decay)
    return [0.0] * SCALARS, scalars.astype(dtype, copy=False)


def _run(run: Any, outputs: Any, inputs: tuple[Any, ...], scalars: Any, *numbers: Any) -> None:
    size = inputs[0].size
    written = [writable(output) for output in outputs]
    recorded = scalars is not None
    run(blocks_for(size, THREADS), *map(contiguous, inputs), *written, scalars, recorded, *numbers, size)
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
    state: Any = None,
    skip: Any = None,
) -> None:
    now, scalars = _changing(arrays[0].dtype, state, skip, lr, 1 if first_step else 2)
    sign = -1 if maximize else 1
    _run(_sgd, outputs, arrays, scalars, now[LR], now[FIRST], sign, momentum, 1 - dampening, weight_decay, nesterov)


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
    state: Any = None,
    skip: Any = None,
) -> None:
    now, scalars = _changing(arrays[0].dtype, state, skip, lr, step, beta1, beta2, weight_decay)
    shrink, added = (now[SHRINK], 0.0) if decoupled else (1.0, weight_decay)
    sign = -1 if maximize else 1
    changed = now[STEP_SIZE], now[ROOT], shrink
    _run(_adam, outputs, arrays, scalars, *changed, sign, added, beta1, 1 - beta1, beta2, 1 - beta2, decoupled, eps)


def rmsprop(
    outputs: Any,
    *arrays: Any,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
    maximize: bool = False,
    state: Any = None,
    skip: Any = None,
) -> None:
    now, scalars = _changing(arrays[0].dtype, state, skip, lr, 1)
    sign = -1 if maximize else 1
    _run(_rmsprop, outputs, arrays, scalars, now[LR], sign, alpha, 1 - alpha, eps, weight_decay, momentum)
