"""Indexing, gathering and scattering."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import capture, dtypes
from ..autograd import Node, Op, is_grad_enabled
from ..device import xp
from ..numpy_names import numpy_names
from ..tensor import Tensor, tensor
from ._common import wrap


def _raw(index: Any, like: Any) -> Any:
    """An index with arrays in place of tensors and lists."""
    if isinstance(index, tuple):
        return tuple(_raw(i, like) for i in index)
    if isinstance(index, Tensor):
        array = index._array
        if array.dtype.kind == "f":
            raise TypeError(f"an index has dtype {array.dtype}, expected integers or booleans")
        if array.ndim == 0 and array.dtype.kind != "b" and type(array) is np.ndarray:
            return int(array)
        return _beside(like, array)
    if isinstance(index, (list, np.ndarray)):
        return _beside(like, np.asarray(index))
    return index


def _beside(like: Any, array: Any) -> Any:
    """The array on the device of another."""
    if type(array) is type(like):
        return array
    capture.refuse("an array of indices moves to the device", "pass it as a tensor on the device")
    return xp(like).asarray(array)


def _is_basic(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return all(
        p is None or p is Ellipsis or (isinstance(p, (int, np.integer, slice)) and not isinstance(p, bool))
        for p in parts
    )


class GetItem(Op):
    is_view = True

    @staticmethod
    def forward(ctx: Any, a: Any, index: Any) -> Any:
        ctx.index = index
        result = a[index]
        if isinstance(result, np.generic):  # NumPy copies a single element, but it is to be a view
            result = a[(*index, ...) if isinstance(index, tuple) else (index, ...)]
        return result

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        return IndexPut.apply(gy, ctx.index, ctx.input_shape(0)), None


class IndexPut(Op):
    """Zeros of `shape` with gy added at `index`: the adjoint of GetItem."""

    @staticmethod
    def forward(ctx: Any, gy: Any, index: Any, shape: tuple[int, ...]) -> Any:
        ctx.index = index
        result = xp(gy).zeros(shape, gy.dtype)
        if _is_basic(index):
            result[index] = gy
        else:
            add_at(result, index, gy)
        return result

    @staticmethod
    def backward(ctx: Any, ggx: Tensor) -> Any:
        return GetItem.apply(ggx, ctx.index), None, None


class SetItem(Op):
    """A copy of a with `value` at `index`."""

    @staticmethod
    def forward(ctx: Any, a: Any, value: Any, index: Any) -> Any:
        ctx.index = index
        result = a.copy()
        result[index] = value
        return result

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        from ._common import unbroadcast
        from .elementwise import zero

        hole = SetItem.apply(gy, zero(gy), ctx.index) if ctx.needs(0) else None
        return hole, unbroadcast(GetItem.apply(gy, ctx.index), ctx.input_shape(1)) if ctx.needs(1) else None, None


def add_at(target: Any, index: Any, values: Any) -> None:
    """target[index] += values, counting repeated indices, in a fixed order on every device."""
    if isinstance(target, np.ndarray):
        np.add.at(target, index, values)
        return
    import cupy

    # Atomics would add in any order. Instead, the values are sorted by their place, runs of one place are summed in
    # log2(n) steps (a segmented scan: each element adds the one 2**k before it if that has the same place), and the
    # last of each run holds its sum.
    places = cupy.arange(target.size).reshape(target.shape)[index]
    values = cupy.broadcast_to(values, places.shape).reshape(-1)
    places = places.reshape(-1)
    order = cupy.argsort(places, kind="stable")
    places, values = places[order], values[order]
    step = 1
    while step < places.size:
        same = places[step:] == places[:-step]
        values = cupy.concatenate([values[:step], cupy.where(same, values[step:] + values[:-step], values[step:])])
        step *= 2
    last = cupy.ones(places.shape, bool)
    last[:-1] = places[1:] != places[:-1]
    # elements that are not the last of their run go to one more place behind the target, which is cut off
    sums = cupy.zeros(target.size + 1, target.dtype)
    sums[cupy.where(last, places, target.size)] = values
    target += sums[:-1].reshape(target.shape)


def getitem(input: Tensor, index: Any) -> Tensor:
    """input[index]: a view for ints, slices, None and ...; a copy for tensors, lists and masks. IndexError outside."""
    result: Tensor = GetItem.apply(input, _raw(index, input._array))
    if result._node is not None:
        _guard(result._node, index)
    return result


def _guard(node: Node, index: Any) -> None:
    """Backward will fail if a tensor in the index is modified before."""
    parts = index if isinstance(index, tuple) else (index,)
    node.guards = [(p._version, p._version[0]) for p in parts if isinstance(p, Tensor)]


def setitem(input: Tensor, index: Any, value: Any) -> None:
    """input[index] = value, in place, with the gradient going to both."""
    raw = _raw(index, input._array)
    if not isinstance(value, Tensor):
        value = tensor(value, dtype=input.dtype, device=input.device)
    value = value.to(device=input.device, dtype=input.dtype)
    if value.shape[:1] == (1,):  # leading sizes of 1 do not count; NumPy minds where the place is a single element
        value = value.reshape(value.shape[next((i for i, n in enumerate(value.shape) if n != 1), value.ndim) :])
    if is_grad_enabled() and (input.requires_grad or value.requires_grad):
        input._may_change()
        result: Tensor = SetItem.apply(input, value, raw)
        if result._node is not None:
            _guard(result._node, index)
        input._inplace(result)
        return
    input._may_change()
    input._array[raw] = value._array
    input._version[0] += 1


class Gather(Op):
    saves = (1,)

    @staticmethod
    def forward(ctx: Any, a: Any, index: Any, dim: int) -> Any:
        ctx.dim = dim
        trimmed = a[tuple(slice(None) if d == dim else slice(n) for d, n in enumerate(index.shape))]
        return xp(a).take_along_axis(trimmed, index, axis=dim)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        zeros = Tensor._make(xp(gy._array).zeros(ctx.input_shape(0), gy._array.dtype))
        return ScatterAdd.apply(zeros, gy, ctx.input(1), ctx.dim), None, None


class ScatterAdd(Op):
    saves = (2,)

    @staticmethod
    def forward(ctx: Any, a: Any, source: Any, index: Any, dim: int) -> Any:
        ctx.dim, ctx.source_shape = dim, source.shape
        result = a.copy()
        where, values = _along(index, dim), source[tuple(slice(n) for n in index.shape)]
        if index.shape[dim] == 1:  # no place can occur twice
            result[where] += values
        else:
            add_at(result, where, values)
        return result

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        return gy, _to_source(gy, ctx) if ctx.needs(1) else None, None, None


class Scatter(Op):
    saves = (2,)

    @staticmethod
    def forward(ctx: Any, a: Any, source: Any, index: Any, dim: int) -> Any:
        ctx.dim, ctx.source_shape = dim, source.shape
        result = a.copy()
        result[_along(index, dim)] = source[tuple(slice(n) for n in index.shape)] if source.ndim else source
        return result

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        from .elementwise import zero

        hole = Scatter.apply(gy, zero(gy), ctx.input(2), ctx.dim) if ctx.needs(0) else None
        return hole, _to_source(gy, ctx) if ctx.needs(1) else None, None, None


def _along(index: Any, dim: int) -> tuple[Any, ...]:
    """An index of every element's own place, but for `dim`, where it is given."""
    m = xp(index)
    return tuple(
        index if d == dim else m.arange(n).reshape([-1 if e == d else 1 for e in range(index.ndim)])
        for d, n in enumerate(index.shape)
    )


