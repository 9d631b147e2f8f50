"""The compiled loops of a convolution with its pooling, and of their gradients: some images at a time, in the cache."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..conv2d.loops import stretch, window_products
from ..max_pool2d.loops import pool_line
from ..runtime.compiled import for_each, once, parallel
from ..runtime.simd import ROWS


@once
def _pooled(
    chunk: int,
    chunks: int,
    x: Any,
    x_image: int,
    plan: Any,
    w: Any,
    init: Any,
    floor: Any,
    lanes: int,
    height: int,
    width: int,
    y: Any,
    indices: Any,
    window: Any,
) -> None:
    """What `pooled` does for one of the chunks of images."""
    images = y.shape[0]
    channels, classes = y.shape[3], plan[3]
    image = np.empty((height, width, channels), x.dtype)
    flat = image.reshape(-1)
    for n in range(chunk * images // chunks, (chunk + 1) * images // chunks):
        for kind in range(classes.shape[0]):
            count = (classes[kind, 1] - classes[kind, 0]) * (classes[kind, 3] - classes[kind, 2])
            stretch(x[n * x_image :], 0, 1, plan, kind, 0, count, w, init, flat, 0, 0, channels, floor, lanes)
        for row in range(y.shape[1]):
            pool_line(image, row, y[n, row], indices[n, row], window)


@parallel
def pooled(
    x: Any,
    x_image: int,
    plan: Any,
    w: Any,
    init: Any,
    floor: Any,
    lanes: int,
    height: int,
    width: int,
    y: Any,
    indices: Any,
    window: Any,
    pieces: int,
) -> None:
    """y and indices (N, PH, PW, O): the pooling of `product`'s images, each of which stays in the cache."""
    chunks = min(y.shape[0], pieces)
    for_each(chunks, _pooled, chunks, x, x_image, plan, w, init, floor, lanes, height, width, y, indices, window)


@once
def _spread(
    gy: Any, y: Any, indices: Any, active: bool, kernel: Any, stride: Any, line: Any, sums: Any, gx: Any
) -> None:
    """The gradient of the pooling of one image gx (H, W, C), for windows that share no element and have no padding.

    If `active`, gy (PH, PW, C) counts where y > 0 only. Adds to sums (C,) what counts; `line` (PW, C) is for its own use.
    """
    height, width, channels = gx.shape
    none = gy.dtype.type(0)
    for row in range(gy.shape[0]):
        for column in range(gy.shape[1]):
            for c in range(channels):
                value = gy[row, column, c]
                if active:
                    value = value if y[row, column, c] > 0 else none
                line[column, c] = value
                sums[c] += value
        for r in range(row * stride[0], min((row + 1) * stride[0], height)):
            if r >= row * stride[0] + kernel[0]:
                gx[r] = 0
                continue
            for column in range(gy.shape[1]):
                for s in range(column * stride[1], min((column + 1) * stride[1], width)):
                    here = np.int32(r * width + s)
                    for c in range(channels):
                        gx[r, s, c] = line[column, c] if indices[row, column, c] == here else none
            gx[r, gy.shape[1] * stride[1] :] = 0
    gx[gy.shape[0] * stride[0] :] = 0


@once
def _gradients(
    share: int,
    gy: Any,
    y: Any,
    indices: Any,
    active: bool,
    kernel: Any,
    stride: Any,
    x: Any,
    x_image: int,
    x_step: int,
    lines: Any,
    offsets: Any,
    height: int,
    width: int,
    plan: Any,
    w: Any,
    gx: Any,
    gx_image: int,
    inputs: int,
    lanes: int,
    parts: Any,
    totals: Any,
) -> None:
    """What `gradients` does for a share of the images, as many at a time as `lines` has."""
    shares, images = parts.shape[0], gy.shape[0]
    first, last = share * images // shares, (share + 1) * images // shares
    channels, tiles = gy.shape[3], (offsets.size + ROWS - 1) // ROWS
    at_once = max(1, lines.size // (3 * height))
    some = np.empty((at_once, height, width, channels), gy.dtype)
    flat = some.reshape(-1)
    line, sums = np.empty((gy.shape[2], channels), gy.dtype), np.empty(channels, gy.dtype)
    start = np.zeros(w.shape[0] * w.shape[2], gy.dtype)
    parts[share] = 0
    products = parts[share].reshape(-1)
    floor = gy.dtype.type(-np.inf)
    while first < last:
        count = min(at_once, last - first)
        sums[:] = 0
        for i in range(count):
            n = first + i
            _spread(gy[n], y[n], indices[n], active, kernel, stride, line, sums, some[i])
        for c in range(channels):
            totals[share, c] += sums[c]
        source = x[first * x_image :]
        window_products(source, x_step, lines, 0, count * height, offsets, (0, tiles), flat, channels, products, lanes)
        if inputs:
            target = gx[first * gx_image :]
            for kind in range(plan[3].shape[0]):
                edges = plan[3][kind]
                end = count * (edges[1] - edges[0]) * (edges[3] - edges[2])
                stretch(
                    *(flat, height * width * channels, 1, plan, kind, 0, end),
                    *(w, start, target, gx_image, 0, inputs, floor, lanes),
                )
        first += count


@parallel
def gradients(
    gy: Any,
    y: Any,
    indices: Any,
    active: bool,
    kernel: Any,
    stride: Any,
    x: Any,
    x_image: int,
    x_step: int,
    lines: Any,
    offsets: Any,
    height: int,
    width: int,
    plan: Any,
    w: Any,
    gx: Any,
    gx_image: int,
    inputs: int,
    lanes: int,
    parts: Any,
) -> Any:
    """The gradients of the pooled convolution: of the weight in `parts`, as `weight_grad`'s, and that of the bias, likewise,
    as the result; of the input, flat, in gx, if inputs > 0.

    gy, y and indices are (N, PH, PW, O), the convolution's result (height, width), O whole vectors. x, `lines` and `offsets`
    are those of `weight_grad` for some images, which are taken at a time; `plan` and w those of the gradient of the input.
    """
    totals = np.zeros((parts.shape[0], gy.shape[3]))
    for_each(
        *(parts.shape[0], _gradients, gy, y, indices, active, kernel, stride, x, x_image, x_step, lines, offsets),
        *(height, width, plan, w, gx, gx_image, inputs, lanes, parts, totals),
    )
    return totals
