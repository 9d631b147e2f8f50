"""The Tensor: an array, its gradient, and PyTorch's methods. Every method is one line; the work is in `ops`."""

from __future__ import annotations

import functools
import math
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, SupportsIndex, TypeAlias, cast, overload

import numpy as np

from tinynet_kernels.runtime import memory

from . import capture, dtypes, printing
from .device import (
    CPU,
    device,
    device_of,
    get_default_device,
    is_pinned,
    module_of,
    move,
    on,
    pinned_empty,
    require,
    simulated,
)
from .numpy_names import numpy_names

if TYPE_CHECKING:
    from .autograd import Node

_OBVIOUS = (dtypes.int64, dtypes.bool)  # dtypes that the numbers themselves show
_KINDS = {"b": 0, "u": 1, "i": 1, "f": 2}  # in-place results may not be of a higher one

Scalar = bool | int | float
Dim = int | tuple[int, ...] | list[int] | None


# inside the class, bool, int and float are methods
Bool: TypeAlias = bool
Int: TypeAlias = int
Float: TypeAlias = float


P = ParamSpec("P")


def _in_place(method: Callable[Concatenate[Tensor, P], Tensor]) -> Callable[Concatenate[Tensor, P], Tensor]:
    """The method whose result takes the place of the tensor's own value."""

    @functools.wraps(method)
    def change(self: Tensor, /, *args: P.args, **kwargs: P.kwargs) -> Tensor:
        return self._inplace(method(self, *args, **kwargs))

    change.__name__, change.__qualname__ = f"{method.__name__}_", f"{method.__qualname__}_"
    change.__doc__ = f"`{method.__name__}` in place."
    return change


class Size(tuple[int, ...]):
    """A tensor's shape: a tuple that also counts the elements, and prints as a tuple."""

    __slots__ = ()

    def numel(self) -> int:
        """How many elements a tensor of this shape has."""
        return math.prod(self)

    @overload
    def __getitem__(self, index: SupportsIndex) -> int: ...

    @overload
    def __getitem__(self, index: slice) -> Size: ...

    def __getitem__(self, index: Any) -> Any:
        found = tuple.__getitem__(self, index)
        return Size(found) if isinstance(index, slice) else found

    def __add__(self, other: Any) -> Any:
        return Size(tuple.__add__(self, other))


