"""counted_mean on CUDA: the last block adds the sums of all."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import int32

from ..runtime.cuda import (
    Int32Pointer,
    Int64Pointer,
    Kernel,
    Pointer,
    blocks_for,
    cuda,
    kernel,
    module,
    repeatable,
)
from ..runtime.last_block import counters
from ..runtime.primitives import fetch_add

THREADS = 256
ROWS = 4 * THREADS  # of a block at least
MOST_BLOCKS = 512


@functools.cache
def _kernel(dtype: Any) -> Kernel:
    real = dtype.type

    @kernel(threads=THREADS)
    def counted_mean(
        loss: Pointer,
        labels: Int64Pointer,
        mean: Pointer,
        share: Pointer,
        parts: Pointer,
        counts: Int32Pointer,
        counters: Int32Pointer,
        n: int32,
        ignore_index: int32,
    ) -> None:
        totals = cuda.shared.array(THREADS, real)
        numbers = cuda.shared.array(THREADS, int32)
        ticket = cuda.shared.array(1, int32)
        t = int32(cuda.threadIdx.x)
        blocks = int32(cuda.gridDim.x)
        total = real(0)
        number = int32(0)
        for i in range(cuda.grid(1), n, cuda.gridsize(1)):
            total += loss[i]
            if labels[i] != ignore_index:
                number += int32(1)
        last = blocks == 1
        for _ in range(2):
            totals[t] = total
            numbers[t] = number
            cuda.syncthreads()
            width = THREADS // 2
            while width > 0:
                if t < width:
                    totals[t] += totals[t + width]
                    numbers[t] += numbers[t + width]
                cuda.syncthreads()
                width //= 2
            if last:
                break
            if t == 0:
                parts[cuda.blockIdx.x] = totals[0]
                counts[cuda.blockIdx.x] = numbers[0]
                cuda.threadfence()
                ticket[0] = fetch_add(counters, 0, 1)
            cuda.syncthreads()
            if ticket[0] != blocks - 1:
                return
            cuda.threadfence()
            last = True
            total = real(0)
            number = int32(0)
            for i in range(t, blocks, THREADS):
                total += parts[i]
                number += counts[i]
        if t == 0:
            one = real(1) / real(numbers[0])
            mean[0] = totals[0] * one
            share[0] = one
            if blocks > 1:
                counters[0] = 0

    return counted_mean


@repeatable
def counted_mean(outputs: Any, loss: Any, labels: Any, *, ignore_index: int = -100) -> Callable[..., None]:
    dtype, blocks = loss.dtype, max(1, min(blocks_for(loss.size, ROWS), MOST_BLOCKS))
    start = _kernel(dtype).prepared(loss, blocks, loss.size, ignore_index)

    def launch(outputs: Any, loss: Any, labels: Any) -> None:
        shares = (None,) * 3
        if blocks > 1:
            shares = module().empty(blocks, dtype), module().empty(blocks, np.int32), counters()
        start(loss, labels.astype(np.int64, copy=False), *outputs, *shares)

    return launch
