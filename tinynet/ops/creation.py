"""New tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..tensor import Tensor
from ._common import module_on, sizes


def _made(make: Any, device: Any, requires_grad: bool) -> Tensor:
    module, context = module_on(device)
    with context:
        result = Tensor._make(make(module))
    return result.requires_grad_() if requires_grad else result


def _dtype(dtype: Any) -> dtypes.DType:
    return dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)


def zeros(*shape: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    return _made(lambda m: m.zeros(sizes(shape, size), _dtype(dtype)), device, requires_grad)


def ones(*shape: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    return _made(lambda m: m.ones(sizes(shape, size), _dtype(dtype)), device, requires_grad)


def empty(*shape: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    return _made(lambda m: m.empty(sizes(shape, size), _dtype(dtype)), device, requires_grad)


def full(size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    if dtype is None:
        kind = np.asarray(fill_value).dtype.kind
        dtype = {"b": dtypes.bool, "i": dtypes.int64, "u": dtypes.int64}.get(kind, dtypes.get_default_dtype())
    shape = (size,) if isinstance(size, int) else sizes((size,))
    return _made(lambda m: m.full(shape, fill_value, _dtype(dtype)), device, requires_grad)


def arange(
    start: Any, end: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """start, start + step, ... below end; int64 unless a float is among them. `arange(end)` starts at 0."""
    start, end = (0, start) if end is None else (start, end)
    if dtype is None:
        dtype = dtypes.get_default_dtype() if any(isinstance(v, float) for v in (start, end, step)) else dtypes.int64
    return _made(lambda m: m.arange(start, end, step, dtypes.as_dtype(dtype)), device, requires_grad)


def linspace(
    start: float, end: float, steps: int, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """`steps` numbers from start to end, both included."""
    return _made(lambda m: m.linspace(start, end, steps, dtype=_dtype(dtype)), device, requires_grad)


def logspace(
    start: float, end: float, steps: int, base: float = 10.0, *, dtype: Any = None, device: Any = None
) -> Tensor:
    return _made(lambda m: (base ** m.linspace(start, end, steps)).astype(_dtype(dtype)), device, False)


def eye(n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    return _made(lambda module: module.eye(n, m, dtype=_dtype(dtype)), device, requires_grad)


def _like(input: Tensor, name: str, dtype: Any, device: Any, requires_grad: bool, *args: Any) -> Tensor:
    wanted = input.dtype if dtype is None else dtypes.as_dtype(dtype)
    return _made(
        lambda m: getattr(m, name)(input.shape, *args, wanted),
        input.device if device is None else device,
        requires_grad,
    )


def zeros_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    return _like(input, "zeros", dtype, device, requires_grad)


def ones_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    return _like(input, "ones", dtype, device, requires_grad)


def empty_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    return _like(input, "empty", dtype, device, requires_grad)


def full_like(
    input: Tensor, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    return _like(input, "full", dtype, device, requires_grad, fill_value)
