"""Shapes of a max-pooling, checked once and shared by all implementations."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..arguments import pair, plain


@dataclass(frozen=True)
class Geometry:
    """A pooling of x (N, C, H, W) to y (N, C, OH, OW)."""

    x_shape: tuple[int, int, int, int]
    y_shape: tuple[int, int, int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]

    @property
    def window(self) -> tuple[int, ...]:
        return (*self.kernel, *self.stride, *self.padding, *self.dilation)


def geometry(
    x_shape: Sequence[int],
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Geometry:
    """The checked geometry; raises ValueError or TypeError that names what does not fit.

    Output size as PyTorch documents it: with `ceil_mode`, a window may start inside the input or the left padding and
    reach beyond the end, but none starts in the right padding.
    """
    arguments = (x_shape, kernel_size, stride, padding, dilation, ceil_mode)
    return _known(*arguments) if plain(arguments) else _geometry(*arguments)


def _geometry(
    x_shape: Sequence[int], kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> Geometry:
    shape = tuple(operator.index(v) for v in x_shape)
    if len(shape) != 4 or min(shape) < 0:
        raise ValueError(f"x has shape {shape}, expected 4 dimensions (N, C, H, W)")
    kernel = pair("kernel_size", kernel_size, 1)
    strides = kernel if stride is None else pair("stride", stride, 1)
    pads, dilations = pair("padding", padding, 0), pair("dilation", dilation, 1)
    sizes = []
    for size, k, s, p, d in zip(shape[2:], kernel, strides, pads, dilations):
        reach = d * (k - 1) + 1
        if 2 * p > reach:
            raise ValueError(f"padding is {padding!r}, expected at most half of the window, which covers {reach}")
        span = size + 2 * p - reach
        out = (span + (s - 1 if ceil_mode else 0)) // s + 1
        if ceil_mode and (out - 1) * s >= size + p:
            out -= 1
        if out < 1:
            raise ValueError(
                f"the window covers {reach}, more than the padded input of {size + 2 * p}: x has shape {shape}"
            )
        sizes.append(out)
    n, c, h, w = shape
    return Geometry((n, c, h, w), (n, c, sizes[0], sizes[1]), kernel, strides, pads, dilations)


_known = lru_cache(maxsize=1024)(_geometry)  # a step asks several times for each layer's