class Tensor:
    """A multi-dimensional array on a device that can require a gradient.

    Made by `tinynet.tensor(data)` and the other constructors. `Tensor(data)` is a copy in the default dtype, whatever the data
    are, and `Tensor(2, 3)` has that shape and undefined elements.
    """

    _array: Any
    _version: list[Int]  # counts in-place changes; shared by all views of one memory
    requires_grad = False
    grad: Tensor | None = None
    _node: Node | None = None
    _index = 0  # which of the node's outputs this is
    _base: Tensor | None = None  # the tensor this is a view of
    _base_node: Node | None = None  # where that one came from when the view was taken
    _grad_view: Any = None  # where an optimizer's arena wants the gradient
    _hooks: tuple[Callable[[Tensor], Tensor | None], ...] = ()
    _post_hooks: tuple[Callable[[Tensor], None], ...] = ()

    __array_priority__ = 1000  # lets `array * tensor` reach __rmul__

    def __init__(self, *data: Any) -> None:
        self._array, self._version = of_data_or_sizes(data, dtypes.get_default_dtype())._array, [0]

    @classmethod
    def _make(cls, array: Any) -> Tensor:
        """A Tensor around an array, not a copy."""
        self = Tensor.__new__(Tensor)
        self._array = array if not isinstance(array, np.generic) else np.asarray(array)
        self._version = [0]
        return self

    # what it is

    @property
    def shape(self) -> Size:
        return Size(self._array.shape)

    def size(self, dim: Int | None = None) -> Any:
        return self.shape if dim is None else self._array.shape[dim]

    @property
    def ndim(self) -> Int:
        return int(self._array.ndim)

    def dim(self) -> Int:
        return int(self._array.ndim)

    def numel(self) -> Int:
        return int(self._array.size)

    nelement = numel

    @property
    def dtype(self) -> dtypes.DType:
        return cast("dtypes.DType", self._array.dtype)

    @property
    def device(self) -> device:
        return device_of(self._array)

    @property
    def is_cuda(self) -> Bool:
        return self.device.type == "cuda"

    @property
    def itemsize(self) -> Int:
        return int(self._array.itemsize)

    @property
    def nbytes(self) -> Int:
        return int(self._array.nbytes)

    def ndimension(self) -> Int:
        return int(self._array.ndim)

    @property
    def is_cpu(self) -> Bool:
        return self.device.type == "cpu"

    def get_device(self) -> Int:
        """The number of the CUDA device, -1 on the CPU."""
        return -1 if self.device.index is None else self.device.index

    def is_signed(self) -> Bool:
        return bool(self._array.dtype.kind in "if")

    def is_complex(self) -> Bool:
        return False

    def element_size(self) -> Int:
        return int(self._array.itemsize)

    def is_floating_point(self) -> Bool:
        return bool(self._array.dtype.kind == "f")

    def is_contiguous(self) -> Bool:
        return bool(self._array.flags.c_contiguous)

    def stride(self, dim: Int | None = None) -> Any:
        strides = tuple(s // self._array.itemsize for s in self._array.strides)
        return strides if dim is None else strides[dim]

    def data_ptr(self) -> Int:
        return int(self._array.ctypes.data) if isinstance(self._array, np.ndarray) else int(self._array.data.ptr)

    # autograd

    @property
    def grad_fn(self) -> Node | None:
        return self._node

    @property
    def is_leaf(self) -> Bool:
        return self._node is None

    @property
    def data(self) -> Tensor:
        """The same memory without history; changes made through it are not noticed by autograd."""
        return Tensor._make(self._array)

    @data.setter
    def data(self, value: Tensor) -> None:
        self._array = value._array
        self._grad_view = None

    def requires_grad_(self, requires_grad: Bool = True) -> Tensor:
        if requires_grad and self._array.dtype.kind != "f":
            raise RuntimeError(f"only floating-point tensors can require a gradient, not {self.dtype}")
        if not requires_grad and self._node is not None:
            raise RuntimeError("requires_grad can be switched off for leaves only; use detach()")
        self.requires_grad = requires_grad
        return self

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: Bool | None = None,
        create_graph: Bool = False,
        inputs: Tensor | Sequence[Tensor] | None = None,
    ) -> None:
        """`autograd.backward` of this tensor."""
        autograd.backward(self, gradient, retain_graph, create_graph, inputs=inputs)

    def detach(self) -> Tensor:
        result = Tensor._make(self._array)
        result._version = self._version
        return result

    def detach_(self) -> Tensor:
        self._node, self.requires_grad = None, False
        return self

    def retain_grad(self) -> None:
        """Keeps the gradient of a tensor that is not a leaf in `.grad`."""
        if not self.requires_grad:
            raise RuntimeError("retain_grad() needs a tensor that requires a gradient")
        if self._node is not None:
            if self._node.retained is None:
                self._node.retained = {}
            self._node.retained[self._index] = weakref.ref(self)

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Calls `hook(grad)` when the gradient is known; a Tensor it returns takes the gradient's place."""
        if not self.requires_grad:
            raise RuntimeError("register_hook() needs a tensor that requires a gradient")
        if self._node is None:
            self._hooks = (*self._hooks, hook)
            return RemovableHandle(lambda: setattr(self, "_hooks", tuple(h for h in self._hooks if h is not hook)))
        if self._node.hooks is None:
            self._node.hooks = {}
        own = self._node.hooks.setdefault(self._index, [])
        own.append(hook)
        return RemovableHandle(lambda: own.remove(hook))

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> RemovableHandle:
        """Calls `hook(tensor)` when a `backward()` has added all of the gradient of this leaf to `.grad`."""
        if not self.requires_grad or self._node is not None:
            raise RuntimeError("register_post_accumulate_grad_hook() needs a leaf that requires a gradient")
        self._post_hooks = (*self._post_hooks, hook)
        return RemovableHandle(
            lambda: setattr(self, "_post_hooks", tuple(h for h in self._post_hooks if h is not hook))
        )

    def _inplace(self, result: Tensor) -> Tensor:
        """Takes over the value, and with it the history, of a result computed out of place."""
        if result.shape != self.shape:
            raise RuntimeError(f"the result has shape {result.shape}, which does not fit in place into {self.shape}")
        if _KINDS[result._array.dtype.kind] > _KINDS[self._array.dtype.kind]:
            raise RuntimeError(f"the result has dtype {result.dtype}, which does not fit in place into {self.dtype}")
        self._may_change()
        base = self._base
        if base is not None and autograd.is_grad_enabled() and (base.requires_grad or result.requires_grad):
            return self._write_through(base, result)
        if autograd.is_grad_enabled() and (self.requires_grad or result.requires_grad):
            if not result.requires_grad:  # a constant: the gradient of what was here before is 0, but it has one
                result = ops.where(ops.ones_like(self, dtype=dtypes.bool), result, self)
            elif result._node is None:
                result = ops.clone(result)
            if result._node is not None:
                result._node.detach_from(self)
            self.requires_grad, self._node, self._index = True, result._node, result._index
        with np.errstate(invalid="ignore"):
            self._array[...] = result._array
        self._version[0] += 1
        return self

    def _write_through(self, base: Tensor, result: Tensor) -> Tensor:
        """`_inplace` of a view: the tensor it shows takes over value and history, and the view is taken again."""
        if result._node is not None:
            result._node.detach_from(self)
        places = _places(self) + (self.data_ptr() - base.data_ptr()) // self.itemsize
        if not base.is_contiguous():
            in_memory = _places(base)
            in_order = np.zeros(in_memory.max(initial=0) + 1, np.int64)
            in_order[in_memory.reshape(-1)] = np.arange(base.numel())
            places = in_order[places]
        index = module_of(self.device).asarray(places.reshape(-1))
        base._inplace(ops.set_places(base, index, ops.cast(result, self.dtype)))
        shown = ops.reshape(ops.getitem(ops.reshape(base, -1), Tensor._make(index)), *self.shape)
        self.requires_grad, self._node, self._index, self._base_node = True, shown._node, shown._index, base._node
        return self

    def _may_change(self) -> None:
        """RuntimeError if this tensor must not be modified in place now."""
        array = self._array
        if array.size and any(s == 0 and n > 1 for s, n in zip(array.strides, array.shape)):
            raise RuntimeError(
                "an expanded tensor cannot be modified in place: several elements share one place; clone()"
            )
        if not autograd.is_grad_enabled():
            return
        if self.requires_grad and self._node is None:
            raise RuntimeError("a leaf that requires a gradient cannot be modified in place; use no_grad()")
        if self._base is not None:
            self._base._may_change()

    # to Python, NumPy and other devices

    def item(self) -> Any:
        """The only element as a Python number. ValueError if there is not exactly one."""
        if self._array.size != 1:
            raise ValueError(f"only a tensor with one element can be converted to a number, not shape {self.shape}")
        self._read("item()")
        return self._array.item()

    def tolist(self) -> Any:
        self._read("tolist()")
        return self._array.tolist()

    def _read(self, how: str) -> None:
        if not isinstance(self._array, np.ndarray):
            capture.refuse(f"{how} waits for the device", "keep numbers in tensors, and read them after the step")

    def numpy(self, *, force: Bool = False) -> Any:
        """The NumPy array that this tensor wraps. RuntimeError if it requires a gradient, TypeError on CUDA.

        force  that of `detach().cpu()` instead: a copy if it is on CUDA.
        """
        if force:
            return self.detach().cpu().numpy()
        if self.requires_grad:
            raise RuntimeError("numpy() needs a tensor without a gradient; use detach().numpy()")
        if self.device.type != "cpu":
            raise TypeError(f"numpy() needs a tensor on the CPU, this one is on {self.device}; use cpu().numpy()")
        return self._array

    def __array__(self, dtype: Any = None, copy: Bool | None = None) -> Any:
        array = self.numpy()
        return np.array(array, dtype=dtype, copy=copy) if dtype is not None or copy else array

    def __dlpack__(self, **kwargs: Any) -> Any:
        if self.requires_grad:
            raise BufferError("a tensor that requires a gradient has no __dlpack__; use detach()")
        return self._array.__dlpack__(**kwargs)

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()

    @property
    def __cuda_array_interface__(self) -> Any:
        if self.device.type != "cuda":
            raise AttributeError("__cuda_array_interface__: the tensor is on the CPU")
        return self._array.__cuda_array_interface__

    def to(
        self, *args: Any, dtype: Any = None, device: Any = None, non_blocking: Bool = False, copy: Bool = False
    ) -> Tensor:
        """On another device, in another dtype, or both: `to("cuda")`, `to(tinynet.float64)`, `to(other)`.

        Returns the tensor itself if nothing changes and `copy` is false. The gradient flows back through it.
        With `non_blocking` a transfer from or to page-locked memory is only started: see `pin_memory`.
        """
        for arg in args:
            if isinstance(arg, Tensor):
                device, dtype = arg.device, arg.dtype
            elif isinstance(arg, (str, _Device)):
                device = arg
            elif isinstance(arg, bool):
                non_blocking = arg
            elif arg is not None:
                dtype = arg
        result = self
        if device is not None and _Device(device) != self.device:
            result = ops.to_device(result, _Device(device), non_blocking)
        if dtype is not None and dtypes.as_dtype(dtype) != self.dtype:
            result = ops.cast(result, dtypes.as_dtype(dtype))
        return ops.clone(self) if copy and result is self else result

    def cpu(self) -> Tensor:
        return self.to("cpu")

    def cuda(self, index: Int | None = None, non_blocking: Bool = False) -> Tensor:
        return self.to(_Device("cuda", index), non_blocking=non_blocking)

    def pin_memory(self) -> Tensor:
        """A copy in page-locked memory, or the tensor itself if it lies there; in the simulator itself.

        `to("cuda", non_blocking=True)` of it only starts the copy: leave it alone until `cuda.synchronize()`. Likewise
        `to("cpu", non_blocking=True)` returns page-locked memory that is filled by then. RuntimeError for a tensor on CUDA,
        DeviceUnavailableError without CUDA.
        """
        if self.device.type != "cpu":
            raise RuntimeError(f"only a tensor on the CPU can be pinned, this one is on {self.device}")
        require(_Device("cuda"))
        if simulated() or is_pinned(self._array):
            return self
        array = pinned_empty(self.shape, self.dtype)
        array[...] = self._array
        return Tensor._make(array)

    def is_pinned(self) -> Bool:
        """Whether the tensor lies in page-locked memory of the CPU."""
        return self.device.type == "cpu" and is_pinned(self._array)

    def type(self, dtype: Any = None) -> Any:
        """In another dtype; without one, the name of the kind of tensor, such as "tinynet.cuda.FloatTensor".

        Such names, and what they name, stand for a dtype and a device.
        """
        from . import tensor_types

        if dtype is None:
            return tensor_types.name(self.dtype, self.device.type)
        kind = tensor_types.find(dtype)
        return self.to(dtype=dtype) if kind is None else self.to(kind.device, kind.dtype)

    def type_as(self, other: Tensor) -> Tensor:
        return self.to(other)

    def float(self) -> Tensor:
        return self.to(dtype=dtypes.float32)

    def double(self) -> Tensor:
        return self.to(dtype=dtypes.float64)

    def half(self) -> Tensor:
        return self.to(dtype=dtypes.float16)

    def short(self) -> Tensor:
        return self.to(dtype=dtypes.int16)

    def char(self) -> Tensor:
        return self.to(dtype=dtypes.int8)

    def byte(self) -> Tensor:
        return self.to(dtype=dtypes.uint8)

    def long(self) -> Tensor:
        return self.to(dtype=dtypes.int64)

    def int(self) -> Tensor:
        return self.to(dtype=dtypes.int32)

    def bool(self) -> Tensor:
        return self.to(dtype=dtypes.bool)

    def clone(self) -> Tensor:
        return ops.clone(self)

    def contiguous(self) -> Tensor:
        return self if self.is_contiguous() else ops.clone(self)

    def __deepcopy__(self, memo: dict[Int, Any]) -> Tensor:
        if self._node is not None:
            raise RuntimeError("only leaves can be deep-copied; use detach().clone()")
        result = type(self).__new__(type(self))
        result._array, result._version, result.requires_grad = self._array.copy(), [0], self.requires_grad
        if self.grad is not None:
            result.grad = Tensor._make(self.grad._array.copy())
        memo[id(self)] = result
        return result

    def new_tensor(self, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: Bool = False) -> Tensor:
        return tensor(data, **self._alike(dtype, device), requires_grad=requires_grad)

    def new_zeros(self, *size: Any, dtype: Any = None, device: Any = None, requires_grad: Bool = False) -> Tensor:
        return ops.zeros(*size, **self._alike(dtype, device), requires_grad=requires_grad)

    def new_ones(self, *size: Any, dtype: Any = None, device: Any = None, requires_grad: Bool = False) -> Tensor:
        return ops.ones(*size, **self._alike(dtype, device), requires_grad=requires_grad)

    def new_empty(self, *size: Any, dtype: Any = None, device: Any = None, requires_grad: Bool = False) -> Tensor:
        return ops.empty(*size, **self._alike(dtype, device), requires_grad=requires_grad)

    def new_full(
        self, size: Any, fill_value: Scalar, *, dtype: Any = None, device: Any = None, requires_grad: Bool = False
    ) -> Tensor:
        return ops.full(size, fill_value, **self._alike(dtype, device), requires_grad=requires_grad)

    def _alike(self, dtype: Any, device: Any) -> dict[str, Any]:
        return {
            "dtype": self.dtype if dtype is None else dtype,
            "device": self.device if device is None else device,
        }

    # Python's protocols

    def __repr__(self) -> str:
        self._read("printing a tensor")
        array = self._array if isinstance(self._array, np.ndarray) else self._array.get()
        suffixes = []
        if self.device != CPU:
            suffixes.append(f"device='{self.device}'")
        if array.size == 0 and array.ndim != 1:
            suffixes.append(f"size={self.shape}")
        if self.dtype != dtypes.get_default_dtype() and (array.size == 0 or self.dtype not in _OBVIOUS):
            suffixes.append(f"dtype={self.dtype}")
        if self._node is not None:
            suffixes.append(f"grad_fn=<{self._node.name()}>")
        elif self.requires_grad:
            suffixes.append("requires_grad=True")
        return printing.text(array, suffixes)

    def __len__(self) -> Int:
        if self._array.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return int(self._array.shape[0])

    def __iter__(self) -> Iterator[Tensor]:
        if self._array.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> Bool:
        if self._array.size != 1:
            raise RuntimeError(f"the truth of a tensor of shape {self.shape} is ambiguous; use any() or all()")
        return bool(self.item())

    def __float__(self) -> Float:
        return float(self.item())

    def __int__(self) -> Int:
        return int(self.item())

    def __index__(self) -> Int:
        if self._array.dtype.kind not in "iub":
            raise TypeError(f"only integer tensors can be an index, not {self.dtype}")
        return int(self.item())

    def __contains__(self, value: Any) -> Bool:
        return bool((self == value).any().item())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self._array.ndim == 0 else object.__format__(self, spec)

    __hash__ = object.__hash__

    # arithmetic

    def __add__(self, other: Any) -> Tensor:
        return ops.add(self, other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Tensor:
        return ops.sub(self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return ops.sub(other, self)

    def __mul__(self, other: Any) -> Tensor:
        return ops.mul(self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Tensor:
        return ops.div(self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return ops.div(other, self)

    def __floordiv__(self, other: Any) -> Tensor:
        return ops.floor_divide(self, other)

    def __rfloordiv__(self, other: Any) -> Tensor:
        return ops.floor_divide(other, self)

    def __mod__(self, other: Any) -> Tensor:
        return ops.remainder(self, other)

    def __rmod__(self, other: Any) -> Tensor:
        return ops.remainder(other, self)

    def __pow__(self, other: Any) -> Tensor:
        return ops.pow(self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return ops.pow(other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return ops.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return ops.matmul(other, self)

    def __neg__(self) -> Tensor:
        return ops.neg(self)

    def __pos__(self) -> Tensor:
        return self

    def __abs__(self) -> Tensor:
        return ops.abs(self)

    def __invert__(self) -> Tensor:
        return ops.bitwise_not(self)

    def __and__(self, other: Any) -> Tensor:
        return ops.bitwise_and(self, other)

    __rand__ = __and__

    def __or__(self, other: Any) -> Tensor:
        return ops.bitwise_or(self, other)

    __ror__ = __or__

    def __xor__(self, other: Any) -> Tensor:
        return ops.bitwise_xor(self, other)

    __rxor__ = __xor__

    def __lshift__(self, other: Any) -> Tensor:
        return ops.bitwise_left_shift(self, other)

    def __rshift__(self, other: Any) -> Tensor:
        return ops.bitwise_right_shift(self, other)

    def __eq__(self, other: Any) -> Tensor:  # type: ignore[override]  # elementwise, as every array's
        return NotImplemented if other is None else ops.eq(self, other)

    def __ne__(self, other: Any) -> Tensor:  # type: ignore[override]  # elementwise, as every array's
        return NotImplemented if other is None else ops.ne(self, other)

    def __lt__(self, other: Any) -> Tensor:
        return ops.lt(self, other)

    def __le__(self, other: Any) -> Tensor:
        return ops.le(self, other)

    def __gt__(self, other: Any) -> Tensor:
        return ops.gt(self, other)

    def __ge__(self, other: Any) -> Tensor:
        return ops.ge(self, other)

    def __getitem__(self, index: Any) -> Tensor:
        return ops.getitem(self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        ops.setitem(self, index, value)

    def __iadd__(self, other: Any) -> Tensor:
        return self.add_(other)

    def __isub__(self, other: Any) -> Tensor:
        return self.sub_(other)

    def __imul__(self, other: Any) -> Tensor:
        return self.mul_(other)

    def __itruediv__(self, other: Any) -> Tensor:
        return self.div_(other)

    def __ipow__(self, other: Any) -> Tensor:
        return self.pow_(other)

    def __ifloordiv__(self, other: Any) -> Tensor:
        return self.floor_divide_(other)

    def __imod__(self, other: Any) -> Tensor:
        return self.remainder_(other)

    def __iand__(self, other: Any) -> Tensor:
        return self.bitwise_and_(other)

    def __ior__(self, other: Any) -> Tensor:
        return self.bitwise_or_(other)

    def __ixor__(self, other: Any) -> Tensor:
        return self.bitwise_xor_(other)

    # operations, in the order of the modules of `ops`

    def abs(self) -> Tensor:
        return ops.abs(self)

    def neg(self) -> Tensor:
        return ops.neg(self)

    def sign(self) -> Tensor:
        return ops.sign(self)

    def exp(self) -> Tensor:
        return ops.exp(self)

    def expm1(self) -> Tensor:
        return ops.expm1(self)

    def log(self) -> Tensor:
        return ops.log(self)

    def log1p(self) -> Tensor:
        return ops.log1p(self)

    def log2(self) -> Tensor:
        return ops.log2(self)

    def log10(self) -> Tensor:
        return ops.log10(self)

    def sqrt(self) -> Tensor:
        return ops.sqrt(self)

    def rsqrt(self) -> Tensor:
        return ops.rsqrt(self)

    def square(self) -> Tensor:
        return ops.square(self)

    def reciprocal(self) -> Tensor:
        return ops.reciprocal(self)

    def sin(self) -> Tensor:
        return ops.sin(self)

    def cos(self) -> Tensor:
        return ops.cos(self)

    def tan(self) -> Tensor:
        return ops.tan(self)

    def asin(self) -> Tensor:
        return ops.asin(self)

    def acos(self) -> Tensor:
        return ops.acos(self)

    def atan(self) -> Tensor:
        return ops.atan(self)

    def sinh(self) -> Tensor:
        return ops.sinh(self)

    def cosh(self) -> Tensor:
        return ops.cosh(self)

    def tanh(self) -> Tensor:
        return ops.tanh(self)

    def sigmoid(self) -> Tensor:
        return ops.sigmoid(self)

    def relu(self) -> Tensor:
        return ops.relu(self)

    def erf(self) -> Tensor:
        return ops.erf(self)

    def floor(self) -> Tensor:
        return ops.floor(self)

    def ceil(self) -> Tensor:
        return ops.ceil(self)

    def round(self, *, decimals: Int = 0) -> Tensor:
        return ops.round(self, decimals=decimals)

    def trunc(self) -> Tensor:
        return ops.trunc(self)

    def isnan(self) -> Tensor:
        return ops.isnan(self)

    def isinf(self) -> Tensor:
        return ops.isinf(self)

    def isfinite(self) -> Tensor:
        return ops.isfinite(self)

    def logical_not(self) -> Tensor:
        return ops.logical_not(self)

    def add(self, other: Any, *, alpha: Scalar = 1) -> Tensor:
        return ops.add(self, other, alpha=alpha)

    def sub(self, other: Any, *, alpha: Scalar = 1) -> Tensor:
        return ops.sub(self, other, alpha=alpha)

    def mul(self, other: Any) -> Tensor:
        return ops.mul(self, other)

    def div(self, other: Any, *, rounding_mode: str | None = None) -> Tensor:
        return ops.div(self, other, rounding_mode=rounding_mode)

    def pow(self, exponent: Any) -> Tensor:
        return ops.pow(self, exponent)

    def remainder(self, other: Any) -> Tensor:
        return ops.remainder(self, other)

    def floor_divide(self, other: Any) -> Tensor:
        return ops.floor_divide(self, other)

    def fmod(self, other: Any) -> Tensor:
        return ops.fmod(self, other)

    def atan2(self, other: Any) -> Tensor:
        return ops.atan2(self, other)

    def logaddexp(self, other: Any) -> Tensor:
        return ops.logaddexp(self, other)

    def lerp(self, end: Tensor, weight: Any) -> Tensor:
        return ops.lerp(self, end, weight)

    def addcmul(self, tensor1: Tensor, tensor2: Tensor, *, value: Scalar = 1) -> Tensor:
        return ops.addcmul(self, tensor1, tensor2, value=value)

    def addcdiv(self, tensor1: Tensor, tensor2: Tensor, *, value: Scalar = 1) -> Tensor:
        return ops.addcdiv(self, tensor1, tensor2, value=value)

    def nan_to_num(self, nan: Float = 0.0, posinf: Float | None = None, neginf: Float | None = None) -> Tensor:
        return ops.nan_to_num(self, nan, posinf, neginf)

    def maximum(self, other: Any) -> Tensor:
        return ops.maximum(self, other)

    def minimum(self, other: Any) -> Tensor:
        return ops.minimum(self, other)

    def eq(self, other: Any) -> Tensor:
        return ops.eq(self, other)

    def ne(self, other: Any) -> Tensor:
        return ops.ne(self, other)

    def lt(self, other: Any) -> Tensor:
        return ops.lt(self, other)

    def le(self, other: Any) -> Tensor:
        return ops.le(self, other)

    def gt(self, other: Any) -> Tensor:
        return ops.gt(self, other)

    def ge(self, other: Any) -> Tensor:
        return ops.ge(self, other)

    def logical_and(self, other: Any) -> Tensor:
        return ops.logical_and(self, other)

    def logical_or(self, other: Any) -> Tensor:
        return ops.logical_or(self, other)

    def logical_xor(self, other: Any) -> Tensor:
        return ops.logical_xor(self, other)

    def clamp(self, min: Any = None, max: Any = None) -> Tensor:
        return ops.clamp(self, min, max)

    def where(self, condition: Tensor, other: Any) -> Any:
        return ops.where(condition, self, other)

    def isclose(self, other: Tensor, rtol: Float = 1e-5, atol: Float = 1e-8, equal_nan: Bool = False) -> Tensor:
        return ops.isclose(self, other, rtol, atol, equal_nan)

    def allclose(self, other: Tensor, rtol: Float = 1e-5, atol: Float = 1e-8, equal_nan: Bool = False) -> Bool:
        return ops.allclose(self, other, rtol, atol, equal_nan)

    def equal(self, other: Tensor) -> Bool:
        return ops.equal(self, other)

    def masked_fill(self, mask: Tensor, value: Any) -> Tensor:
        return ops.masked_fill(self, mask, value)

    @numpy_names
    def sum(self, dim: Dim = None, keepdim: Bool = False, *, dtype: Any = None) -> Tensor:
        return ops.sum(self, dim, keepdim, dtype=dtype)

    @numpy_names
    def mean(self, dim: Dim = None, keepdim: Bool = False, *, dtype: Any = None) -> Tensor:
        return ops.mean(self, dim, keepdim, dtype=dtype)

    @numpy_names
    def prod(self, dim: Int | None = None, keepdim: Bool = False, *, dtype: Any = None) -> Tensor:
        return ops.prod(self, dim, keepdim, dtype=dtype)

    @numpy_names
    def var(
        self, dim: Dim = None, unbiased: Bool = True, keepdim: Bool = False, *, correction: Int | None = None
    ) -> Tensor:
        return ops.var(self, dim, unbiased, keepdim, correction=correction)

    @numpy_names
    def std(
        self, dim: Dim = None, unbiased: Bool = True, keepdim: Bool = False, *, correction: Int | None = None
    ) -> Tensor:
        return ops.std(self, dim, unbiased, keepdim, correction=correction)

    def norm(self, p: Float | str = "fro", dim: Any = None, keepdim: Bool = False, dtype: Any = None) -> Tensor:
        return ops.norm(self, p, dim, keepdim, dtype)

    @numpy_names
    def logsumexp(self, dim: Dim, keepdim: Bool = False) -> Tensor:
        return ops.logsumexp(self, dim, keepdim)

    @numpy_names
    def softmax(self, dim: Int) -> Tensor:
        return ops.softmax(self, dim)

    @numpy_names
    def log_softmax(self, dim: Int) -> Tensor:
        return ops.log_softmax(self, dim)

    @numpy_names
    def max(self, dim: Any = None, keepdim: Bool = False) -> Any:
        return ops.max(self, dim, keepdim)

    @numpy_names
    def min(self, dim: Any = None, keepdim: Bool = False) -> Any:
        return ops.min(self, dim, keepdim)

    @numpy_names
    def amax(self, dim: Dim = None, keepdim: Bool = False) -> Tensor:
        return ops.amax(self, dim, keepdim)

    @numpy_names
    def amin(self, dim: Dim = None, keepdim: Bool = False) -> Tensor:
        return ops.amin(self, dim, keepdim)

    @numpy_names
    def argmax(self, dim: Int | None = None, keepdim: Bool = False) -> Tensor:
        return ops.argmax(self, dim, keepdim)

    @numpy_names
    def argmin(self, dim: Int | None = None, keepdim: Bool = False) -> Tensor:
        return ops.argmin(self, dim, keepdim)

    @numpy_names
    def all(self, dim: Dim = None, keepdim: Bool = False) -> Tensor:
        return ops.all(self, dim, keepdim)

    @numpy_names
    def any(self, dim: Dim = None, keepdim: Bool = False) -> Tensor:
        return ops.any(self, dim, keepdim)

    @numpy_names
    def count_nonzero(self, dim: Dim = None) -> Tensor:
        return ops.count_nonzero(self, dim)

    @numpy_names
    def cumsum(self, dim: Int, *, dtype: Any = None) -> Tensor:
        return ops.cumsum(self, dim, dtype=dtype)

    @numpy_names
    def cumprod(self, dim: Int, *, dtype: Any = None) -> Tensor:
        return ops.cumprod(self, dim, dtype=dtype)

    @numpy_names
    def sort(self, dim: Int = -1, descending: Bool = False, stable: Bool = False) -> Any:
        return ops.sort(self, dim, descending, stable)

    @numpy_names
    def argsort(self, dim: Int = -1, descending: Bool = False, stable: Bool = False) -> Tensor:
        return ops.argsort(self, dim, descending, stable)

    @numpy_names
    def topk(self, k: Int, dim: Int = -1, largest: Bool = True, sorted: Bool = True) -> Any:
        return ops.topk(self, k, dim, largest, sorted)

    def reshape(self, *args: Any, shape: Any = None) -> Tensor:
        return ops.reshape(self, *args, shape=shape)

    def view(self, *shape: Any) -> Tensor:
        return ops.view(self, *shape)

    def flatten(self, start_dim: Int = 0, end_dim: Int = -1) -> Tensor:
        return ops.flatten(self, start_dim, end_dim)

    def unflatten(self, dim: Int, sizes: Sequence[Int]) -> Tensor:
        return ops.unflatten(self, dim, sizes)

    @numpy_names
    def squeeze(self, dim: Dim = None) -> Tensor:
        return ops.squeeze(self, dim)

    @numpy_names
    def unsqueeze(self, dim: Int) -> Tensor:
        return ops.unsqueeze(self, dim)

    def transpose(self, dim0: Int, dim1: Int) -> Tensor:
        return ops.transpose(self, dim0, dim1)

    def permute(self, *args: Any, dims: Any = None) -> Tensor:
        return ops.permute(self, *args, dims=dims)

    def t(self) -> Tensor:
        return ops.t(self)

    def expand(self, *shape: Any) -> Tensor:
        return ops.expand(self, *shape)

    def repeat(self, *sizes: Any) -> Tensor:
        return ops.repeat(self, *sizes)

    def tile(self, *sizes: Any) -> Tensor:
        return ops.tile(self, *sizes)

    def flip(self, *args: Any, dims: Any = None) -> Tensor:
        return ops.flip(self, *args, dims=dims)

    def roll(self, shifts: Any, dims: Any = None) -> Tensor:
        return ops.roll(self, shifts, dims)

    def split(self, split_size: Any, dim: Int = 0) -> tuple[Tensor, ...]:
        return ops.split(self, split_size, dim)

    @numpy_names
    def chunk(self, chunks: Int, dim: Int = 0) -> tuple[Tensor, ...]:
        return ops.chunk(self, chunks, dim)

    def unbind(self, dim: Int = 0) -> tuple[Tensor, ...]:
        return ops.unbind(self, dim)

    def narrow(self, dim: Int, start: Int, length: Int) -> Tensor:
        return ops.narrow(self, dim, start, length)

    def select(self, dim: Int, index: Int) -> Tensor:
        return ops.select(self, dim, index)

    def swapaxes(self, axis0: Int, axis1: Int) -> Tensor:
        return ops.transpose(self, axis0, axis1)

    def unfold(self, dimension: Int, size: Int, step: Int) -> Tensor:
        return ops.unfold(self, dimension, size, step)

    @numpy_names
    def repeat_interleave(self, repeats: Any, dim: Int | None = None, *, output_size: Int | None = None) -> Tensor:
        return ops.repeat_interleave(self, repeats, dim, output_size=output_size)

    def broadcast_to(self, shape: Sequence[Int]) -> Tensor:
        return ops.expand(self, shape)

    @numpy_names
    def diff(self, n: Int = 1, dim: Int = -1, prepend: Tensor | None = None, append: Tensor | None = None) -> Tensor:
        return ops.diff(self, n, dim, prepend, append)

    def movedim(self, source: Any, destination: Any) -> Tensor:
        return ops.movedim(self, source, destination)

    def tril(self, diagonal: Int = 0) -> Tensor:
        return ops.tril(self, diagonal)

    def triu(self, diagonal: Int = 0) -> Tensor:
        return ops.triu(self, diagonal)

    def diagonal(self, offset: Int = 0, dim1: Int = 0, dim2: Int = 1) -> Tensor:
        return ops.diagonal(self, offset, dim1, dim2)

    def diag(self, diagonal: Int = 0) -> Tensor:
        return ops.diag(self, diagonal)

    def trace(self) -> Tensor:
        return ops.trace(self)

    def inverse(self) -> Any:
        return _linalg().inv(self)

    def det(self) -> Any:
        return _linalg().det(self)

    def slogdet(self) -> Any:
        return _linalg().slogdet(self)

    def logdet(self) -> Any:
        return _linalg().logdet(self)

    def cholesky(self, upper: Bool = False) -> Any:
        return _linalg().cholesky(self, upper=upper)

    def matmul(self, other: Tensor) -> Tensor:
        return ops.matmul(self, other)

    def mm(self, mat2: Tensor) -> Tensor:
        return ops.mm(self, mat2)

    def bmm(self, mat2: Tensor) -> Tensor:
        return ops.bmm(self, mat2)

    def mv(self, vec: Tensor) -> Tensor:
        return ops.mv(self, vec)

    def dot(self, other: Tensor) -> Tensor:
        return ops.dot(self, other)

    def outer(self, other: Tensor) -> Tensor:
        return ops.outer(self, other)

    def addmm(self, mat1: Tensor, mat2: Tensor, *, beta: Float = 1, alpha: Float = 1) -> Tensor:
        return ops.addmm(self, mat1, mat2, beta=beta, alpha=alpha)

    @numpy_names
    def gather(self, dim: Int, index: Tensor) -> Tensor:
        return ops.gather(self, dim, index)

    def scatter(self, dim: Int, index: Tensor, src: Any = None, *, value: Any = None) -> Tensor:
        return ops.scatter(self, dim, index, src, value=value)

    def scatter_add(self, dim: Int, index: Tensor, src: Tensor) -> Tensor:
        return ops.scatter_add(self, dim, index, src)

    @numpy_names
    def index_select(self, dim: Int, index: Tensor) -> Tensor:
        return ops.index_select(self, dim, index)

    def index_add(self, dim: Int, index: Tensor, source: Tensor, *, alpha: Float = 1) -> Tensor:
        return ops.index_add(self, dim, index, source, alpha=alpha)

    def index_copy(self, dim: Int, index: Tensor, source: Tensor) -> Tensor:
        return ops.index_copy(self, dim, index, source)

    def index_fill(self, dim: Int, index: Tensor, value: Scalar) -> Tensor:
        return ops.index_fill(self, dim, index, value)

    def take_along_dim(self, indices: Tensor, dim: Int | None = None) -> Tensor:
        return ops.take_along_dim(self, indices, dim)

    def unique(
        self, sorted: Bool = True, return_inverse: Bool = False, return_counts: Bool = False, dim: Int | None = None
    ) -> Any:
        return ops.unique(self, sorted, return_inverse, return_counts, dim)

    def bincount(self, weights: Tensor | None = None, minlength: Int = 0) -> Tensor:
        return ops.bincount(self, weights, minlength)

    def masked_select(self, mask: Tensor) -> Tensor:
        return ops.masked_select(self, mask)

    def nonzero(self, *, as_tuple: Bool = False) -> Any:
        return ops.nonzero(self, as_tuple=as_tuple)

    def acosh(self) -> Tensor:
        return ops.acosh(self)

    def asinh(self) -> Tensor:
        return ops.asinh(self)

    def atanh(self) -> Tensor:
        return ops.atanh(self)

    def exp2(self) -> Tensor:
        return ops.exp2(self)

    def erfc(self) -> Tensor:
        return ops.erfc(self)

    def logit(self, eps: Float | None = None) -> Tensor:
        return ops.logit(self, eps)

    def xlogy(self, other: Any) -> Tensor:
        return ops.xlogy(self, other)

    def hypot(self, other: Tensor) -> Tensor:
        return ops.hypot(self, other)

    def frac(self) -> Tensor:
        return ops.frac(self)

    def sinc(self) -> Tensor:
        return ops.sinc(self)

    def logaddexp2(self, other: Tensor) -> Tensor:
        return ops.logaddexp2(self, other)

    def deg2rad(self) -> Tensor:
        return ops.deg2rad(self)

    def rad2deg(self) -> Tensor:
        return ops.rad2deg(self)

    def positive(self) -> Tensor:
        return ops.positive(self)

    def heaviside(self, values: Tensor) -> Tensor:
        return ops.heaviside(self, values)

    def copysign(self, other: Any) -> Tensor:
        return ops.copysign(self, other)

    def signbit(self) -> Tensor:
        return ops.signbit(self)

    def isposinf(self) -> Tensor:
        return ops.isposinf(self)

    def isneginf(self) -> Tensor:
        return ops.isneginf(self)

    def fmax(self, other: Tensor) -> Tensor:
        return ops.fmax(self, other)

    def fmin(self, other: Tensor) -> Tensor:
        return ops.fmin(self, other)

    def float_power(self, exponent: Any) -> Tensor:
        return ops.float_power(self, exponent)

    def true_divide(self, other: Any) -> Tensor:
        return ops.true_divide(self, other)

    def lgamma(self) -> Tensor:
        return ops.lgamma(self)

    def aminmax(self, *, dim: Int | None = None, keepdim: Bool = False) -> Any:
        return ops.aminmax(self, dim=dim, keepdim=keepdim)

    @numpy_names
    def median(self, dim: Int | None = None, keepdim: Bool = False) -> Any:
        return ops.median(self, dim, keepdim)

    @numpy_names
    def nanmedian(self, dim: Int | None = None, keepdim: Bool = False) -> Any:
        return ops.nanmedian(self, dim, keepdim)

    def kthvalue(self, k: Int, dim: Int = -1, keepdim: Bool = False, *, nan_first: Bool = False) -> Any:
        return ops.kthvalue(self, k, dim, keepdim, nan_first=nan_first)

    def quantile(
        self, q: Any, dim: Int | None = None, keepdim: Bool = False, *, interpolation: str = "linear"
    ) -> Tensor:
        return ops.quantile(self, q, dim, keepdim, interpolation=interpolation)

    @numpy_names
    def nansum(self, dim: Any = None, keepdim: Bool = False, *, dtype: Any = None) -> Tensor:
        return ops.nansum(self, dim, keepdim, dtype=dtype)

    @numpy_names
    def nanmean(self, dim: Any = None, keepdim: Bool = False, *, dtype: Any = None) -> Tensor:
        return ops.nanmean(self, dim, keepdim, dtype=dtype)

    @numpy_names
    def cummax(self, dim: Int) -> Any:
        return ops.cummax(self, dim)

    @numpy_names
    def cummin(self, dim: Int) -> Any:
        return ops.cummin(self, dim)

    @numpy_names
    def logcumsumexp(self, dim: Int) -> Tensor:
        return ops.logcumsumexp(self, dim)

    def dist(self, other: Tensor, p: Float = 2) -> Tensor:
        return ops.dist(self, other, p)

    def cov(self, *, correction: Int = 1) -> Tensor:
        return ops.cov(self, correction=correction)

    def corrcoef(self) -> Tensor:
        return ops.corrcoef(self)

    def histc(self, bins: Int = 100, min: Float = 0, max: Float = 0) -> Tensor:
        return ops.histc(self, bins, min, max)

    def ravel(self) -> Tensor:
        return ops.ravel(self)

    def fliplr(self) -> Tensor:
        return ops.fliplr(self)

    def flipud(self) -> Tensor:
        return ops.flipud(self)

    def rot90(self, k: Int = 1, dims: Sequence[Int] = (0, 1)) -> Tensor:
        return ops.rot90(self, k, dims)

    def tensor_split(self, indices_or_sections: Any, dim: Int = 0) -> Any:
        return ops.tensor_split(self, indices_or_sections, dim)

    def hsplit(self, indices_or_sections: Any) -> Any:
        return ops.hsplit(self, indices_or_sections)

    def vsplit(self, indices_or_sections: Any) -> Any:
        return ops.vsplit(self, indices_or_sections)

    def dsplit(self, indices_or_sections: Any) -> Any:
        return ops.dsplit(self, indices_or_sections)

    def diag_embed(self, offset: Int = 0, dim1: Int = -2, dim2: Int = -1) -> Tensor:
        return ops.diag_embed(self, offset, dim1, dim2)

    def diagflat(self, offset: Int = 0) -> Tensor:
        return ops.diagflat(self, offset)

    def adjoint(self) -> Tensor:
        return ops.adjoint(self)

    def unique_consecutive(
        self, return_inverse: Bool = False, return_counts: Bool = False, dim: Int | None = None
    ) -> Any:
        return ops.unique_consecutive(self, return_inverse, return_counts, dim)

    def take(self, index: Tensor) -> Tensor:
        return ops.take(self, index)

    def argwhere(self) -> Tensor:
        return ops.argwhere(self)

    def index_put(self, indices: tuple[Any, ...], values: Any, accumulate: Bool = False) -> Tensor:
        return ops.index_put(self, indices, values, accumulate)

    def masked_scatter(self, mask: Tensor, source: Tensor) -> Tensor:
        return ops.masked_scatter(self, mask, source)

    def scatter_reduce(self, dim: Int, index: Tensor, src: Tensor, reduce: str, *, include_self: Bool = True) -> Tensor:
        return ops.scatter_reduce(self, dim, index, src, reduce, include_self=include_self)

    def inner(self, other: Tensor) -> Tensor:
        return ops.inner(self, other)

    def kron(self, other: Tensor) -> Tensor:
        return ops.kron(self, other)

    def cross(self, other: Tensor, dim: Int = -1) -> Tensor:
        return ops.cross(self, other, dim)

    def addmv(self, mat: Tensor, vec: Tensor, *, beta: Float = 1, alpha: Float = 1) -> Tensor:
        return ops.addmv(self, mat, vec, beta=beta, alpha=alpha)

    def addr(self, vec1: Tensor, vec2: Tensor, *, beta: Float = 1, alpha: Float = 1) -> Tensor:
        return ops.addr(self, vec1, vec2, beta=beta, alpha=alpha)

    def addbmm(self, batch1: Tensor, batch2: Tensor, *, beta: Float = 1, alpha: Float = 1) -> Tensor:
        return ops.addbmm(self, batch1, batch2, beta=beta, alpha=alpha)

    def matrix_power(self, n: Int) -> Tensor:
        return ops.matrix_power(self, n)

    def baddbmm(self, batch1: Tensor, batch2: Tensor, *, beta: Float = 1, alpha: Float = 1) -> Tensor:
        return ops.baddbmm(self, batch1, batch2, beta=beta, alpha=alpha)

    def bitwise_and(self, other: Any) -> Tensor:
        return ops.bitwise_and(self, other)

    def bitwise_or(self, other: Any) -> Tensor:
        return ops.bitwise_or(self, other)

    def bitwise_xor(self, other: Any) -> Tensor:
        return ops.bitwise_xor(self, other)

    def bitwise_not(self) -> Tensor:
        return ops.bitwise_not(self)

    def clamp_min(self, min: Any) -> Tensor:
        return ops.clamp_min(self, min)

    def clamp_max(self, max: Any) -> Tensor:
        return ops.clamp_max(self, max)

    def std_mean(
        self, dim: Any = None, unbiased: Bool = True, keepdim: Bool = False, *, correction: Int | None = None
    ) -> Any:
        return ops.std_mean(self, dim, unbiased, keepdim, correction=correction)

    def var_mean(
        self, dim: Any = None, unbiased: Bool = True, keepdim: Bool = False, *, correction: Int | None = None
    ) -> Any:
        return ops.var_mean(self, dim, unbiased, keepdim, correction=correction)

    @property
    def T(self) -> Tensor:
        return ops.permute(self, *reversed(range(self.ndim)))

    @property
    def mT(self) -> Tensor:
        return ops.transpose(self, -1, -2)

    @property
    def H(self) -> Tensor:
        return ops.t(self)

    mH = mT

    def bernoulli(self, *, generator: Any = None) -> Tensor:
        return random.bernoulli(self, generator=generator)

    def multinomial(self, num_samples: Int, replacement: Bool = False, *, generator: Any = None) -> Tensor:
        return random.multinomial(self, num_samples, replacement, generator=generator)

    def sum_to_size(self, *size: Any) -> Tensor:
        """Summed over what would have to be repeated for `size` to expand to this shape."""
        return ops.unbroadcast(self, ops.sizes(size))

    def view_as(self, other: Tensor) -> Tensor:
        return ops.view(self, *other.shape)

    def reshape_as(self, other: Tensor) -> Tensor:
        return ops.reshape(self, *other.shape)

    def expand_as(self, other: Tensor) -> Tensor:
        return ops.expand(self, *other.shape)

    # second names

    absolute = abs
    arccos = acos
    arccosh = acosh
    arcsin = asin
    arcsinh = asinh
    arctan = atan
    arctan2 = atan2
    arctanh = atanh
    clip = clamp
    divide = div
    fix = trunc
    ger = outer
    greater = gt
    greater_equal = ge
    less = lt
    less_equal = le
    moveaxis = movedim
    multiply = mul
    negative = neg
    not_equal = ne
    sgn = sign
    subtract = sub
    swapdims = transpose
    vdot = dot

    # in place

    add_ = _in_place(add)
    sub_ = _in_place(sub)
    mul_ = _in_place(mul)
    div_ = _in_place(div)
    pow_ = _in_place(pow)
    neg_ = _in_place(neg)
    exp_ = _in_place(exp)
    sqrt_ = _in_place(sqrt)
    relu_ = _in_place(relu)
    sigmoid_ = _in_place(sigmoid)
    tanh_ = _in_place(tanh)
    clamp_ = _in_place(clamp)
    addcmul_ = _in_place(addcmul)
    addcdiv_ = _in_place(addcdiv)
    lerp_ = _in_place(lerp)

    def copy_(self, source: Any) -> Tensor:
        """Overwrites with `source`, broadcast, converted and moved as needed; the gradient goes to the source."""
        value = source if isinstance(source, Tensor) else tensor(source)
        return self._inplace(ops.expand(value.to(self.device).to(self.dtype), self.shape))

    def fill_(self, value: Scalar) -> Tensor:
        return self._inplace(ops.full_like(self, value))

    def zero_(self) -> Tensor:
        return self.fill_(0)

    masked_fill_ = _in_place(masked_fill)
    scatter_ = _in_place(scatter)
    scatter_add_ = _in_place(scatter_add)
    index_add_ = _in_place(index_add)
    abs_ = _in_place(abs)
    acos_ = _in_place(acos)
    acosh_ = _in_place(acosh)
    asin_ = _in_place(asin)
    asinh_ = _in_place(asinh)
    atan_ = _in_place(atan)
    atanh_ = _in_place(atanh)
    atan2_ = _in_place(atan2)
    bitwise_and_ = _in_place(bitwise_and)
    bitwise_or_ = _in_place(bitwise_or)
    bitwise_xor_ = _in_place(bitwise_xor)
    bitwise_not_ = _in_place(bitwise_not)
    ceil_ = _in_place(ceil)
    clamp_min_ = _in_place(clamp_min)
    clamp_max_ = _in_place(clamp_max)
    copysign_ = _in_place(copysign)
    cos_ = _in_place(cos)
    cosh_ = _in_place(cosh)
    cumsum_ = _in_place(cumsum)
    cumprod_ = _in_place(cumprod)
    deg2rad_ = _in_place(deg2rad)
    rad2deg_ = _in_place(rad2deg)
    erf_ = _in_place(erf)
    erfc_ = _in_place(erfc)
    exp2_ = _in_place(exp2)
    expm1_ = _in_place(expm1)
    float_power_ = _in_place(float_power)
    floor_ = _in_place(floor)
    floor_divide_ = _in_place(floor_divide)
    fmod_ = _in_place(fmod)
    frac_ = _in_place(frac)
    heaviside_ = _in_place(heaviside)
    hypot_ = _in_place(hypot)
    index_copy_ = _in_place(index_copy)
    index_fill_ = _in_place(index_fill)
    index_put_ = _in_place(index_put)
    lgamma_ = _in_place(lgamma)
    log_ = _in_place(log)
    log10_ = _in_place(log10)
    log1p_ = _in_place(log1p)
    log2_ = _in_place(log2)
    logit_ = _in_place(logit)
    masked_scatter_ = _in_place(masked_scatter)
    nan_to_num_ = _in_place(nan_to_num)
    reciprocal_ = _in_place(reciprocal)
    remainder_ = _in_place(remainder)
    round_ = _in_place(round)
    rsqrt_ = _in_place(rsqrt)
    scatter_reduce_ = _in_place(scatter_reduce)
    sign_ = _in_place(sign)
    sin_ = _in_place(sin)
    sinc_ = _in_place(sinc)
    sinh_ = _in_place(sinh)
    square_ = _in_place(square)
    tan_ = _in_place(tan)
    tril_ = _in_place(tril)
    triu_ = _in_place(triu)
    trunc_ = _in_place(trunc)
    xlogy_ = _in_place(xlogy)
    addmm_ = _in_place(addmm)
    addmv_ = _in_place(addmv)
    addr_ = _in_place(addr)
    baddbmm_ = _in_place(baddbmm)
    addbmm_ = _in_place(addbmm)
    eq_ = _in_place(eq)
    ne_ = _in_place(ne)
    lt_ = _in_place(lt)
    le_ = _in_place(le)
    gt_ = _in_place(gt)
    ge_ = _in_place(ge)
    logical_and_ = _in_place(logical_and)
    logical_or_ = _in_place(logical_or)
    logical_xor_ = _in_place(logical_xor)
    logical_not_ = _in_place(logical_not)
    true_divide_ = _in_place(true_divide)
    absolute_ = abs_
    arccos_ = acos_
    arccosh_ = acosh_
    arcsin_ = asin_
    arcsinh_ = asinh_
    arctan_ = atan_
    arctan2_ = atan2_
    arctanh_ = atanh_
    clip_ = clamp_
    divide_ = div_
    fix_ = trunc_
    greater_ = gt_
    greater_equal_ = ge_
    less_ = lt_
    less_equal_ = le_
    multiply_ = mul_
    negative_ = neg_
    not_equal_ = ne_
    sgn_ = sign_
    subtract_ = sub_

    def exponential_(self, lambd: Float = 1.0, *, generator: Any = None) -> Tensor:
        """Overwrites with exponentially distributed numbers of rate lambd."""
        drawn = random.uniform(self.shape, 0.0, 1.0, self.dtype, self.device, generator)
        return self._inplace(ops.log1p(-drawn) * (-1 / lambd))

    def log_normal_(self, mean: Float = 1.0, std: Float = 2.0, *, generator: Any = None) -> Tensor:
        """Overwrites with exponentials of normal numbers."""
        return self._inplace(ops.exp(random.normal_like(self, mean, std, generator)))

    def geometric_(self, p: Float, *, generator: Any = None) -> Tensor:
        """Overwrites with the numbers of trials until the first success, which has probability p."""
        drawn = random.rand(*self.shape, device=self.device, generator=generator)
        return self._inplace(ops.cast(ops.floor(ops.log1p(-drawn) / math.log1p(-p)) + 1, self.dtype))

    def random_(self, low: Int = 0, high: Int | None = None, *, generator: Any = None) -> Tensor:
        """Overwrites with integers from low to high - 1; `random_(high)` starts at 0. Floats get up to 2**mantissa."""
        if high is None:
            low, high = 0, low or (2 ** np.finfo(self.dtype).nmant if self.is_floating_point() else 1 << 31)
        drawn = random.randint(low, high, self.shape, generator=generator, device=self.device)
        return self._inplace(ops.cast(drawn, self.dtype))

    def fill_diagonal_(self, fill_value: Scalar, wrap: Bool = False) -> Tensor:
        """Overwrites the main diagonal: of a matrix, or the places (i, i, ..., i) of a cube.

        wrap  begin again below, a row left out, where a matrix is higher than wide.
        """
        if self.ndim < 2 or (self.ndim > 2 and len(set(self.shape)) > 1):
            raise ValueError(f"the shape is {self.shape}, expected a matrix, or equal sizes")
        module = module_of(self.device)
        with on(self.device):
            diagonal = module.zeros(self.shape, bool)
            module.fill_diagonal(diagonal, True, wrap)
        return self._inplace(ops.masked_fill(self, Tensor._make(diagonal), fill_value))

    def squeeze_(self, dim: Dim = None) -> Tensor:
        return self._reshape_in_place(ops.squeeze(self, dim))

    def unsqueeze_(self, dim: Int) -> Tensor:
        return self._reshape_in_place(ops.unsqueeze(self, dim))

    def t_(self) -> Tensor:
        return self._reshape_in_place(ops.t(self))

    def transpose_(self, dim0: Int, dim1: Int) -> Tensor:
        return self._reshape_in_place(ops.transpose(self, dim0, dim1))

    swapaxes_ = transpose_
    swapdims_ = transpose_

    def _reshape_in_place(self, view: Tensor) -> Tensor:
        """Becomes the view of itself: its shape and its history."""
        if self.requires_grad and self._node is None and autograd.is_grad_enabled():
            raise RuntimeError("a leaf that requires a gradient cannot change its shape in place; use no_grad()")
        self._array, self._node, self._index = view._array, view._node, view._index
        return self

    def uniform_(self, a: Float = 0.0, b: Float = 1.0, *, generator: Any = None) -> Tensor:
        """Overwrites with numbers uniform in [a, b)."""
        return self._inplace(random.uniform(self.shape, a, b, self.dtype, self.device, generator))

    def normal_(self, mean: Float = 0.0, std: Float = 1.0, *, generator: Any = None) -> Tensor:
        """Overwrites with normal numbers."""
        return self._inplace(random.normal_like(self, mean, std, generator))

    def bernoulli_(self, p: Float = 0.5, *, generator: Any = None) -> Tensor:
        """Overwrites with ones with probability p, zeros otherwise."""
        return self._inplace(
            ops.cast(random.rand(*self.shape, device=self.device, generator=generator) < p, self.dtype)
        )


def _places(tensor: Tensor) -> Any:
    """How far from the first element the others lie in memory, in elements: int64 in the shape of the tensor."""
    places = np.zeros(tensor.shape, np.int64)
    for axis, (n, stride) in enumerate(zip(tensor.shape, tensor.stride())):
        places += (np.arange(n) * stride).reshape(-1, *(1,) * (tensor.ndim - 1 - axis))
    return places


_Device = device


class RemovableHandle:
    """What `register_hook` returns: `remove()` takes the hook away."""

    def __init__(self, remove: Callable[[], None]) -> None:
        self._remove: Callable[[], None] | None = remove

    def remove(self) -> None:
        if self._remove is not None:
            self._remove()
            self._remove = None


def _linalg() -> Any:
    from . import linalg

    return linalg


def of_data_or_sizes(data: tuple[Any, ...], dtype: dtypes.DType, device: Any = None) -> Tensor:
    """A copy of the one argument, or undefined elements if all of them are sizes, as `torch.Tensor` has it."""
    if all(isinstance(d, int) for d in data):
        return ops.empty(*(data or (0,)), dtype=dtype, device=device)
    return tensor(*data, dtype=dtype, device=device)


def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A new tensor with a copy of `data`: numbers, nested sequences, arrays or tensors.

    dtype   default: the dtype of an array or tensor; of Python numbers, the default float dtype, int64 or bool.
    device  default: the device of a tensor or CuPy array; otherwise the default device, which is the CPU unless
            `set_default_device` changed it.

    Raises TypeError for data that are not numbers, ValueError for ragged sequences.
    """
    wanted = None if dtype is None else dtypes.as_dtype(dtype)
    target = None if device is None else _Device(device)
    if _is_foreign(data):
        data = from_dlpack(data)
    if isinstance(data, Tensor):
        data = data._array
        target = target or device_of(data)
    if isinstance(data, np.generic):
        data = np.asarray(data)
    if not hasattr(data, "dtype"):
        data, typed = _stack(data)
        try:
            array = np.array(data)
        except ValueError as error:
            raise ValueError(f"data is not a regular array: {error}") from None
        if array.dtype.kind not in "fiub":
            raise TypeError(f"data has elements of type {array.dtype}, expected numbers")
        if wanted is None and not typed:
            wanted = dtypes.get_default_dtype() if array.dtype.kind == "f" or array.size == 0 else array.dtype
        data = array
    else:
        dtypes.as_dtype(data.dtype)
    if target is None:
        target = device_of(data)
        target = get_default_device() if target == CPU else target
    require(target)
    moved = move(data, target)
    with on(target):
        result = Tensor._make(
            _copied(moved, wanted) if moved is data else moved.astype(wanted or data.dtype, copy=False)
        )
    return result.requires_grad_() if requires_grad else result


def _copied(array: Any, dtype: Any) -> Any:
    """A copy; on the CPU, of what is contiguous, where the kernels' vectors do not cross cache lines."""
    dtype = dtype or array.dtype
    if type(array) is not np.ndarray or not array.flags.c_contiguous:
        return array.astype(dtype)
    copy = memory.empty(array.shape, dtype)
    copy[...] = array
    return copy


def _stack(data: Any) -> tuple[Any, bool]:
    """Sequences with tensors inside become sequences of arrays; also whether a typed element was seen."""
    if isinstance(data, (list, tuple)) and data and isinstance(data[0], (Tensor, np.ndarray, np.generic)):
        return [d.detach().cpu().numpy() if isinstance(d, Tensor) else d for d in data], True
    return data, False


def _is_foreign(data: Any) -> bool:
    """Whether data are an array of a library other than tinynet, NumPy and CuPy, such as PyTorch or JAX."""
    return hasattr(data, "__dlpack__") and not hasattr(data, "strides") and not isinstance(data, Tensor)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """A tensor of `data`, without a copy where it already is a tensor or array of that dtype on that device."""
    if isinstance(data, Tensor):
        result = data
    elif _is_foreign(data):
        result = from_dlpack(data)
    elif hasattr(data, "dtype") and hasattr(data, "strides") and data.ndim:
        result = from_numpy(data)
    else:
        result = tensor(data)
    return result.to(dtype=dtype, device=device)


def from_numpy(array: Any) -> Tensor:
    """A tensor that shares the memory of a NumPy (or CuPy) array. TypeError for anything else."""
    if not hasattr(array, "dtype") or not hasattr(array, "strides") or isinstance(array, np.generic):
        raise TypeError(f"array is a {type(array).__name__}, expected a NumPy array")
    dtypes.as_dtype(array.dtype)
    return Tensor._make(array)


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor that shares the memory of any array with `__dlpack__` (NumPy, CuPy, PyTorch, JAX ...).

    device  default: the array's; on another one it is a copy.
    copy    True: always a copy; False: never, which is a ValueError where `device` needs one.

    TypeError for other objects and for dtypes that tinynet has not.
    """
    if not hasattr(ext_tensor, "__dlpack_device__"):
        raise TypeError(f"ext_tensor is a {type(ext_tensor).__name__}, expected an array with __dlpack__")
    on_cpu = ext_tensor.__dlpack_device__()[0] == 1
    shared = from_numpy((np if on_cpu else module_of(_Device("cuda"))).from_dlpack(ext_tensor))
    if copy is False and device is not None and _Device(device) != shared.device:
        raise ValueError(f"copy is False, but ext_tensor is on {shared.device}, not on {_Device(device)}")
    return shared.to(device=device, copy=bool(copy))


from . import autograd, ops, random  # noqa: E402 - they need the class above

for _name, _method in vars(Tensor).items():
    if callable(_method) and _method.__doc__ is None:
        _method.__doc__ = getattr(getattr(ops, _name, None), "__doc__", None)
