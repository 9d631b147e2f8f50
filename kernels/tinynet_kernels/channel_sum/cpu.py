"""NumPy's pairwise sums inside each sample, float64 across the batch."""

from __future__ import annotations

from typing import Any

import numpy as np


def channel_sum(outputs: tuple[Any], x: Any) -> None:
    inner = x.sum(axis=tuple(range(2, x.ndim))) if x.ndim > 2 else x
    outputs[0][...] = inner.sum(axis=0, dtype=np.float64)


def relu_grad(outputs: tuple[Any, Any], gy: Any, y: Any) -> None:
    gx, sums = outputs
    gx[...] = np.where(y > 0, gy, np.zeros_like(gy))
    channel_sum((sums,), gx)