def _to_source(gy: Tensor, ctx: Any) -> Tensor:
    from .reduction import sum
    from .shape import pad

    part: Tensor = Gather.apply(gy, ctx.input(2), ctx.dim)
    if not ctx.source_shape:
        return sum(part)
    extra = [(0, n - m) for n, m in zip(ctx.source_shape, part.shape)]
    return pad(part, [w for pair in reversed(extra) for w in pair]) if any(e for _, e in extra) else part


def _check_index(name: str, input: Tensor, dim: int, index: Tensor) -> int:
    if not isinstance(index, Tensor) or index.dtype.kind not in "iu":
        raise TypeError(f"index is {getattr(index, 'dtype', type(index).__name__)}, expected an integer tensor")
    at = wrap(dim, input.ndim)
    if index.ndim != input.ndim:
        raise ValueError(f"{name}: index has {index.ndim} dimensions, expected {input.ndim} as the input has")
    if any(n > m for d, (n, m) in enumerate(zip(index.shape, input.shape)) if d != at):
        raise ValueError(
            f"{name}: index has shape {index.shape}, which does not fit input {input.shape} along dim {dim}"
        )
    if isinstance(index._array, np.ndarray) and index.numel():
        low, high, n = int(index._array.min()), int(index._array.max()), input.shape[at] if input.ndim else 1
        if low < 0 or high >= n:
            raise IndexError(f"{name}: index {low if low < 0 else high} is out of range: expected 0 to {n - 1}")
    return at


@numpy_names
def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """output[i][j] = input[index[i][j]][j] for dim 0, and so on. On the CPU an index out of range is an IndexError."""
    if input.ndim == 0:
        return gather(input.reshape(1), 0, index.reshape(1)).reshape(())
    return Gather.apply(input, index, _check_index("gather", input, dim, index))


def scatter(input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None) -> Tensor:
    """A copy of input with output[index[i][j]][j] = src[i][j] for dim 0, and so on; a number may be given, also as `value`."""
    src = value if src is None else src
    at = _check_index("scatter", input, dim, index)
    if not isinstance(src, Tensor):
        src = tensor(src, dtype=input.dtype, device=input.device)
    return Scatter.apply(input, src, index, at)


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """As `scatter`, adding to what is there; repeated indices add up."""
    return ScatterAdd.apply(input, src, index, _check_index("scatter_add", input, dim, index))


