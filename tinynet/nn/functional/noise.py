"""Dropout of whole channels."""

from __future__ import annotations

from ... import random
from ...ops import dropout
from ...tensor import Tensor


def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, generator: random.Generator | None = None
) -> Tensor:
    """Whole channels of input (N, C, ...) set to 0 with probability p, the others divided by 1 - p."""
    if not training or p == 0.0:
        return input
    ones = input.new_ones(*input.shape[:2], *(1 for _ in range(input.ndim - 2)))
    return input * dropout(ones, p, True, generator)
