"""The second half of a product whose sums were cut into parts: the parts are added in their order, always the same.

Atomic additions would save the launch, and give another rounding in each run.
"""

from __future__ import annotations

from typing import Any

from numpy import int32, uint32

from .cuda import Pointer, blocks_for, cuda, kernel
from .primitives import load_constant, select, store, zero

THREADS = 256


@kernel(threads=THREADS)
def _sum_of_parts(
    parts: Pointer,
    bias: Pointer,
    y: Pointer,
    count: int32,
    size: uint32,
    inner: uint32,
    biases: uint32,
    relu: int32,
) -> None:
    i = uint32(cuda.grid(1))
    if i >= size:
        return
    total = load_constant(parts, i)
    at = uint32(i)
    for _ in range(1, count):
        at = uint32(at + size)
        total += load_constant(parts, at)
    if biases > 0:
        total += load_constant(bias, uint32(uint32(i // inner) % biases))
    store(y, i, select(relu != 0 and total < zero(y), zero(y), total))


def sum_of_parts(parts: Any, y: Any, bias: Any = None, inner: int = 1, relu: bool = False) -> None:
    """y = sum of parts[z], with the bias (one for each `inner` elements of y, in turn) and ReLU of the whole product."""
    biases = 0 if bias is None else bias.size
    _sum_of_parts(blocks_for(y.size, THREADS), parts, bias, y, len(parts), y.size, inner, biases, relu)
