"""On CUDA the convolution and the pooling are two launches."""

from __future__ import annotations

from typing import Any

from ..conv2d import conv2d
from ..max_pool2d import max_pool2d


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
