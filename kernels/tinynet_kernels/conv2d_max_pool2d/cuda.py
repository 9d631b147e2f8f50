"""A convolution and its pooling on CUDA: two launches, and a gradient that takes no more than those of its parts need."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..conv2d import conv2d_input_grad, conv2d_weight_grad
from ..max_pool2d.cuda import grad_and_sums
from ..runtime.cuda import module, repeatable
from . import composed
from .geometry import geometries, split


@repeatable
def conv2d_max_pool2d_grad(
    outputs: Any,
    gy: Any,
    x: Any,
    w: Any,
    y: Any,
    indices: Any,
    pool_size: Any,
    *,
    input_grad: bool = True,
    activation: str | None = None,
    **params: Any,
) -> Callable[..., None]:
    """What passes ReLU and pooling, the bias's gradient and the weight as the input's gradient reads it are one launch."""
    g, pool = geometries(x, w, pool_size, **params)
    dtype, relu, swaps = gy.dtype, activation == "relu", input_grad and g.groups == 1
    passes = None
    if g.flops:
        g_conv = module().empty(g.y_shape, dtype)
        passes = grad_and_sums(gy, indices, g_conv, y if relu else None, pool, w if swaps else None)
    if passes is None:
        return functools.partial(
            composed.conv2d_max_pool2d_grad, input_grad=input_grad, activation=activation, **params
        )
    of_conv, _ = split(params)

    def launch(outputs: Any, gy: Any, x: Any, w: Any, y: Any, indices: Any, pool_size: Any) -> None:
        gw, gb, *rest = outputs
        g_conv = module().empty(g.y_shape, dtype)
        swapped = module().empty((w.shape[1], w.shape[0], *w.shape[2:]), dtype) if swaps else None
        passes(gy, indices, g_conv, y if relu else None, gb, w if swaps else None, swapped)
        conv2d_weight_grad(x, g_conv, w.shape, out=gw, **of_conv)
        if rest:
            weight = w if swapped is None else swapped.swapaxes(0, 1)
            conv2d_input_grad(g_conv, weight, x.shape, out=rest[0], **of_conv)

    return launch
