"""Activations. With `inplace`, and under the names that end in _, the input itself is overwritten."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ... import ops, random
from ...ops import abs, clamp, expm1, log, sigmoid, tanh, where
from ...ops import gelu as _gelu
from ...ops import log_softmax as _log_softmax
from ...ops import relu as _relu
from ...ops import softmax as _softmax
from ...ops import softplus as _softplus
from ...tensor import Tensor


def _result(input: Tensor, result: Tensor, inplace: bool) -> Tensor:
    return input._inplace(result) if inplace else result


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    return _result(input, _relu(input), inplace)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    return _result(input, where(input > 0, input, input * negative_slope), inplace)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """`value` where input is at most the threshold, input elsewhere."""
    return _result(input, where(input <= threshold, value, input), inplace)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    positive = input > 0
    return _result(input, where(positive, input, alpha * expm1(where(positive, 0.0, input))), inplace)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    return _result(input, 1.0507009873554805 * elu(input, 1.6732632423543772), inplace)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """max(x, 0) + min(alpha * (exp(x / alpha) - 1), 0) (Barron 2017)."""
    return _result(input, alpha * elu(input / alpha), inplace)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x times the normal distribution's probability of less than x; "tanh" approximates it (Hendrycks and Gimpel 2016)."""
    return _gelu(input, approximate)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    return _result(input, input * sigmoid(input), inplace)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    return _result(input, input * tanh(_softplus(input)), inplace)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    scaled = input * beta
    return where(scaled > threshold, input, _softplus(scaled) / beta)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """input within [min_val, max_val]; unlike clamp's, the gradient is 0 at the ends. ValueError if min_val > max_val."""
    if min_val > max_val:
        raise ValueError(f"min_val is {min_val} and max_val {max_val}, expected min_val <= max_val")
    inside = (input > min_val) & (input < max_val)
    return _result(input, where(inside, input, clamp(input.detach(), min_val, max_val)), inplace)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    return hardtanh(input, 0.0, 6.0, inplace)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    return _result(input, hardtanh(input / 6, -0.5, 0.5) + 0.5, inplace)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * hardsigmoid(x) (Howard et al. 2019)."""
    return _result(input, where(input <= -3, input * 0, where(input < 3, input * (input / 6 + 0.5), input)), inplace)


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """0 within [-lambd, lambd], the input elsewhere."""
    return where(abs(input) <= lambd, input * 0, input)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """The input moved towards 0 by lambd, and 0 within [-lambd, lambd]. ValueError if lambd is negative."""
    if lambd < 0:
        raise ValueError(f"lambd is {lambd}, expected at least 0")
    return where(input > lambd, input - lambd, where(input < -lambd, input + lambd, input * 0))


def tanhshrink(input: Tensor) -> Tensor:
    return input - tanh(input)


def softsign(input: Tensor) -> Tensor:
    return input / (1 + abs(input))


def logsigmoid(input: Tensor) -> Tensor:
    return -_softplus(-input)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """input where positive, weight * input elsewhere; weight has one element, or one for each channel."""
    if weight.numel() != 1:
        channels = input.shape[1] if input.ndim > 1 else 1
        if weight.numel() != channels:
            raise ValueError(f"weight has {weight.numel()} elements, expected 1 or {channels}")
        weight = weight.reshape(1, -1, *(1 for _ in range(input.ndim - 2)))
    else:
        weight = weight.reshape(())
    return where(input > 0, input, weight * input)


def rrelu(
    input: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """leaky_relu with slopes drawn between lower and upper in training, and their mean otherwise (Xu et al. 2015)."""
    slope: Any = (lower + upper) / 2
    if training:
        slope = random.rand_like(input) * (upper - lower) + lower
    return _result(input, where(input > 0, input, input * slope), inplace)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half of `dim` times the sigmoid of the second. ValueError if its size is odd."""
    if input.shape[dim] % 2:
        raise ValueError(f"input has shape {input.shape}, expected an even size of dimension {dim}")
    a, b = input.chunk(2, dim)
    return a * sigmoid(b)


def _dim(dim: int | None, input: Tensor) -> int:
    """PyTorch's choice where none is given."""
    return (0 if input.ndim in (0, 1, 3) else 1) if dim is None else dim


def softmax(input: Tensor, dim: int | None = None, *, dtype: Any = None) -> Tensor:
    """exp(input) / sum(exp(input)) along `dim`; by default 1, and 0 for 0, 1 and 3 dimensions, as in PyTorch."""
    return _softmax(input, _dim(dim, input), dtype=dtype)


def log_softmax(input: Tensor, dim: int | None = None, *, dtype: Any = None) -> Tensor:
    """The logarithm of softmax, computed without it."""
    return _log_softmax(input, _dim(dim, input), dtype=dtype)


def softmin(input: Tensor, dim: int | None = None, *, dtype: Any = None) -> Tensor:
    """softmax(-input)"""
    return softmax(-input, _dim(dim, input), dtype=dtype)


def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, dim: int = -1) -> Tensor:
    """A differentiable draw from categories (Jang et al. 2017): softmax of logits plus Gumbel noise over `tau`.

    With `hard`, one-hot vectors whose gradient is the soft ones'.
    """
    noise = -log(-log(1 - random.rand_like(logits)))
    soft = softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    chosen = soft.detach().argmax(dim, keepdim=True)
    one = ops.scatter(ops.zeros_like(soft), dim, chosen, 1.0)
    return one - soft.detach() + soft


def _in_place(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def overwrite(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return function(input, *args, **kwargs, inplace=True)

    overwrite.__name__ = f"{function.__name__}_"
    overwrite.__doc__ = f"`{function.__name__}` in place."
    return overwrite


relu_, leaky_relu_, threshold_, elu_ = (_in_place(f) for f in (relu, leaky_relu, threshold, elu))
selu_, celu_, hardtanh_, rrelu_ = (_in_place(f) for f in (selu, celu, hardtanh, rrelu))
