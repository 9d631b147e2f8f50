"""batch_norm_stats in two passes, sample by sample so that the deviations stay in the cache."""

from __future__ import annotations

from typing import Any

import numpy as np


def batch_norm_stats(outputs: tuple[Any, Any], x: Any) -> None:
    mean, variance = outputs
    count = x.size // x.shape[1]
    inner = tuple(range(2, x.ndim))
    sums = (x.sum(axis=inner) if inner else x).sum(axis=0, dtype=np.float64)
    mean[...] = sums / count
    centre = (sums / count).astype(x.dtype).reshape(-1, *(1 for _ in inner))
    step = max(1, (1 << 18) // (x[0].size * x.dtype.itemsize))
    squares = np.zeros(x.shape[1], np.float64)
    for start in range(0, x.shape[0], step):
        deviation = x[start : start + step] - centre
        deviation *= deviation
        squares += (deviation.sum(axis=inner) if inner else deviation).sum(axis=0, dtype=np.float64)
    variance[...] = squares / count
