"""Products with learnt weights, other than the linear map."""

from __future__ import annotations

from ...ops import einsum
from ...tensor import Tensor


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input1 @ weight[o] @ input2 + bias[o] for inputs (..., in1) and (..., in2) and weight (out, in1, in2)."""
    if input1.shape[:-1] != input2.shape[:-1] or weight.shape[1:] != (input1.shape[-1], input2.shape[-1]):
        raise ValueError(f"input1 {input1.shape}, input2 {input2.shape} and weight {weight.shape} do not fit")
    y = einsum("...i,oij,...j->...o", input1, weight, input2)
    return y if bias is None else y + bias
