"""Convolution, pooling, cross-entropy and dropout: the kernels as differentiable operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinynet_kernels as kernels
from tinynet_kernels.conv2d.geometry import geometry

from .. import dtypes, random
from ..autograd import Op, is_grad_enabled, is_one
from ..device import xp
from ..grad_mode import _mode, no_grad
from ..precision import of_products
from ..tensor import Tensor
from ._common import same_device
from .elementwise import cast, clamp, log, relu, relu_mask
from .indexing import one_hot
from .linalg import _in_kernel_dtype, bias_grad
from .reduction import mean, softmax
from .shape import pad

SMALL_BATCH = 2048


class Conv2d(Op):
    saves = (0, 1)
    saves_output = True

    @staticmethod
    def forward(ctx: Any, x: Any, w: Any, bias: Any, activation: str | None, params: dict[str, Any]) -> Any:
        ctx.activation, ctx.params, ctx.shapes = activation, params, (x.shape, w.shape)
        return kernels.conv2d(x, w, bias, activation=activation, **params)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        gy, gb = bias_grad(ctx, gy, _swaps(ctx))
        return *_conv2d_grads(ctx, gy), gb, None, None


def _swaps(ctx: Any) -> bool:
    """Whether the gradient of the input reads the weight by input channels, as on CUDA."""
    ctx.weight = None
    on_cuda = type(ctx.input(1)._array) is not np.ndarray
    return on_cuda and ctx.needs(0) and ctx.params.get("groups", 1) == 1


def _conv2d_grads(ctx: Any, gy: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """The gradients of input and weight of an operation with `ctx.params` and `ctx.shapes`, given that of the convolution."""
    x_shape, w_shape = ctx.shapes
    gx = gw = None
    if ctx.needs(0):
        weight = ctx.input(1) if ctx.weight is None else ctx.weight
        gx = Conv2dInputGrad.apply(gy, weight, x_shape, ctx.params)
    if ctx.needs(1):
        x = ctx.input(0)
        if is_grad_enabled():
            gw = Conv2dWeightGrad.apply(x, gy, w_shape, ctx.params)
        else:
            gw = Tensor._make(kernels.conv2d_weight_grad(x._array, gy._array, w_shape, out=ctx.room(1), **ctx.params))
    return gx, gw


class Conv2dInputGrad(Op):
    saves = (0, 1)

    @staticmethod
    def forward(ctx: Any, gy: Any, w: Any, x_shape: tuple[int, ...], params: dict[str, Any]) -> Any:
        ctx.params, ctx.w_shape = params, w.shape
        return kernels.conv2d_input_grad(gy, w, x_shape, **params)

    @staticmethod
    def backward(ctx: Any, ggx: Tensor) -> Any:
        ggy = Conv2d.apply(ggx, ctx.input(1), None, None, ctx.params) if ctx.needs(0) else None
        gw = Conv2dWeightGrad.apply(ggx, ctx.input(0), ctx.w_shape, ctx.params) if ctx.needs(1) else None
        return ggy, gw, None, None


class Conv2dWeightGrad(Op):
    saves = (0, 1)

    @staticmethod
    def forward(ctx: Any, x: Any, gy: Any, w_shape: tuple[int, ...], params: dict[str, Any]) -> Any:
        ctx.params, ctx.x_shape = params, x.shape
        return kernels.conv2d_weight_grad(x, gy, w_shape, **params)

    @staticmethod
    def backward(ctx: Any, ggw: Tensor) -> Any:
        gx = Conv2dInputGrad.apply(ctx.input(1), ggw, ctx.x_shape, ctx.params) if ctx.needs(0) else None
        ggy = Conv2d.apply(ctx.input(0), ggw, None, None, ctx.params) if ctx.needs(1) else None
        return gx, ggy, None, None


class MaxPool2d(Op):
    @staticmethod
    def forward(ctx: Any, x: Any, kernel_size: Any, params: dict[str, Any]) -> Any:
        y, indices = kernels.max_pool2d(x, kernel_size, **params)
        ctx.kernel_size, ctx.params, ctx.shape, ctx.indices = kernel_size, params, x.shape, indices
        return y, indices

    @staticmethod
    def backward(ctx: Any, gy: Tensor, _: None) -> Any:
        return MaxPool2dGrad.apply(gy, ctx.indices, ctx.shape, ctx.kernel_size, ctx.params), None, None


class Conv2dMaxPool2d(Op):
    """Convolution, activation and pooling. Of the convolution's result only the maxima are kept: the rest has no gradient."""

    saves = (0, 1)
    saves_output = True

    @staticmethod
    def forward(
        ctx: Any, x: Any, w: Any, bias: Any, activation: str | None, params: dict[str, Any], size: Any, pooling: Any
    ) -> Any:
        ctx.activation, ctx.params, ctx.shapes = activation, params, (x.shape, w.shape)
        of_pool = {
            "pool_stride": pooling["stride"],
            "pool_padding": pooling["padding"],
            "pool_dilation": pooling["dilation"],
            "ceil_mode": pooling["ceil_mode"],
        }
        y, indices = kernels.conv2d_max_pool2d(x, w, bias, size, activation=activation, **params, **of_pool)
        ctx.of_pool = of_pool
        ctx.pool = indices, size, pooling
        return y, indices

    @staticmethod
    def backward(ctx: Any, gy: Tensor, _: None) -> Any:
        if ctx.needs(1) and not is_grad_enabled():
            return *_pooled_grads(ctx, gy), None, None, None, None
        gy, gb = bias_grad(ctx, gy, _swaps(ctx))
        indices, size, pooling = ctx.pool
        gy = MaxPool2dGrad.apply(gy, indices, geometry(*ctx.shapes, **ctx.params).y_shape, size, pooling)
        return *_conv2d_grads(ctx, gy), gb, None, None, None, None


