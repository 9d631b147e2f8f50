"""The mean by NumPy's pairwise sum; of cross-entropy, the rows and their gradient in one pass."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..runtime.memory import finish, writable
from . import loops, reference


def counted_mean(outputs: tuple[Any, Any], loss: Any, labels: Any, **params: Any) -> None:
    mean, share = outputs
    mean[...], share[...] = reference.counted_mean(loss, labels, **params)


def mean_cross_entropy(
    outputs: tuple[Any, Any, Any],
    logits: Any,
    labels: Any,
    *,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> None:
    mean, share, grad = outputs
    target = writable(grad)
    rows, classes = np.ascontiguousarray(logits), np.ascontiguousarray(labels, np.int64)
    count, total = loops.losses(rows, classes, ignore_index, logits.dtype.type(label_smoothing), target)
    share[...], mean[...] = (1 / count, total / count) if count else (np.inf, np.nan)
    finish(grad, target)