@numpy_names
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The entries `index` (a vector) of a dimension."""
    if index.ndim > 1:
        raise ValueError(f"index has shape {index.shape}, expected a vector")
    return getitem(input, (slice(None),) * wrap(dim, input.ndim) + (index.reshape(-1),))


def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1) -> Tensor:
    """A copy of input with alpha * source[i] added to entry index[i] of a dimension."""
    source = source if alpha == 1 else source * alpha
    at = wrap(dim, input.ndim)
    shape = [1] * input.ndim
    shape[at] = -1
    return scatter_add(input, at, index.reshape(shape).expand(source.shape).contiguous(), source)


def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """A copy of input with source[i] in place of entry index[i] of a dimension."""
    at = (slice(None),) * wrap(dim, input.ndim) + (index,)
    result: Tensor = SetItem.apply(input, source, _raw(at, input._array))
    if result._node is not None:
        _guard(result._node, at)
    return result


def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """A copy of input with a number in the entries `index` of a dimension."""
    return index_copy(input, dim, index, tensor(value, dtype=input.dtype, device=input.device))


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask is true, as a vector."""
    if mask.dtype != dtypes.bool:
        raise TypeError(f"mask has dtype {mask.dtype}, expected bool")
    return getitem(input, mask.expand(input.shape).contiguous())


def set_places(input: Tensor, places: Any, values: Tensor) -> Tensor:
    """A copy of `input` with the values at places, an array, of its flattened elements."""
    return SetItem.apply(input.reshape(-1), values.reshape(-1), places).reshape(input.shape)


def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """The indices of the elements that are not 0, one a row: int64; or a tuple with the indices along each dimension."""
    if as_tuple:
        return nonzero(input.reshape(1) if input.ndim == 0 else input).unbind(1)
    if input.ndim == 0:
        return Tensor._make(xp(input._array).zeros((int(bool(input)), 0), np.int64))
    found = xp(input._array).nonzero(input._array)
    return Tensor._make(xp(input._array).stack(found, axis=1).astype(np.int64))


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """`gather`, broadcasting the other dimensions; of the flattened input without `dim`."""
    if dim is None:
        return gather(input.reshape(-1), 0, indices.reshape(-1))
    at = wrap(dim, input.ndim)
    shapes = [tuple(1 if i == at else n for i, n in enumerate(t.shape)) for t in (input, indices)]
    common = np.broadcast_shapes(*shapes)
    full = [tuple(t.shape[at] if i == at else n for i, n in enumerate(common)) for t in (input, indices)]
    return gather(input.expand(full[0]), at, indices.expand(full[1]).contiguous())


def embedding(weight: Tensor, indices: Tensor) -> Tensor:
    """Rows of weight (entries, features) at integer indices of any shape. IndexError outside, on the CPU."""
    if indices.dtype.kind not in "iu":
        raise TypeError(f"indices has dtype {indices.dtype}, expected integers")
    if isinstance(indices._array, np.ndarray) and indices.numel():
        low, high = int(indices._array.min()), int(indices._array.max())
        if low < 0 or high >= weight.shape[0]:
            raise IndexError(f"index {low if low < 0 else high} is out of range: expected 0 to {weight.shape[0] - 1}")
    return getitem(weight, indices)


def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """(...) integers to (..., num_classes) int64 with a 1 at each; num_classes defaults to the largest plus one."""
    if input.dtype.kind not in "iu":
        raise TypeError(f"input has dtype {input.dtype}, expected integers")
    classes = int(input.max().item()) + 1 if num_classes == -1 else num_classes
    m = xp(input._array)
    if input.numel() and not bool(((input >= 0) & (input < classes)).all().item()):
        raise IndexError(f"a class is out of range: expected 0 to {classes - 1}")
    return Tensor._make((input._array[..., None] == m.arange(classes)).astype(np.int64))


def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The distinct elements in ascending order, whether `sorted` or not; of slices along `dim` if given.

    On request also each element's place among them, and the counts.
    """
    array, m = input._array, xp(input._array)
    if dim is not None:  # CuPy has no unique of slices
        host = array if isinstance(array, np.ndarray) else array.get()
        distinct: Any = np.unique
        found = distinct(host, return_inverse=return_inverse, return_counts=return_counts, axis=wrap(dim, input.ndim))
        found = tuple(map(m.asarray, found)) if isinstance(found, tuple) else m.asarray(found)
    else:
        found = m.unique(array, return_inverse=return_inverse, return_counts=return_counts)
    if not isinstance(found, tuple):
        return Tensor._make(found)
    parts = [Tensor._make(part) for part in found]
    if return_inverse:
        parts[1] = parts[1].reshape(input.shape if dim is None else -1)
    return tuple(parts)


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each of 0, 1, ... occurs in a vector of integers: int64; or the sums of their weights."""
    if input.ndim != 1 or input.dtype.kind not in "iu":
        raise ValueError(f"input has shape {input.shape} and dtype {input.dtype}, expected a vector of integers")
    m = xp(input._array)
    if weights is None:
        return Tensor._make(m.bincount(input._array, minlength=minlength).astype(np.int64))
    dtype = weights.dtype if weights.is_floating_point() else np.dtype(np.float64)
    return Tensor._make(m.bincount(input._array, weights._array, minlength).astype(dtype))
