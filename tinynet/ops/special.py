"""Further functions of each element, made of the elementary ones."""

from __future__ import annotations

import math
from typing import Any

from .. import dtypes
from ..tensor import Tensor
from ._common import as_float, operands
from .comparison import _plain, floor, isnan, sign, trunc
from .creation import full_like
from .elementwise import abs, both, div, exp, log, log1p, logaddexp, maximum, minimum, pow, sin, sqrt, sub, where


def asinh(input: Tensor) -> Tensor:
    """sign(x) log(|x| + sqrt(x^2 + 1)), by log1p: right for small x too."""
    x = as_float(input)
    large = abs(x) > 1e8 if x.dtype.itemsize == 8 else abs(x) > 1e4 if x.dtype.itemsize == 4 else abs(x) > 100
    size = where(large, 1.0, abs(x))
    y = log1p(size + size * size / (1 + sqrt(size * size + 1)))
    y = where(large, log(where(large, abs(x), 1.0)) + math.log(2), y)
    return where(x < 0, -y, where(x > 0, y, x))


def atanh(input: Tensor) -> Tensor:
    x = as_float(input)
    return 0.5 * (log1p(x) - log1p(-x))


def exp2(input: Tensor) -> Tensor:
    return exp(as_float(input) * math.log(2))


def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """log(x / (1 - x)), of x kept within [eps, 1 - eps] if eps is given."""
    x = as_float(input)
    if eps is not None:
        x = x.clamp(eps, 1 - eps)
    return log(x / (1 - x))


def xlogy(input: Any, other: Any) -> Tensor:
    """input * log(other), and 0 where input is 0, unless other is NaN."""
    a, b = operands(input, other)
    a, b = (t if isinstance(t, Tensor) else full_like(like, t) for t, like in ((a, b), (b, a)))
    a, b = as_float(a), as_float(b)
    nothing = (a == 0) & ((b <= 0) | (b == float("inf")))
    return a * log(where(nothing, 1.0, b))


def frac(input: Tensor) -> Tensor:
    """What trunc takes away."""
    return input - trunc(input)


def sinc(input: Tensor) -> Tensor:
    """sin(pi x) / (pi x), 1 at 0."""
    x = as_float(input) * math.pi
    safe = where(x == 0, 1.0, x)
    return where(x == 0, 1.0 - x * x / 6, sin(safe) / safe)


def logaddexp2(input: Tensor, other: Tensor) -> Tensor:
    """log2(2^input + 2^other), without overflow."""
    return logaddexp(input * math.log(2), other * math.log(2)) / math.log(2)


def deg2rad(input: Tensor) -> Tensor:
    return as_float(input) * (math.pi / 180)


def rad2deg(input: Tensor) -> Tensor:
    return as_float(input) * (180 / math.pi)


def positive(input: Tensor) -> Tensor:
    """The input itself. TypeError for booleans."""
    if input.dtype == dtypes.bool:
        raise TypeError("positive() of a boolean tensor")
    return input


def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """0 below 0, 1 above, `values` at 0."""
    return where(input == 0, values, (input > 0).to(dtype=input.dtype))


def copysign(input: Tensor, other: Any) -> Tensor:
    """The size of input with the sign of other."""
    negative = signbit(other) if isinstance(other, Tensor) else math.copysign(1.0, other) < 0
    size = abs(as_float(input))
    if isinstance(negative, bool):
        return -size if negative else size
    return where(negative, -size, size)


def signbit(input: Tensor) -> Tensor:
    """Whether an element is negative; also of -0.0."""
    return _plain("signbit", input) if input.is_floating_point() else input < 0


def isposinf(input: Tensor) -> Tensor:
    return input == float("inf")


def isneginf(input: Tensor) -> Tensor:
    return input == float("-inf")


def fmax(input: Tensor, other: Tensor) -> Tensor:
    """maximum, but the other operand where one is NaN."""
    input, other = both(input, other)
    return where(isnan(input), other, where(isnan(other), input, maximum(input, other)))


def fmin(input: Tensor, other: Tensor) -> Tensor:
    """minimum, but the other operand where one is NaN."""
    input, other = both(input, other)
    return where(isnan(input), other, where(isnan(other), input, minimum(input, other)))


def float_power(input: Any, exponent: Any) -> Tensor:
    """pow in float64."""
    double = [t.double() if isinstance(t, Tensor) else float(t) for t in (input, exponent)]
    return pow(double[0], double[1])


def true_divide(input: Any, other: Any) -> Tensor:
    return div(input, other)


def rsub(input: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
    """other - alpha * input"""
    return sub(other, input, alpha=alpha)


def lgamma(input: Tensor) -> Tensor:
    """log |gamma(input)|, by Lanczos' approximation (Numerical Recipes, with g = 7 and n = 9); reflection below 1/2."""
    x = as_float(input)
    small = x < 0.5
    safe = where(small, 1 - x, x) - 1
    total = full_like(safe, _LANCZOS[0])
    for i, c in enumerate(_LANCZOS[1:], 1):
        total = total + c / (safe + i)
    t = safe + 7.5
    whole = (x <= 0) & (x == floor(x.detach())) | (x == float("inf"))
    y = 0.5 * math.log(2 * math.pi) + (safe + 0.5) * log(t) - t + log(total)
    y = where(small, math.log(math.pi) - log(abs(sin(where(small, x, 0.5) * math.pi))) - y, y)
    return where(whole, float("inf"), y)


_LANCZOS = (
    0.99999999999980993,
    676.5203681218851,
    -1259.1392167224028,
    771.32342877765313,
    -176.61502916214059,
    12.507343278686905,
    -0.13857109526572012,
    9.9843695780195716e-6,
    1.5056327351493116e-7,
)

sgn = sign
fix = trunc
