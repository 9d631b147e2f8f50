"""Softmax-cross-entropy on CUDA as its definition says: one thread per row, several passes."""

from __future__ import annotations

import math

from numpy import float32, int32

from ..runtime.cuda import Int64Pointer, Pointer, Real, cuda, kernel
from ..runtime.primitives import zero

THREADS = 256
ONE = float32(1)  # a plain 1, or an int32 that divides, would make the kernel compute in float64
NAN = float32(math.nan)


@kernel(threads=THREADS)
def forward(
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
    loss = lse - smoothing * (sum_of_logits / float32(classes)) if smoothing > 0 else lse
    if label == ignore_index:
        loss = zero(logits)
    elif label < 0 or label >= classes:
        loss = zero(logits) + NAN
    else:
        loss -= (ONE - smoothing) * logits[row * classes + label]
    losses[row] = loss
    lses[row] = lse


@kernel(threads=THREADS)
def grad(
    logits: Pointer,
    labels: Int64Pointer,
    lses: Pointer,
    gy: Pointer,
    grad: Pointer,
    rows: int32,
    classes: int32,
    gy_step: int32,
    ignore_index: int32,
    smoothing: Real,
) -> None:
    """One thread per row."""
    row = cuda.grid(1)
    if row >= rows:
        return
    label = labels[row]
    for i in range(classes):
        at = row * classes + i
        target = smoothing / float32(classes)
        if i == label:
            target += ONE - smoothing
        if label == ignore_index:
            grad[at] = zero(logits)
        elif label < 0 or label >= classes:
            grad[at] = zero(logits) + NAN
        else:
            grad[at] = (math.exp(logits[at] - lses[row]) - target) * gy[row * gy_step]
