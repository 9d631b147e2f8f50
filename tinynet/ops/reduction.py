"""Operations that combine elements along dimensions."""

from __future__ import annotations

import builtins
import math
from typing import Any, NamedTuple

import numpy as np

import tinynet_kernels as kernels

from .. import dtypes
from ..autograd import Op, is_grad_enabled
from ..device import xp
from ..numpy_names import numpy_names
from ..tensor import Tensor
from ._common import as_float, wrap, wrap_all
from .creation import ones_like
from .elementwise import Root, abs, cast, exp, log, where, zero
from .indexing import gather
from .shape import cat, expand, reshape


class ValuesIndices(NamedTuple):
    """What max, min, sort and topk return along a dimension."""

    values: Tensor
    indices: Tensor

    def __repr__(self) -> str:
        return f"{type(self).__name__}(\nvalues={self.values!r},\nindices={self.indices!r})"


def _kept(shape: tuple[int, ...], dims: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(1 if i in dims else n for i, n in enumerate(shape))


class Sum(Op):
    @staticmethod
    def forward(ctx: Any, a: Any, dims: tuple[int, ...], keepdim: bool) -> Any:
        ctx.kept = _kept(a.shape, dims)
        return a.sum(axis=dims, keepdims=keepdim)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        return expand(reshape(gy, ctx.kept), ctx.input_shape(0)), None, None


class Prod(Op):
    saves = (0,)

    @staticmethod
    def forward(ctx: Any, a: Any, dim: int, keepdim: bool) -> Any:
        ctx.dim, ctx.keepdim = dim, keepdim
        return a.prod(axis=dim, keepdims=keepdim)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        """The product of all others is that of those before times that of those after: right where elements are 0."""
        x, dim = ctx.input(0), ctx.dim
        if x.shape[dim] == 0:
            return x, None, None
        one = ones_like(x.narrow(dim, 0, 1))
        n = x.shape[dim] - 1
        before = _products(cat([one, x.narrow(dim, 0, n)], dim), dim)
        after = _products(cat([one, x.narrow(dim, 1, n).flip(dim)], dim), dim).flip(dim)
        return (gy if ctx.keepdim else gy.unsqueeze(dim)) * before * after, None, None


def _products(x: Tensor, dim: int) -> Tensor:
    """Cumulative products in log2(n) multiplications, each of which has a gradient that is right where elements are 0."""
    n, step = x.shape[dim], 1
    while step < n:
        x = cat([x.narrow(dim, 0, step), x.narrow(dim, step, n - step) * x.narrow(dim, 0, n - step)], dim)
        step *= 2
    return x


class Extreme(Op):
    """max or min over dimensions; equal elements share the gradient, as PyTorch's amax and amin."""

    saves = (0,)
    saves_output = True

    @staticmethod
    def forward(ctx: Any, a: Any, name: str, dims: tuple[int, ...], keepdim: bool) -> Any:
        ctx.kept = _kept(a.shape, dims)
        ctx.dims = dims
        return getattr(a, name)(axis=dims, keepdims=keepdim)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        chosen = cast(ctx.input(0) == reshape(ctx.output().detach(), ctx.kept), gy.dtype)
        return reshape(gy, ctx.kept) * (chosen / sum(chosen, ctx.dims, True)), None, None, None


class CumSum(Op):
    @staticmethod
    def forward(ctx: Any, a: Any, dim: int) -> Any:
        ctx.dim = dim
        return xp(a).cumsum(a, axis=dim)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        return gy.flip(ctx.dim).cumsum(ctx.dim).flip(ctx.dim), None


@numpy_names
def sum(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The sum over all or some dimensions; booleans and short integers are summed as int64."""
    if dtype is not None:
        input = cast(input, dtypes.as_dtype(dtype))
    elif input._array.dtype.kind in "biu":
        input = cast(input, dtypes.int64)
    return Sum.apply(input, wrap_all(dim, input.ndim), keepdim)


@numpy_names
def mean(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    if dtype is not None:
        input = cast(input, dtypes.as_dtype(dtype))
    if input._array.dtype.kind != "f":
        raise TypeError(f"mean() needs a floating-point tensor, not {input.dtype}")
    dims = wrap_all(dim, input.ndim)
    return sum(input, dims, keepdim) / _count(input, dims)


def _count(input: Tensor, dims: tuple[int, ...]) -> int:
    return math.prod(input._array.shape[d] for d in dims)


@numpy_names
def prod(input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    if dtype is not None:
        input = cast(input, dtypes.as_dtype(dtype))
    if input._array.dtype.kind in "biu":
        input = cast(input, dtypes.int64)
    if dim is None:
        return prod(reshape(input, -1), 0)
    if input.ndim == 0:
        return input
    return Prod.apply(input, wrap(dim, input.ndim), keepdim)


@numpy_names
def var(
    input: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: int | None = None
) -> Tensor:
    """The variance: the sum of squared deviations over the count less `correction` (1, or 0 if not unbiased)."""
    dims = wrap_all(dim, input.ndim)
    less = int(unbiased) if correction is None else correction
    deviation = input - mean(input, dims, True)
    return sum(deviation * deviation, dims, keepdim) / builtins.max(_count(input, dims) - less, 0)


@numpy_names
def std(
    input: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: int | None = None
) -> Tensor:
    """The square root of `var`."""
    return Root.apply(var(input, dim, unbiased, keepdim, correction=correction))


def var_mean(
    input: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: int | None = None
) -> tuple[Tensor, Tensor]:
    """`var` and `mean`."""
    return var(input, dim, unbiased, keepdim, correction=correction), mean(input, dim, keepdim)


def std_mean(
    input: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: int | None = None
) -> tuple[Tensor, Tensor]:
    """`std` and `mean`."""
    return std(input, dim, unbiased, keepdim, correction=correction), mean(input, dim, keepdim)


def norm(input: Tensor, p: float | str = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Tensor:
    """The p-norm of the elements along `dim`; p may be infinite or "fro" (2)."""
    if dtype is not None:
        input = cast(input, dtypes.as_dtype(dtype))
    dims = wrap_all(dim, input.ndim)
    p = 2.0 if p == "fro" else float(p)
    if p == float("inf"):
        return amax(abs(input), dims, keepdim)
    if p == float("-inf"):
        return amin(abs(input), dims, keepdim)
    if p == 0:
        return sum(cast(input != 0, input.dtype), dims, keepdim)
    if p == 1:
        return sum(abs(input), dims, keepdim)
    if p == 2:
        return Root.apply(as_float(sum(input * input, dims, keepdim)))
    return sum(abs(input) ** p, dims, keepdim) ** (1 / p)


@numpy_names
def amax(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    return _extreme("max", input, dim, keepdim)


@numpy_names
def amin(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    return _extreme("min", input, dim, keepdim)


def _extreme(name: str, input: Tensor, dim: Any, keepdim: bool) -> Tensor:
    dims = wrap_all(dim, input.ndim)
    if input._array.size == 0 and builtins.any(input._array.shape[d] == 0 for d in dims):
        raise IndexError(f"{name} over no elements: the shape is {input.shape}")
    return Extreme.apply(input, name, dims, keepdim)


@numpy_names
def max(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The largest element; along `dim`, (values, indices); with a second tensor, `maximum`."""
    return _max_or_min("max", input, dim, keepdim)


@numpy_names
def min(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest element; along `dim`, (values, indices); with a second tensor, `minimum`."""
    return _max_or_min("min", input, dim, keepdim)


def _max_or_min(name: str, input: Tensor, dim: Any, keepdim: bool) -> Any:
    if isinstance(dim, Tensor):
        from . import elementwise

        return getattr(elementwise, f"{name}imum")(input, dim)
    if dim is None:
        return _extreme(name, input, None, False)
    indices = _arg(f"arg{name}", input, dim, True)
    values = gather(input, dim, indices)
    if not keepdim:
        values, indices = values.squeeze(dim), indices.squeeze(dim)
    return ValuesIndices(values, indices)


@numpy_names
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The index of the largest element, the first of equal ones: int64."""
    return _arg("argmax", input, dim, keepdim)


@numpy_names
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The index of the smallest element, the first of equal ones: int64."""
    return _arg("argmin", input, dim, keepdim)


def _arg(name: str, input: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    axis = None if dim is None else wrap(dim, input.ndim)
    array = input._array
    if array.size == 0 and (axis is None or array.shape[axis] == 0):
        raise IndexError(f"{name} over no elements: the shape is {input.shape}")
    if array.ndim == 0:
        array, axis, keepdim = array.reshape(1), None, False
    result = getattr(xp(array), name)(array, axis=axis)
    if keepdim and axis is not None:
        result = xp(array).expand_dims(result, axis)
    return Tensor._make(xp(array).asarray(result).astype(np.int64))


@numpy_names
def all(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    return Tensor._make(xp(input._array).asarray(input._array.all(axis=wrap_all(dim, input.ndim), keepdims=keepdim)))


@numpy_names
def any(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    return Tensor._make(xp(input._array).asarray(input._array.any(axis=wrap_all(dim, input.ndim), keepdims=keepdim)))


@numpy_names
def count_nonzero(input: Tensor, dim: Any = None) -> Tensor:
    """How many elements are not 0: int64."""
    return sum(input != 0, dim)


@numpy_names
def cumsum(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    if dtype is not None:
        input = cast(input, dtypes.as_dtype(dtype))
    if input._array.dtype.kind in "biu":
        input = cast(input, dtypes.int64)
    at = wrap(dim, input.ndim)
    return CumSum.apply(input, at) if input.ndim else input * 1


@numpy_names
def cumprod(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    if dtype is not None:
        input = cast(input, dtypes.as_dtype(dtype))
    if input._array.dtype.kind in "biu":
        input = cast(input, dtypes.int64)
    at = wrap(dim, input.ndim)
    if input.ndim == 0:
        return input * 1
    if input.requires_grad:
        return _products(input, at)
    return Tensor._make(xp(input._array).cumprod(input._array, axis=at))


@numpy_names
def logsumexp(input: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    """log(sum(exp(input))) without overflow."""
    dims = wrap_all(dim, input.ndim)
    input = as_float(input)
    if _count(input, dims) == 0:  # log 0
        return log(sum(exp(input), dims, keepdim))
    top = amax(input.detach(), dims, True)
    top = where(top.isfinite(), top, zero(top))
    result = log(sum(exp(input - top), dims, True)) + top
    return result if keepdim else result.squeeze(dims)


@numpy_names
def softmax(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """exp(input) / sum(exp(input)) along `dim`."""
    input = as_float(input) if dtype is None else cast(input, dtypes.as_dtype(dtype))
    return Softmax.apply(input, wrap(dim, input.ndim))


@numpy_names
def log_softmax(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The logarithm of softmax, computed without it."""
    input = as_float(input) if dtype is None else cast(input, dtypes.as_dtype(dtype))
    return LogSoftmax.apply(input, wrap(dim, input.ndim))


class Softmax(Op):
    saves_output = True

    @staticmethod
    def forward(ctx: Any, a: Any, dim: int) -> Any:
        ctx.dim = dim
        if a.size == 0:
            return a.copy()
        if _in_rows(a, dim):
            return kernels.softmax(a.reshape(-1, a.shape[dim])).reshape(a.shape)
        e = xp(a).exp(a - a.max(axis=dim, keepdims=True))
        return e / e.sum(axis=dim, keepdims=True)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        y = ctx.output()
        if not is_grad_enabled() and _in_rows(y._array, ctx.dim):
            rows = (a.reshape(-1, y.shape[ctx.dim]) for a in (gy._array, y._array))
            return Tensor._make(kernels.softmax_grad(*rows).reshape(y.shape)), None
        weighted = gy * y
        return weighted - y * sum(weighted, ctx.dim, True), None


def _in_rows(a: Any, dim: int) -> bool:
    """Whether the kernels can compute it."""
    return bool(a.size > 0 and dim == a.ndim - 1 and a.dtype.itemsize >= 4)


class LogSoftmax(Op):
    saves_output = True

    @staticmethod
    def forward(ctx: Any, a: Any, dim: int) -> Any:
        ctx.dim = dim
        if a.size == 0:
            return a.copy()
        m = xp(a)
        shifted = a - a.max(axis=dim, keepdims=True)
        return shifted - m.log(m.exp(shifted).sum(axis=dim, keepdims=True))

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        return gy - exp(ctx.output()) * sum(gy, ctx.dim, True), None


@numpy_names
def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """The indices that sort along `dim`, equal elements in their order whether `stable` or not: int64."""
    array, m = input._array, xp(input._array)
    axis = wrap(dim, input.ndim)
    if array.ndim == 0:
        return Tensor._make(m.zeros((), np.int64))
    if not descending:
        order = m.argsort(array, axis=axis, kind="stable")
    else:  # sorting backwards from the end keeps equal elements in their order
        order = m.flip(array.shape[axis] - 1 - m.argsort(m.flip(array, axis), axis=axis, kind="stable"), axis)
    return Tensor._make(order.astype(np.int64))


@numpy_names
def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> ValuesIndices:
    """The elements in order along `dim`, and their places; equal ones keep their order whether `stable` or not."""
    indices = argsort(input, dim, descending)
    return ValuesIndices(gather(input, dim, indices), indices)


@numpy_names
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> ValuesIndices:
    """The k largest (or smallest) elements along `dim`, in order whether `sorted` or not, and their indices.

    ValueError if there are fewer.
    """
    axis = wrap(dim, input.ndim)
    if input.ndim == 0:
        found = topk(reshape(input, 1), k, 0, largest)
        return ValuesIndices(*(reshape(t, () if k else 0) for t in found))
    if not 0 <= k <= (input.shape[axis] if input.ndim else 1):
        raise ValueError(f"k is {k}, expected 0 to {input.shape[axis]}: dimension {dim} of {input.shape}")
    indices = argsort(input, dim, largest).narrow(axis, 0, k)
    return ValuesIndices(gather(input, dim, indices), indices)
