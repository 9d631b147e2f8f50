"""Matrix product on CUDA: a plain kernel to read first, and a register-tiled one that keeps the multipliers busy.

The tiled kernel is the design of CUTLASS (https://developer.nvidia.com/blog/cutlass-linear-algebra-cuda) in its simplest
form. A block of 16 x 16 threads computes a square tile of y, each thread an R x R part of it in registers. Slices of a and
b, `DEPTH` deep, pass through shared memory, in two buffers: while one is multiplied the next is on its way.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy import int32

from ..runtime.cuda import Kernel, Pointer, aligned, blocks_for, contiguous, cuda, finish, kernel, module, writable
from ..runtime.primitives import load4, load4_if, load_if, outer_fma, select, store4, store_if, zero
from ..runtime.unroll import static_range, unrolled


@kernel(threads=256)
def _naive(
    a: Pointer,
    b: Pointer,
    bias: Pointer,
    y: Pointer,
    m: int32,
    n: int32,
    k: int32,
    a_batch: int32,
    a_row: int32,
    a_column: int32,
    b_batch: int32,
    b_row: int32,
    b_column: int32,
    has_bias: int32,
    relu: int32,
    size: int32,
) -> None:
    """One thread per element of y: the sum over a row of a times a column of b."""
    i = cuda.grid(1)
    if i >= size:
        return
    batch = i // (m * n)
    row = i // n % m
    column = i % n
    total = zero(y)
    for l in range(k):
        total += a[batch * a_batch + row * a_row + l * a_column] * b[batch * b_batch + l * b_row + column * b_column]
    if has_bias:
        total += bias[column]
    if relu and total < zero(y):
        total = zero(y)
    y[i] = total


def thread_tile(m: int, n: int, batches: int, dtype: Any, multiprocessors: int = 108) -> int:
    """The edge R of a thread's tile: the largest that still gives every multiprocessor a block.

    A tile of R x R needs 2 R reads of shared memory for R * R multiply-adds, so larger is better until the grid is too
    small to fill the device. 8 x 8 doubles would not fit into the registers.
    """
    for r in (8, 4):
        if (r < 8 or dtype == np.float32) and blocks_for(m, 16 * r) * blocks_for(
            n, 16 * r
        ) * batches >= multiprocessors:
            return r
    return 4 if min(m, n) > 32 else 2


@functools.cache
def tiled(dtype: Any, R: int, a_along_k: bool, b_along_k: bool, wide: bool) -> Kernel:
    """The tiled kernel for one dtype, thread tile and layout.

    a_along_k, b_along_k  whether neighbours in memory are neighbours along k (a as given, b transposed).
    wide                  whether rows of a, b and y are aligned and multiples of four, so that four move at a time.
    """
    EDGE = 16 * R  # rows and columns of the block's tile
    DEPTH = 1024 // EDGE  # 256 threads move four elements of a and four of b per slice
    PITCH = EDGE + 4  # a row of shared memory; the padding keeps transposed writes off each other's banks
    BUFFER = DEPTH * PITCH
    PART = min(R, 4)  # a thread's rows come in parts of so many neighbours, 16 threads apart
    STRIDE = 16 * PART
    ROWS_K = DEPTH // 4  # threads side by side along k
    ROWS_EDGE = EDGE // 4  # threads side by side along the edge
    real = dtype.type
    nothing = (real(0),) * (R * R)

    @kernel(threads=256, min_blocks=2)
    @unrolled
    def matmul_tiled(
        a: Pointer,
        b: Pointer,
        bias: Pointer,
        y: Pointer,
        m: int32,
        n: int32,
        k: int32,
        lda: int32,
        ldb: int32,
        a_batch: int32,
        b_batch: int32,
        tiles_m: int32,
        tiles_n: int32,
        has_bias: int32,
        relu: int32,
    ) -> None:
        shared_a = cuda.shared.array(2 * BUFFER, real, alignment=16)
        shared_b = cuda.shared.array(2 * BUFFER, real, alignment=16)
        t = int32(cuda.threadIdx.x)
        block = int32(cuda.blockIdx.x)
        batch = int32(block // (tiles_m * tiles_n))
        row0 = int32((block // tiles_n) % tiles_m * EDGE)
        column0 = int32(block % tiles_n * EDGE)

        # What this thread moves: four neighbours at (row, k), and where they go in shared memory.
        if a_along_k:
            a_edge, a_k = int32(row0 + t // ROWS_K), int32(t % ROWS_K * 4)
            a_from, a_to = int32(batch * a_batch + a_edge * lda + a_k), int32(a_k * PITCH + t // ROWS_K)
            a_step = int32(DEPTH)
        else:
            a_edge, a_k = int32(row0 + t % ROWS_EDGE * 4), int32(t // ROWS_EDGE)
            a_from, a_to = int32(batch * a_batch + a_k * lda + a_edge), int32(a_k * PITCH + t % ROWS_EDGE * 4)
            a_step = int32(DEPTH * lda)
        if b_along_k:
            b_edge, b_k = int32(column0 + t // ROWS_K), int32(t % ROWS_K * 4)
            b_from, b_to = int32(batch * b_batch + b_edge * ldb + b_k), int32(b_k * PITCH + t // ROWS_K)
            b_step = int32(DEPTH)
        else:
            b_edge, b_k = int32(column0 + t % ROWS_EDGE * 4), int32(t // ROWS_EDGE)
            b_from, b_to = int32(batch * b_batch + b_k * ldb + b_edge), int32(b_k * PITCH + t % ROWS_EDGE * 4)
            b_step = int32(DEPTH * ldb)

        mine_a = int32(t // 16 * PART)  # this thread's first row and column of the tile
        mine_b = int32(t % 16 * PART)
        tile = nothing
        buffer = int32(0)
        k0 = int32(0)
        while True:
            # Fetch the slice at k0 (registers), multiply the slice before it (shared memory), then store the slice.
            if k0 < k:
                if wide:
                    next_a = load4_if(a, a_from, a_edge < m and a_k < k)
                    next_b = load4_if(b, b_from, b_edge < n and b_k < k)
                else:
                    if a_along_k:
                        inside = a_edge < m
                        next_a = (
                            load_if(a, a_from, inside and a_k < k),
                            load_if(a, a_from + 1, inside and a_k + 1 < k),
                            load_if(a, a_from + 2, inside and a_k + 2 < k),
                            load_if(a, a_from + 3, inside and a_k + 3 < k),
                        )
                    else:
                        inside = a_k < k
                        next_a = (
                            load_if(a, a_from, inside and a_edge < m),
                            load_if(a, a_from + 1, inside and a_edge + 1 < m),
                            load_if(a, a_from + 2, inside and a_edge + 2 < m),
                            load_if(a, a_from + 3, inside and a_edge + 3 < m),
                        )
                    if b_along_k:
                        inside = b_edge < n
                        next_b = (
                            load_if(b, b_from, inside and b_k < k),
                            load_if(b, b_from + 1, inside and b_k + 1 < k),
                            load_if(b, b_from + 2, inside and b_k + 2 < k),
                            load_if(b, b_from + 3, inside and b_k + 3 < k),
                        )
                    else:
                        inside = b_k < k
                        next_b = (
                            load_if(b, b_from, inside and b_edge < n),
                            load_if(b, b_from + 1, inside and b_edge + 1 < n),
                            load_if(b, b_from + 2, inside and b_edge + 2 < n),
                            load_if(b, b_from + 3, inside and b_edge + 3 < n),
                        )
                a_from, a_k = int32(a_from + a_step), int32(a_k + DEPTH)
                b_from, b_k = int32(b_from + b_step), int32(b_k + DEPTH)
            if k0 > 0:
                from_a, from_b = int32(buffer + mine_a), int32(buffer + mine_b)
                for l in static_range(DEPTH):
                    if R == 8:
                        tile = outer_fma(
                            tile,
                            load4(shared_a, from_a + l * PITCH) + load4(shared_a, from_a + l * PITCH + STRIDE),
                            load4(shared_b, from_b + l * PITCH) + load4(shared_b, from_b + l * PITCH + STRIDE),
                        )
                    elif R == 4:
                        tile = outer_fma(tile, load4(shared_a, from_a + l * PITCH), load4(shared_b, from_b + l * PITCH))
                    else:
                        tile = outer_fma(
                            tile,
                            (shared_a[from_a + l * PITCH], shared_a[from_a + l * PITCH + 1]),
                            (shared_b[from_b + l * PITCH], shared_b[from_b + l * PITCH + 1]),
                        )
                buffer = int32(BUFFER - buffer)
            if k0 >= k:
                break
            if a_along_k:
                for j in static_range(4):
                    shared_a[buffer + a_to + j * PITCH] = next_a[j]
            else:
                store4(shared_a, buffer + a_to, next_a)
            if b_along_k:
                for j in static_range(4):
                    shared_b[buffer + b_to + j * PITCH] = next_b[j]
            else:
                store4(shared_b, buffer + b_to, next_b)
            cuda.syncthreads()
            k0 = int32(k0 + DEPTH)

        for i in static_range(R):
            row = int32(row0 + mine_a + i // PART * STRIDE + i % PART)
            for j in static_range(R):
                column = int32(column0 + mine_b + j // PART * STRIDE + j % PART)
                value = tile[i * R + j]
                if has_bias:
                    value += load_if(bias, column, column < n)
                value = select(relu and value < real(0), real(0), value)
                store_if(y, (batch * m + row) * n + column, value, row < m and column < n)

    return matmul_tiled


def matmul(outputs: Any, a: Any, b: Any, bias: Any = None, **params: Any) -> None:
    (y,) = outputs
    call = _Call(y, a, b, bias, **params)
    if call.k == 0:
        _run_naive(call)
    else:
        r = thread_tile(call.m, call.n, call.batches, y.dtype)
        tiles_m, tiles_n = blocks_for(call.m, 16 * r), blocks_for(call.n, 16 * r)
        lengths = (call.lda, call.ldb, call.n)
        wide = all(length % 4 == 0 for length in lengths) and aligned(call.a, call.b)
        run = tiled(y.dtype, r, not call.transpose_a, call.transpose_b, wide)
        run(
            tiles_m * tiles_n * call.batches,
            call.a,
            call.b,
            call.bias,
            call.y,
            call.m,
            call.n,
            call.k,
            call.lda,
            call.ldb,
            call.a_batch,
            call.b_batch,
            tiles_m,
            tiles_n,
            call.bias is not None,
            call.relu,
        )
    finish(y, call.y)


def matmul_naive(outputs: Any, a: Any, b: Any, bias: Any = None, **params: Any) -> None:
    (y,) = outputs
    call = _Call(y, a, b, bias, **params)
    _run_naive(call)
    finish(y, call.y)


def _run_naive(call: _Call) -> None:
    a_steps = (1, call.lda) if call.transpose_a else (call.lda, 1)
    b_steps = (1, call.ldb) if call.transpose_b else (call.ldb, 1)
    _naive(
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
