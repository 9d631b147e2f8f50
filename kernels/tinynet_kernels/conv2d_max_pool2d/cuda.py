"""A convolution and its pooling on CUDA: two launches, and a gradient that takes no more than those of its parts need."""

from __future__ import annotations

from typing import Any

from ..conv2d import conv2d_input_grad, conv2d_weight_grad
from ..max_pool2d.cuda import max_pool2d_grad_and_sums
from ..runtime.cuda import module
from . import composed
from .geometry import geometries, split


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
) -> None:
    """What passes ReLU and pooling, the bias's gradient and the weight as the input's gradient reads it are one launch."""
    gw, gb, *rest = outputs
    g, pool = geometries(x, w, pool_size, **params)
    swapped, passed = None, y if activation == "relu" else None
    if rest and g.groups == 1:
        swapped = module().empty((w.shape[1], w.shape[0], *w.shape[2:]), w.dtype)
    g_conv = module().empty(g.y_shape, gy.dtype)
    weight = None if swapped is None else w
    if g.flops == 0 or not max_pool2d_grad_and_sums(g_conv, gb, gy, indices, passed, pool, weight, swapped):
        composed.conv2d_max_pool2d_grad(
            outputs, gy, x, w, y, indices, pool_size, input_grad=input_grad, activation=activation, **params
        )
        return
    of_conv, _ = split(params)
    conv2d_weight_grad(x, g_conv, w.shape, out=gw, **of_conv)
    if rest:
        weight = w if swapped is None else swapped.swapaxes(0, 1)
        conv2d_input_grad(g_conv, weight, x.shape, out=rest[0], **of_conv)
