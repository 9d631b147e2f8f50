"""Matrix product on CUDA as its definition says: the kernel to read first."""

from __future__ import annotations

from numpy import int32

from ..runtime.cuda import Pointer, cuda, kernel
from ..runtime.primitives import zero


@kernel(threads=256)
def matmul(
    a: Pointer,
    b: Pointer,
    bias: Pointer,
    y: Pointer,
    m: int32,
    n: int32,
    k: int32,
    a_batch: int32,
    a_row: int32,
    a_column: int32,
    b_batch: int32,
    b_row: int32,
    b_column: int32,
    has_bias: int32,
    relu: int32,
    size: int32,
) -> None:
    """One thread per element of y: the sum over a row of a times a column of b."""
    i = cuda.grid(1)
    if i >= size:
        return
    batch = i // (m * n)
    row = i // n % m
    column = i % n
    total = zero(y)
    for l in range(k):
        total += a[batch * a_batch + row * a_row + l * a_column] * b[batch * b_batch + l * b_row + column * b_column]
    if has_bias:
        total += bias[column]
    if relu and total < zero(y):
        total = zero(y)
    y[i] = total
