"""Further ways to take elements by place and to put them there, made of the elementary ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..device import xp
from ..tensor import Tensor
from ._common import wrap
from .elementwise import cast, where
from .indexing import SetItem, _guard, _raw, gather, getitem, index_add, nonzero, scatter, scatter_add
from .shape import expand, reshape


def take(input: Tensor, index: Tensor) -> Tensor:
    """The elements at places in the flattened input."""
    return getitem(reshape(input, -1), index)


def argwhere(input: Tensor) -> Tensor:
    """The indices of the elements that are not 0, one a row: int64."""
    found: Tensor = nonzero(input)
    return found


def index_put(input: Tensor, indices: tuple[Any, ...], values: Any, accumulate: bool = False) -> Tensor:
    """A copy of input with values at input[indices], added to what is there if accumulate."""
    value = values if isinstance(values, Tensor) else input.new_tensor(values)
    index = tuple(indices)
    if accumulate:
        flat = Tensor._make(xp(input._array).arange(input.numel()).reshape(input.shape))
        places = getitem(flat, index)
        return reshape(
            index_add(reshape(input, -1), 0, reshape(places, -1), reshape(expand(value, places.shape), -1)), input.shape
        )
    result: Tensor = SetItem.apply(input, value, _raw(index, input._array))
    if result._node is not None:
        _guard(result._node, index)
    return result


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """A copy of input with the elements of source, in their order, where the mask is true."""
    if mask.dtype != dtypes.bool:
        raise TypeError(f"mask has dtype {mask.dtype}, expected bool")
    mask = expand(mask, input.shape)
    flat = reshape(mask, -1)
    count = int(flat.sum().item())
    if source.numel() < count:
        raise ValueError(f"source has {source.numel()} elements, expected at least {count}")
    if source.numel() == 0:
        return input.clone()
    places = (flat.long().cumsum(0) - 1).clamp(min=0)
    return where(mask, reshape(getitem(reshape(source, -1), places), input.shape), input)


def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """As `scatter_add`, with "sum", "mean", "amax" or "amin"; what was there counts unless include_self is false."""
    if reduce not in ("sum", "mean", "amax", "amin"):
        raise ValueError(f"reduce is {reduce!r}, expected 'sum', 'mean', 'amax' or 'amin'")
    at = wrap(dim, input.ndim)
    part = src[tuple(slice(n) for n in index.shape)]
    if reduce in ("sum", "mean"):
        start = input if include_self else scatter(input, at, index, 0)
        total = scatter_add(start, at, index, part)
        if reduce == "sum":
            return total
        ones = part.new_ones(part.shape)
        first = input.new_ones(input.shape)
        counts = scatter_add(first if include_self else scatter(first, at, index, 0), at, index, ones)
        return total / counts.clamp(min=1)
    sign = 1 if reduce == "amax" else -1
    order = (part * sign).detach()
    worst = float("-inf")
    array, m = (input.detach() * sign)._array.copy(), xp(input._array)
    if not include_self:
        array = scatter(Tensor._make(array), at, index, worst)._array
    host, places, values = (a if isinstance(a, np.ndarray) else a.get() for a in (array, index._array, order._array))
    grid = tuple(
        places if d == at else np.arange(n).reshape([-1 if e == d else 1 for e in range(places.ndim)])
        for d, n in enumerate(places.shape)
    )
    np.maximum.at(host, grid, values)
    best = Tensor._make(m.asarray(host))
    if not (input.requires_grad or src.requires_grad):
        return cast(best * sign, input.dtype)
    chosen = cast(gather(best, at, index) == order, part.dtype)  # those that are the extreme share the gradient
    own = cast(best == input.detach() * sign, input.dtype)
    own = own if include_self else scatter(own, at, index, 0)
    counts = scatter_add(own, at, index, chosen)
    return scatter_add(input * own, at, index, part * chosen) / counts
