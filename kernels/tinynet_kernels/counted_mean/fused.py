"""The mean cross-entropy of a small batch and its gradient in one launch: a team of threads for a row, a warp where rows are
long, and the last block for the mean.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import int32, int64

from ..runtime.cuda import (
    Int32Pointer,
    Int64Pointer,
    Kernel,
    Pointer,
    Real,
    blocks_for,
    cuda,
    kernel,
    module,
    repeatable,
)
from ..runtime.last_block import counters
from ..runtime.primitives import fetch_add, shuffle_xor

THREADS = 256
SHORT_TEAM, WARP = 8, 32
KEPT = 2048  # logits in a block's shared memory


@functools.cache
def _kernel(dtype: Any, team: int) -> Kernel:
    """A block reads and writes its rows in one piece, once, by way of shared memory, if they fit there."""
    real = dtype.type
    LOWEST = np.finfo(dtype).min  # the least maximum: what is subtracted from a logit is never -inf
    TEAM, ROWS = team, THREADS // team

    @kernel(threads=THREADS)
    def mean_cross_entropy(
        logits: Pointer,
        labels: Int64Pointer,
        mean: Pointer,
        share: Pointer,
        grad: Pointer,
        parts: Pointer,
        counters: Int32Pointer,
        rows: int32,
        classes: int32,
        ignore_index: int32,
        smoothing: Real,
    ) -> None:
        numbers = cuda.shared.array(THREADS, int32)
        losses = cuda.shared.array(ROWS, real)
        marks = cuda.shared.array(ROWS, int64)
        kept = cuda.shared.array(KEPT, real)
        t = int32(cuda.threadIdx.x)
        row0 = int32(cuda.blockIdx.x * ROWS)
        size = int32(min(ROWS, rows - row0) * classes if ROWS * classes <= KEPT else 0)
        for i in range(t, size, THREADS):
            kept[i] = logits[row0 * classes + i]
        number = int32(0)  # every block counts the labels: they are few
        for i in range(t, rows, THREADS):
            mark = labels[i]
            if mark != ignore_index:
                number += int32(1)
            if i >= row0 and i < row0 + ROWS:
                marks[i - row0] = mark
        numbers[t] = number
        cuda.syncthreads()
        width = THREADS // 2
        while width > 0:
            if t < width:
                numbers[t] += numbers[t + width]
            cuda.syncthreads()
            width //= 2
        one = real(1) / real(numbers[0])

        row = int32(row0 + t // TEAM)
        here = min(row, int32(rows - 1))  # the last block's spare teams repeat a row, so that all warps stay whole
        lane = t % TEAM
        top = LOWEST
        total = real(0)
        sum_of_logits = real(0)
        for i in range(lane, classes, TEAM):
            value = kept[(here - row0) * classes + i] if size > 0 else logits[here * classes + i]
            sum_of_logits += value
            higher = max(top, value)
            total = total * math.exp(top - higher) + math.exp(value - higher)
            top = higher
        step = TEAM // 2
        while step > 0:
            other_top = shuffle_xor(top, step)
            other_total = shuffle_xor(total, step)
            sum_of_logits += shuffle_xor(sum_of_logits, step)
            higher = max(top, other_top)
            total = total * math.exp(top - higher) + other_total * math.exp(other_top - higher)
            top = higher
            step //= 2
        lse = top + math.log(total)
        label = marks[here - row0]
        loss = lse - smoothing * (sum_of_logits / real(classes)) if smoothing > real(0) else lse
        counts = label != ignore_index
        valid = label >= 0 and label < classes
        if not counts or row >= rows:
            loss = real(0)
        elif not valid:
            loss = real(math.nan)
        else:
            at = (here - row0) * classes + label
            loss -= (real(1) - smoothing) * (kept[at] if size > 0 else logits[here * classes + label])
        inverse = real(1) / total
        cuda.syncthreads()  # from here on, what is kept are gradients
        if row < rows:
            for i in range(lane, classes, TEAM):
                at = int32((row - row0) * classes + i)
                value = kept[at] if size > 0 else logits[row * classes + i]
                target = smoothing / real(classes)
                if i == label:
                    target += real(1) - smoothing
                value = (math.exp(value - top) * inverse - target) * one
                if not counts:
                    value = real(0)
                elif not valid:
                    value = real(math.nan)
                if size > 0:
                    kept[at] = value
                else:
                    grad[row * classes + i] = value
        if lane == 0:
            losses[t // TEAM] = loss
        cuda.syncthreads()
        for i in range(t, size, THREADS):
            grad[row0 * classes + i] = kept[i]
        if t == 0:
            total = real(0)
            for i in range(ROWS):
                total += losses[i]
            parts[cuda.blockIdx.x] = total
            cuda.threadfence()
            if fetch_add(counters, 0, 1) == cuda.gridDim.x - 1:  # all others have stored their parts
                cuda.threadfence()
                total = real(0)
                for i in range(int32(cuda.gridDim.x)):
                    total += parts[i]
                mean[0] = total * one
                share[0] = one
                counters[0] = 0

    return mean_cross_entropy


@repeatable
def mean_cross_entropy(
    outputs: Any, logits: Any, labels: Any, *, ignore_index: int = -100, label_smoothing: float = 0.0
) -> Callable[..., None]:
    dtype, (rows, classes) = logits.dtype, logits.shape
    team = SHORT_TEAM if THREADS // SHORT_TEAM * classes <= KEPT else WARP
    blocks = blocks_for(rows, THREADS // team)
    start = _kernel(dtype, team).prepared(logits, blocks, rows, classes, ignore_index, label_smoothing)

    def launch(outputs: Any, logits: Any, labels: Any) -> None:
        start(logits, labels.astype(np.int64, copy=False), *outputs, module().empty(blocks, dtype), counters())

    return launch
