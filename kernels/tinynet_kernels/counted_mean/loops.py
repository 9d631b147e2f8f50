"""The compiled loops of `mean_cross_entropy`."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from ..runtime.compiled import for_each, once, parallel
from ..runtime.exponential import exp

PIECE = 1 << 12  # logits, at least, of a piece of work
LANES = 16

_once: Any = partial(once, fastmath={"reassoc"})  # sums in vectors


@_once
def largest(x: Any, best: Any) -> Any:
    """The largest element; nan is passed over. Writes `best`, LANES elements."""
    for i in range(LANES):
        best[i] = -np.inf
    whole = x.size // LANES * LANES
    for start in range(0, whole, LANES):
        for i in range(LANES):
            best[i] = x[start + i] if x[start + i] > best[i] else best[i]
    top = best[0]
    for i in range(1, LANES):
        top = best[i] if best[i] > top else top
    for i in range(whole, x.size):
        top = x[i] if x[i] > top else top
    return top


@_once
def _row(x: Any, label: int, smoothing: Any, share: Any, grad: Any, best: Any) -> Any:
    """The loss of one row, and `share` times its gradient."""
    top = largest(x, best)
    sum_of_exp = sum_of_x = x.dtype.type(0)
    for c in range(x.size):
        value = exp(x[c] - top)
        grad[c] = value
        sum_of_exp += value
        sum_of_x += x[c]
    scale, shift = share / sum_of_exp, share * smoothing / x.dtype.type(x.size)
    for c in range(x.size):
        grad[c] = grad[c] * scale - shift
    rest = x.dtype.type(1) - smoothing
    grad[label] -= share * rest
    loss = np.float64(math.log(sum_of_exp)) + np.float64(rest) * (np.float64(top) - np.float64(x[label]))
    if smoothing > 0:
        loss += np.float64(smoothing) * (np.float64(top) - np.float64(sum_of_x) / x.size)
    return loss


@once
def _rows(
    piece: int,
    step: int,
    logits: Any,
    labels: Any,
    ignore_index: int,
    smoothing: Any,
    share: Any,
    result: Any,
    grad: Any,
) -> None:
    """What `losses` does for some of the rows."""
    best = np.empty(LANES, logits.dtype)
    for n in range(piece * step, min((piece + 1) * step, labels.size)):
        if labels[n] == ignore_index:
            grad[n] = 0
        else:
            result[n] = _row(logits[n], labels[n], smoothing, share, grad[n], best)


@parallel
def losses(logits: Any, labels: Any, ignore_index: int, smoothing: Any, grad: Any) -> Any:
    """The number of rows that are not ignored, the float64 sum of their losses and, in grad (N, C), the gradient of the mean:
    0 where the row is ignored."""
    rows, classes = logits.shape
    result = np.zeros(rows)
    count = 0
    for n in range(rows):
        count += labels[n] != ignore_index
    share = grad.dtype.type(1 / max(count, 1))
    step = max(1, PIECE // classes)
    for_each((rows + step - 1) // step, _rows, step, logits, labels, ignore_index, smoothing, share, result, grad)
    total = 0.0
    for n in range(rows):
        total += result[n]
    return count, total
