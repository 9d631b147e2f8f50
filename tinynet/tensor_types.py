"""The older constructors, one for each dtype and type of device, as `torch.FloatTensor` and `torch.cuda.LongTensor`."""

from __future__ import annotations

from typing import Any

from . import dtypes
from .device import set_default_device
from .tensor import Tensor, of_data_or_sizes


class TensorType:
    """A kind of tensor: `FloatTensor(data)` is a copy of the data, `FloatTensor(2, 3)` has undefined elements.

    `isinstance(x, FloatTensor)` says whether a tensor is of the kind, and `Tensor.type` takes it for a dtype and a device.
    """

    def __init__(self, kind: str, dtype: dtypes.DType, device: str) -> None:
        self.dtype, self.device = dtype, device
        self.path = f"{'cuda.' if device == 'cuda' else ''}{kind}Tensor"

    def __call__(self, *data: Any) -> Tensor:
        return of_data_or_sizes(data, self.dtype, self.device)

    def __instancecheck__(self, value: Any) -> bool:
        return isinstance(value, Tensor) and value.dtype == self.dtype and value.device.type == self.device

    def __repr__(self) -> str:
        return f"tinynet.{self.path}"


_DTYPES: dict[str, dtypes.DType] = {
    "Half": dtypes.float16,
    "Float": dtypes.float32,
    "Double": dtypes.float64,
    "Byte": dtypes.uint8,
    "Char": dtypes.int8,
    "Short": dtypes.int16,
    "Int": dtypes.int32,
    "Long": dtypes.int64,
    "Bool": dtypes.bool,
}
ON_CPU = {f"{kind}Tensor": TensorType(kind, dtype, "cpu") for kind, dtype in _DTYPES.items()}
ON_CUDA = {f"{kind}Tensor": TensorType(kind, dtype, "cuda") for kind, dtype in _DTYPES.items()}
_ALL = {kind.path: kind for kind in (*ON_CPU.values(), *ON_CUDA.values())}
_BY_DTYPE = {(kind.dtype, kind.device): kind for kind in _ALL.values()}


def name(dtype: dtypes.DType, device: str) -> str:
    """The name of the kind of tensor, such as "tinynet.cuda.FloatTensor"."""
    return repr(_BY_DTYPE[dtype, device])


def find(given: Any) -> TensorType | None:
    """The kind of tensor that an object is, or a name such as "torch.FloatTensor" or "tinynet.cuda.FloatTensor"; or None."""
    if isinstance(given, str):
        return _ALL.get(given.removeprefix("torch.").removeprefix("tinynet."))
    return given if isinstance(given, TensorType) else None


def set_default_tensor_type(t: Any) -> None:
    """Sets the default dtype and device to those of a kind of tensor, or of its name. TypeError for anything else."""
    kind = find(t)
    if kind is None:
        raise TypeError(f"t is {t!r}, expected a kind of tensor such as tinynet.FloatTensor, or its name")
    dtypes.set_default_dtype(kind.dtype)
    set_default_device(kind.device)
