"""The compiled loops around the register tiles of `runtime.simd`. See `cpu` for what they compute."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

from ..runtime.simd import ROWS, WIDEST, tile1, tile2, tile4

CHUNK = 32  # tiles that a thread takes at a time
STEPS = 512  # pixels of gy that stay in the cache while all weights see them
PARTS = 8  # pieces of work in the weight gradient: fixed, so that the order of its sums is

_inline: Any = njit(cache=True, inline="always")
_parallel: Any = njit(parallel=True, cache=True, nogil=True)


@_inline
def _vectors(left: int, lanes: int) -> int:
    """How many vectors the next tile covers of `left` columns: 4, 2 or 1."""
    if WIDEST == 4 and left >= 4 * lanes:
        return 4
    return 2 if left >= 2 * lanes else 1


@_inline
def _tile(
    a: Any, rows: Any, steps: Any, first: int, last: int, b: Any, column: int, stride: int, c: Any, vectors: int
) -> None:
    if vectors == 4:
        tile4(a, rows, steps, first, last, b, column, stride, c)
    elif vectors == 2:
        tile2(a, rows, steps, first, last, b, column, stride, c)
    else:
        tile1(a, rows, steps, first, last, b, column, stride, c)


@_inline
def _six(table: Any, first: int) -> Any:
    """Six entries of a table; past its end, the last one again."""
    end = table.size - 1
    return (
        table[min(first, end)],
        table[min(first + 1, end)],
        table[min(first + 2, end)],
        table[min(first + 3, end)],
        table[min(first + 4, end)],
        table[min(first + 5, end)],
    )


@_parallel
def forward(x: Any, pixels: Any, taps: Any, w: Any, bias: Any, y: Any, column: int, relu: bool, lanes: int) -> None:
    """y[p, column + o] = act(sum over k of x[pixels[p] + taps[k]] * w[k, o] + bias[o])"""
    flat, width = w.reshape(-1), w.shape[1]
    tiles = (pixels.size + ROWS - 1) // ROWS
    for chunk in prange((tiles + CHUNK - 1) // CHUNK):
        buffer = np.empty(ROWS * 4 * lanes, x.dtype)
        for t in range(chunk * CHUNK, min((chunk + 1) * CHUNK, tiles)):
            rows = _six(pixels, t * ROWS)
            valid = min(ROWS, pixels.size - t * ROWS)
            start = 0
            while start < width:
                vectors = _vectors(width - start, lanes)
                buffer[:] = 0
                _tile(x, rows, taps, 0, taps.size, flat, start, width, buffer, vectors)
                stop = min(vectors * lanes, bias.size - start)
                for i in range(valid):
                    for j in range(stop):
                        value = buffer[i * vectors * lanes + j] + bias[start + j]
                        if relu and value < 0:
                            value = x.dtype.type(0)
                        y[t * ROWS + i, column + start + j] = value
                start += vectors * lanes


@_parallel
def weight_grad(x: Any, pixels: Any, taps: Any, gy: Any, lanes: int) -> Any:
    """parts[i, k, o]: sums over k's share of the pixels of x[pixels[p] + taps[k]] * gy[p, o]; their sum is the gradient."""
    flat, width = gy.reshape(-1), gy.shape[1]
    tiles = (taps.size + ROWS - 1) // ROWS
    shares = max(1, (PARTS + tiles - 1) // max(tiles, 1))
    teams = min(tiles, PARTS)
    size = (pixels.size + shares - 1) // shares
    parts = np.zeros((shares, tiles * ROWS, width), gy.dtype)
    for item in prange(shares * teams):
        share, team = item // teams, item % teams
        begin, end = share * size, min((share + 1) * size, pixels.size)
        first, last = team * tiles // teams, (team + 1) * tiles // teams
        start = 0
        while start < width:
            vectors = _vectors(width - start, lanes)
            block = vectors * lanes
            buffer = np.zeros((last - first, ROWS * block), gy.dtype)
            for s in range(begin, end, STEPS):
                for t in range(first, last):
                    rows = _six(taps, t * ROWS)
                    _tile(x, rows, pixels, s, min(s + STEPS, end), flat, start, width, buffer[t - first], vectors)
            for t in range(first, last):
                for i in range(ROWS):
                    for j in range(block):
                        parts[share, t * ROWS + i, start + j] = buffer[t - first, i * block + j]
            start += block
    return parts


@_parallel
def input_grad(
    gy: Any, gy_width: int, gy_column: int, w: Any, pixels: Any, starts: Any, run: int, gx: Any, lanes: int
) -> None:
    """gx[pixels[n, p] + starts[t] + c] += sum over o of gy[n, p, gy_column + o] * w[o, t * run + c]; image by image."""
    flat, width = w.reshape(-1), w.shape[1]
    images, count = pixels.shape
    steps = np.arange(w.shape[0]) + gy_column
    own = np.arange(count)
    tiles = (count + ROWS - 1) // ROWS
    for team in prange(PARTS):
        buffer = np.empty(ROWS * 4 * lanes, gy.dtype)
        for n in range(team * images // PARTS, (team + 1) * images // PARTS):
            for t in range(tiles):
                places = _six(own, t * ROWS)
                base = n * count
                rows = (
                    (base + places[0]) * gy_width,
                    (base + places[1]) * gy_width,
                    (base + places[2]) * gy_width,
                    (base + places[3]) * gy_width,
                    (base + places[4]) * gy_width,
                    (base + places[5]) * gy_width,
                )
                valid = min(ROWS, count - t * ROWS)
                start = 0
                while start < width:
                    vectors = _vectors(width - start, lanes)
                    buffer[:] = 0
                    _tile(gy, rows, steps, 0, steps.size, flat, start, width, buffer, vectors)
                    stop = min(start + vectors * lanes, starts.size * run)
                    for i in range(valid):
                        pixel = pixels[n, t * ROWS + i]
                        line = i * vectors * lanes - start
                        k = start
                        while k < stop:
                            tap = k // run
                            end = min(stop, (tap + 1) * run)
                            target = pixel + starts[tap] - tap * run
                            for m in range(k, end):
                                gx[target + m] += buffer[line + m]
                            k = end
                    start += vectors * lanes
