"""Order statistics, sums that pass over NaN, running extremes, and histograms."""

from __future__ import annotations

import builtins
from typing import Any, NamedTuple

import numpy as np

from ..device import xp
from ..numpy_names import numpy_names
from ..tensor import Tensor
from ._common import as_float, wrap
from .comparison import isnan
from .elementwise import cast, logaddexp, where
from .indexing import gather
from .linalg import matmul
from .reduction import ValuesIndices, amax, amin, argsort, mean, norm, sum
from .shape import cat, reshape, unsqueeze


class Extremes(NamedTuple):
    """What aminmax returns."""

    min: Tensor
    max: Tensor


def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> Extremes:
    """The smallest and the largest elements."""
    return Extremes(amin(input, dim, keepdim), amax(input, dim, keepdim))


@numpy_names
def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The lower median; along `dim`, (values, indices). NaN if there is one among the elements."""
    if dim is None:
        return _mean_of_equals(input, median(reshape(input.detach(), -1), 0).values if input.numel() else None)
    wrap(dim, input.ndim)
    return kthvalue(input, (input.shape[dim] + 1) // 2 if input.ndim else 1, dim, keepdim, nan_first=True)


def _mean_of_equals(input: Tensor, value: Tensor | None) -> Tensor:
    """The value, with the gradient shared by the elements that equal it; NaN if there is none."""
    if value is None:
        return sum(input) + float("nan")
    equal = isnan(input) if input.is_floating_point() and bool(isnan(value)) else input == value
    if not input.requires_grad:
        return value
    return sum(where(equal, input, 0.0)) / sum(equal)


@numpy_names
def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The lower median of the elements that are not NaN; along `dim`, (values, indices)."""
    if dim is None:
        return _mean_of_equals(input, nanmedian(reshape(input.detach(), -1), 0).values if input.numel() else None)
    count = sum(~isnan(input), dim, True)
    order = argsort(input, dim)
    indices = gather(order, dim, ((count + 1).floor_divide(2) - 1).clamp(min=0))
    return _picked(input, dim, indices, keepdim)


def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False, *, nan_first: bool = False) -> ValuesIndices:
    """The k-th smallest elements along `dim`, counted from 1, and their places; NaN counts as the largest number.

    nan_first  take a NaN instead, wherever there is one.
    """
    axis = wrap(dim, input.ndim)
    if input.ndim == 0:
        return ValuesIndices(input.clone(), Tensor._make(xp(input._array).zeros((), np.int64)))
    if not 1 <= k <= input.shape[axis]:
        raise ValueError(f"k is {k}, expected 1 to {input.shape[axis]}: dimension {dim} of {input.shape}")
    indices = argsort(input, axis).narrow(axis, k - 1, 1)
    if nan_first and input.is_floating_point():
        broken = isnan(input)
        indices = where(broken.any(axis, True), broken.long().argmax(axis, True), indices)
    return _picked(input, axis, indices, keepdim)


def _picked(input: Tensor, dim: int, indices: Tensor, keepdim: bool) -> ValuesIndices:
    values = gather(input, dim, indices)
    if keepdim:
        return ValuesIndices(values, indices)
    return ValuesIndices(values.squeeze(dim), indices.squeeze(dim))


@numpy_names
def quantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """The q-quantiles along `dim`, or of all elements; a vector q gives them along a new first dimension.

    interpolation  "linear", "lower", "higher", "midpoint" or "nearest", for places between two elements.
    """
    points = np.atleast_1d(np.asarray(q.detach().cpu() if isinstance(q, Tensor) else q, np.float64))
    if ((points < 0) | (points > 1)).any():
        raise ValueError(f"q is {q}, expected numbers from 0 to 1")
    x, axis = (reshape(input, -1), 0) if dim is None else (input, wrap(dim, input.ndim))
    ordered = gather(x, axis, argsort(x, axis))
    places = points * (x.shape[axis] - 1)
    low, high = np.floor(places).astype(int), np.ceil(places).astype(int)
    parts = {
        "linear": places - low,
        "lower": 0 * places,
        "higher": np.where(high > low, 1.0, 0.0),
        "midpoint": np.where(high > low, 0.5, 0.0),
        "nearest": np.rint(places) - low,
    }
    if interpolation not in parts:
        raise ValueError(f"interpolation is {interpolation!r}, expected one of {list(parts)}")
    found = []
    for a, b, part in zip(low, high, parts[interpolation]):
        first, second = ordered.narrow(axis, int(a), 1), ordered.narrow(axis, int(b), 1)
        value = first + float(part) * (second - first) if part else first
        value = where(isnan(x).any(axis, True), float("nan"), value)
        found.append(unsqueeze(value if keepdim else value.squeeze(axis), 0))
    result = cat(found, 0)
    if dim is None and keepdim:
        result = reshape(result, len(found), *(1,) * input.ndim)
    return result if getattr(q, "shape", ()) else result.squeeze(0)


