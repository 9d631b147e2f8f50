"""Dropout, of elements and of whole channels. With `inplace`, the input itself is overwritten."""

from __future__ import annotations

from ... import random
from ...ops import dropout as _dropout
from ...ops import where
from ...tensor import Tensor


def dropout(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    generator: random.Generator | None = None,
) -> Tensor:
    """Each element set to 0 with probability p and the others divided by 1 - p; the identity unless training."""
    y = _dropout(input, p, training, generator)
    return input._inplace(y) if inplace and y is not input else y


def _of_channels(
    input: Tensor, p: float, training: bool, inplace: bool, dims: int, generator: random.Generator | None
) -> Tensor:
    """The last `dims` dimensions are dropped together."""
    if input.ndim not in (dims + 1, dims + 2):
        raise ValueError(f"input has shape {input.shape}, expected {dims + 1} or {dims + 2} dimensions")
    ones = input.new_ones(*input.shape[: input.ndim - dims], *(1,) * dims)
    mask = _dropout(ones, p, training, generator)
    if mask is ones:
        return input
    y = input * mask
    return input._inplace(y) if inplace else y


def dropout1d(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    generator: random.Generator | None = None,
) -> Tensor:
    """Whole channels of input (N, C, L) or (C, L) set to 0 with probability p, the others divided by 1 - p."""
    return _of_channels(input, p, training, inplace, 1, generator)


def dropout2d(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    generator: random.Generator | None = None,
) -> Tensor:
    """Whole channels of input (N, C, H, W) or (C, H, W) set to 0 with probability p, the others divided by 1 - p."""
    if input.ndim == 2:  # PyTorch takes (N, C) too, with a warning
        return dropout(input, p, training, inplace, generator=generator)
    return _of_channels(input, p, training, inplace, 2, generator)


def alpha_dropout(
    input: Tensor,
    p: float = 0.5,
    training: bool = False,
    inplace: bool = False,
    *,
    generator: random.Generator | None = None,
) -> Tensor:
    """Dropout that keeps the mean and variance of SELU's outputs (Klambauer et al. 2017)."""
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"p is {p}, expected a probability between 0 and 1")
    if not training or p == 0.0:
        return input
    alpha = -1.7580993408473766
    if p == 1.0:
        y = input * 0
    else:
        a = ((1 - p) * (1 + p * alpha**2)) ** -0.5
        drawn = random.rand(input.shape, dtype=input.dtype, device=input.device, generator=generator)
        y = a * where(drawn < p, alpha, input) - a * alpha * p
    return input._inplace(y) if inplace else y
