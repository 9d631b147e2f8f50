"""Two-dimensional convolution (cross-correlation, as in deep learning) and its gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arguments import check_activation, check_any_float, check_shape
from ..spec import Array, Cost, KernelSpec, Outputs
from . import samples
from .geometry import Geometry, geometry


def _check_forward(
    x: Array, w: Array, bias: Array | None = None, *, activation: str | None = None, **params: Any
) -> Outputs:
    g = geometry(x.shape, w.shape, **params)
    dtype = check_any_float(x=x, w=w, bias=bias)
    if bias is not None:
        check_shape("bias", bias, (w.shape[0],))
    check_activation(activation)
    return [(g.y_shape, dtype)]


def _check_input_grad(gy: Array, w: Array, input_shape: Sequence[int], **params: Any) -> Outputs:
    dtype = check_any_float(gy=gy, w=w)
    g = geometry(input_shape, w.shape, **params)
    check_shape("gy", gy, g.y_shape)
    return [(g.x_shape, dtype)]


def _check_weight_grad(x: Array, gy: Array, weight_shape: Sequence[int], **params: Any) -> Outputs:
    dtype = check_any_float(x=x, gy=gy)
    g = geometry(x.shape, weight_shape, **params)
    check_shape("gy", gy, g.y_shape)
    return [(g.w_shape, dtype)]


def _cost(g: Geometry, dtype: Any) -> Cost:
    sizes = sum(int(np.prod(shape)) for shape in (g.x_shape, g.w_shape, g.y_shape))
    return Cost(flops=g.flops, bytes=sizes * np.dtype(dtype).itemsize)


def _cost_forward(x: Array, w: Array, bias: Any = None, *, activation: Any = None, **params: Any) -> Cost:
    return _cost(geometry(x.shape, w.shape, **params), x.dtype)


def _cost_input_grad(gy: Array, w: Array, input_shape: Sequence[int], **params: Any) -> Cost:
    return _cost(geometry(input_shape, w.shape, **params), gy.dtype)


def _cost_weight_grad(x: Array, gy: Array, weight_shape: Sequence[int], **params: Any) -> Cost:
    return _cost(geometry(x.shape, weight_shape, **params), x.dtype)


def _spec(name: str, check: Any, cost: Any, direction: str, bad_samples: Any) -> KernelSpec:
    return KernelSpec(
        name=name,
        check=check,
        reference=f"tinynet_kernels.conv2d.reference:{name}",
        cpu={
            "winograd": f"tinynet_kernels.conv2d.winograd:{name}",
            "direct": f"tinynet_kernels.conv2d.cpu:{name}",
        },
        cuda={
            "tiled": f"tinynet_kernels.conv2d.cuda:{name}",
            "naive": f"tinynet_kernels.conv2d.cuda:{name}_naive",
        },
        tensor_cores=f"tinynet_kernels.conv2d.tensor_cores:{name}",
        dtypes=("float16", "float32", "float64"),
        tolerance={"float16": (1e-3, 2e-3), "float32": (1e-4, 1e-5), "float64": (1e-10, 1e-12)},
        samples=samples.samples(direction),
        bad_samples=bad_samples,
        cost=cost,
        channels_last=direction != "weight_grad",
    )


_FORWARD = _spec("conv2d", _check_forward, _cost_forward, "forward", samples.BAD_FORWARD)
_INPUT_GRAD = _spec("conv2d_input_grad", _check_input_grad, _cost_input_grad, "input_grad", samples.BAD_INPUT_GRAD)
_WEIGHT_GRAD = _spec(
    "conv2d_weight_grad", _check_weight_grad, _cost_weight_grad, "weight_grad", samples.BAD_WEIGHT_GRAD
)


def conv2d(
    x: Array,
    w: Array,
    bias: Array | None = None,
    *,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    activation: str | None = None,
    precision: str = "highest",
    out: Array | None = None,
    variant: str | None = None,
) -> Array:
    """`activation(x * w + bias)`, where * slides w over x without flipping it.

    x           (N, C, H, W), float16, float32 or float64.
    w           (O, C // groups, KH, KW), the dtype of x.
    bias        (O,), added to every pixel.
    stride, padding, dilation  int or (vertical, horizontal) pair; zeros are padded on both sides.
    groups      output channel o sees input channels of its group only; must divide C and O.
    activation  None or "relu".
    precision   of float32 factors: "highest" keeps them, "high" rounds them to TF32, "medium" to bfloat16.
    out         (N, O, OH, OW), OH = (H + 2 padding - dilation (KH - 1) - 1) // stride + 1; written when given.
    variant     CUDA: "tiled" (default) or "naive"; float16 and lower precisions run on tensor cores where there are any.
                CPU: "winograd" (default), which takes 3 x 3 filters, stride 1, in fewer multiplications where that is
                faster; or "direct". The former rounds up to seven times as much (see `winograd`), and a number that is
                not finite spreads over up to three pixels more.

    Errors of float16 and rounded factors are those of `matmul` for K = C // groups * KH * KW; those of the gradients too,
    for as many products as an element of the result sums. Raises TypeError for dtypes and devices, ValueError for shapes
    and parameters that do not fit.
    """
    return _FORWARD(
        x,
        w,
        bias,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        activation=activation,
        precision=precision,
        out=out,
        variant=variant,
    )


def conv2d_input_grad(
    gy: Array,
    w: Array,
    input_shape: Sequence[int],
    *,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    precision: str = "highest",
    out: Array | None = None,
    variant: str | None = None,
) -> Array:
    """The gradient of `conv2d(x, w)` with respect to x, given gy (N, O, OH, OW): an array of `input_shape` (N, C, H, W).

    This is also the transposed convolution of gy with w. Parameters and errors are those of `conv2d`.
    """
    return _INPUT_GRAD(
        gy,
        w,
        input_shape,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        precision=precision,
        out=out,
        variant=variant,
    )


def conv2d_weight_grad(
    x: Array,
    gy: Array,
    weight_shape: Sequence[int],
    *,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    precision: str = "highest",
    out: Array | None = None,
    variant: str | None = None,
) -> Array:
    """The gradient of `conv2d(x, w)` with respect to w, given gy (N, O, OH, OW): an array of `weight_shape`.

    The sum over the batch is taken in a fixed order. Parameters and errors are those of `conv2d`.
    """
    return _WEIGHT_GRAD(
        x,
        gy,
        weight_shape,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        precision=precision,
        out=out,
        variant=variant,
    )