def _pooled_grads(ctx: Any, gy: Tensor) -> tuple[Tensor | None, Tensor, Tensor | None]:
    """The gradients of input, weight and bias of a Conv2dMaxPool2d in one kernel."""
    indices, size, _ = ctx.pool
    x, w, y = (t._array for t in (ctx.input(0), ctx.input(1), ctx.output()))
    outputs = (ctx.room(1), ctx.room(2), None) if ctx.needs(0) else (ctx.room(1), ctx.room(2))
    params = {"activation": ctx.activation, "input_grad": ctx.needs(0), **ctx.params, **ctx.of_pool}
    grads = kernels.conv2d_max_pool2d_grad(gy._array, x, w, y, indices, size, out=outputs, **params)
    gw, gb, *gx = map(Tensor._make, grads)
    return gx[0] if gx else None, gw, gb if ctx.needs(2) else None


class MaxPool2dGrad(Op):
    @staticmethod
    def forward(ctx: Any, gy: Any, indices: Any, shape: Any, kernel_size: Any, params: dict[str, Any]) -> Any:
        ctx.indices, ctx.rest = indices, (indices, shape, kernel_size, params)
        return kernels.max_pool2d_grad(gy, indices, shape, kernel_size, **params)

    @staticmethod
    def backward(ctx: Any, ggx: Tensor) -> Any:
        return MaxPool2dGather.apply(ggx, *ctx.rest), None, None, None, None


class MaxPool2dGather(Op):
    @staticmethod
    def forward(ctx: Any, x: Any, indices: Any, *rest: Any) -> Any:
        ctx.rest = (indices, *rest)
        return kernels.max_pool2d_gather(x, indices)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        return MaxPool2dGrad.apply(gy, *ctx.rest), None, None, None, None


