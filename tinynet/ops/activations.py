"""Activations that are kernels."""

from __future__ import annotations

import math
from typing import Any

import tinynet_kernels as kernels

from ..autograd import Op, is_grad_enabled
from ..tensor import Tensor
from .elementwise import erf, exp, sigmoid, tanh
from .linalg import _in_kernel_dtype

_SLOPE, _CUBIC = math.sqrt(2 / math.pi), 0.044715


class Gelu(Op):
    saves = (0,)

    @staticmethod
    def composed(x: Tensor, approximate: str) -> Tensor:
        """What forward computes, as other operations."""
        if approximate == "tanh":
            return 0.5 * x * (1 + tanh(_SLOPE * (x + _CUBIC * x**3)))
        return 0.5 * x * (1 + erf(x * math.sqrt(0.5)))

    @staticmethod
    def forward(ctx: Any, x: Any, approximate: str) -> Any:
        ctx.approximate = approximate
        return kernels.gelu(x, approximate=approximate)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        x = ctx.input(0)
        if not is_grad_enabled():
            return Tensor._make(kernels.gelu_grad(gy._array, x._array, approximate=ctx.approximate)), None
        if ctx.approximate == "tanh":
            s = sigmoid(2 * _SLOPE * (x + _CUBIC * x**3))
            return gy * (s + x * s * (1 - s) * (2 * _SLOPE) * (1 + 3 * _CUBIC * x * x)), None
        density = exp(-0.5 * x * x) * (1 / math.sqrt(2 * math.pi))
        return gy * (0.5 * (1 + erf(x * math.sqrt(0.5))) + x * density), None


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x times the normal distribution's probability of less than x; approximate: "none" or "tanh"."""
    return _in_kernel_dtype(lambda x: Gelu.apply(x, approximate), input)
