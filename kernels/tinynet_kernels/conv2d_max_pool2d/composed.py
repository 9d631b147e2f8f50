"""The two operations one after the other, and their gradients, for any device."""

from __future__ import annotations

from typing import Any

from ..channel_sum import channel_sum, relu_grad
from ..conv2d import conv2d, conv2d_input_grad, conv2d_weight_grad
from ..conv2d.geometry import geometry
from ..max_pool2d import max_pool2d, max_pool2d_grad
from .geometry import split


def conv2d_max_pool2d(outputs: Any, x: Any, w: Any, bias: Any, pool_size: Any, **params: Any) -> None:
    of_conv, of_pool = split(params)
    max_pool2d(conv2d(x, w, bias, **of_conv), pool_size, **of_pool, out=outputs)


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
    gw, gb, *rest = outputs
    if activation == "relu":
        gy, _ = relu_grad(gy, y, out=(None, gb))
    else:
        channel_sum(gy, out=gb)
    of_conv, of_pool = split(params)
    g_conv = max_pool2d_grad(gy, indices, geometry(x.shape, w.shape, **of_conv).y_shape, pool_size, **of_pool)
    conv2d_weight_grad(x, g_conv, w.shape, out=gw, **of_conv)
    if rest:
        conv2d_input_grad(g_conv, w, x.shape, out=rest[0], **of_conv)
