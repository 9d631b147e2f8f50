"""The convolution of one image at a time, in a buffer that stays in the cache, and its pooling."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..conv2d import loops, positions
from ..conv2d.cpu import PIECES, channels_last, conv2d, lanes, operands
from ..max_pool2d.cpu import max_pool2d
from ..runtime.memory import empty
from . import geometries


def conv2d_max_pool2d(
    outputs: Any,
    x: Any,
    w: Any,
    bias: Any,
    pool_size: Any,
    *,
    activation: str | None = None,
    pool_stride: Any = None,
    pool_padding: Any = 0,
    pool_dilation: Any = 1,
    ceil_mode: bool = False,
    **params: Any,
) -> None:
    pooling = {"padding": pool_padding, "dilation": pool_dilation, "ceil_mode": ceil_mode}
    g, pool = geometries(
        x,
        w,
        pool_size,
        pool_stride=pool_stride,
        pool_padding=pool_padding,
        pool_dilation=pool_dilation,
        ceil_mode=ceil_mode,
        **params,
    )
    images, channels, height, width = g.y_shape
    if g.groups > 1 or images < PIECES // 4:  # too few images to give each thread some
        y = empty((images, height, width, channels), x.dtype).transpose(0, 3, 1, 2)
        conv2d((y,), x, w, bias, activation=activation, **params)
        max_pool2d(outputs, y, pool_size, stride=pool_stride, **pooling)
        return
    source = channels_last(x, (0, 0))
    weights, shift, floor = operands(w, bias, activation)
    plan = positions.forward(g, weights.shape[2])
    moved = [o.transpose(0, 2, 3, 1) for o in outputs]
    targets = [m if m.flags.c_contiguous else empty(m.shape, m.dtype) for m in moved]
    image = int(np.prod(source.shape[1:]))
    loops.pooled(
        *(
            source.reshape(-1),
            image,
            plan,
            weights,
            shift,
            floor,
            lanes(x),
            height,
            width,
            *targets,
            pool.window,
            PIECES,
        )
    )
    for m, target in zip(moved, targets):
        if m is not target:
            m[...] = target
