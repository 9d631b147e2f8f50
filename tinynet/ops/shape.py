"""Operations that rearrange elements. Those that can, return views of the same memory."""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from ..autograd import Op
from ..device import xp
from ..numpy_names import numpy_names
from ..tensor import Tensor
from ._common import same_device, sizes, unbroadcast, wrap


class Reshape(Op):
    is_view = True

    @staticmethod
    def forward(ctx: Any, a: Any, shape: tuple[int, ...]) -> Any:
        return a.reshape(shape)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        return reshape(gy, ctx.input_shape(0)), None


class Permute(Op):
    is_view = True

    @staticmethod
    def forward(ctx: Any, a: Any, dims: tuple[int, ...]) -> Any:
        ctx.dims = dims
        return a.transpose(dims)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        return permute(gy, *np.argsort(ctx.dims).tolist()), None


class Expand(Op):
    is_view = True

    @staticmethod
    def forward(ctx: Any, a: Any, shape: tuple[int, ...]) -> Any:
        return xp(a).broadcast_to(a, shape)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        return unbroadcast(gy, ctx.input_shape(0)), None


class Flip(Op):
    @staticmethod
    def forward(ctx: Any, a: Any, dims: tuple[int, ...]) -> Any:
        ctx.dims = dims
        return xp(a).flip(a, dims).copy()

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        return flip(gy, ctx.dims), None


class Roll(Op):
    @staticmethod
    def forward(ctx: Any, a: Any, shifts: Any, dims: Any) -> Any:
        ctx.shifts, ctx.dims = shifts, dims
        return xp(a).roll(a, shifts, dims)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        back = tuple(-s for s in ctx.shifts) if isinstance(ctx.shifts, tuple) else -ctx.shifts
        return roll(gy, back, ctx.dims), None, None


class Cat(Op):
    @staticmethod
    def forward(ctx: Any, dim: int, *arrays: Any) -> Any:
        ctx.dim, ctx.lengths = dim, [a.shape[dim] for a in arrays]
        return xp(arrays[0]).concatenate(arrays, axis=dim)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        starts = np.cumsum([0, *ctx.lengths])
        return (
            None,
            *(
                narrow(gy, ctx.dim, int(start), length) if ctx.needs(i + 1) else None
                for i, (start, length) in enumerate(zip(starts, ctx.lengths))
            ),
        )


class Stack(Op):
    @staticmethod
    def forward(ctx: Any, dim: int, *arrays: Any) -> Any:
        ctx.dim = dim
        return xp(arrays[0]).stack(arrays, axis=dim)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        return None, *(select(gy, ctx.dim, i) if ctx.needs(i + 1) else None for i in range(len(ctx.edges) - 1))


class Split(Op):
    """Views of parts along a dimension, whose gradients are put together in one pass."""

    is_view = True

    @staticmethod
    def composed(a: Tensor, dim: int, lengths: Sequence[int]) -> tuple[Tensor, ...]:
        """What forward computes, as other operations."""
        return tuple(narrow(a, dim, int(end) - n, n) for n, end in zip(lengths, np.cumsum(lengths)))

    @staticmethod
    def forward(ctx: Any, a: Any, dim: int, lengths: Sequence[int]) -> Any:
        ctx.dim = dim
        ends = np.cumsum(lengths).tolist()
        return tuple(a[(slice(None),) * dim + (slice(end - n, end),)] for n, end in zip(lengths, ends))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return Cat.apply(ctx.dim, *grads), None, None


class Triangle(Op):
    @staticmethod
    def forward(ctx: Any, a: Any, name: str, diagonal: int) -> Any:
        ctx.name, ctx.diagonal = name, diagonal
        return getattr(xp(a), name)(a, diagonal)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        return Triangle.apply(gy, ctx.name, ctx.diagonal), None, None


