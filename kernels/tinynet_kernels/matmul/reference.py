"""The definition of matmul."""

from __future__ import annotations

from typing import Any

import numpy as np


def matmul(
    a: Any,
    b: Any,
    bias: Any = None,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    activation: str | None = None,
) -> Any:
    a = np.swapaxes(a, -1, -2) if transpose_a else a
    b = np.swapaxes(b, -1, -2) if transpose_b else b
    y = np.einsum("...mk,...kn->...mn", a, b)
    if bias is not None:
        y = y + bias
    return np.where(y < 0, np.zeros_like(y), y) if activation == "relu" else y
