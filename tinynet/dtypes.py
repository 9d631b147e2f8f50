"""Data types: NumPy's, under PyTorch's names."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

DType = np.dtype[Any]

float16 = half = np.dtype(np.float16)
float32 = float = np.dtype(np.float32)
float64 = double = np.dtype(np.float64)
uint8 = np.dtype(np.uint8)
int8 = np.dtype(np.int8)
int16 = short = np.dtype(np.int16)
int32 = int = np.dtype(np.int32)
int64 = long = np.dtype(np.int64)
bool = np.dtype(np.bool_)


class _BFloat16:
    """`bfloat16`: what autocast rounds the factors of products to. No array has this dtype, in NumPy and CuPy nor here."""

    def __repr__(self) -> str:
        return "bfloat16"


bfloat16 = _BFloat16()

_default: DType = float32


def get_default_dtype() -> DType:
    """The dtype of tensors made from Python floats; float32 unless `set_default_dtype` changed it."""
    return _default


def set_default_dtype(dtype: Any) -> None:
    """Sets the dtype of tensors made from Python floats. Raises TypeError if it is not a floating-point dtype."""
    global _default
    checked = as_dtype(dtype)
    if checked.kind != "f":
        raise TypeError(f"dtype is {checked}, expected a floating-point dtype")
    _default = checked


def as_dtype(dtype: Any) -> DType:
    """A NumPy dtype for any of its names; Python's float is the default dtype, int is int64. TypeError if unknown."""
    if dtype is builtins.float:
        return _default
    try:
        result: DType = np.dtype(dtype)
    except TypeError:
        raise TypeError(f"dtype is {dtype!r}, expected one such as tinynet.float32") from None
    if result.kind not in "fiub":
        raise TypeError(f"dtype is {dtype!r}, expected a floating-point, integer or boolean one")
    return result


finfo, iinfo = np.finfo, np.iinfo


def promote_types(type1: Any, type2: Any) -> DType:
    """The smallest dtype that both fit in, as NumPy has it: int64 and float32 give float64, where PyTorch has float32."""
    return np.promote_types(as_dtype(type1), as_dtype(type2))


def result_type(tensor1: Any, tensor2: Any) -> DType:
    """The dtype of an operation on two tensors or numbers; a number does not promote a tensor of its kind."""
    return np.result_type(*(t._array if hasattr(t, "_array") else t for t in (tensor1, tensor2)))


def can_cast(from_: Any, to: Any) -> builtins.bool:
    """Whether one dtype may become another: not floating-point integer, and nothing but booleans boolean."""
    order = {"b": 0, "u": 1, "i": 1, "f": 2}
    source, target = as_dtype(from_).kind, as_dtype(to).kind
    return order[source] <= order[target]
