"""The compiled loops of the pooled convolution of images with few channels. See `narrow` and `runtime.windows`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..runtime.compiled import for_each, once, parallel
from ..runtime.windows import SIZE, TAPS, pool_windows, window_gradients


@once
def _pooled(image: int, x: Any, w: Any, init: Any, floor: Any, y: Any, indices: Any, width: int, lanes: int) -> None:
    """One of the images."""
    _, height, line, inputs = x.shape
    _, down, across, channels = y.shape
    block = w.shape[2]
    images, weights, best, where = x.reshape(-1), w.reshape(-1), y.reshape(-1), indices.reshape(-1)
    for channel in range(0, channels, lanes):
        begin = channel // block * w.shape[1] * block + channel % block
        for row in range(down):
            pool_windows(
                *(images, (image * height + SIZE * row) * line * inputs, line * inputs, inputs),
                *(weights, begin, block, init, channel, floor),
                *(best, where, (image * down + row) * across * channels + channel, channels),
                *(SIZE * row * width, width, across),
            )


@parallel
def pooled(x: Any, w: Any, init: Any, floor: Any, y: Any, indices: Any, width: int, lanes: int) -> None:
    """y and indices (N, PH, PW, O) of x (N, H, W, C), padded. w is a panel as `conv2d.loops.product` wants it; the
    convolution's result is `width` wide."""
    for_each(x.shape[0], _pooled, x, w, init, floor, y, indices, width, lanes)


@once
def _gradients(
    share: int, gy: Any, y: Any, indices: Any, active: bool, x: Any, width: int, lanes: int, parts: Any, totals: Any
) -> None:
    """What `gradients` does for one share."""
    images, height, line, inputs = x.shape
    _, down, across, channels = y.shape
    shares = parts.shape[0]
    grads, best, where, pixels = gy.reshape(-1), y.reshape(-1), indices.reshape(-1), x.reshape(-1)
    sums = np.empty((TAPS * TAPS + 1) * lanes, x.dtype)
    parts[share] = 0
    for image in range(share * images // shares, (share + 1) * images // shares):
        for channel in range(0, channels, lanes):
            for c in range(inputs):
                sums[:] = 0
                for row in range(down):
                    window_gradients(
                        *(grads, best, where, (image * down + row) * across * channels + channel, channels, active),
                        *(SIZE * row * width, width, across),
                        *(pixels, (image * height + SIZE * row) * line * inputs + c, line * inputs, inputs, sums),
                    )
                for tap in range(TAPS * TAPS):
                    for n in range(lanes):
                        parts[share, tap * inputs + c, channel + n] += sums[tap * lanes + n]
            for n in range(lanes):
                totals[share, channel + n] += sums[TAPS * TAPS * lanes + n]


@parallel
def gradients(gy: Any, y: Any, indices: Any, active: bool, x: Any, width: int, lanes: int, parts: Any) -> Any:
    """The gradients of the weight in `parts` (shares, TAPS * TAPS * C, O), and as the result that of the bias (shares, O).

    If `active`, gy (N, PH, PW, O) counts where y > 0 only. The sums of an image are taken by themselves.
    """
    totals = np.zeros((parts.shape[0], gy.shape[3]))
    for_each(parts.shape[0], _gradients, gy, y, indices, active, x, width, lanes, parts, totals)
    return totals
