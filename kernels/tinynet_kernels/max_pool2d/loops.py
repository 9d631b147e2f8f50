"""The compiled loops of max-pooling, channels last: the innermost run over neighbouring channels, whole vectors at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from ..runtime.compiled import for_each, once, parallel

_inline: Any = njit(cache=True, inline="always")


@_inline
def _two_by_two(x: Any, top: int, step: int, y: Any, indices: Any) -> None:
    """The same for the most common window, where each element is read once and each result written once."""
    width, channels = x.shape[1], x.shape[2]
    for column in range(y.shape[0]):
        left = column * step
        right = min(left + 1, width - 1)  # a window that reaches beyond the end sees its last column twice
        a, b, c, d = x[top, left], x[top, right], x[top + 1, left], x[top + 1, right]
        first, second = np.int32(top * width + left), np.int32(top * width + right)
        third, fourth = np.int32(first + width), np.int32(second + width)
        best, where = y[column], indices[column]
        for i in range(channels):
            value, place = a[i], first
            better = (b[i] > value) | np.isnan(b[i])
            value, place = b[i] if better else value, second if better else place
            better = (c[i] > value) | np.isnan(c[i])
            value, place = c[i] if better else value, third if better else place
            better = (d[i] > value) | np.isnan(d[i])
            best[i], where[i] = d[i] if better else value, fourth if better else place


@once
def pool_line(x: Any, row: int, y: Any, indices: Any, window: Any) -> None:
    """One row of the result, y and indices (OW, C), from one image x (H, W, C); window: kernel, stride, padding, dilation."""
    height, width, channels = x.shape
    kh, kw, sh, sw, ph, pw, dh, dw = window
    if kh == 2 and kw == 2 and ph == 0 and pw == 0 and dh == 1 and dw == 1 and row * sh + 1 < height:
        _two_by_two(x, row * sh, sw, y, indices)
        return
    top = row * sh - ph
    first_i = (-top + dh - 1) // dh if top < 0 else 0  # the first row of the window that is not padding
    for column in range(y.shape[0]):
        left = column * sw - pw
        first_j = (-left + dw - 1) // dw if left < 0 else 0
        best, where = y[column], indices[column]
        r, s = top + first_i * dh, left + first_j * dw
        if r >= height or s >= width:  # a dilated window can step over the whole input
            best[:] = -np.inf
            where[:] = -1
            continue
        here = np.int32(r * width + s)
        for c in range(channels):
            best[c] = x[r, s, c]
            where[c] = here
        for i in range(first_i, kh):
            r = top + i * dh
            if r >= height:
                break
            for j in range(first_j, kw):
                s = left + j * dw
                if s >= width:
                    break
                here = np.int32(r * width + s)
                values = x[r, s]
                for c in range(channels):
                    value = values[c]
                    better = (value > best[c]) | np.isnan(value)
                    best[c] = value if better else best[c]
                    where[c] = here if better else where[c]


@once
def _line(line: int, x: Any, y: Any, indices: Any, window: Any) -> None:
    n, row = line // y.shape[1], line % y.shape[1]
    pool_line(x[n], row, y[n, row], indices[n, row], window)


@parallel
def forward(x: Any, y: Any, indices: Any, window: Any) -> None:
    for_each(y.shape[0] * y.shape[1], _line, x, y, indices, window)


@once
def _image(n: int, gy: Any, indices: Any, gx: Any) -> None:
    _, height, width, channels = gy.shape
    limit = gx.shape[1] * gx.shape[2]
    plane = gx[n].reshape(limit, channels)
    plane[:] = 0
    for row in range(height):
        for column in range(width):
            for c in range(channels):
                where = indices[n, row, column, c]
                if 0 <= where < limit:
                    plane[where, c] += gy[n, row, column, c]


@parallel
def backward(gy: Any, indices: Any, gx: Any) -> None:
    """gx[indices] += gy, an image to a thread."""
    for_each(gy.shape[0], _image, gy, indices, gx)


@once
def _line_apart(line: int, gy: Any, indices: Any, gx: Any, kh: int, sh: int, sw: int) -> None:
    """One of the lines of gx, counted over all images."""
    _, height, width, channels = gy.shape
    n, r = line // gx.shape[1], line % gx.shape[1]
    target = gx[n, r]
    row = r // sh
    if row >= height or r - row * sh >= kh:
        target[:] = 0
        return
    for column in range(width):
        grads, places = gy[n, row, column], indices[n, row, column]
        begin = column * sw
        for s in range(begin, min(begin + sw, gx.shape[2])):
            here = np.int32(r * gx.shape[2] + s)
            for c in range(channels):
                target[s, c] = grads[c] if places[c] == here else 0
    for s in range(width * sw, gx.shape[2]):
        target[s, :] = 0


@parallel
def backward_apart(gy: Any, indices: Any, gx: Any, kh: int, sh: int, sw: int) -> None:
    """The same for windows that share no element and have no padding: each element of gx is written once, in order."""
    for_each(gy.shape[0] * gx.shape[1], _line_apart, gy, indices, gx, kh, sh, sw)
