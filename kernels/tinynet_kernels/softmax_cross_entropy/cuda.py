"""Softmax-cross-entropy on CUDA: one pass over the logits, a warp or a block per row.

The maximum is kept online (Milakov and Gimelshein 2018, "Online normalizer calculation for softmax"): when a larger logit
turns up, the sum so far is rescaled, so that a row is read once.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numpy import int32

from ..runtime.cuda import Int64Pointer, Kernel, Pointer, Real, blocks_for, contiguous, cuda, finish, kernel, writable
from ..runtime.primitives import shuffle_xor, zero

THREADS = 256
WARP = 32
SHORT_ROW = 1024  # up to so many classes a warp per row; beyond, a block per row
LOWEST = -math.inf


@kernel(threads=THREADS)
def _forward_naive(
    logits: Pointer,
    labels: Int64Pointer,
    losses: Pointer,
    lses: Pointer,
    rows: int32,
    classes: int32,
    ignore_index: int32,
    smoothing: Real,
) -> None:
    """One thread per row, in three passes: maximum, sum of exponentials, loss."""
    row = cuda.grid(1)
    if row >= rows:
        return
    top = logits[row * classes]
    for i in range(1, classes):
        top = max(top, logits[row * classes + i])
    total = zero(logits)
    sum_of_logits = zero(logits)
    for i in range(classes):
        total += math.exp(logits[row * classes + i] - top)
        sum_of_logits += logits[row * classes + i]
    lse = top + math.log(total)
    label = labels[row]
    loss = lse - smoothing * (sum_of_logits / classes) if smoothing > 0 else lse
    if label == ignore_index:
        loss = zero(logits)
    elif label < 0 or label >= classes:
        loss = zero(logits) + math.nan
    else:
        loss -= (1 - smoothing) * logits[row * classes + label]
    losses[row] = loss
    lses[row] = lse


@functools.cache
def _forward(dtype: Any, team: int) -> Kernel:
    """The kernel for teams of 32 threads (a warp) or of all threads of the block per row."""
    real = dtype.type
    teams = THREADS // team
    warps = THREADS // WARP

    @kernel(threads=THREADS)
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
        tops = cuda.shared.array(warps, real)
        totals = cuda.shared.array(warps, real)
        sums = cuda.shared.array(warps, real)
        t = int32(cuda.threadIdx.x)
        row = int32(cuda.blockIdx.x * teams + t // team)
        here = min(row, int32(rows - 1))  # the last block's spare warps repeat a row, so that all warps stay whole
        top = real(LOWEST)
        total = real(0)
        sum_of_logits = real(0)
        for i in range(t % team, classes, team):
            value = logits[here * classes + i]
            sum_of_logits += value
            if value > top:
                total = total * math.exp(top - value) + real(1)
                top = value
            else:
                total += math.exp(value - top) if value != real(LOWEST) else real(0)
        for step in (16, 8, 4, 2, 1):
            other_top = shuffle_xor(top, step)
            other_total = shuffle_xor(total, step)
            sum_of_logits += shuffle_xor(sum_of_logits, step)
            higher = max(top, other_top)
            mine = total * math.exp(top - higher) if top > real(LOWEST) else total
            others = other_total * math.exp(other_top - higher) if other_top > real(LOWEST) else other_total
            total = mine + others
            top = higher
        if team > WARP:
            if t % WARP == 0:
                tops[t // WARP] = top
                totals[t // WARP] = total
                sums[t // WARP] = sum_of_logits
            cuda.syncthreads()
            top = tops[0]
            for i in range(1, warps):
                top = max(top, tops[i])
            total = real(0)
            sum_of_logits = real(0)
            for i in range(warps):
                total += totals[i] * math.exp(tops[i] - top) if tops[i] > real(LOWEST) else totals[i]
                sum_of_logits += sums[i]
        if t % team == 0 and row < rows:
            lse = top + math.log(total)
            label = labels[row]
            loss = lse - smoothing * (sum_of_logits / real(classes)) if smoothing > real(0) else lse
            if label == ignore_index:
                loss = real(0)
            elif label < 0 or label >= classes:
                loss = real(math.nan)
            else:
                loss -= (real(1) - smoothing) * logits[row * classes + label]
            losses[row] = loss
            lses[row] = lse

    return softmax_cross_entropy


@kernel(threads=THREADS)
def _grad_naive(
    logits: Pointer,
    labels: Int64Pointer,
    lses: Pointer,
    gy: Pointer,
    grad: Pointer,
    rows: int32,
    classes: int32,
    ignore_index: int32,
    smoothing: Real,
    gy_step: int32,
) -> None:
    """One thread per row."""
    row = cuda.grid(1)
    if row >= rows:
        return
    label = labels[row]
    for i in range(classes):
        at = row * classes + i
        target = smoothing / classes
        if i == label:
            target += 1 - smoothing
        if label == ignore_index:
            grad[at] = 0
        elif label < 0 or label >= classes:
            grad[at] = math.nan
        else:
            grad[at] = (math.exp(logits[at] - lses[row]) - target) * gy[row * gy_step]


@functools.cache
def _grad(dtype: Any) -> Kernel:
    real = dtype.type

    @kernel(threads=THREADS)
    def softmax_cross_entropy_grad(
        logits: Pointer,
        labels: Int64Pointer,
        lses: Pointer,
        gy: Pointer,
        grad: Pointer,
        rows: int32,
        classes: int32,
        ignore_index: int32,
        smoothing: Real,
        gy_step: int32,
    ) -> None:
        at = cuda.grid(1)
        if at >= rows * classes:
            return
        row = at // classes
        label = labels[row]
        target = smoothing / real(classes)
        if at - row * classes == label:
            target += real(1) - smoothing
        value = (math.exp(logits[at] - lses[row]) - target) * gy[row * gy_step]
        if label == ignore_index:
            value = real(0)
        elif label < 0 or label >= classes:
            value = real(math.nan)
        grad[at] = value

    return softmax_cross_entropy_grad


def _labels(labels: Any) -> Any:
    return contiguous(labels if labels.dtype == np.int64 else labels.astype(np.int64))


def softmax_cross_entropy(outputs: Any, logits: Any, labels: Any, **params: Any) -> None:
    team = WARP if logits.shape[1] <= SHORT_ROW else THREADS
    blocks = blocks_for(logits.shape[0], THREADS // team)
    _run(_forward(logits.dtype, team), blocks, outputs, (logits, _labels(labels)), logits.shape, **params)


def softmax_cross_entropy_naive(outputs: Any, logits: Any, labels: Any, **params: Any) -> None:
    blocks = blocks_for(logits.shape[0], THREADS)
    _run(_forward_naive, blocks, outputs, (logits, _labels(labels)), logits.shape, **params)


def softmax_cross_entropy_grad(outputs: Any, logits: Any, labels: Any, lse: Any, gy: Any, **params: Any) -> None:
    blocks = blocks_for(logits.size, THREADS)
    _run(_grad(logits.dtype), blocks, outputs, (logits, _labels(labels), lse, gy), logits.shape, gy.ndim, **params)


def softmax_cross_entropy_grad_naive(outputs: Any, logits: Any, labels: Any, lse: Any, gy: Any, **params: Any) -> None:
    blocks = blocks_for(logits.shape[0], THREADS)
    _run(_grad_naive, blocks, outputs, (logits, _labels(labels), lse, gy), logits.shape, gy.ndim, **params)


def _run(
    run: Kernel,
    blocks: int,
    outputs: Any,
    inputs: tuple[Any, ...],
    shape: tuple[int, int],
    *rest: int,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> None:
    written = [writable(output) for output in outputs]
    run(blocks, *map(contiguous, inputs), *written, *shape, ignore_index, label_smoothing, *rest)
    for output, result in zip(outputs, written):
        finish(output, result)
