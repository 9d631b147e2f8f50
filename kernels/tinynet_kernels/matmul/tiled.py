"""The register-tiled matrix product, which keeps the multipliers busy.

This is the design of CUTLASS (https://developer.nvidia.com/blog/cutlass-linear-algebra-cuda) in its simplest form:

- A block computes one tile of y. Slices of a and b, `depth` deep, pass through shared memory in two buffers: while one is
  multiplied, the next is on its way from global memory into registers.
- In shared memory both slices lie k-major, so that a thread reads its rows of a and columns of b four at a time and
  multiplies them in registers: R + S reads for R S multiply-adds.
- k need not be a multiple of `depth`: the short slice is the *first*, fetched before the loop, so that the loop itself
  compares nothing. Rows and columns beyond the edge of y read the last one instead and are not stored.
"""

from __future__ import annotations

import functools
from typing import Any

from numpy import int32

from ..runtime.cuda import Int32Pointer, Kernel, Pointer, cuda, kernel
from ..runtime.primitives import (
    add,
    fetch_add,
    load4,
    load4_constant,
    load4_if,
    load_constant,
    load_if,
    outer_fma,
    relu_if,
    select,
    store,
    store4,
    store4_strip,
    store_strip,
)
from ..runtime.tiles import Tile
from ..runtime.unroll import static_range, unrolled


