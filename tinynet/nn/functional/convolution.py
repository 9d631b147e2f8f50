"""Convolutions over one dimension: those over two, of images one pixel high."""

from __future__ import annotations

from typing import Any

from ...ops import conv2d, conv_transpose2d
from ...tensor import Tensor


def _row(value: Any, high: int) -> Any:
    """A parameter of one dimension as one of two."""
    return value if isinstance(value, str) else (high, value[0] if isinstance(value, (tuple, list)) else value)


def _check(name: str, input: Tensor, weight: Tensor) -> None:
    if input.ndim not in (2, 3) or weight.ndim != 3:
        raise ValueError(
            f"{name}: input has shape {input.shape} and weight {weight.shape}, expected (N, C, L) or (C, L), and (O, C, K)"
        )


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution of input (N, C, L) or (C, L) with weight (O, C // groups, K); parameters and errors as `conv2d`."""
    _check("conv1d", input, weight)
    image, kernel = input.unsqueeze(-2), weight.unsqueeze(-2)
    y = conv2d(image, kernel, bias, _row(stride, 1), _row(padding, 0), _row(dilation, 1), groups)
    return y.squeeze(-2)


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """Transposed convolution of input (N, C, L) or (C, L) with weight (C, O // groups, K)."""
    _check("conv_transpose1d", input, weight)
    image, kernel = input.unsqueeze(-2), weight.unsqueeze(-2)
    extra = _row(output_padding, 0)
    y = conv_transpose2d(image, kernel, bias, _row(stride, 1), _row(padding, 0), extra, groups, _row(dilation, 1))
    return y.squeeze(-2)
