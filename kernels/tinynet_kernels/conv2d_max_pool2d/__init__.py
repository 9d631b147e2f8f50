"""A convolution and the max-pooling of its result, which on the CPU never leaves the cache."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import check_activation, check_float, check_shape
from ..spec import Array, Cost, KernelSpec, Outputs
from . import samples
from .geometry import geometries


def _check(
    x: Array, w: Array, bias: Array | None, pool_size: Any, *, activation: str | None = None, **params: Any
) -> Outputs:
    _, pool = geometries(x, w, pool_size, **params)
    dtype = check_float(x=x, w=w, bias=bias)
    if bias is not None:
        check_shape("bias", bias, (w.shape[0],))
    check_activation(activation)
    return [(pool.y_shape, dtype), (pool.y_shape, np.dtype(np.int32))]


def _cost(x: Array, w: Array, bias: Array | None, pool_size: Any, *, activation: Any = None, **params: Any) -> Cost:
    g, pool = geometries(x, w, pool_size, **params)
    written = int(np.prod(pool.y_shape)) * (x.dtype.itemsize + 4)
    return Cost(flops=g.flops + int(np.prod(g.y_shape)), bytes=(x.size + w.size) * x.dtype.itemsize + written)


def _check_grad(
    gy: Array,
    x: Array,
    w: Array,
    y: Array,
    indices: Array,
    pool_size: Any,
    *,
    input_grad: bool = True,
    activation: str | None = None,
    **params: Any,
) -> Outputs:
    (shape, _), _ = _check(x, w, None, pool_size, activation=activation, **params)
    dtype = check_float(gy=gy, x=x, w=w, y=y)
    for name, array in (("gy", gy), ("y", y), ("indices", indices)):
        check_shape(name, array, shape)
    if indices.dtype != np.int32:
        raise TypeError(f"indices has dtype {indices.dtype}, expected int32")
    outputs = [(tuple(w.shape), dtype), ((w.shape[0],), dtype)]
    return [*outputs, (tuple(x.shape), dtype)] if input_grad else outputs


def _cost_grad(
    gy: Array,
    x: Array,
    w: Array,
    y: Array,
    indices: Array,
    pool_size: Any,
    *,
    input_grad: bool = True,
    activation: Any = None,
    **params: Any,
) -> Cost:
    g, _ = geometries(x, w, pool_size, **params)
    numbers = 3 * gy.size + (1 + input_grad) * (x.size + w.size)
    return Cost(flops=(1 + input_grad) * g.flops, bytes=numbers * x.dtype.itemsize)


_SPEC = KernelSpec(
    name="conv2d_max_pool2d",
    check=_check,
    reference="tinynet_kernels.conv2d_max_pool2d.reference:conv2d_max_pool2d",
    cpu={
        "winograd": "tinynet_kernels.conv2d_max_pool2d.winograd:conv2d_max_pool2d",
        "direct": "tinynet_kernels.conv2d_max_pool2d.cpu:conv2d_max_pool2d",
    },
    cuda={"composed": "tinynet_kernels.conv2d_max_pool2d.composed:conv2d_max_pool2d"},
    samples=samples.SAMPLES,
    bad_samples=samples.BAD_SAMPLES,
    cost=_cost,
    channels_last=True,
)

_GRAD = KernelSpec(
    name="conv2d_max_pool2d_grad",
    check=_check_grad,
    reference="tinynet_kernels.conv2d_max_pool2d.reference:conv2d_max_pool2d_grad",
    cpu={
        "winograd": "tinynet_kernels.conv2d_max_pool2d.winograd:conv2d_max_pool2d_grad",
        "direct": "tinynet_kernels.conv2d_max_pool2d.cpu:conv2d_max_pool2d_grad",
    },
    cuda={
        "together": "tinynet_kernels.conv2d_max_pool2d.cuda:conv2d_max_pool2d_grad",
        "composed": "tinynet_kernels.conv2d_max_pool2d.composed:conv2d_max_pool2d_grad",
    },
    samples=samples.GRAD_SAMPLES,
    bad_samples=samples.BAD_GRAD_SAMPLES,
    cost=_cost_grad,
    channels_last=True,
)


def conv2d_max_pool2d(
    x: Array,
    w: Array,
    bias: Array | None,
    pool_size: Any,
    *,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    activation: str | None = None,
    pool_stride: Any = None,
    pool_padding: Any = 0,
    pool_dilation: Any = 1,
    ceil_mode: bool = False,
    out: tuple[Array, Array] | None = None,
    variant: str | None = None,
) -> tuple[Array, Array]:
    """`max_pool2d(conv2d(x, w, bias, ...), pool_size, ...)`: the maxima and where in the convolution's result they are.

    The parameters are those of the two functions, those of the pooling with `pool_` before them. A training step needs no
    more of the convolution's result than this: its gradient is zero but for the maxima.
    """
    y, indices = _SPEC(
        x,
        w,
        bias,
        pool_size,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        activation=activation,
        pool_stride=pool_stride,
        pool_padding=pool_padding,
        pool_dilation=pool_dilation,
        ceil_mode=ceil_mode,
        out=out,
        variant=variant,
    )
    return y, indices


def conv2d_max_pool2d_grad(
    gy: Array,
    x: Array,
    w: Array,
    y: Array,
    indices: Array,
    pool_size: Any,
    *,
    input_grad: bool = True,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    activation: str | None = None,
    pool_stride: Any = None,
    pool_padding: Any = 0,
    pool_dilation: Any = 1,
    ceil_mode: bool = False,
    out: tuple[Array | None, ...] | None = None,
    variant: str | None = None,
) -> tuple[Array, ...]:
    """The gradients of `y, indices = conv2d_max_pool2d(x, w, bias, pool_size, ...)`, given gy of y's shape.

    With respect to w, the bias and, with `input_grad`, x. The sums over the batch are taken in a fixed order. Raises
    TypeError and ValueError as the function itself, and for gy, y or indices that are not of the shape of its results.
    """
    results: tuple[Array, ...] = _GRAD(
        gy,
        x,
        w,
        y,
        indices,
        pool_size,
        input_grad=input_grad,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        activation=activation,
        pool_stride=pool_stride,
        pool_padding=pool_padding,
        pool_dilation=pool_dilation,
        ceil_mode=ceil_mode,
        out=out,
        variant=variant,
    )
    return results
