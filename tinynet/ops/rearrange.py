"""Further ways to join, split, turn and repeat tensors, made of the elementary ones."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..device import xp
from ..tensor import Tensor
from ._common import wrap
from .elementwise import where
from .indexing import getitem
from .shape import cat, expand, flatten, flip, meshgrid, movedim, narrow, pad, reshape, split, stack, transpose


def _places(values: Any, like: Tensor) -> Tensor:
    """Integers beside a tensor."""
    return Tensor._make(xp(like._array).asarray(np.asarray(values, np.int64)))


def ravel(input: Tensor) -> Tensor:
    return reshape(input, -1)


def fliplr(input: Tensor) -> Tensor:
    """The second dimension backwards."""
    if input.ndim < 2:
        raise ValueError(f"fliplr() needs at least 2 dimensions, the shape is {input.shape}")
    return flip(input, 1)


def flipud(input: Tensor) -> Tensor:
    """The first dimension backwards."""
    if input.ndim < 1:
        raise ValueError("flipud() needs at least 1 dimension")
    return flip(input, 0)


def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Turned k times by 90 degrees from the first of two dimensions towards the second."""
    a, b = (wrap(d, input.ndim) for d in dims)
    if a == b:
        raise ValueError(f"dims is {tuple(dims)}, expected two dimensions")
    turns = k % 4
    if turns == 2:
        return flip(input, a, b)
    if turns == 1:
        return flip(transpose(input, a, b), a)
    return transpose(flip(input, a), a, b) if turns == 3 else input.clone()


def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """All expanded to their common shape."""
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else tensors
    shape = np.broadcast_shapes(*(t.shape for t in given))
    return tuple(expand(t, shape) for t in given)


def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """The common shape of shapes. RuntimeError if they do not broadcast."""
    try:
        return tuple(np.broadcast_shapes(*shapes))
    except ValueError:
        raise RuntimeError(f"shapes {shapes} do not broadcast") from None


def _atleast(count: int, tensors: Any) -> Any:
    def grow(t: Tensor) -> Tensor:
        if t.ndim >= count:
            return t
        if count < 3:
            return reshape(t, (1,) * (count - t.ndim) + t.shape)
        return reshape(t, {0: (1, 1, 1), 1: (1, -1, 1), 2: (*t.shape, 1)}[t.ndim])

    if len(tensors) == 1 and isinstance(tensors[0], Tensor):
        return grow(tensors[0])
    given = tensors[0] if len(tensors) == 1 else tensors
    return tuple(grow(t) for t in given)


def atleast_1d(*tensors: Any) -> Any:
    """Scalars as vectors."""
    return _atleast(1, tensors)


def atleast_2d(*tensors: Any) -> Any:
    """Scalars and vectors as matrices of one row."""
    return _atleast(2, tensors)


def atleast_3d(*tensors: Any) -> Any:
    """Matrices with a last dimension of 1, vectors with one on both sides."""
    return _atleast(3, tensors)


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    return cat([atleast_3d(t) for t in tensors], 2)


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Vectors as columns, and matrices, side by side."""
    return cat([reshape(t, -1, 1) if t.ndim < 2 else t for t in tensors], 1)


def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Nearly equal parts along `dim`, or parts that end before each of the given places."""
    axis = wrap(dim, input.ndim)
    total = input.shape[axis]
    if isinstance(indices_or_sections, int):
        if indices_or_sections < 1:
            raise ValueError(f"sections is {indices_or_sections}, expected at least 1")
        size, extra = divmod(total, indices_or_sections)
        return split(input, [size + (i < extra) for i in range(indices_or_sections)], axis)
    ends = [slice(None, int(i)).indices(total)[1] for i in indices_or_sections]
    bounds = list(itertools.pairwise([0, *ends, total]))
    return tuple(narrow(input, axis, a, max(b - a, 0)) for a, b in bounds)


def hsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    return tensor_split(input, indices_or_sections, 0 if input.ndim == 1 else 1)


def vsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    return tensor_split(input, indices_or_sections, 0)


def dsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    return tensor_split(input, indices_or_sections, 2)


def block_diag(*tensors: Tensor) -> Tensor:
    """The matrix with these matrices along its diagonal and zeros elsewhere."""
    blocks = [atleast_2d(t) for t in tensors]
    columns, rows, before = sum(b.shape[1] for b in blocks), [], 0
    for b in blocks:
        rows.append(pad(b, (before, columns - before - b.shape[1])))
        before += b.shape[1]
    return cat(rows, 0)


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All tuples with one element of each vector, one a row."""
    if len(tensors) == 1:
        return tensors[0]
    return stack([flatten(grid) for grid in meshgrid(*tensors, indexing="ij")], 1)


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All choices of r elements of a vector, one a row."""
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    places = np.array(list(choose(range(input.shape[0]), r)), np.int64).reshape(-1, r)
    return getitem(input, _places(places, input))


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices, in dimensions dim1 and dim2, with the last dimension of the input on their diagonals."""
    n = input.shape[-1]
    size = n + abs(offset)
    rows, columns = max(-offset, 0), max(offset, 0)
    eye = Tensor._make(xp(input._array).eye(n, dtype=bool))
    matrix = where(eye, input.unsqueeze(-1), 0.0 if input.is_floating_point() else 0)
    square = pad(matrix, (columns, size - n - columns, rows, size - n - rows))
    return movedim(square, (-2, -1), (dim1, dim2))


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """The matrix with all elements on its diagonal."""
    return diag_embed(ravel(input), offset)


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The powers of each element of a vector, one element a row; the highest first unless increasing."""
    powers = [x**i if i else x * 0 + 1 for i in range(x.shape[0] if N is None else N)]
    if not powers:
        return x.new_empty(x.shape[0], 0)
    return stack(powers if increasing else powers[::-1], 1)


def adjoint(input: Tensor) -> Tensor:
    """The last two dimensions exchanged."""
    return transpose(input, -2, -1)


def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The elements without those that equal the one before; on request each one's run, and the runs' lengths."""
    if dim is not None and input.ndim > 1:
        raise ValueError(f"dim is {dim} for an input of shape {input.shape}, which is not supported; use None")
    flat, m = ravel(input), xp(input._array)
    changed = m.ones(flat.shape, bool)
    changed[1:] = flat._array[1:] != flat._array[:-1]
    runs = m.cumsum(changed) - 1
    parts = [getitem(flat, Tensor._make(changed))]
    if return_inverse:
        parts.append(Tensor._make(runs.astype(np.int64)).reshape(input.shape))
    if return_counts:
        parts.append(Tensor._make(m.bincount(runs.astype(np.int64)).astype(np.int64)))
    return parts[0] if len(parts) == 1 else tuple(parts)


def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """Places in a flat array as coordinates."""
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    coordinates, rest = [], indices
    for n in reversed(sizes):
        coordinates.append(rest % n)
        rest = rest // n
    return tuple(reversed(coordinates))
