"""Checks that several kernels share. Each raises before anything is touched, naming the argument and what was expected."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np


def check_float(**arrays: Any) -> np.dtype[Any]:
    """The common dtype of the arrays (None is passed over): float32 or float64, the same for all; else TypeError."""
    return _check_float(4, "float32 or float64", arrays)


def check_any_float(**arrays: Any) -> np.dtype[Any]:
    """As check_float, or float16."""
    return _check_float(2, "float16, float32 or float64", arrays)


def _check_float(least: int, expected: str, arrays: dict[str, Any]) -> np.dtype[Any]:
    first = ""
    dtype: np.dtype[Any] | None = None
    for name, array in arrays.items():
        if array is None:
            continue
        own = array.dtype
        if own is dtype:
            continue
        if own.kind != "f" or own.itemsize < least:
            raise TypeError(f"{name} has dtype {own}, expected {expected}")
        if dtype is None:
            first, dtype = name, own
        elif own != dtype:
            raise TypeError(f"{name} has dtype {own}, expected {dtype} as {first} has")
    assert dtype is not None
    return dtype


def check_ndim(ndim: int, layout: str, **arrays: Any) -> None:
    """ValueError for an array that has not `ndim` dimensions; `layout` names them, such as "(N, C, H, W)"."""
    for name, array in arrays.items():
        if array.ndim != ndim:
            raise ValueError(f"{name} has shape {tuple(array.shape)}, expected {ndim} dimensions {layout}")


def check_shape(name: str, array: Any, expected: Sequence[int]) -> None:
    if array.shape != expected and tuple(array.shape) != tuple(expected):
        raise ValueError(f"{name} has shape {tuple(array.shape)}, expected {tuple(expected)}")


def check_int32(name: str, value: Any) -> None:
    """ValueError for an integer that does not fit into 32 bits, as kernels count."""
    if not -(1 << 31) <= operator.index(value) < 1 << 31:
        raise ValueError(f"{name} is {value}, expected a number from -2**31 to 2**31 - 1")


def check_activation(activation: str | None) -> None:
    if activation not in (None, "relu"):
        raise ValueError(f"activation is {activation!r}, expected None or 'relu'")


def plain(values: Iterable[Any]) -> bool:
    """Whether parameters are ints, bools, None, or tuples of ints, which equal only what means the same."""
    for value in values:
        if type(value) is tuple:
            for element in value:
                if type(element) is not int:
                    return False
        elif value is not None and type(value) is not int and type(value) is not bool:
            return False
    return True


def pair(name: str, value: Any, minimum: int) -> tuple[int, int]:
    """An int or a pair of ints, each at least `minimum`, as (vertical, horizontal)."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(values) != 2:
        raise ValueError(f"{name} is {value!r}, expected an int or a pair of ints")
    try:
        vertical, horizontal = (operator.index(v) for v in values)
    except TypeError:
        raise TypeError(f"{name} is {value!r}, expected an int or a pair of ints") from None
    if min(vertical, horizontal) < minimum:
        raise ValueError(f"{name} is {value!r}, expected at least {minimum}")
    return vertical, horizontal