class SoftmaxCrossEntropy(Op):
    """Per-row losses; the gradient is one kernel, or tensor operations when it must itself be differentiated."""

    saves = (0, 1)

    @staticmethod
    def forward(ctx: Any, logits: Any, labels: Any, params: dict[str, Any]) -> Any:
        loss, lse = kernels.softmax_cross_entropy(logits, labels, **params)
        ctx.lse, ctx.params = lse, params
        return loss

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        return _cross_entropy_grad(ctx, gy), None, None


def _cross_entropy_grad(ctx: Any, gy: Tensor) -> Tensor:
    """gy is (N,), or () for all rows."""
    logits, labels = ctx.input(0), ctx.input(1)
    if not is_grad_enabled():
        grad = kernels.softmax_cross_entropy_grad(logits._array, labels._array, ctx.lse, gy._array, **ctx.params)
        return Tensor._make(grad)
    ignored = labels == ctx.params["ignore_index"]
    smoothing = ctx.params["label_smoothing"]
    target = cast(one_hot(labels.masked_fill(ignored, 0), logits.shape[1]), logits.dtype)
    target = target * (1 - smoothing) + smoothing / logits.shape[1]
    result: Tensor = (softmax(logits, 1) - target) * gy.expand(labels.shape).masked_fill(ignored, 0.0).unsqueeze(1)
    return result


class MeanCrossEntropy(Op):
    """The mean over the rows that count. The gradient is made along with it, on CUDA for a small batch."""

    saves = (0, 1)

    @staticmethod
    def forward(ctx: Any, logits: Any, labels: Any, params: dict[str, Any]) -> Any:
        ctx.params, ctx.grad, ctx.lse = params, None, None
        at_once = len(labels) <= SMALL_BATCH or type(logits) is np.ndarray
        if is_grad_enabled() and at_once and len(labels):
            mean, ctx.share, ctx.grad = kernels.mean_cross_entropy(logits, labels, **params)
            return mean
        loss, ctx.lse = kernels.softmax_cross_entropy(logits, labels, **params)
        mean, ctx.share = kernels.counted_mean(loss, labels, ignore_index=params["ignore_index"])
        return mean

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        if ctx.grad is not None and not is_grad_enabled():
            for i in MeanCrossEntropy.saves:
                ctx.input(i)  # an error if it was modified in place, as where the gradient is computed only now
            grad = Tensor._make(ctx.grad)
            return grad if is_one(gy) else grad * gy, None, None
        share = Tensor._make(ctx.share)
        return _cross_entropy_grad(ctx, share if is_one(gy) else share * gy), None, None


class BinaryCrossEntropy(Op):
    """-(y log x + (1 - y) log(1 - x)), logarithms kept above -100; the gradient is kept finite at 0 and 1 as PyTorch's."""

    saves = (0, 1)

    @staticmethod
    def forward(ctx: Any, x: Any, y: Any) -> Any:
        m = xp(x)
        with np.errstate(divide="ignore"):
            return -(y * m.maximum(m.log(x), -100) + (1 - y) * m.maximum(m.log(1 - x), -100))

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        x, y = ctx.input(0), ctx.input(1)
        gx = gy * (x - y) / clamp(x * (1 - x), 1e-12) if ctx.needs(0) else None
        return gx, gy * (log(1 - x) - log(x)) if ctx.needs(1) else None


class Dropout(Op):
    """The mask is a function of the position in the random numbers, so backward draws it again instead of keeping it."""

    @staticmethod
    def forward(ctx: Any, x: Any, p: float, position: dict[str, Any]) -> Any:
        ctx.rest = (p, position)
        return kernels.dropout(x, p=p, **position)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        return Dropout.apply(gy, *ctx.rest), None, None