class Pad(Op):
    """Constant padding; width[i] = (before, after) of dimension i, negative to cut."""

    @staticmethod
    def forward(ctx: Any, a: Any, widths: tuple[tuple[int, int], ...], value: float) -> Any:
        ctx.widths = widths
        inner = a[tuple(slice(-builtins.min(b, 0), n + builtins.min(e, 0)) for n, (b, e) in zip(a.shape, widths))]
        grow = [(builtins.max(b, 0), builtins.max(e, 0)) for b, e in widths]
        return xp(a).pad(inner, grow, constant_values=value)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        return Pad.apply(gy, tuple((-b, -e) for b, e in ctx.widths), 0.0), None, None


def reshape(input: Tensor, *args: Any, shape: Any = None) -> Tensor:
    """The same elements in another shape; one size may be -1. A view where memory allows. ValueError if it does not fit."""
    wanted = sizes(args if shape is None else (shape,))
    try:
        return Reshape.apply(input, wanted)
    except ValueError:
        raise ValueError(f"shape {wanted} does not fit {input.numel()} elements of shape {input.shape}") from None


def view(input: Tensor, *shape: Any) -> Tensor:
    """`reshape`; with a dtype instead of a shape, the same bytes read as that dtype.

    Unlike PyTorch's, it copies where memory has no view of that shape: convolutions give channels-last memory here.
    """
    if len(shape) == 1 and isinstance(shape[0], np.dtype):
        return Tensor._make(input._array.view(shape[0]))
    return reshape(input, *shape)


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dimensions start_dim to end_dim, both included, as one."""
    shape: tuple[int, ...] = input._array.shape
    if not shape:
        return reshape(input, 1)
    start, end = wrap(start_dim, len(shape), "start_dim"), wrap(end_dim, len(shape), "end_dim")
    if start > end:
        raise ValueError(f"start_dim is {start_dim}, which comes after end_dim {end_dim}")
    return reshape(input, (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    at = wrap(dim, input.ndim)
    return reshape(input, (*input.shape[:at], *sizes, *input.shape[at + 1 :]))


@numpy_names
def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """Without the dimensions of size 1: all of them, or those named."""
    dims = (
        range(input.ndim)
        if dim is None
        else [wrap(d, input.ndim) for d in (dim if isinstance(dim, (tuple, list)) else (dim,))]
    )
    return reshape(input, tuple(n for i, n in enumerate(input.shape) if not (i in dims and n == 1)))


@numpy_names
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    at = wrap(dim, input.ndim + 1)
    return reshape(input, (*input.shape[:at], 1, *input.shape[at:]))


def permute(input: Tensor, *args: Any, dims: Any = None) -> Tensor:
    """The dimensions in another order, `dims`: a view."""
    order = tuple(wrap(d, input.ndim) for d in sizes(args if dims is None else (dims,)))
    if sorted(order) != list(range(input.ndim)):
        raise ValueError(f"dims is {order}, expected each of 0 to {input.ndim - 1} once")
    return Permute.apply(input, order)


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    if input.ndim == 0:
        return input
    order = list(range(input.ndim))
    a, b = wrap(dim0, input.ndim, "dim0"), wrap(dim1, input.ndim, "dim1")
    order[a], order[b] = order[b], order[a]
    return Permute.apply(input, tuple(order))


swapaxes = transpose


def t(input: Tensor) -> Tensor:
    """The transpose of a matrix; vectors and scalars stay as they are."""
    if input.ndim > 2:
        raise ValueError(f"t() needs at most 2 dimensions, the shape is {input.shape}")
    return transpose(input, 0, 1) if input.ndim == 2 else input


def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    sources = [wrap(d, input.ndim) for d in (source if isinstance(source, (tuple, list)) else (source,))]
    targets = [wrap(d, input.ndim) for d in (destination if isinstance(destination, (tuple, list)) else (destination,))]
    if input.ndim == 0:
        return input
    order = [d for d in range(input.ndim) if d not in sources]
    for target, origin in sorted(zip(targets, sources)):
        order.insert(target, origin)
    return permute(input, order)


def expand(input: Tensor, *shape: Any) -> Tensor:
    """Repeated to a larger shape without copying: a read-only view. -1 keeps a size."""
    wanted = sizes(shape)
    lead = len(wanted) - input.ndim
    if lead < 0:
        raise ValueError(f"shape {wanted} has fewer dimensions than {input.shape}")
    full = tuple(input.shape[i - lead] if n == -1 and i >= lead else n for i, n in enumerate(wanted))
    if full == input.shape:
        return input
    try:
        return Expand.apply(input, full)
    except ValueError:
        raise ValueError(f"shape {input.shape} does not expand to {full}") from None


def broadcast_to(input: Tensor, shape: Sequence[int]) -> Tensor:
    return expand(input, shape)


def repeat(input: Tensor, *sizes_: Any) -> Tensor:
    """Copied `sizes` times along each dimension."""
    counts = sizes(sizes_)
    lead = len(counts) - input.ndim
    if lead < 0:
        raise ValueError(f"sizes {counts} has fewer numbers than the shape {input.shape}")
    shape = (1,) * lead + input.shape
    interleaved = [n for pair in zip(counts, shape) for n in pair]
    spread = reshape(input, [n for size in shape for n in (1, size)])
    return reshape(expand(spread, interleaved), tuple(c * n for c, n in zip(counts, shape)))


def tile(input: Tensor, *args: Any, dims: Any = None) -> Tensor:
    """As `repeat`, with missing leading counts taken as 1."""
    counts = sizes(args if dims is None else (dims,))
    return repeat(input, (1,) * builtins.max(0, input.ndim - len(counts)) + counts)


@numpy_names
def repeat_interleave(input: Tensor, repeats: Any, dim: int | None = None, *, output_size: int | None = None) -> Tensor:
    """Each element `repeats` times in a row; a vector of counts has one for each entry of the dimension."""
    if dim is None:
        input, dim = reshape(input, -1), 0
    at = wrap(dim, input.ndim)
    if isinstance(repeats, Tensor) and repeats.numel() != 1:
        if repeats.shape != (input.shape[at],):
            raise ValueError(f"repeats has shape {repeats.shape}, expected {(input.shape[at],)}")
        places = np.repeat(np.arange(input.shape[at]), repeats.cpu().numpy())
        return input[(slice(None),) * at + (Tensor._make(xp(input._array).asarray(places)),)]
    shape = (*input.shape[: at + 1], int(repeats), *input.shape[at + 1 :])
    return flatten(expand(unsqueeze(input, at + 1), shape), at, at + 1)


def flip(input: Tensor, *args: Any, dims: Any = None) -> Tensor:
    """Backwards along the dimensions `dims`."""
    named = sizes(args if dims is None else (dims,))
    axes = tuple(wrap(d, input.ndim) for d in named)
    return Flip.apply(input, axes if input.ndim else ())


def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """Elements moved by `shifts` places, those that fall off coming in at the other end."""
    if input.ndim == 0:
        if dims not in (None, (), []):
            raise IndexError(f"dims is {dims}, expected none for a tensor of no dimensions")
        return input.clone()
    if dims is not None:
        dims = tuple(wrap(d, input.ndim, "dims") for d in (dims if isinstance(dims, (tuple, list)) else (dims,)))
    moves = tuple(shifts) if isinstance(shifts, (tuple, list)) else (shifts,)
    if len(moves) != (1 if dims is None else len(dims)):
        raise ValueError(f"shifts is {shifts} and dims {dims}, expected as many of the one as of the other")
    return Roll.apply(input, moves if dims else moves[0], dims)


@numpy_names
def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """The tensors one after the other along an existing dimension."""
    given = list(tensors)
    if not given:
        raise ValueError("cat() needs at least one tensor")
    same_device("cat", *given)
    kept = [t for t in given if t.shape != (0,)] or given[:1]  # PyTorch lets empty vectors join anything
    at = wrap(dim, kept[0].ndim)
    shapes = {(*t.shape[:at], *t.shape[at + 1 :]) for t in kept}
    if len(shapes) > 1 or kept[0].ndim == 0:
        raise ValueError(f"shapes {[t.shape for t in kept]} do not fit together along dimension {dim}")
    return Cat.apply(at, *kept)


concat = cat


@numpy_names
def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """The tensors, all of one shape, along a new dimension."""
    given = list(tensors)
    if not given or len({t.shape for t in given}) > 1:
        raise ValueError(f"stack() needs tensors of one shape, got {[t.shape for t in given]}")
    same_device("stack", *given)
    return Stack.apply(wrap(dim, given[0].ndim + 1), *given)


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    return cat([t if t.ndim else reshape(t, 1) for t in tensors], 0 if tensors[0].ndim <= 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    return cat([t if t.ndim > 1 else reshape(t, 1, -1) for t in tensors], 0)


def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    at = wrap(dim, input.ndim)
    if not 0 <= start <= start + length <= input.shape[at]:
        raise ValueError(f"start {start} and length {length} do not fit dimension {dim} of {input.shape}")
    return input[(slice(None),) * at + (slice(start, start + length),)]


def select(input: Tensor, dim: int, index: int) -> Tensor:
    return input[(slice(None),) * wrap(dim, input.ndim) + (index,)]


def split(tensor: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of so many elements along `dim`, the last one shorter; or of the sizes in a list."""
    size, at = split_size_or_sections, wrap(dim, tensor.ndim)
    total = tensor.shape[at]
    if isinstance(size, (list, tuple)):
        lengths = list(size)
        if builtins.sum(lengths) != total or builtins.min(lengths, default=0) < 0:
            raise ValueError(f"split_size_or_sections is {lengths}, expected sizes that add up to {total}")
    elif size < 1:
        raise ValueError(f"split_size_or_sections is {size}, expected at least 1")
    else:
        lengths = [builtins.min(size, total - s) for s in range(0, total, size)] or [0]
    return Split.apply(tensor, at, lengths)  # type: ignore[return-value]  # a tuple, as forward returns one


