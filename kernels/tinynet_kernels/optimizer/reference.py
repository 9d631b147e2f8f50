"""The update rules, as the papers and PyTorch's documentation state them."""

from __future__ import annotations

from typing import Any

import numpy as np


def sgd(
    param: Any,
    grad: Any,
    momentum_buffer: Any,
    *,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    first_step: bool,
    maximize: bool = False,
) -> tuple[Any, Any]:
    g = (-grad if maximize else grad) + weight_decay * param
    if momentum:
        momentum_buffer = g.copy() if first_step else momentum * momentum_buffer + (1 - dampening) * g
        g = g + momentum * momentum_buffer if nesterov else momentum_buffer
    return param - lr * g, momentum_buffer.copy()


def adam(
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
) -> tuple[Any, Any, Any]:
    g = -grad if maximize else grad
    if decoupled:
        param = param * (1 - lr * weight_decay)
    else:
        g = g + weight_decay * param
    exp_avg = beta1 * exp_avg + (1 - beta1) * g
    exp_avg_sq = beta2 * exp_avg_sq + (1 - beta2) * g * g
    m_hat = exp_avg / (1 - beta1**step)
    v_hat = exp_avg_sq / (1 - beta2**step)
    return param - lr * m_hat / (np.sqrt(v_hat) + eps), exp_avg, exp_avg_sq


def rmsprop(
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
) -> tuple[Any, Any, Any]:
    g = (-grad if maximize else grad) + weight_decay * param
    square_avg = alpha * square_avg + (1 - alpha) * g * g
    g = g / (np.sqrt(square_avg) + eps)
    if momentum:
        momentum_buffer = g = momentum * momentum_buffer + g
    return param - lr * g, square_avg, momentum_buffer.copy()
