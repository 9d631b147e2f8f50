"""The two operations one after the other, and their gradients, for any device."""

from __future__ import annotations

from typing import Any

from ..channel_sum import channel_sum, relu_grad
from ..conv2d import conv2d, conv2d_input_grad, conv2d_weight_grad
from ..conv2d.geometry import geometry
from ..max_pool2d import max_pool2d, max_pool2d_grad


def conv2d_max_pool2d(
    outputs: Any,
    x: Any,
    w: Any,
    bias: Any,
    pool_size: Any,
    *,
    pool_stride: Any = None,
    pool_padding: Any = 0,
    pool_dilation: Any = 1,
    ceil_mode: bool = False,
    **params: Any,
) -> None:
    max_pool2d(
        conv2d(x, w, bias, **params),
        pool_size,
        stride=pool_stride,
        padding=pool_padding,
        dilation=pool_dilation,
        ceil_mode=ceil_mode,
        out=outputs,
    )


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
    pool_stride: Any = None,
    pool_padding: Any = 0,
    pool_dilation: Any = 1,
    ceil_mode: bool = False,
    **params: Any,
) -> None:
    gw, gb, *rest = outputs
    if activation == "relu":
        gy, _ = relu_grad(gy, y, out=(None, gb))
    else:
        channel_sum(gy, out=gb)
    g_conv = max_pool2d_grad(
        gy,
        indices,
        geometry(x.shape, w.shape, **params).y_shape,
        pool_size,
        stride=pool_stride,
        padding=pool_padding,
        dilation=pool_dilation,
        ceil_mode=ceil_mode,
    )
    conv2d_weight_grad(x, g_conv, w.shape, out=gw, **params)
    if rest:
        conv2d_input_grad(g_conv, w, x.shape, out=rest[0], **params)
