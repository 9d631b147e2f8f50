"""The gradients one after the other, for any device."""

from __future__ import annotations

from typing import Any

from ..channel_sum import channel_sum, relu_grad
from ..matmul import matmul


def linear_grad(
    outputs: Any, gy: Any, x: Any, w: Any, y: Any, *, activation: str | None = None, input_grad: bool = True
) -> None:
    gw, gb, *rest = outputs
    if activation == "relu":
        gy, _ = relu_grad(gy, y, out=(None, gb))
    else:
        channel_sum(gy, out=gb)
    matmul(gy, x, transpose_a=True, out=gw)
    if rest:
        matmul(gy, w, out=rest[0])
