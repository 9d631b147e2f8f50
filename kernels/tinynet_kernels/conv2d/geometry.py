"""Shapes of a convolution, checked once for its three directions and shared by all implementations."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from ..arguments import pair, plain


@dataclass(frozen=True)
class Geometry:
    """A convolution of x (N, C, H, W) with w (O, C // groups, KH, KW) to y (N, O, OH, OW)."""

    x_shape: tuple[int, int, int, int]
    w_shape: tuple[int, int, int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int

    def __hash__(self) -> int:  # looked up many times in a step: worked out once
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.x_shape, self.w_shape, self.stride, self.padding, self.dilation, self.groups))

    @cached_property
    def y_shape(self) -> tuple[int, int, int, int]:
        n, _, h, w = self.x_shape
        o, _, kh, kw = self.w_shape
        oh = (h + 2 * self.padding[0] - self.dilation[0] * (kh - 1) - 1) // self.stride[0] + 1
        ow = (w + 2 * self.padding[1] - self.dilation[1] * (kw - 1) - 1) // self.stride[1] + 1
        return n, o, oh, ow

    @property
    def flops(self) -> int:
        n, o, oh, ow = self.y_shape
        _, c, kh, kw = self.w_shape
        return 2 * n * o * oh * ow * c * kh * kw

    def window(self, i: int, j: int) -> tuple[slice, slice]:
        """The rows and columns of the padded x that tap (i, j) of the kernel meets."""
        _, _, oh, ow = self.y_shape
        top, left = i * self.dilation[0], j * self.dilation[1]
        return (
            slice(top, top + self.stride[0] * (oh - 1) + 1, self.stride[0]),
            slice(left, left + self.stride[1] * (ow - 1) + 1, self.stride[1]),
        )


def geometry(
    x_shape: Sequence[int],
    w_shape: Sequence[int],
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Geometry:
    """The checked geometry. Raises ValueError or TypeError that names what does not fit."""
    arguments = (x_shape, w_shape, stride, padding, dilation, groups)
    return _known(*arguments) if plain(arguments) else _geometry(*arguments)


def _geometry(
    x_shape: Sequence[int], w_shape: Sequence[int], stride: Any, padding: Any, dilation: Any, groups: int
) -> Geometry:
    x4, w4 = _shape4("x", x_shape, "(N, C, H, W)"), _shape4("w", w_shape, "(O, C // groups, KH, KW)")
    g = operator.index(groups)
    if g < 1:
        raise ValueError(f"groups is {g}, expected at least 1")
    _, c, h, w = x4
    o, c_group, kh, kw = w4
    if o % g or c % g:
        raise ValueError(f"groups is {g}, which does not divide {c} input and {o} output channels")
    if c != c_group * g:
        raise ValueError(f"x has {c} channels, expected {c_group * g}: w has shape {w4} and groups is {g}")
    result = Geometry(x4, w4, pair("stride", stride, 1), pair("padding", padding, 0), pair("dilation", dilation, 1), g)
    if min(kh, kw) < 1:
        raise ValueError(f"w has shape {w4}, expected a kernel of at least 1 x 1")
    reach = (result.dilation[0] * (kh - 1) + 1, result.dilation[1] * (kw - 1) + 1)
    padded = (h + 2 * result.padding[0], w + 2 * result.padding[1])
    if reach[0] > padded[0] or reach[1] > padded[1]:
        raise ValueError(
            f"the kernel covers {reach[0]} x {reach[1]}, more than the padded input {padded[0]} x {padded[1]}"
        )
    return result


_known = lru_cache(maxsize=1024)(_geometry)  # a step asks several times for each layer's


def _shape4(name: str, shape: Sequence[int], layout: str) -> tuple[int, int, int, int]:
    values = tuple(operator.index(v) for v in shape)
    if len(values) != 4 or min(values) < 0:
        raise ValueError(f"{name} has shape {values}, expected 4 dimensions {layout}")
    return values
