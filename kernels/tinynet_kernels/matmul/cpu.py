"""matmul through NumPy's BLAS; a transposed view costs BLAS nothing, so no operand is copied."""

from __future__ import annotations

from typing import Any

import numpy as np


def matmul(
    outputs: tuple[Any],
    a: Any,
    b: Any,
    bias: Any = None,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    activation: str | None = None,
) -> None:
    (y,) = outputs
    a = a.swapaxes(-1, -2) if transpose_a else a
    b = b.swapaxes(-1, -2) if transpose_b else b
    np.matmul(a, b, out=y)
    if bias is not None:
        np.add(y, bias, out=y)
    if activation == "relu":
        np.maximum(y, 0, out=y)