@numpy_names
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    if chunks < 1:
        raise ValueError(f"chunks is {chunks}, expected at least 1")
    total = input.shape[wrap(dim, input.ndim)]
    if total == 0:
        return split(input, [0] * chunks, dim)
    return split(input, builtins.max(1, -(-total // chunks)), dim)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    return tuple(select(input, dim, i) for i in range(input.shape[wrap(dim, input.ndim)]))


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    return Triangle.apply(input, "tril", diagonal)


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    return Triangle.apply(input, "triu", diagonal)


def tril_indices(row: int, col: int, offset: int = 0) -> Tensor:
    """The rows and the columns of the places in the lower triangle: (2, count) int64."""
    return Tensor._make(np.stack(np.tril_indices(row, offset, col)).astype(np.int64))


def triu_indices(row: int, col: int, offset: int = 0) -> Tensor:
    """The rows and the columns of the places in the upper triangle: (2, count) int64."""
    return Tensor._make(np.stack(np.triu_indices(row, offset, col)).astype(np.int64))


def unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """All windows of `size` elements along a dimension, `step` apart; the window is the last dimension. A copy."""
    at = wrap(dimension, input.ndim)
    if not 0 <= size <= input.shape[at] or step < 1:
        raise ValueError(f"size {size} and step {step} do not fit dimension {dimension} of {input.shape}")
    starts = np.arange(0, input.shape[at] - size + 1, step)
    index = Tensor._make(xp(input._array).asarray(starts[:, None] + np.arange(size)))
    return movedim(input[(slice(None),) * at + (index,)], at + 1, -1)


@numpy_names
def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """The n-th differences of neighbours along a dimension, with what is to stand before and after."""
    if prepend is not None or append is not None:
        input = cat([t for t in (prepend, input, append) if t is not None], dim)
    for _ in range(n):
        length = builtins.max(input.shape[wrap(dim, input.ndim)] - 1, 0)
        later, earlier = narrow(input, dim, input.shape[dim] - length, length), narrow(input, dim, 0, length)
        input = later ^ earlier if input.dtype == np.bool_ else later - earlier
    return input


def trace(input: Tensor) -> Tensor:
    """The sum of a matrix's diagonal."""
    if input.ndim != 2:
        raise ValueError(f"trace() needs a matrix, the shape is {input.shape}")
    return diagonal(input).sum()


class Diagonal(Op):
    is_view = True

    @staticmethod
    def forward(ctx: Any, a: Any, offset: int, dim1: int, dim2: int) -> Any:
        ctx.place = offset, dim1, dim2
        result = a.diagonal(offset, dim1, dim2)
        if isinstance(result, np.ndarray):  # NumPy's is for reading only unless told otherwise
            result.flags.writeable = a.flags.writeable
        return result

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        from .indexing import IndexPut

        offset, dim1, dim2 = ctx.place
        shape = ctx.input_shape(0)
        along = xp(gy._array).arange(gy.shape[-1])
        index = (..., along + builtins.max(0, -offset), along + builtins.max(0, offset))
        others = (n for d, n in enumerate(shape) if d not in (dim1, dim2))
        spread: Tensor = IndexPut.apply(gy, index, (*others, shape[dim1], shape[dim2]))
        return movedim(spread, (-2, -1), (dim1, dim2)), None, None, None


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal of dimensions dim1 and dim2, as the last dimension: a view. ValueError if they are one dimension."""
    first, second = wrap(dim1, input.ndim, "dim1"), wrap(dim2, input.ndim, "dim2")
    if first == second:
        raise ValueError(f"dim1 is {dim1} and dim2 {dim2}, expected two dimensions")
    return Diagonal.apply(input, offset, first, second)


_diagonal = diagonal


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """The diagonal of a matrix, or the matrix with this vector on its diagonal."""
    if input.ndim == 2:
        return _diagonal(input, diagonal).clone()
    n = input.shape[0] + builtins.abs(diagonal)
    index = np.arange(input.shape[0])
    flat = (index + builtins.max(0, -diagonal)) * n + index + builtins.max(0, diagonal)
    from .indexing import index_add

    zeros = Tensor._make(xp(input._array).zeros(n * n, input.dtype))
    return reshape(index_add(zeros, 0, Tensor._make(xp(input._array).asarray(flat)), input), n, n)


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Padding (left, right, top, bottom, ...), the last dimension first; modes constant, reflect, replicate, circular."""
    if len(pad) % 2 or len(pad) > 2 * input.ndim:
        raise ValueError(f"pad is {tuple(pad)}, expected pairs for at most {input.ndim} dimensions")
    widths = [(0, 0)] * input.ndim
    for i in range(len(pad) // 2):
        widths[-1 - i] = (int(pad[2 * i]), int(pad[2 * i + 1]))
    if builtins.any(n + before + after < 0 for n, (before, after) in zip(input.shape, widths)):
        raise ValueError(f"pad is {tuple(pad)}, which takes more away than an input of shape {input.shape} has")
    if mode == "constant":
        return Pad.apply(input, tuple(widths), 0.0 if value is None else value)
    names = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    if mode not in names:
        raise ValueError(f"mode is {mode!r}, expected 'constant', 'reflect', 'replicate' or 'circular'")
    from .indexing import index_select

    for dim, (before, after) in enumerate(widths):
        if before or after:
            n = input.shape[dim]
            if builtins.max(before, after) > {"reflect": n - 1, "circular": n}.get(mode, math.inf) or n == 0:
                raise ValueError(f"pad is {tuple(pad)}, too much of mode {mode!r} for an input of shape {input.shape}")
            grow = builtins.max(before, 0), builtins.max(after, 0)
            index: Any = np.pad(np.arange(n), grow, mode=cast(Any, names[mode]))
            index = index[builtins.max(-before, 0) : len(index) + builtins.min(after, 0)]
            input = index_select(input, dim, Tensor._make(xp(input._array).asarray(index)))
    return input


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Coordinates of a grid over vectors, the first varying along the first dimension ("ij") or the second ("xy")."""
    given = list(tensors[0]) if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else list(tensors)
    if indexing not in ("ij", "xy"):
        raise ValueError(f"indexing is {indexing!r}, expected 'ij' or 'xy'")
    swap = indexing == "xy" and len(given) > 1
    if swap:
        given[0], given[1] = given[1], given[0]
    shape = tuple(t.numel() for t in given)
    grids = [expand(reshape(t, [-1 if i == j else 1 for j in range(len(given))]), shape) for i, t in enumerate(given)]
    if swap:
        grids[0], grids[1] = grids[1], grids[0]
    return tuple(grids)
