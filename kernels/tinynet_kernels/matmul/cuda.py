"""Matrix product on CUDA: how a call becomes launches of the kernels in `naive` and `tiled`."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from ..runtime import tuning
from ..runtime.cuda import aligned, blocks_for, contiguous, finish, module, repeatable, writable
from ..runtime.last_block import parts_of
from . import naive, tiled

MAX_BATCHES = 65535  # blocks in y and z
Launch: TypeAlias = Callable[[Any, Any, Any, Any], None]  # of a, b, bias and y


def matmul(
    outputs: Any,
    a: Any,
    b: Any,
    bias: Any = None,
    transpose_a: bool = False,
    transpose_b: bool = False,
    activation: str | None = None,
) -> Callable[..., None] | None:
    batch = outputs[0].shape[:-2]
    turned_a, turned_b = _is_transposed(a), _is_transposed(b)
    view_a, view_b = _view(a, turned_a, batch), _view(b, turned_b, batch)
    turned = transpose_a != turned_a, transpose_b != turned_b
    launch = _product(outputs, view_a, view_b, bias, turned=turned, activation=activation)
    if launch is None or (view_a is a and view_b is b):
        return launch
    return lambda outputs, a, b, bias=None: launch(outputs, _view(a, turned_a, batch), _view(b, turned_b, batch), bias)


@repeatable
def _product(
    outputs: Any, a: Any, b: Any, bias: Any, *, turned: tuple[bool, bool], activation: str | None
) -> Callable[..., None]:
    (y,) = outputs
    call = _Call(y, a, b, bias, *turned, activation)
    launch = _choose(call) if call.sizes.k else _naive(call)
    return lambda outputs, a, b, bias=None: launch(a, b, bias, *outputs)


def _choose(call: _Call) -> Launch:
    """The launch for operands like those of the call, with the tile that suits them."""
    sizes, size = call.sizes, call.y.dtype.itemsize
    wide = sizes.wide and aligned(call.a, call.b, call.y)
    product = tuning.Product(sizes.m, sizes.n, sizes.k, sizes.batches, size, tuning.allowed(size, wide))

    def trial(plan: tuning.Plan) -> Callable[[], None]:
        return functools.partial(_prepared(call, wide, plan), call.a, call.b, call.bias, call.y)

    return _prepared(call, wide, tuning.plan("matmul", product, trial))


def _prepared(call: _Call, wide: bool, plan: tuning.Plan) -> Launch:
    kernel = tiled.product(call.y.dtype, plan.tile, not call.transpose_a, call.transpose_b, wide)
    ends = call.bias is not None, call.relu
    starts = [kernel.prepared(call.y, blocks, *numbers, *ends) for blocks, numbers in _launches(call.sizes, plan)]
    splits = plan.splits
    if splits == len(starts) == 1:
        (whole,) = starts
        return lambda a, b, bias, y: whole(a, b, bias, y, y, None)

    def launch(a: Any, b: Any, bias: Any, y: Any) -> None:
        where = parts_of(y, splits)
        for start in starts:
            start(a, b, bias, y, *where)

    return launch


def matmul_naive(outputs: Any, a: Any, b: Any, bias: Any = None, **params: Any) -> None:
    (y,) = outputs
    call = _Call(y, a, b, bias, **params)
    _naive(call)(call.a, call.b, call.bias, call.y)
    finish(y, call.y)


def _launches(sizes: _Sizes, plan: tuning.Plan) -> list[tuple[tuple[int, int, int], tuple[int, ...]]]:
    """The blocks of every launch, and the numbers that the kernel takes."""
    tiles_m, tiles_n = blocks_for(sizes.m, plan.tile.rows), blocks_for(sizes.n, plan.tile.columns)
    return [
        (
            (tiles_m * tiles_n, min(sizes.batches - first, MAX_BATCHES), plan.splits),
            (*sizes, first, tiles_n, plan.length),
        )
        for first in range(0, sizes.batches, MAX_BATCHES)
    ]


def _naive(call: _Call) -> Launch:
    m, n, k, lda, ldb, a_batch, b_batch, _ = call.sizes
    a_steps = (1, lda) if call.transpose_a else (lda, 1)
    b_steps = (1, ldb) if call.transpose_b else (ldb, 1)
    numbers = m, n, k, a_batch, *a_steps, b_batch, *b_steps, call.bias is not None, call.relu, call.y.size
    return naive.matmul.prepared(call.y, blocks_for(call.y.size, 256), *numbers)


class _Sizes(NamedTuple):
    """Of a stack of products: rows, columns and terms of each, how long the rows of a and b are in memory and how far it is
    from one matrix of a stack to the next (0 if there is but one), and how many there are.
    """

    m: int
    n: int
    k: int
    lda: int
    ldb: int
    a_batch: int
    b_batch: int
    batches: int

    @property
    def wide(self) -> bool:
        """Whether all rows can be moved by fours."""
        return self.lda % 4 == self.ldb % 4 == self.n % 4 == 0


class _Call:
    """The operands as kernels take them: contiguous, stacks of one length or a single matrix."""

    def __init__(
        self,
        y: Any,
        a: Any,
        b: Any,
        bias: Any,
        transpose_a: bool = False,
        transpose_b: bool = False,
        activation: str | None = None,
    ) -> None:
        batch = y.shape[:-2]
        turned_a, turned_b = _is_transposed(a), _is_transposed(b)
        a, b = _view(a, turned_a, batch), _view(b, turned_b, batch)
        self.transpose_a, self.transpose_b, self.relu = (
            transpose_a != turned_a,
            transpose_b != turned_b,
            activation == "relu",
        )
        self.y, self.a, self.b, self.bias = writable(y), contiguous(a), contiguous(b), contiguous(bias)
        self.sizes = _sizes(y.shape, self.a.shape, self.b.shape, self.transpose_a)


@functools.lru_cache(maxsize=4096)
def _sizes(y: tuple[int, ...], a: tuple[int, ...], b: tuple[int, ...], transpose_a: bool) -> _Sizes:
    *batch, m, n = y
    a_batch, b_batch = (0 if math.prod(s[:-2]) == 1 else s[-1] * s[-2] for s in (a, b))
    return _Sizes(m, n, a[-2] if transpose_a else a[-1], a[-1], b[-1], a_batch, b_batch, math.prod(batch))


def _is_transposed(array: Any) -> bool:
    """Whether its matrices lie in memory as their transposes do, and are read as those."""
    return not array.flags.c_contiguous and bool(array.swapaxes(-1, -2).flags.c_contiguous)


def _view(array: Any, transposed: bool, batch: tuple[int, ...]) -> Any:
    """The matrices of an operand, or their transposes: as many as there are products, or one for all."""
    if transposed:
        array = array.swapaxes(-1, -2)
    shape = array.shape
    if shape[:-2] != batch and math.prod(shape[:-2]) != 1:
        array = module().broadcast_to(array, (*batch, *shape[-2:]))
    return array
