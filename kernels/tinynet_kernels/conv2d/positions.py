"""Which elements each position of a convolution's result sees, in memory with the channels last.

Positions with the same taps, relative to their first, form a class: for a 3 x 3 kernel with padding the corners, the edges
and the inside. A class is a rectangle: a class of rows times a class of columns. Within a class an address is a part that
depends on the position plus a part that depends on the tap, which is what `runtime.simd` wants; so borders cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from .geometry import Geometry


class Plan(NamedTuple):
    """Tables of int64 for one image and one group of channels.

    rows, columns  (n, 2): what a row, a column of the result adds to the addresses of its source and of itself.
    taps           (3 n,): three numbers for each tap, as `runtime.simd.tile` reads them.
    classes        (n, 6): where the rows, columns and taps of each class begin and end.
    """

    rows: Any
    columns: Any
    taps: Any
    classes: Any


# one position, of one tap
SINGLE = Plan(
    np.zeros((1, 2), np.int64), np.zeros((1, 2), np.int64), np.zeros(3, np.int64), np.array([[0, 1] * 3], np.int64)
)


@lru_cache(maxsize=256)
def forward(g: Geometry, width: int) -> Plan:
    """y from x; the rows of the weights are (KH, KW, channel of the group), `width` elements each."""
    c_group = g.w_shape[1]

    def source(axis: int) -> Callable[[int, int], int | None]:
        size, stride, padding, dilation = g.x_shape[2 + axis], g.stride[axis], g.padding[axis], g.dilation[axis]

        def of(position: int, k: int) -> int | None:
            place = position * stride - padding + k * dilation
            return place if 0 <= place < size else None

        return of

    whole = g.dilation[1] == 1 and g.groups == 1  # then the taps of a row of the window lie side by side
    return _plan(g, g.x_shape, g.y_shape, source, c_group, width, whole)


@lru_cache(maxsize=256)
def input_grad(g: Geometry, width: int) -> Plan:
    """gx from gy; the rows of the weights are (KH, KW, channel of the group in gy), `width` elements each."""

    def source(axis: int) -> Callable[[int, int], int | None]:
        size, stride, padding, dilation = g.y_shape[2 + axis], g.stride[axis], g.padding[axis], g.dilation[axis]

        def of(position: int, k: int) -> int | None:
            place, rest = divmod(position + padding - k * dilation, stride)
            return place if not rest and 0 <= place < size else None

        return of

    return _plan(g, g.y_shape, g.x_shape, source, g.w_shape[0] // g.groups, width, False)


def _plan(
    g: Geometry,
    source_shape: Sequence[int],
    shape: Sequence[int],
    source: Callable[[int], Callable[[int, int], int | None]],
    run: int,
    width: int,
    whole: bool,
) -> Plan:
    _, c_source, _, w_source = source_shape
    _, c, h, w = shape
    kh, kw = g.w_shape[2:]
    vertical, horizontal = _classes(h, kh, source(0)), _classes(w, kw, source(1))
    rows = [(base * w_source * c_source, r * w * c) for _, members in vertical for r, base in members]
    columns = [(base * c_source, s * c) for _, members in horizontal for s, base in members]
    taps: list[tuple[int, int, int]] = []
    classes = []
    row = 0
    for down, in_rows in vertical:
        column = 0
        for across, in_columns in horizontal:
            begin = len(taps)
            for i, y in down:
                line = [((y * w_source + x) * c_source, (i * kw + j) * run * width, run) for j, x in across]
                taps += [(*line[0][:2], run * len(line))] if whole and line else line
            ends = row + len(in_rows), column + len(in_columns)
            classes.append((row, ends[0], column, ends[1], begin, len(taps)))
            column = ends[1]
        row += len(in_rows)

    def table(values: list[Any], fields: int) -> Any:
        return np.array(values, np.int64).reshape(-1, fields)

    return Plan(table(rows, 2), table(columns, 2), table(taps, 3).reshape(-1), table(classes, 6))


def _classes(count: int, kernel: int, source: Callable[[int, int], int | None]) -> list[Any]:
    """[(taps, members)]: taps are (k, source relative to the member's base), members are (position, base)."""
    found: dict[Any, list[tuple[int, int]]] = {}
    for position in range(count):
        places = [(k, place) for k in range(kernel) if (place := source(position, k)) is not None]
        base = places[0][1] if places else 0
        found.setdefault(tuple((k, place - base) for k, place in places), []).append((position, base))
    return list(found.items())