class BatchNorm(Op):
    """activation((x - mean) * rsqrt(variance + eps) * weight + bias), where mean and variance, (C,), are those of x and no
    inputs of their own.
    """

    saves = (0, 1, 2)

    @staticmethod
    def forward(
        ctx: Any, x: Any, weight: Any, bias: Any, mean: Any, variance: Any, eps: float, activation: str | None
    ) -> Any:
        ctx.statistics, ctx.options = (mean, variance), {"eps": eps, "activation": activation}
        return kernels.batch_norm(x, mean, variance, weight, bias, **ctx.options)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        if is_grad_enabled():
            return *_batch_norm_grads(gy, *map(ctx.input, range(3)), **ctx.options), None, None, None, None
        return *_batch_norm_kernel(ctx, gy, None), None, None, None, None


class BatchNormAdd(Op):
    """relu(batch norm + residual) in one operation."""

    saves = (0, 1, 2)
    saves_output = True

    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any, bias: Any, residual: Any, mean: Any, variance: Any, eps: float) -> Any:
        ctx.statistics, ctx.options = (mean, variance), {"eps": eps, "activation": "relu"}
        return kernels.batch_norm(x, mean, variance, weight, bias, residual, **ctx.options)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Any:
        if is_grad_enabled():
            passed = relu_mask(gy, ctx.output())
            x, weight, bias = map(ctx.input, range(3))
            return *_batch_norm_grads(passed, x, weight, bias, ctx.options["eps"], None), passed, None, None, None
        return *_batch_norm_kernel(ctx, gy, ctx.output()._array), None, None, None


def _batch_norm_kernel(ctx: Any, gy: Tensor, y: Any) -> tuple[Tensor | None, ...]:
    """The gradients of input, weight and bias, and given the output y that of what was added."""
    x, weight, bias = (None if t is None else t._array for t in map(ctx.input, range(3)))
    room = (None, ctx.room(1), ctx.room(2)) if y is None else (None, ctx.room(1), ctx.room(2), None)
    mean, variance = ctx.statistics
    grads = kernels.batch_norm_grad(gy._array, x, mean, variance, weight, bias, y, **ctx.options, out=room)
    return tuple(Tensor._make(grad) if ctx.needs(i) else None for i, grad in enumerate(grads))


def _batch_norm_grads(
    gy: Tensor, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, activation: str | None
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """The gradients of input, weight and bias as functions of all of these, to be differentiated again."""
    axes, shape = (0, *range(2, x.ndim)), (1, -1, *(1,) * (x.ndim - 2))
    centred = x - mean(x, axes, True)
    scale = (mean(centred * centred, axes, True) + eps) ** -0.5
    normalised = centred * scale
    factor = scale if weight is None else scale * weight.reshape(shape)
    if activation == "relu":
        y = centred * factor
        gy = relu_mask(gy, (y if bias is None else y + bias.reshape(shape)).detach())
    gx = factor * (gy - mean(gy, axes, True) - normalised * mean(gy * normalised, axes, True))
    gw = None if weight is None else (gy * normalised).sum(axes)
    return gx, gw, None if bias is None else gy.sum(axes)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    activation: str | None = None,
) -> Tensor:
    """Convolution of input (N, C, H, W) or (C, H, W) with weight (O, C // groups, KH, KW), then `activation` (None, "relu").

    `padding` is an int, a pair, "valid" (0) or "same" (the output is as large as the input; stride 1 only). Raises
    ValueError for shapes and parameters that do not fit, TypeError for dtypes and devices.
    """
    same_device("conv2d", input, weight, bias)
    if isinstance(padding, str):
        input, padding = _named_padding(input, weight, padding, stride, dilation)
    if input.ndim == 3:
        lone = conv2d(input.unsqueeze(0), weight, bias, stride, padding, dilation, groups, activation=activation)
        return lone.squeeze(0)
    params = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return Conv2d.apply(input, weight, bias, activation, {**params, "precision": of_products(input._array)})