@numpy_names
def nansum(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The sum with NaN taken as 0."""
    return sum(where(isnan(input), 0.0, input) if input.is_floating_point() else input, dim, keepdim, dtype=dtype)


@numpy_names
def nanmean(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The mean of the elements that are not NaN."""
    counted = cast(~isnan(input), input.dtype)
    return nansum(input, dim, keepdim, dtype=dtype) / sum(counted, dim, keepdim)


@numpy_names
def cummax(input: Tensor, dim: int) -> ValuesIndices:
    """The largest elements so far along `dim`, and their places: the last of equal ones."""
    return _running(input, dim, "maximum")


@numpy_names
def cummin(input: Tensor, dim: int) -> ValuesIndices:
    """The smallest elements so far along `dim`, and their places: the last of equal ones."""
    return _running(input, dim, "minimum")


def _running(input: Tensor, dim: int, name: str) -> ValuesIndices:
    axis = wrap(dim, input.ndim)
    if input.ndim == 0:
        return ValuesIndices(input.clone(), Tensor._make(xp(input._array).zeros((), np.int64)))
    array, m = input._array, xp(input._array)
    host = array if isinstance(array, np.ndarray) else array.get()
    best = getattr(np, name).accumulate(host, axis=axis)
    shape = [-1 if i == axis else 1 for i in range(host.ndim)]
    steps = np.arange(host.shape[axis]).reshape(shape)
    same = (host == best) | (np.isnan(host) if host.dtype.kind == "f" else False)
    places = np.maximum.accumulate(np.where(same, steps, 0), axis=axis)
    indices = Tensor._make(m.asarray(places.astype(np.int64)))
    return ValuesIndices(gather(input, axis, indices), indices)


@numpy_names
def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """log(cumsum(exp(input))), without overflow or underflow: log2(n) times `logaddexp`."""
    at = wrap(dim, input.ndim)
    x, n, step = as_float(input) * 1, input.shape[at] if input.ndim else 1, 1
    while step < n:
        x = cat([x.narrow(at, 0, step), logaddexp(x.narrow(at, step, n - step), x.narrow(at, 0, n - step))], at)
        step *= 2
    return x


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of the difference."""
    return norm(input - other, p)


def cov(input: Tensor, *, correction: int = 1) -> Tensor:
    """The covariance matrix of variables in rows and observations in columns."""
    x = as_float(reshape(input, 1, -1) if input.ndim < 2 else input)
    centred = x - mean(x, 1, True)
    result = matmul(centred, centred.t()) / builtins.max(x.shape[1] - correction, 0)
    return result.reshape(()) if x.shape[0] == 1 else result


def corrcoef(input: Tensor) -> Tensor:
    """The matrix of correlation coefficients of variables in rows."""
    c = cov(input)
    if c.ndim == 0:
        return c / c
    scale = c.diagonal() ** 0.5
    return (c / scale / scale.unsqueeze(1)).clamp(-1.0, 1.0)


def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """How many elements fall into each of `bins` equal parts of [min, max]; of the elements' own range if both are 0."""
    if bins < 1 or max < min:
        raise ValueError(f"bins is {bins}, min {min} and max {max}, expected at least one bin and min <= max")
    array, m = input._array, xp(input._array)
    low, high = (min, max) if (min, max) != (0, 0) or not array.size else (float(array.min()), float(array.max()))
    low, high = (low - 1, high + 1) if low == high else (low, high)
    counts, _ = m.histogram(array.astype(np.float64), bins, (low, high))
    return Tensor._make(counts.astype(array.dtype))


def bucketize(input: Any, boundaries: Tensor, *, right: bool = False) -> Tensor:
    """The place of each element among sorted boundaries: boundaries[i - 1] < x <= boundaries[i], or <= and < if right."""
    return searchsorted(boundaries, input, right=right)


def searchsorted(sorted_sequence: Tensor, input: Any, *, right: bool = False, side: str | None = None) -> Tensor:
    """Where elements would be inserted into sorted rows to keep them sorted: int64; before equal ones, or after if right."""
    m = xp(sorted_sequence._array)
    values = input._array if isinstance(input, Tensor) else m.asarray(input)
    where_to = side or ("right" if right else "left")
    rows = sorted_sequence._array
    if rows.ndim == 1:
        return Tensor._make(m.asarray(m.searchsorted(rows, values, side=where_to)).astype(np.int64))
    if rows.shape[:-1] != values.shape[:-1]:
        raise ValueError(f"input has shape {values.shape}, expected the leading sizes of {rows.shape}")
    flat, wanted = rows.reshape(-1, rows.shape[-1]), values.reshape(-1, values.shape[-1])
    found = [m.searchsorted(row, w, side=where_to) for row, w in zip(flat, wanted)]
    return Tensor._make(m.stack(found).reshape(values.shape).astype(np.int64))
