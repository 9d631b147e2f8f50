"""Softmax-cross-entropy on CUDA: one pass over the logits, by a thread, a warp or a block per row.

The maximum is kept online (Milakov and Gimelshein 2018, "Online normalizer calculation for softmax"): when a larger logit
turns up, the sum so far is rescaled, so that a row is read once; rows that fit into shared memory are gone through twice there.
What a row has one of (label, loss, log-sum-exp) is read and written for neighbouring rows at a time. Logits are read 16 bytes
at a time, from the multiple of 32 bytes before the first on, so that no sector of memory is fetched by halves.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import int32, int64

from ..runtime.cuda import (
    Int64Pointer,
    Kernel,
    Pointer,
    Real,
    aligned,
    blocks_for,
    cuda,
    kernel,
    repeatable,
)
from ..runtime.primitives import load, load4_constant, load_constant, quotient, select, shuffle_xor, store, store4
from ..runtime.unroll import static_range, unrolled
from . import naive

THREADS = 256
WARP = 32
TINY_ROW, SHORT_ROW = 64, 1024  # up to so many classes a thread, and a warp, per row; beyond, a block
TINY_THREADS = 64
IGNORED = -1  # the mark of a row whose label is `ignore_index`


@functools.cache
def tiny_rows(dtype: Any, wide: bool) -> Kernel:
    """A thread per row, of TINY_ROW classes at most, which the block brings into shared memory together."""
    real = dtype.type
    LOWEST = np.finfo(dtype).min
    PITCH = TINY_ROW + 1  # threads read the same place of neighbouring rows: an odd distance keeps their banks apart

    @kernel(threads=TINY_THREADS)
    @unrolled
    def softmax_cross_entropy_tiny(
        logits: Pointer,
        labels: Int64Pointer,
        losses: Pointer,
        lses: Pointer,
        rows: int32,
        classes: int32,
        ignore_index: int32,
        smoothing: Real,
    ) -> None:
        shared = cuda.shared.array(TINY_THREADS * PITCH, real, alignment=16)
        t = int32(cuda.threadIdx.x)
        row0 = int32(cuda.blockIdx.x * TINY_THREADS)
        size = int32(min(TINY_THREADS, rows - row0) * classes)
        pitch = int32(classes + 1 - classes % 2)
        for i in range(4 * t, size, 4 * TINY_THREADS):
            at = int32(row0 * classes + i)
            if wide and i + 4 <= size:
                values = load4_constant(logits, at)
            else:
                values = (
                    load_constant(logits, at),
                    load_constant(logits, at + min(1, size - 1 - i)),
                    load_constant(logits, at + min(2, size - 1 - i)),
                    load_constant(logits, at + min(3, size - 1 - i)),
                )
            for j in static_range(4):
                row = quotient(int32(i + j), classes)
                if i + j < size:
                    store(shared, row * pitch + i + j - row * classes, values[j])
        cuda.syncthreads()
        row = int32(row0 + t)
        if row >= rows:
            return
        top = LOWEST
        for i in range(classes):
            top = max(top, load(shared, t * pitch + i))
        total = real(0)
        sum_of_logits = real(0)
        for i in range(classes):
            value = load(shared, t * pitch + i)
            total += math.exp(value - top)
            sum_of_logits += value
        lse = top + math.log(total)
        label = labels[row]
        loss = lse - smoothing * (sum_of_logits / real(classes)) if smoothing > real(0) else lse
        if label == ignore_index:
            loss = real(0)
        elif label < 0 or label >= classes:
            loss = real(math.nan)
        else:
            loss -= (real(1) - smoothing) * load(shared, int32(t * pitch + label))
        losses[row] = loss
        lses[row] = lse

    return softmax_cross_entropy_tiny


@functools.cache
def long_rows(dtype: Any, team: int, wide: bool) -> Kernel:
    """A row for each team of 32 threads (a warp) or of all threads of the block.

    wide  whether the logits are aligned, so that four move at a time.

    A maximum begins with the lowest finite number: what is subtracted from a logit is never -inf.
    """
    real = dtype.type
    LOWEST = np.finfo(dtype).min
    TEAMS = THREADS // team
    WARPS = THREADS // WARP

    @kernel(threads=THREADS)
    @unrolled
    def softmax_cross_entropy(
        logits: Pointer,
        labels: Int64Pointer,
        losses: Pointer,
        lses: Pointer,
        rows: int32,
        classes: int32,
        ignore_index: int32,
        smoothing: Real,
    ) -> None:
        tops = cuda.shared.array(WARPS, real)
        totals = cuda.shared.array(WARPS, real)
        sums = cuda.shared.array(WARPS, real)
        targets = cuda.shared.array(WARPS, real)
        marks = cuda.shared.array(TEAMS, int64)
        t = int32(cuda.threadIdx.x)
        row0 = int32(cuda.blockIdx.x * TEAMS)
        here = int32(row0 + t // team)
        # Spare warps read nothing, but stay for the shuffles and barriers.
        first = int32(here * classes if here < rows else 0)
        last = int32(first + classes if here < rows else 0)
        if t < TEAMS:
            marks[t] = labels[min(int32(row0 + t), int32(rows - 1))]
        cuda.syncthreads()
        label = int32(first + marks[t // team])

        top = LOWEST
        total = real(0)
        sum_of_logits = real(0)
        target = real(0)  # the label's logit, in the one thread that meets it
        for i in range(first - first % 8 + t % team * 4, last, team * 4):
            before, left, chosen = int32(first - i), int32(last - i), int32(label - i)  # counted from the quad on
            if wide and before <= 0 and left >= 4:
                values = load4_constant(logits, i)
            else:
                values = (
                    load_constant(logits, i + min(max(0, before), left - 1)),
                    load_constant(logits, i + min(max(1, before), left - 1)),
                    load_constant(logits, i + min(max(2, before), left - 1)),
                    load_constant(logits, i + min(max(3, before), left - 1)),
                )
            higher = top
            for j in static_range(4):
                higher = max(higher, values[j])
            total *= math.exp(top - higher)
            top = higher
            for j in static_range(4):
                inside = j >= before and j < left
                total += select(inside, math.exp(values[j] - top), real(0))
                sum_of_logits += select(inside, values[j], real(0))
                target = select(j == chosen, values[j], target)
        for step in (16, 8, 4, 2, 1):
            other_top = shuffle_xor(top, step)
            other_total = shuffle_xor(total, step)
            sum_of_logits += shuffle_xor(sum_of_logits, step)
            target += shuffle_xor(target, step)
            higher = max(top, other_top)
            total = total * math.exp(top - higher) + other_total * math.exp(other_top - higher)
            top = higher
        if t % WARP == 0:
            tops[t // WARP] = top
            totals[t // WARP] = total
            sums[t // WARP] = sum_of_logits
            targets[t // WARP] = target
        cuda.syncthreads()
        if t < TEAMS and row0 + t < rows:
            top, total, sum_of_logits, target = tops[t], totals[t], sums[t], targets[t]
            if TEAMS == 1:
                for i in range(1, WARPS):
                    top = max(top, tops[i])
                total = real(0)
                for i in range(WARPS):
                    total += totals[i] * math.exp(tops[i] - top)
                for i in range(1, WARPS):
                    sum_of_logits += sums[i]
                    target += targets[i]
            lse = top + math.log(total)
            mark = marks[t]
            loss = lse - smoothing * (sum_of_logits / real(classes)) if smoothing > real(0) else lse
            if mark == ignore_index:
                loss = real(0)
            elif mark < 0 or mark >= classes:
                loss = real(math.nan)
            else:
                loss -= (real(1) - smoothing) * target
            losses[row0 + t] = loss
            lses[row0 + t] = lse

    return softmax_cross_entropy


@functools.cache
def gradient(dtype: Any, wide: bool) -> Kernel:
    """A block takes some whole rows, whose labels and factors it keeps in shared memory, and goes through them in quads."""
    real = dtype.type

    @kernel(threads=THREADS)
    @unrolled
    def softmax_cross_entropy_grad(
        logits: Pointer,
        labels: Int64Pointer,
        lses: Pointer,
        gy: Pointer,
        grad: Pointer,
        rows: int32,
        classes: int32,
        per_block: int32,
        gy_step: int32,
        ignore_index: int32,
        smoothing: Real,
    ) -> None:
        marks = cuda.shared.array(THREADS, int32)
        shifts = cuda.shared.array(THREADS, real)
        factors = cuda.shared.array(THREADS, real)
        t = int32(cuda.threadIdx.x)
        row0 = int32(cuda.blockIdx.x * per_block)
        count = min(int32(per_block), int32(rows - row0))
        if t < count:
            label, factor = labels[row0 + t], gy[(row0 + t) * gy_step]
            if label == ignore_index:
                label = int64(IGNORED)
            elif label < 0 or label >= classes:
                label, factor = int64(0), real(math.nan)
            marks[t], shifts[t], factors[t] = label, lses[row0 + t], factor
        cuda.syncthreads()
        first, last = int32(row0 * classes), int32((row0 + count) * classes)
        spread = smoothing / real(classes)
        for i in range(first - first % 8 + 4 * t, last, 4 * THREADS):
            before, left = int32(first - i), int32(last - i)  # of this quad the block has those from `before` to `left`
            whole = wide and before <= 0 and left >= 4
            if whole:
                values = load4_constant(logits, i)
            else:
                values = (
                    load_constant(logits, i + min(max(0, before), left - 1)),
                    load_constant(logits, i + min(max(1, before), left - 1)),
                    load_constant(logits, i + min(max(2, before), left - 1)),
                    load_constant(logits, i + min(max(3, before), left - 1)),
                )
            results: tuple[Any, ...] = ()
            at = int32(max(-before, 0))
            row = quotient(at, classes)
            column = int32(at - row * classes)
            for j in static_range(4):
                mark = marks[row]
                target = spread + select(column == mark, real(1) - smoothing, real(0))
                result = (math.exp(values[j] - shifts[row]) - target) * factors[row]
                results = results + (select(mark == IGNORED, real(0), result),)
                column = int32(select(j >= before, column + 1, 0))
                if column == classes:
                    row, column = int32(min(row + 1, count - 1)), int32(0)
            if whole:
                store4(grad, i, results)
            else:
                for j in static_range(4):
                    if j >= before and j < left:
                        store(grad, i + j, results[j])

    return softmax_cross_entropy_grad


@repeatable
def softmax_cross_entropy(outputs: Any, logits: Any, labels: Any, **params: Any) -> Callable[..., None]:
    rows, classes = logits.shape
    if classes <= TINY_ROW:
        run, per_block = tiny_rows(logits.dtype, aligned(logits)), TINY_THREADS
    else:
        team = WARP if classes <= SHORT_ROW else THREADS
        run, per_block = long_rows(logits.dtype, team, aligned(logits)), THREADS // team
    return _launch(run, blocks_for(rows, per_block), logits, rows, classes, **params)


@repeatable
def softmax_cross_entropy_naive(outputs: Any, logits: Any, labels: Any, **params: Any) -> Callable[..., None]:
    return _launch(naive.forward, blocks_for(logits.shape[0], naive.THREADS), logits, *logits.shape, **params)


@repeatable
def softmax_cross_entropy_grad(
    outputs: Any, logits: Any, labels: Any, lse: Any, gy: Any, **params: Any
) -> Callable[..., None]:
    rows, classes = logits.shape
    per_block = min(THREADS, blocks_for(8 * THREADS, classes))  # two quads for each thread
    run = gradient(logits.dtype, aligned(logits, *outputs))
    return _launch(run, blocks_for(rows, per_block), logits, rows, classes, per_block, gy.ndim, **params)


@repeatable
def softmax_cross_entropy_grad_naive(
    outputs: Any, logits: Any, labels: Any, lse: Any, gy: Any, **params: Any
) -> Callable[..., None]:
    return _launch(naive.grad, blocks_for(logits.shape[0], naive.THREADS), logits, *logits.shape, gy.ndim, **params)


def _launch(
    run: Kernel, blocks: int, like: Any, *numbers: int, ignore_index: int = -100, label_smoothing: float = 0.0
) -> Callable[..., None]:
    start = run.prepared(like, blocks, *numbers, ignore_index, label_smoothing)

    def launch(outputs: Any, logits: Any, labels: Any, *rest: Any) -> None:
        start(logits, labels.astype(np.int64, copy=False), *rest, *outputs)

    return launch
