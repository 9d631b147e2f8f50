"""Activations."""

from __future__ import annotations

import math

from ...ops import abs, clamp, erf, exp, minimum, sigmoid, tanh, where
from ...ops import softplus as _softplus
from ...tensor import Tensor


def leaky_relu(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    return where(input > 0, input, input * negative_slope)


def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    return where(input > 0, input, alpha * (exp(minimum(input, 0.0)) - 1))


def selu(input: Tensor) -> Tensor:
    return 1.0507009873554805 * elu(input, 1.6732632423543772)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x times the normal distribution's probability of less than x; "tanh" approximates it (Hendrycks and Gimpel 2016)."""
    if approximate == "tanh":
        return 0.5 * input * (1 + tanh(math.sqrt(2 / math.pi) * (input + 0.044715 * input**3)))
    if approximate != "none":
        raise ValueError(f"approximate is {approximate!r}, expected 'none' or 'tanh'")
    return 0.5 * input * (1 + erf(input * math.sqrt(0.5)))


def silu(input: Tensor) -> Tensor:
    return input * sigmoid(input)


def mish(input: Tensor) -> Tensor:
    return input * tanh(_softplus(input))


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    scaled = input * beta
    return where(scaled > threshold, input, _softplus(scaled) / beta)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    return clamp(input, min_val, max_val)


def relu6(input: Tensor) -> Tensor:
    return clamp(input, 0.0, 6.0)


def hardsigmoid(input: Tensor) -> Tensor:
    return clamp(input + 3.0, 0.0, 6.0) / 6


def hardswish(input: Tensor) -> Tensor:
    return input * hardsigmoid(input)


def softsign(input: Tensor) -> Tensor:
    return input / (1 + abs(input))


def logsigmoid(input: Tensor) -> Tensor:
    return -_softplus(-input)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """input where positive, weight * input elsewhere; weight has one element, or one for each channel."""
    if weight.numel() != 1:
        weight = weight.reshape(1, -1, *(1 for _ in range(input.ndim - 2)))
    return where(input > 0, input, weight * input)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    a, b = input.chunk(2, dim)
    return a * sigmoid(b)
