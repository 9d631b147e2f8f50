"""Softmax-cross-entropy in blocks of rows that stay in the cache; NumPy's exponential is already vectorised."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

CACHE = 1 << 18  # bytes of logits in a block


def softmax_cross_entropy(
    outputs: tuple[Any, Any], logits: Any, labels: Any, *, ignore_index: int = -100, label_smoothing: float = 0.0
) -> None:
    loss, lse = outputs
    for rows in _blocks(logits):
        x, y = logits[rows], labels[rows]
        top = x.max(axis=1)
        sums = np.exp(x - top[:, None]).sum(axis=1)
        np.add(top, np.log(sums), out=lse[rows])
        ignored = y == ignore_index
        chosen = np.take_along_axis(x, np.where(ignored, 0, y)[:, None], axis=1)[:, 0]
        block = lse[rows] - (1 - label_smoothing) * chosen
        if label_smoothing:
            block -= label_smoothing * x.mean(axis=1)
        block[ignored] = 0
        loss[rows] = block


def softmax_cross_entropy_grad(
    outputs: tuple[Any],
    logits: Any,
    labels: Any,
    lse: Any,
    gy: Any,
    *,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> None:
    (grad,) = outputs
    classes = logits.shape[1]
    for rows in _blocks(logits):
        y = labels[rows]
        ignored = y == ignore_index
        block = np.exp(logits[rows] - lse[rows][:, None])
        if label_smoothing:
            block -= label_smoothing / classes
        block[np.arange(len(y)), np.where(ignored, 0, y)] -= 1 - label_smoothing
        block *= gy[rows][:, None] if gy.ndim else gy
        block[ignored] = 0
        grad[rows] = block


def _blocks(logits: Any) -> Iterator[slice]:
    step = max(1, CACHE // (logits.shape[1] * logits.dtype.itemsize))
    return (slice(start, start + step) for start in range(0, logits.shape[0], step))
