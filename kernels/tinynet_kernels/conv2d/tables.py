"""Convolution as a matrix product of gathered pixels: the tables that say where each product's factors lie.

For one image, factor (pixel p, product k) of a convolution lies at `base[p] + offset[k]`: no division and no comparison is
left for the kernel's main loop. A mask has a bit for each row and each column of the filter, set where it falls outside the
image; `tap[k]` has the two bits of its row and column, and the factor lies inside if `mask[p] & tap[k]` is 0. The gradient
with respect to the input has the same form once the input pixels are sorted by their remainder modulo the stride: within
one class ("phase") the taps that meet a pixel and their distances are the same for all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .geometry import Geometry

MASK_BITS = 32
MAX_GROUPS = 65535  # blocks in y


@dataclass(frozen=True)
class Tables:
    """int32 arrays: per pixel of an image `base`, `mask` and `position` (where its result goes in the output plane); per
    product `offset` and `tap`, two bits. `taps` are the kernel's (r, s) used, `padded` tells whether some fall outside.
    """

    base: Any
    mask: Any
    position: Any
    offset: Any
    tap: Any
    taps: tuple[tuple[int, int], ...]
    padded: bool


def fits(g: Geometry) -> bool:
    """Whether the tables can describe this convolution, and a launch its groups."""
    return g.w_shape[2] + g.w_shape[3] <= MASK_BITS and g.groups <= MAX_GROUPS


def forward(g: Geometry) -> Tables:
    """For y[o, p] = sum over k of w[o, k] x[base[p] + offset[k]], and for the gradient with respect to w."""
    (_, _, h, w), (_, channels, kh, kw), (_, _, oh, ow) = g.x_shape, g.w_shape, g.y_shape
    row = np.arange(oh)[:, None] * g.stride[0] - g.padding[0]
    column = np.arange(ow)[None, :] * g.stride[1] - g.padding[1]
    taps = tuple((r, s) for r in range(kh) for s in range(kw))
    down, across = [r * g.dilation[0] for r in range(kh)], [s * g.dilation[1] for s in range(kw)]
    return _tables(row, column, down, across, taps, (h, w), channels, np.arange(oh * ow))


def input_grad(g: Geometry, phase: tuple[int, int]) -> Tables | None:
    """For gx[c, p] = sum over k of w'[c, k] gy[base[p] + offset[k]] at the input pixels whose row and column are `phase`
    modulo the stride, where w'[c] are the products (o, r, s) of the taps used; None if there are no such pixels.
    """
    (_, _, h, w), (_, o, oh, ow) = g.x_shape, g.y_shape
    rows, columns = np.arange(phase[0], h, g.stride[0]), np.arange(phase[1], w, g.stride[1])
    if not rows.size or not columns.size:
        return None
    down, across = _met(g, phase, 0), _met(g, phase, 1)
    taps = tuple((r, s) for r in down for s in across)
    row, column = np.arange(rows.size)[:, None], np.arange(columns.size)[None, :]
    position = (rows[:, None] * w + columns[None, :]).reshape(-1)
    return _tables(row, column, list(down.values()), list(across.values()), taps, (oh, ow), o // g.groups, position)


def _met(g: Geometry, phase: tuple[int, int], axis: int) -> dict[int, int]:
    """The rows (or columns) of the filter that meet the pixels of a phase, and how far from there gy lies."""
    start = phase[axis] + g.padding[axis]
    found = {r: divmod(start - r * g.dilation[axis], g.stride[axis]) for r in range(g.w_shape[2 + axis])}
    return {r: distance for r, (distance, rest) in found.items() if not rest}


def used(w: Any, taps: tuple[tuple[int, int], ...]) -> Any:
    """The view of w (..., KH, KW) at the taps of a phase, whose rows, and columns, lie equally far apart."""
    if len(taps) == w.shape[-2] * w.shape[-1]:
        return w
    rows, columns = (sorted({tap[axis] for tap in taps}) for axis in (0, 1))
    return w[..., _slice(rows), _slice(columns)]


def _slice(numbers: list[int]) -> slice:
    if not numbers:
        return slice(0)
    return slice(numbers[0], numbers[-1] + 1, numbers[1] - numbers[0] if len(numbers) > 1 else 1)


def _tables(
    row: Any, column: Any, down: Any, across: Any, taps: Any, plane: tuple[int, int], channels: int, position: Any
) -> Tables:
    h, w = plane
    base = row * w + column
    mask = np.zeros(base.shape, np.int64)
    rows_outside = [(row + dy < 0) | (row + dy >= h) for dy in down]
    columns_outside = [(column + dx < 0) | (column + dx >= w) for dx in across]
    for bit, outside in enumerate(rows_outside + columns_outside):
        mask |= outside.astype(np.int64) << bit
    offset = np.arange(channels)[:, None] * (h * w) + np.array([dy * w + dx for dy in down for dx in across], np.int64)
    bits = 1 << np.arange(len(down))[:, None] | 1 << np.arange(len(down), len(down) + len(across))
    tap = np.broadcast_to(bits.reshape(-1), offset.shape)
    return Tables(
        base=_flat(base),
        mask=_flat(mask),
        position=_flat(position),
        offset=_flat(offset),
        tap=_flat(tap),
        taps=taps,
        padded=bool(mask.any()),
    )


def _flat(array: Any) -> Any:
    return array.reshape(-1).astype(np.int32)
