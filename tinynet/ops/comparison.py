"""Comparisons, logic and rounding: operations whose gradient is zero or does not exist."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from .. import dtypes
from ..autograd import Op
from ..device import xp
from ..tensor import Tensor
from ._common import operands


def _plain(name: str, input: Any, *others: Any) -> Tensor:
    arrays = [t._array if isinstance(t, Tensor) else t for t in (input, *others)]
    first = next(a for a in arrays if hasattr(a, "dtype"))
    with np.errstate(divide="ignore", invalid="ignore"):
        return Tensor._make(getattr(xp(first), name)(*arrays))


class Step(Op):
    """A NumPy function that is constant between its jumps: its gradient is 0, which PyTorch also records."""

    @staticmethod
    def forward(ctx: Any, a: Any, name: str) -> Any:
        return getattr(xp(a), name)(a)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        return Tensor._make(xp(gy._array).zeros_like(gy._array)), None


def _rounded(name: str, input: Tensor) -> Tensor:
    """A Step to whole numbers, which integers are already."""
    return Step.apply(input, name if input.is_floating_point() else "copy")


def sign(input: Tensor) -> Tensor:
    return Step.apply(input, "sign" if input.dtype != dtypes.bool else "copy")


def floor(input: Tensor) -> Tensor:
    return _rounded("floor", input)


def ceil(input: Tensor) -> Tensor:
    return _rounded("ceil", input)


def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """To the nearest number with so many decimals, halves to the even one."""
    if decimals == 0:
        return _rounded("rint", input)
    scale = 10.0**decimals
    return round(input * scale) / scale


def trunc(input: Tensor) -> Tensor:
    return _rounded("trunc", input)


def isnan(input: Tensor) -> Tensor:
    return _plain("isnan", input)


def isinf(input: Tensor) -> Tensor:
    return _plain("isinf", input)


def isfinite(input: Tensor) -> Tensor:
    return _plain("isfinite", input)


def floor_divide(input: Any, other: Any) -> Tensor:
    a, b = operands(input, other)
    return _plain("floor_divide", a, b)


def eq(input: Any, other: Any) -> Tensor:
    a, b = operands(input, other)
    return _plain("equal", a, b)


def ne(input: Any, other: Any) -> Tensor:
    a, b = operands(input, other)
    return _plain("not_equal", a, b)


def lt(input: Any, other: Any) -> Tensor:
    a, b = operands(input, other)
    return _plain("less", a, b)


def le(input: Any, other: Any) -> Tensor:
    a, b = operands(input, other)
    return _plain("less_equal", a, b)


def gt(input: Any, other: Any) -> Tensor:
    a, b = operands(input, other)
    return _plain("greater", a, b)


def ge(input: Any, other: Any) -> Tensor:
    a, b = operands(input, other)
    return _plain("greater_equal", a, b)


def logical_not(input: Tensor) -> Tensor:
    return _plain("logical_not", input)


def logical_and(input: Tensor, other: Tensor) -> Tensor:
    return _plain("logical_and", input, other)


def logical_or(input: Tensor, other: Tensor) -> Tensor:
    return _plain("logical_or", input, other)


def logical_xor(input: Tensor, other: Tensor) -> Tensor:
    return _plain("logical_xor", input, other)


def bitwise_not(input: Tensor) -> Tensor:
    return _plain("invert", input)


def bitwise_and(input: Tensor, other: Any) -> Tensor:
    return _plain("bitwise_and", input, other)


def bitwise_or(input: Tensor, other: Any) -> Tensor:
    return _plain("bitwise_or", input, other)


def bitwise_xor(input: Tensor, other: Any) -> Tensor:
    return _plain("bitwise_xor", input, other)


def bitwise_left_shift(input: Tensor, other: Any) -> Tensor:
    return _plain("left_shift", input, other)


def bitwise_right_shift(input: Tensor, other: Any) -> Tensor:
    return _plain("right_shift", input, other)


def isin(elements: Tensor, test_elements: Tensor) -> Tensor:
    """Whether each element is among the test elements."""
    return _plain("isin", elements, test_elements)


def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: builtins.bool = False
) -> Tensor:
    """Whether |input - other| <= atol + rtol * |other|, for each element."""
    if not isinstance(other, Tensor):
        raise TypeError(f"other is a {type(other).__name__}, expected a Tensor")
    return Tensor._make(xp(input._array).isclose(input._array, other._array, rtol, atol, equal_nan))


def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: builtins.bool = False
) -> builtins.bool:
    """Whether |input - other| <= atol + rtol * |other| everywhere."""
    return builtins.bool(isclose(input, other, rtol, atol, equal_nan).all().item())


def equal(input: Tensor, other: Tensor) -> builtins.bool:
    """Whether both have the same shape and elements."""
    return input.shape == other.shape and builtins.bool((input == other).all().item())
