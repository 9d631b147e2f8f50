"""Matrix product on CUDA: how a call becomes launches of the kernels in `naive` and `tiled`."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ..runtime import tuning
from ..runtime.cuda import aligned, blocks_for, contiguous, finish, module, writable
from ..runtime.last_block import counters
from . import naive, tiled

MAX_BATCHES = 65535  # blocks in y and z


def matmul(outputs: Any, a: Any, b: Any, bias: Any = None, **params: Any) -> None:
    (y,) = outputs
    call = _Call(y, a, b, bias, **params)
    if call.k == 0:
        _run_naive(call)
    else:
        lengths = (call.lda, call.ldb, call.n)
        wide = all(length % 4 == 0 for length in lengths) and aligned(call.a, call.b, call.y)
        allowed = tuning.allowed(y.dtype.itemsize, wide)
        product = tuning.Product(call.m, call.n, call.k, call.batches, y.dtype.itemsize, allowed)
        run = functools.partial(_run_tiled, call, wide)
        run(tuning.plan("matmul", product, run))
    finish(y, call.y)


def matmul_naive(outputs: Any, a: Any, b: Any, bias: Any = None, **params: Any) -> None:
    (y,) = outputs
    call = _Call(y, a, b, bias, **params)
    _run_naive(call)
    finish(y, call.y)


def _run_tiled(call: _Call, wide: bool, plan: tuning.Plan) -> None:
    tile, splits = plan.tile, plan.splits
    tiles_m, tiles_n = blocks_for(call.m, tile.rows), blocks_for(call.n, tile.columns)
    parts = call.y if splits == 1 else module().empty((splits, call.y.size), call.y.dtype)
    run = tiled.product(call.y.dtype, tile, not call.transpose_a, call.transpose_b, wide)
    for first in range(0, call.batches, MAX_BATCHES):
        run(
            (tiles_m * tiles_n, min(call.batches - first, MAX_BATCHES), splits),
            call.a,
            call.b,
            call.bias,
            call.y,
            parts,
            counters() if splits > 1 else None,
            call.m,
            call.n,
            call.k,
            call.lda,
            call.ldb,
            call.a_batch,
            call.b_batch,
            call.batches,
            first,
            tiles_n,
            plan.length,
            call.bias is not None,
            call.relu,
        )


def _run_naive(call: _Call) -> None:
    a_steps = (1, call.lda) if call.transpose_a else (call.lda, 1)
    b_steps = (1, call.ldb) if call.transpose_b else (call.ldb, 1)
    naive.matmul(
        blocks_for(call.y.size, 256),
        call.a,
        call.b,
        call.bias,
        call.y,
        call.m,
        call.n,
        call.k,
        call.a_batch,
        *a_steps,
        call.b_batch,
        *b_steps,
        call.bias is not None,
        call.relu,
        call.y.size,
    )


class _Call:
    """The operands as kernels take them: contiguous, stacks of one length or a single matrix (batch stride 0)."""

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
        self.transpose_a, self.transpose_b, self.relu = transpose_a, transpose_b, activation == "relu"
        # A transposed view of contiguous memory is read as it lies.
        if _is_transposed(a):
            a, self.transpose_a = a.swapaxes(-1, -2), not transpose_a
        if _is_transposed(b):
            b, self.transpose_b = b.swapaxes(-1, -2), not transpose_b
        self.y, self.bias = writable(y), contiguous(bias)
        *batch, self.m, self.n = y.shape
        self.k = a.shape[-2] if self.transpose_a else a.shape[-1]
        self.batches = int(np.prod(batch))
        self.a, self.a_batch = _stack(a, tuple(batch))
        self.b, self.b_batch = _stack(b, tuple(batch))
        self.lda, self.ldb = a.shape[-1], b.shape[-1]


def _is_transposed(array: Any) -> bool:
    return not array.flags.c_contiguous and bool(array.swapaxes(-1, -2).flags.c_contiguous)


def _stack(array: Any, batch: tuple[int, ...]) -> tuple[Any, int]:
    """The contiguous array and the step from one matrix of the stack to the next: 0 if there is but one."""
    if int(np.prod(array.shape[:-2])) == 1:
        return contiguous(array), 0
    if tuple(array.shape[:-2]) != batch:
        array = module().broadcast_to(array, (*batch, *array.shape[-2:]))
    return contiguous(array), array.shape[-1] * array.shape[-2]
