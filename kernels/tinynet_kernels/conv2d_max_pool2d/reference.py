"""What `conv2d_max_pool2d` and its gradient compute: the one after the other."""

from __future__ import annotations

from typing import Any

from ..channel_sum.reference import channel_sum, relu_grad
from ..conv2d.geometry import geometry
from ..conv2d.reference import conv2d, conv2d_input_grad, conv2d_weight_grad
from ..max_pool2d.reference import max_pool2d, max_pool2d_grad


def conv2d_max_pool2d(
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
) -> tuple[Any, Any]:
    y, indices = max_pool2d(
        conv2d(x, w, bias, **params),
        pool_size,
        stride=pool_stride,
        padding=pool_padding,
        dilation=pool_dilation,
        ceil_mode=ceil_mode,
    )
    return y, indices


def conv2d_max_pool2d_grad(
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
) -> tuple[Any, ...]:
    gy = relu_grad(gy, y)[0] if activation == "relu" else gy
    pooling = {"stride": pool_stride, "padding": pool_padding, "dilation": pool_dilation, "ceil_mode": ceil_mode}
    inner = max_pool2d_grad(gy, indices, geometry(x.shape, w.shape, **params).y_shape, pool_size, **pooling)
    results = conv2d_weight_grad(x, inner, w.shape, **params), channel_sum(gy)
    return (*results, conv2d_input_grad(inner, w, x.shape, **params)) if input_grad else results