@functools.cache
def product(dtype: Any, tile: Tile, a_along_k: bool, b_along_k: bool, wide: bool) -> Kernel:
    """The kernel for one dtype, tile and layout.

    a_along_k, b_along_k  whether neighbours in memory are neighbours along k (a as given, b transposed).
    wide                  whether rows of a, b and y are aligned and multiples of four, so that four move at a time.
    """
    M, N, DEPTH, THREADS = tile.rows, tile.columns, tile.depth, tile.threads
    R, S = tile.thread_rows, tile.thread_columns
    PITCH_A, PITCH_B = M + 4, N + 4  # the padding spreads transposed writes over the banks: at most two meet in one
    BUFFER_A, BUFFER_B = DEPTH * PITCH_A, DEPTH * PITCH_B
    # A thread's rows come in quads, so many rows apart: the threads of a quarter warp then read 128 bytes without a gap.
    APART_R, APART_S = 4 * M // R, 4 * N // S
    QUADS_R, QUADS_S = R // 4, S // 4
    WARPS = N // S // 8  # side by side; a warp is 4 x 8 threads
    MOVES_A, MOVES_B = M * DEPTH // (4 * THREADS), N * DEPTH // (4 * THREADS)  # quads that a thread fetches for a slice
    QUADS_K, QUADS_M, QUADS_N = DEPTH // 4, M // 4, N // 4
    NEXT_K, NEXT_M, NEXT_N = THREADS // QUADS_K, THREADS // QUADS_M, THREADS // QUADS_N  # from one of them to the next
    ALONG_A, ALONG_B = int(a_along_k), int(b_along_k)  # how much deeper the next of a quad lies
    DEEPER_A, DEEPER_B = 0 if a_along_k else NEXT_M, 0 if b_along_k else NEXT_N  # and the next quad
    LEAST = 4 if wide else 1
    real = dtype.type
    nothing = (real(0),) * (R * S)
    ones = (real(1),) * R

    @kernel(threads=THREADS, min_blocks=tile.min_blocks)
    @unrolled
    def matmul_tiled(
        a: Pointer,
        b: Pointer,
        bias: Pointer,
        y: Pointer,
        parts: Pointer,
        counters: Int32Pointer,
        m: int32,
        n: int32,
        k: int32,
        lda: int32,
        ldb: int32,
        a_batch: int32,
        b_batch: int32,
        batches: int32,
        first_batch: int32,
        tiles_n: int32,
        length: int32,
        has_bias: int32,
        relu: int32,
    ) -> None:
        shared_a = cuda.shared.array(2 * BUFFER_A, real, alignment=16)
        shared_b = cuda.shared.array(2 * BUFFER_B, real, alignment=16)
        t = int32(cuda.threadIdx.x)
        row0 = int32(cuda.blockIdx.x // tiles_n * M)
        column0 = int32(cuda.blockIdx.x % tiles_n * N)
        batch = int32(first_batch + cuda.blockIdx.y)
        k0 = int32(cuda.blockIdx.z * length)  # this block's part of the sum
        last = min(int32(k0 + length), int32(k))
        first = int32((last - k0 - 1) % DEPTH + 1)  # length of the first slice

        # What this thread moves: quads at (edge, deep), from where, and to where in shared memory.
        if a_along_k:
            a_deep, a_edge = int32(t % QUADS_K * 4), int32(t // QUADS_K)
            a_step = int32(1)
        else:
            a_deep, a_edge = int32(t // QUADS_M), int32(t % QUADS_M * 4)
            a_step = int32(lda)
        if b_along_k:
            b_deep, b_edge = int32(t % QUADS_K * 4), int32(t // QUADS_K)
            b_step = int32(1)
        else:
            b_deep, b_edge = int32(t // QUADS_N), int32(t % QUADS_N * 4)
            b_step = int32(ldb)
        a_to, b_to = int32(a_deep * PITCH_A + a_edge), int32(b_deep * PITCH_B + b_edge)
        a_from: tuple[Any, ...] = ()
        for q in static_range(MOVES_A):
            if a_along_k:
                a_at = min(row0 + a_edge + q * NEXT_K, m - 1) * lda + k0 + a_deep
            else:
                a_at = (k0 + a_deep + q * NEXT_M) * lda + min(row0 + a_edge, m - LEAST)
            a_from = a_from + (int32(batch * a_batch + a_at),)
        b_from: tuple[Any, ...] = ()
        for q in static_range(MOVES_B):
            if b_along_k:
                b_at = min(column0 + b_edge + q * NEXT_K, n - 1) * ldb + k0 + b_deep
            else:
                b_at = (k0 + b_deep + q * NEXT_N) * ldb + min(column0 + b_edge, n - LEAST)
            b_from = b_from + (int32(batch * b_batch + b_at),)
        # Where the other three of a quad lie that cannot be fetched as one.
        a1, a2, a3 = int32(1), int32(2), int32(3)
        if not a_along_k and not wide:
            beyond = int32(max(m - 1 - row0 - a_edge, 0))
            a1, a2, a3 = int32(min(a1, beyond)), int32(min(a2, beyond)), int32(min(a3, beyond))
        b1, b2, b3 = int32(1), int32(2), int32(3)
        if not b_along_k and not wide:
            beyond = int32(max(n - 1 - column0 - b_edge, 0))
            b1, b2, b3 = min(b1, beyond), min(b2, beyond), min(b3, beyond)

        # The first slice.
        for q in static_range(MOVES_A):
            at, deep = int32(a_from[q]), int32(a_deep + q * DEEPER_A)
            if wide:
                quad = load4_if(a, at, deep < first)
            else:
                quad = (
                    load_if(a, at, deep < first),
                    load_if(a, at + a1, deep + ALONG_A < first),
                    load_if(a, at + a2, deep + 2 * ALONG_A < first),
                    load_if(a, at + a3, deep + 3 * ALONG_A < first),
                )
            if a_along_k:
                for j in static_range(4):
                    store(shared_a, a_to + j * PITCH_A + q * NEXT_K, quad[j])
            else:
                store4(shared_a, a_to + q * NEXT_M * PITCH_A, quad)
        for q in static_range(MOVES_B):
            at, deep = int32(b_from[q]), int32(b_deep + q * DEEPER_B)
            if wide:
                quad = load4_if(b, at, deep < first)
            else:
                quad = (
                    load_if(b, at, deep < first),
                    load_if(b, at + b1, deep + ALONG_B < first),
                    load_if(b, at + b2, deep + 2 * ALONG_B < first),
                    load_if(b, at + b3, deep + 3 * ALONG_B < first),
                )
            if b_along_k:
                for j in static_range(4):
                    store(shared_b, b_to + j * PITCH_B + q * NEXT_K, quad[j])
            else:
                store4(shared_b, b_to + q * NEXT_N * PITCH_B, quad)
        cuda.syncthreads()

        mine_a = int32((t // 32 // WARPS * 4 + t % 32 // 8) * 4)  # this thread's first row and column of the tile
        mine_b = int32((t // 32 % WARPS * 8 + t % 8) * 4)
        tile = nothing
        buffer = int32(0)
        a_from, b_from = add(a_from, first * a_step), add(b_from, first * b_step)
        a_step, b_step = int32(DEPTH * a_step), int32(DEPTH * b_step)
        k0 = int32(k0 + first)
        while True:
            if k0 < last:
                next_a: tuple[Any, ...] = ()
                for q in static_range(MOVES_A):
                    at = a_from[q]
                    if wide:
                        next_a = next_a + (load4_constant(a, at),)
                    else:
                        next_a = next_a + (
                            (
                                load_constant(a, at),
                                load_constant(a, at + a1),
                                load_constant(a, at + a2),
                                load_constant(a, at + a3),
                            ),
                        )
                next_b: tuple[Any, ...] = ()
                for q in static_range(MOVES_B):
                    at = b_from[q]
                    if wide:
                        next_b = next_b + (load4_constant(b, at),)
                    else:
                        next_b = next_b + (
                            (
                                load_constant(b, at),
                                load_constant(b, at + b1),
                                load_constant(b, at + b2),
                                load_constant(b, at + b3),
                            ),
                        )
                a_from, b_from = add(a_from, a_step), add(b_from, b_step)
            for l in static_range(DEPTH):
                x = load4(shared_a, buffer * BUFFER_A + mine_a + l * PITCH_A)
                for h in static_range(1, QUADS_R):
                    x = x + load4(shared_a, buffer * BUFFER_A + mine_a + l * PITCH_A + h * APART_R)
                z = load4(shared_b, buffer * BUFFER_B + mine_b + l * PITCH_B)
                for h in static_range(1, QUADS_S):
                    z = z + load4(shared_b, buffer * BUFFER_B + mine_b + l * PITCH_B + h * APART_S)
                tile = outer_fma(tile, x, z)
            if k0 >= last:
                break
            buffer = int32(1 - buffer)
            for q in static_range(MOVES_A):
                if a_along_k:
                    for j in static_range(4):
                        store(shared_a, buffer * BUFFER_A + a_to + j * PITCH_A + q * NEXT_K, next_a[q][j])
                else:
                    store4(shared_a, buffer * BUFFER_A + a_to + q * NEXT_M * PITCH_A, next_a[q])
            for q in static_range(MOVES_B):
                if b_along_k:
                    for j in static_range(4):
                        store(shared_b, buffer * BUFFER_B + b_to + j * PITCH_B + q * NEXT_K, next_b[q][j])
                else:
                    store4(shared_b, buffer * BUFFER_B + b_to + q * NEXT_N * PITCH_B, next_b[q])
            cuda.syncthreads()
            k0 = int32(k0 + DEPTH)

        # A block that has a part of the sums leaves it in `parts`; the last of a tile adds all, in their order.
        row, column = int32(row0 + mine_a), int32(column0 + mine_b)
        splits = int32(cuda.gridDim.z)
        if has_bias and splits == 1:
            biases: tuple[Any, ...] = ()
            for h in static_range(QUADS_S):
                for j in static_range(4):
                    there = column + h * APART_S + j
                    biases = biases + (load_if(bias, there, there < n),)
            tile = outer_fma(tile, ones, biases)
        tile = relu_if(tile, int32(select(splits == 1, relu, 0)))
        to = int32(((cuda.blockIdx.z * batches + batch) * m + row) * n + column)
        for i in static_range(R):
            down = i // 4 * APART_R + i % 4
            left = int32(select(row + down < m, n - column, 0))
            if wide:
                store4_strip(parts, to + down * n, tile[i * S : i * S + S], APART_S, left)
            else:
                store_strip(parts, to + down * n, tile[i * S : i * S + S], APART_S, 1, left)
        if splits > 1:
            cuda.threadfence()
            cuda.syncthreads()
            mine = int32(cuda.blockIdx.y * cuda.gridDim.x + cuda.blockIdx.x)
            if t == 0:
                shared_a[0] = real(fetch_add(counters, mine, 1))
            cuda.syncthreads()
            if int32(shared_a[0]) == splits - 1:
                cuda.threadfence()
                for e in range(t, M * N, THREADS):
                    row, column = int32(row0 + e // N), int32(column0 + e % N)
                    if row < m and column < n:
                        to = int32((batch * m + row) * n + column)
                        total = parts[to]
                        for z in range(1, splits):
                            total += parts[z * batches * m * n + to]
                        if has_bias:
                            total += load_constant(bias, column)
                        y[to] = select(relu != 0 and total < real(0), real(0), total)
                if t == 0:
                    counters[mine] = 0

    return matmul_tiled
