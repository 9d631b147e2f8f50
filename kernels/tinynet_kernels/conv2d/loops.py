"""The compiled loops around the register tiles of `runtime.simd`. See `cpu` for what they compute."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from ..runtime.compiled import for_each, once, parallel
from ..runtime.simd import ROWS, WIDEST, tile1, tile2, tile4
from ..runtime.transpose import copy_vector, transpose

STEPS = 512  # pixels of gy that stay in the cache while all weights see them
GROUP = 4  # vectors of columns whose weights stay in the cache
PARTS = 8  # pieces of work in the weight gradient: fixed, so that the order of its sums is

_inline: Any = njit(cache=True, inline="always")


@_inline
def _vectors(left: int, lanes: int) -> int:
    """How many vectors the next tile covers of `left` columns: 4, 2 or 1."""
    if WIDEST == 4 and left >= 4 * lanes:
        return 4
    return 2 if left >= 2 * lanes else 1


@_inline
def _tile(
    a: Any,
    rows: Any,
    a_step: int,
    taps: Any,
    first: int,
    last: int,
    b: Any,
    column: int,
    b_step: int,
    init: Any,
    init_rows: Any,
    c: Any,
    c_rows: Any,
    limit: int,
    floor: Any,
    vectors: int,
) -> None:
    if vectors == 4:
        tile4(a, rows, a_step, taps, first, last, b, column, b_step, init, init_rows, c, c_rows, limit, floor)
    elif vectors == 2:
        tile2(a, rows, a_step, taps, first, last, b, column, b_step, init, init_rows, c, c_rows, limit, floor)
    else:
        tile1(a, rows, a_step, taps, first, last, b, column, b_step, init, init_rows, c, c_rows, limit, floor)


@_inline
def _six(table: Any, shift: int) -> Any:
    return (
        table[0] + shift,
        table[1] + shift,
        table[2] + shift,
        table[3] + shift,
        table[4] + shift,
        table[5] + shift,
    )


@once
def stretch(
    x: Any,
    x_image: int,
    x_step: int,
    plan: Any,
    kind: int,
    begin: int,
    end: int,
    w: Any,
    init: Any,
    y: Any,
    y_image: int,
    start: int,
    stop: int,
    floor: Any,
    lanes: int,
) -> None:
    """Columns start to stop - 1 of the positions begin to end - 1 of a class, counted image by image, row by row."""
    rows, columns, taps, classes = plan
    row0, row1, column0, column1, first, last = classes[kind]
    flat, width = w.reshape(-1), w.shape[2]
    source, target = np.empty(ROWS, np.int64), np.empty(ROWS, np.int64)
    inside = (row1 - row0) * (column1 - column0)
    while start < stop:
        block, within = start // width, start % width
        vectors = _vectors(min(stop - start + lanes - 1, width - within), lanes)
        image, rest = begin // inside, begin % inside
        row, column = row0 + rest // (column1 - column0), column0 + rest % (column1 - column0)
        position = begin
        while position < end:
            for i in range(ROWS):
                source[i] = image * x_image + rows[row, 0] + columns[column, 0]
                target[i] = image * y_image + rows[row, 1] + columns[column, 1]
                position += 1
                if position < end:  # else the last one is computed again, to the same value
                    column += 1
                    if column == column1:
                        column = column0
                        row += 1
                        if row == row1:
                            row = row0
                            image += 1
            _tile(
                x,
                _six(source, 0),
                x_step,
                taps,
                first,
                last,
                flat,
                block * w.shape[1] * width + within,
                width,
                init,
                (start, start, start, start, start, start),
                y,
                _six(target, start),
                stop - start,
                floor,
                vectors,
            )
        start += vectors * lanes


@once
def _pieces(images: int, classes: Any, groups: int, pieces: int) -> Any:
    """So many positions are a piece of work, so many each class has, and so many pieces it and those before it are."""
    counts, ends = np.empty(classes.shape[0], np.int64), np.empty(classes.shape[0], np.int64)
    total = end = 0
    for kind in range(classes.shape[0]):
        row0, row1, column0, column1 = classes[kind, 0], classes[kind, 1], classes[kind, 2], classes[kind, 3]
        counts[kind] = images * (row1 - row0) * (column1 - column0)
        total += counts[kind]
    size = total * groups // (pieces * ROWS) * ROWS + ROWS
    for kind in range(classes.shape[0]):
        end += (counts[kind] + size - 1) // size
        ends[kind] = end
    return size, counts, ends


@once
def _piece(
    piece: int,
    x: Any,
    x_image: int,
    x_step: int,
    plan: Any,
    size: int,
    counts: Any,
    ends: Any,
    w: Any,
    init: Any,
    y: Any,
    y_image: int,
    channels: int,
    floor: Any,
    lanes: int,
) -> None:
    """The piece of `product` with this number."""
    start, chunk = piece // ends[-1] * GROUP * lanes, piece % ends[-1]
    stop = min(start + GROUP * lanes, channels)
    kind = 0
    while chunk >= ends[kind]:
        kind += 1
    begin = (chunk - (ends[kind - 1] if kind else 0)) * size
    end = min(begin + size, counts[kind])
    stretch(x, x_image, x_step, plan, kind, begin, end, w, init, y, y_image, start, stop, floor, lanes)


@parallel
def product(
    x: Any,
    images: int,
    x_image: int,
    x_step: int,
    plan: Any,
    w: Any,
    init: Any,
    y: Any,
    y_image: int,
    channels: int,
    floor: Any,
    lanes: int,
    pieces: int,
) -> None:
    """y[position, o] = max(floor, init[o] + sum over the taps of the position's class of x * w[tap, o]), for o < channels.

    Flat x and y. w is a panel: (blocks of columns, taps, columns of a block), of whole vectors; init is as long as its rows.
    """
    groups = (channels + GROUP * lanes - 1) // (GROUP * lanes)
    size, counts, ends = _pieces(images, plan[3], groups, pieces)
    number = groups * ends[-1]
    for_each(number, _piece, x, x_image, x_step, plan, size, counts, ends, w, init, y, y_image, channels, floor, lanes)


@once
def _pack(piece: int, pieces: int, step: int, b: Any, steps: Any, counts: Any, panel: Any, lanes: int) -> None:
    """The piece of `pack` with this number: `step` rows of each of the counts[0] of a block."""
    block, first = piece // pieces, piece % pieces * step
    outer, inner, columns = counts
    last = min(first + step, inner)
    width = panel.shape[2]
    have, start = min(width, columns - block * width), block * width * steps[2]
    if steps[2] == 1:
        for j in range(first, last):
            for i in range(outer):
                for n in range(have):
                    panel[block, i * inner + j, n] = b[start + i * steps[0] + j * steps[1] + n]
    elif steps[1] == outer and (outer == 1 or steps[0] == 1):  # what is in a column lies side by side
        count = (last - first) * outer
        rows, target = np.empty(count * width, b.dtype), panel[block].reshape(-1)
        transpose(b, start + first * outer, steps[2], rows, 0, width, have, count, lanes)
        for row in range(count):
            i, j = row % outer, first + row // outer
            for n in range(0, have, lanes):  # beyond the last column are numbers that are overwritten
                copy_vector(rows, row * width + n, target, (i * inner + j) * width + n)
    else:
        for n in range(have):
            for j in range(first, last):
                for i in range(outer):
                    panel[block, i * inner + j, n] = b[start + i * steps[0] + j * steps[1] + n * steps[2]]
    for j in range(first, last):
        for i in range(outer):
            for n in range(have, width):
                panel[block, i * inner + j, n] = 0


@parallel
def pack(b: Any, steps: Any, counts: Any, panel: Any, lanes: int) -> None:
    """Row i * counts[1] + j of the panel (blocks, rows, width) gets b[i * steps[0] + j * steps[1] + n * steps[2]] for all n up
    to counts[2], in blocks of `width`, with zeros beyond its end."""
    step = max(1, 64 // counts[0])  # so that the rows of a piece stay in the nearest cache
    pieces = (counts[1] + step - 1) // step
    for_each(panel.shape[0] * pieces, _pack, pieces, step, b, steps, counts, panel, lanes)


@once
def _pad(line: int, x: Any, y: Any) -> None:
    """One of the lines of pixels, counted over all images."""
    top, left = (y.shape[1] - x.shape[1]) // 2, (y.shape[2] - x.shape[2]) // 2
    n, row = line // y.shape[1], line % y.shape[1] - top
    target = y[n, row + top]
    if row < 0 or row >= x.shape[1]:
        target[:] = 0
    else:
        target[:left] = 0
        target[left : left + x.shape[2]] = x[n, row]
        target[left + x.shape[2] :] = 0


@parallel
def pad(x: Any, y: Any) -> None:
    """y (N, H, W, C) = x with as many zeros on both sides of its rows and columns as y is larger."""
    for_each(y.shape[0] * y.shape[1], _pad, x, y)


@once
def window_products(
    x: Any,
    x_step: int,
    lines: Any,
    first: int,
    last: int,
    offsets: Any,
    tiles: Any,
    gy: Any,
    width: int,
    sums: Any,
    lanes: int,
) -> None:
    """sums[k, o] += sum over the lines first to last - 1 and s of x[line + offsets[k] + s * x_step] * gy[line, s, o].

    Flat x, gy and sums, `width` elements to a row of both; tiles: the first and the last of those of ROWS rows, plus 1.
    """
    floor = gy.dtype.type(-np.inf)
    rows, target = np.empty(ROWS, np.int64), np.empty(ROWS, np.int64)
    start = 0
    while start < width:
        vectors = _vectors(width - start, lanes)
        for t in range(tiles[0], tiles[1]):
            for i in range(ROWS):
                rows[i] = offsets[min(t * ROWS + i, offsets.size - 1)]
                target[i] = (t * ROWS + i) * width + start
            own = _six(target, 0)
            _tile(
                x,
                _six(rows, 0),
                x_step,
                lines,
                first,
                last,
                gy,
                start,
                width,
                sums,
                own,
                sums,
                own,
                width - start,
                floor,
                vectors,
            )
        start += vectors * lanes


@once
def add_parts(c: int, parts: Any, gw: Any) -> None:
    """gw[:, c] (O, C, window) = the sum of the parts (n, window * C at least, O at least), in their order."""
    outputs, inputs, window = gw.shape
    for k in range(window):
        total = parts[0, k * inputs + c]
        for part in range(1, parts.shape[0]):
            for o in range(outputs):
                total[o] += parts[part, k * inputs + c, o]
        for o in range(outputs):
            gw[o, c, k] = total[o]


@parallel
def add_all_parts(parts: Any, gw: Any) -> None:
    for_each(gw.shape[1], add_parts, parts, gw)


@once
def _share(
    item: int, teams: int, x: Any, x_step: int, lines: Any, offsets: Any, gy: Any, lanes: int, parts: Any
) -> None:
    """The piece of work of `weight_grad` with this number: a share of the lines for a team's tiles."""
    share, team = item // teams, item % teams
    count, tiles, width = lines.size // 3, parts.shape[1] // ROWS, gy.shape[1]
    size = (count + parts.shape[0] - 1) // parts.shape[0]
    first, last = share * size, min((share + 1) * size, count)
    own = team * tiles // teams, (team + 1) * tiles // teams
    parts[share, own[0] * ROWS : own[1] * ROWS] = 0
    sums = parts[share].reshape(-1)
    step = max(1, STEPS // max(1, lines[2])) if count else 1
    for s in range(first, last, step):
        window_products(x, x_step, lines, s, min(s + step, last), offsets, own, gy.reshape(-1), width, sums, lanes)


@parallel
def weight_grad(x: Any, x_step: int, lines: Any, offsets: Any, gy: Any, lanes: int, parts: Any) -> None:
    """Parts whose sum, `add_all_parts`, is that over the lines and s of x[line + offsets[k, c] + s * x_step] * gy[line, s, o].

    `lines` is the table of taps that `runtime.simd.tile` wants, one for each line of pixels. Each part (offsets up to a
    multiple of ROWS, columns of gy) is of a share of them.
    """
    teams = min(parts.shape[1] // ROWS, PARTS)
    for_each(parts.shape[0] * teams, _share, teams, x, x_step, lines, offsets, gy, lanes, parts)
