"""What the families of operations share: operands, broadcasting backwards, dimensions."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..device import device_of, module_of, on
from ..tensor import Tensor, tensor


def operands(a: Any, b: Any) -> tuple[Any, Any]:
    """Both as Tensors, but for Python numbers, which stay as they are lest they promote the other's dtype.

    A float beside an integer tensor makes it a tensor of the default dtype. TypeError for tensors on two devices.
    """
    if isinstance(a, Tensor):
        return _pair(a, b)
    b, a = _pair(b if isinstance(b, Tensor) else tensor(b), a)
    return a, b


def _pair(a: Tensor, b: Any) -> tuple[Tensor, Any]:
    if isinstance(b, Tensor):
        if type(a._array) is np.ndarray and type(b._array) is np.ndarray:
            return a, b
        return _same_device(a, b)
    kind = a._array.dtype.kind
    if isinstance(b, builtins.bool):
        return a, b
    if isinstance(b, np.generic):  # numbers too, though NumPy would have them promote
        return _pair(a, b.item())
    if isinstance(b, float):
        return (a, b) if kind == "f" else (cast_to(a, dtypes.get_default_dtype()), b)
    if isinstance(b, int):
        return (a, b) if kind != "b" else (cast_to(a, dtypes.int64), b)
    return _pair(a, tensor(b, device=None if hasattr(b, "dtype") else a.device))


def cast_to(a: Tensor, dtype: dtypes.DType) -> Tensor:
    from .elementwise import cast

    return cast(a, dtype)


def _same_device(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """A CPU scalar tensor may meet tensors of any device."""
    if device_of(a._array) == device_of(b._array):
        return a, b
    if b._array.ndim == 0 and b.device.type == "cpu":
        return a, b.to(a.device)
    if a._array.ndim == 0 and a.device.type == "cpu":
        return a.to(b.device), b
    raise _devices(a, b)


def _devices(a: Tensor, b: Tensor) -> TypeError:
    return TypeError(f"tensors are on {a.device} and {b.device}, expected one device")


def same_device(name: str, *tensors: Tensor | None) -> None:
    """TypeError unless all tensors are on one device."""
    if all([t is None or type(t._array) is np.ndarray for t in tensors]):
        return
    places = {t.device for t in tensors if t is not None}
    if len(places) > 1:
        raise TypeError(f"{name}: tensors are on {', '.join(sorted(map(str, places)))}, expected one device")


def unbroadcast(grad: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The gradient of an array of `shape` that was broadcast to the gradient's shape: summed over what was repeated."""
    if grad._array.shape == shape:
        return grad
    from .reduction import sum
    from .shape import reshape

    lead = grad._array.ndim - len(shape)
    dims = (*range(lead), *(lead + i for i, n in enumerate(shape) if n == 1 and grad._array.shape[lead + i] != 1))
    return reshape(sum(grad, dims) if dims else grad, shape)


def as_float(a: Tensor) -> Tensor:
    """The tensor, converted to the default dtype if it holds integers or booleans."""
    return a if a._array.dtype.kind == "f" else cast_to(a, dtypes.get_default_dtype())


def wrap(dim: int, ndim: int, name: str = "dim") -> int:
    """A dimension counted from the front. IndexError if there is none such."""
    limit = max(ndim, 1)
    if not isinstance(dim, (int, np.integer)) or isinstance(dim, builtins.bool):
        raise TypeError(f"{name} is {dim!r}, expected an int")
    if not -limit <= dim < limit:
        raise IndexError(f"{name} is {dim}, expected {-limit} to {limit - 1}")
    return int(dim) % limit


def wrap_all(dim: Any, ndim: int) -> tuple[int, ...]:
    """All dimensions for None or (), else the given ones counted from the front."""
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        return tuple(range(ndim))
    dims = tuple(wrap(d, ndim) for d in (dim if isinstance(dim, (tuple, list)) else (dim,)))
    if len(set(dims)) != len(dims):
        raise ValueError(f"dim is {dim!r}, which names a dimension twice")
    return dims if ndim else ()


def sizes(shape: Sequence[Any], size: Any = None) -> tuple[int, ...]:
    """A shape given as separate ints, as one sequence, or by the keyword `size`."""
    given: Sequence[Any] = shape if size is None else (size,)
    if len(given) == 1 and isinstance(given[0], (tuple, list)):
        given = given[0]
    return tuple(int(s) for s in given)


def module_on(device: Any) -> tuple[Any, Any]:
    """The array module of a device that exists, and a context in which its arrays are made."""
    from ..device import device as Device
    from ..device import get_default_device, require

    where = get_default_device() if device is None else Device(device)
    require(where)
    return module_of(where), on(where)
