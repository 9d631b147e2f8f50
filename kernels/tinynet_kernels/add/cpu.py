"""Sums of large arrays in parallel; NumPy's of small ones, and of what does not lie alike."""

from __future__ import annotations

from typing import Any

import numpy as np

LONG = 1 << 15  # elements that are added in parallel


def add(outputs: Any, a: Any, b: Any) -> None:
    (y,) = outputs
    if a.size < LONG or not all([array.flags.c_contiguous for array in (a, b, y)]):
        np.add(a, b, out=y)
        return
    from . import loops

    loops.add(a.reshape(-1), b.reshape(-1), y.reshape(-1))