def _named_padding(input: Tensor, weight: Tensor, padding: str, stride: Any, dilation: Any) -> tuple[Tensor, Any]:
    if padding == "valid":
        return input, 0
    if padding != "same":
        raise ValueError(f"padding is {padding!r}, expected a number, a pair, 'valid' or 'same'")
    if stride not in (1, (1, 1), [1, 1]):
        raise ValueError(f"padding 'same' needs a stride of 1, got {stride}")
    dilations = dilation if isinstance(dilation, (tuple, list)) else (dilation, dilation)
    total = [d * (k - 1) for d, k in zip(dilations, weight.shape[2:])]
    if any(t % 2 for t in total):
        input = pad(input, (0, total[1] % 2, 0, total[0] % 2))
    return input, tuple(t // 2 for t in total)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """Transposed convolution of input (N, C, H, W) or (C, H, W) with weight (C, O // groups, KH, KW).

    It is the input gradient of `conv2d`. Errors as `conv2d`; output_padding must be below stride or dilation.
    """
    same_device("conv_transpose2d", input, weight, bias)
    if input.ndim not in (3, 4) or weight.ndim != 4 or input.shape[-3] != weight.shape[0]:
        raise ValueError(
            f"input has shape {input.shape}, expected (N, {weight.shape[0]}, H, W) for a weight of shape {weight.shape}"
        )
    if input.ndim == 3:
        lone = conv_transpose2d(input.unsqueeze(0), weight, bias, stride, padding, output_padding, groups, dilation)
        return lone.squeeze(0)
    two = [v if isinstance(v, (tuple, list)) else (v, v) for v in (stride, padding, output_padding, dilation)]
    sizes, further = [], []
    for n, k, s, p, o, d in zip(input.shape[2:], weight.shape[2:], *two):
        if not 0 <= o < max(s, d):
            raise ValueError(
                f"output_padding is {output_padding}, expected less than stride {stride} or dilation {dilation}"
            )
        sizes.append((n - 1) * s - 2 * p + d * (k - 1) + o + 1)
        further.append(o // s)  # a whole stride more is the output of a larger input
    if any(further):
        input = pad(input, (0, further[1], 0, further[0]))
    shape = (input.shape[0], weight.shape[1] * groups, *sizes)
    params = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    y = Conv2dInputGrad.apply(input, weight, shape, {**params, "precision": of_products(input._array)})
    return y if bias is None else y + cast(bias, y.dtype).reshape(-1, 1, 1)


def max_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window of input (N, C, H, W) or (C, H, W); `stride` defaults to `kernel_size`.

    With `return_indices`, also the int64 places row * W + column. Errors as `conv2d`.
    """
    if input.ndim == 3:
        lone = max_pool2d(input.unsqueeze(0), kernel_size, stride, padding, dilation, ceil_mode, return_indices)
        return tuple(t.squeeze(0) for t in lone) if return_indices else lone.squeeze(0)
    params = {"stride": stride or None, "padding": padding, "dilation": dilation, "ceil_mode": ceil_mode}
    half = input.dtype == dtypes.float16
    y, indices = MaxPool2d.apply(cast(input, dtypes.float32) if half else input, kernel_size, params)
    y = cast(y, dtypes.float16) if half else y
    return (y, cast(indices, dtypes.int64)) if return_indices else y


def conv2d_max_pool2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    pool_size: Any,
    *,
    activation: str | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    pool_stride: Any = None,
    pool_padding: Any = 0,
    pool_dilation: Any = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """`max_pool2d(conv2d(...), pool_size, ...)` of input (N, C, H, W) in one operation. Paddings are numbers or pairs."""
    same_device("conv2d", input, weight, bias)
    conv = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    if _mode.autocast is not None or input.dtype == dtypes.float16 or of_products(input._array) != "highest":
        y = conv2d(input, weight, bias, **conv, activation=activation)
        return max_pool2d(y, pool_size, pool_stride, pool_padding, pool_dilation, ceil_mode)  # type: ignore[no-any-return]
    pool = {"stride": pool_stride, "padding": pool_padding, "dilation": pool_dilation, "ceil_mode": ceil_mode}
    y = Conv2dMaxPool2d.apply(input, weight, bias, activation, conv, pool_size, pool)[0]
    return y


def softmax_cross_entropy(logits: Tensor, labels: Tensor, ignore_index: int, label_smoothing: float) -> Tensor:
    """Per-row losses (N,) of logits (N, C) and integer labels (N,)."""
    same_device("cross_entropy", logits, labels)
    params = {"ignore_index": ignore_index, "label_smoothing": label_smoothing}
    return _in_single(lambda x, y: SoftmaxCrossEntropy.apply(x, y, params), logits, labels)


def binary_cross_entropy(input: Tensor, target: Tensor) -> Tensor:
    """The loss of each probability, for targets from 0 to 1."""
    same_device("binary_cross_entropy", input, target)
    return BinaryCrossEntropy.apply(input, target)


def mean_cross_entropy(logits: Tensor, labels: Tensor, ignore_index: int, label_smoothing: float) -> Tensor:
    """The mean of `softmax_cross_entropy` over the rows that are not ignored."""
    same_device("cross_entropy", logits, labels)
    params = {"ignore_index": ignore_index, "label_smoothing": label_smoothing}
    return _in_single(lambda x, y: MeanCrossEntropy.apply(x, y, params), logits, labels)


def _in_single(loss: Callable[..., Tensor], logits: Tensor, labels: Tensor) -> Tensor:
    """A loss computed, and under autocast given, in float32."""
    if _mode.autocast is not None:
        (logits,) = _mode.autocast(SoftmaxCrossEntropy, (logits,))
    return _in_kernel_dtype(loss, logits, labels)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, generator: random.Generator | None = None) -> Tensor:
    """Each element set to 0 with probability p and the others divided by 1 - p; the identity unless training."""
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"p is {p}, expected a probability between 0 and 1")
    if not training or p == 0.0:
        return input
    source = random.chosen(generator)
    position = source.draw(input.numel())
    return _in_kernel_dtype(lambda x: Dropout.apply(x, p, position), input)


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    momentum: float,
    eps: float,
    activation: str | None,
    residual: Tensor | None,
) -> Tensor:
    """input (N, C, ...) normalised by the statistics of its batch, which the running ones, if given, are moved towards."""
    same_device("batch_norm", input, weight, bias, running_mean, running_var, residual)
    x = cast(input, dtypes.float32) if input.dtype == dtypes.float16 else input
    if running_mean is None or running_var is None:
        statistics = kernels.batch_norm_stats(x._array)
    else:
        running = running_mean._array, running_var._array
        statistics = kernels.batch_norm_stats(x._array, *running, momentum=momentum, out=(None, None, *running))[:2]
        for followed in (running_mean, running_var):
            followed._version[0] += 1
    y = _normalised(x, statistics, weight, bias, eps, activation, residual)
    return y if x is input else cast(y, input.dtype)


def batch_norm_by(
    input: Tensor,
    mean: Tensor,
    var: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    activation: str | None,
    residual: Tensor | None,
) -> Tensor:
    """input (N, C, ...) normalised by given statistics, in one pass, where no gradient is wanted."""
    same_device("batch_norm", input, weight, bias, mean, var, residual)
    with no_grad():
        return _normalised(input, (mean._array, var._array), weight, bias, eps, activation, residual)


def _normalised(
    x: Tensor,
    statistics: Any,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    activation: str | None,
    residual: Tensor | None,
) -> Tensor:
    if residual is None:
        return BatchNorm.apply(x, weight, bias, *statistics, eps, activation)
    if activation is None or residual.shape != x.shape:
        y = BatchNorm.apply(x, weight, bias, *statistics, eps, None) + residual
        return y if activation is None else relu(y)
    return BatchNormAdd.apply(x, weight, bias, cast(residual, x.dtype), *statistics, eps)
