"""Two-dimensional max-pooling, its gradient, and the gather that differentiates the gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arguments import check_float, check_ndim, check_shape
from ..spec import Array, Cost, KernelSpec, Outputs
from . import samples
from .geometry import geometry


def _check_forward(x: Array, kernel_size: Any, **params: Any) -> Outputs:
    check_ndim(4, "(N, C, H, W)", x=x)
    dtype = check_float(x=x)
    g = geometry(x.shape, kernel_size, **params)
    return [(g.y_shape, dtype), (g.y_shape, np.dtype(np.int32))]


def _check_indices(indices: Array, expected: tuple[int, ...]) -> None:
    if indices.dtype != np.int32:
        raise TypeError(f"indices has dtype {indices.dtype}, expected int32")
    check_shape("indices", indices, expected)


def _check_grad(gy: Array, indices: Array, input_shape: Sequence[int], kernel_size: Any, **params: Any) -> Outputs:
    dtype = check_float(gy=gy)
    g = geometry(input_shape, kernel_size, **params)
    check_shape("gy", gy, g.y_shape)
    _check_indices(indices, g.y_shape)
    return [(g.x_shape, dtype)]


def _check_gather(x: Array, indices: Array) -> Outputs:
    check_ndim(4, "(N, C, H, W)", x=x, indices=indices)
    dtype = check_float(x=x)
    _check_indices(indices, (*x.shape[:2], *indices.shape[2:]))
    return [(tuple(indices.shape), dtype)]


def _cost(*arrays: Any, **params: Any) -> Cost:
    """One comparison or copy per window element; each array once, the output at the size of the indices or the input."""
    first, *rest = arrays
    outputs = (
        _check_gather(first, rest[0])
        if len(rest) == 1 and hasattr(rest[0], "dtype")
        else (_check_grad if len(rest) == 3 else _check_forward)(*arrays, **params)
    )
    read = sum(a.size * a.dtype.itemsize for a in arrays if hasattr(a, "dtype"))
    written = sum(int(np.prod(shape)) * np.dtype(dtype).itemsize for shape, dtype in outputs)
    return Cost(flops=int(first.size), bytes=read + written)


def _spec(name: str, check: Any, cuda: dict[str, str], sample_list: Any, bad: Any) -> KernelSpec:
    return KernelSpec(
        name=name,
        check=check,
        reference=f"tinynet_kernels.max_pool2d.reference:{name}",
        cpu={"default": f"tinynet_kernels.max_pool2d.cpu:{name}"},
        cuda={variant: f"tinynet_kernels.max_pool2d.cuda:{function}" for variant, function in cuda.items()},
        samples=sample_list,
        bad_samples=bad,
        cost=_cost,
        channels_last=True,
    )


_FORWARD = _spec(
    "max_pool2d",
    _check_forward,
    {"bands": "max_pool2d", "naive": "max_pool2d_naive"},
    samples.samples("forward"),
    samples.BAD_FORWARD,
)
_GRAD = _spec(
    "max_pool2d_grad",
    _check_grad,
    {"bands": "max_pool2d_grad", "naive": "max_pool2d_grad_naive"},
    samples.samples("grad"),
    samples.BAD_GRAD,
)
_GATHER = _spec(
    "max_pool2d_gather",
    _check_gather,
    {"default": "max_pool2d_gather"},
    samples.samples("gather"),
    samples.BAD_GATHER,
)


def max_pool2d(
    x: Array,
    kernel_size: Any,
    *,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    out: tuple[Array, Array] | None = None,
    variant: str | None = None,
) -> tuple[Array, Array]:
    """The largest element of each window, and where it is.

    x            (N, C, H, W), float32 or float64.
    kernel_size, stride, padding, dilation  int or (vertical, horizontal); `stride` defaults to `kernel_size`.
                 Padding is at most half a window and never wins.
    ceil_mode    also take windows that reach beyond the end.
    out          (y, indices) to write.
    variant      CUDA: "bands" (default) or "naive".

    Returns y (N, C, OH, OW) and int32 indices of the same shape: row * W + column of the element taken. The first of
    equal elements is taken; NaN is larger than everything, and of several NaNs the last one is taken, as in PyTorch. A
    dilated window that meets padding only gives -inf and index -1.
    Raises TypeError and ValueError as `conv2d`.
    """
    y, indices = _FORWARD(
        x,
        kernel_size,
        stride=stride,
        padding=padding,
        dilation=dilation,
        ceil_mode=ceil_mode,
        out=out,
        variant=variant,
    )
    return y, indices


def max_pool2d_grad(
    gy: Array,
    indices: Array,
    input_shape: Sequence[int],
    kernel_size: Any,
    *,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    out: Array | None = None,
    variant: str | None = None,
) -> Array:
    """The gradient of `max_pool2d` with respect to x: gy summed into the places that `indices` names.

    gy and indices (N, C, OH, OW) belong to a pooling of `input_shape` (N, C, H, W) with these parameters. An index
    outside the plane is ignored. The sum into each input element is taken in a fixed order.
    """
    return _GRAD(
        gy,
        indices,
        input_shape,
        kernel_size,
        stride=stride,
        padding=padding,
        dilation=dilation,
        ceil_mode=ceil_mode,
        out=out,
        variant=variant,
    )


def max_pool2d_gather(x: Array, indices: Array, *, out: Array | None = None) -> Array:
    """The elements of x (N, C, H, W) at `indices` (N, C, OH, OW), row * W + column, 0 for -1: the adjoint of `max_pool2d_grad`.

    Indices must come from `max_pool2d` of an array of the shape of x; beyond a plane they raise IndexError on the CPU, and give
    an unspecified element of it on CUDA.
    """
    return _GATHER(x, indices, out=out)
