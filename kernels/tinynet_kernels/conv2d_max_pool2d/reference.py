"""What `conv2d_max_pool2d` and its gradient compute: the one after the other."""

from __future__ import annotations

from typing import Any

from ..channel_sum.reference import channel_sum, relu_grad
from ..conv2d.geometry import geometry
from ..conv2d.reference import conv2d, conv2d_input_grad, conv2d_weight_grad
from ..max_pool2d.reference import max_pool2d, max_pool2d_grad
from .geometry import split


def conv2d_max_pool2d(x: Any, w: Any, bias: Any, pool_size: Any, **params: Any) -> tuple[Any, Any]:
    of_conv, of_pool = split(params)
    y, indices = max_pool2d(conv2d(x, w, bias, **of_conv), pool_size, **of_pool)
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
    **params: Any,
) -> tuple[Any, ...]:
    gy = relu_grad(gy, y)[0] if activation == "relu" else gy
    of_conv, of_pool = split(params)
    inner = max_pool2d_grad(gy, indices, geometry(x.shape, w.shape, **of_conv).y_shape, pool_size, **of_pool)
    results = conv2d_weight_grad(x, inner, w.shape, **of_conv), channel_sum(gy)
    return (*results, conv2d_input_grad(inner, w, x.shape, **of_conv)) if input_grad else results
