"""Layers and losses as functions, under the names of `torch.nn.functional`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import random
from ..ops import (
    abs,
    amax,
    clamp,
    conv2d,
    conv_transpose2d,
    dropout,
    erf,
    exp,
    gather,
    linear,
    log,
    log_softmax,
    max_pool2d,
    maximum,
    mean,
    minimum,
    norm,
    one_hot,
    pad,
    relu,
    sigmoid,
    softmax,
    softmax_cross_entropy,
    sqrt,
    sum,
    tanh,
    where,
)
from ..ops import (
    batch_norm as _normalise_batch,
)
from ..ops import embedding as _rows
from ..ops import softplus as _softplus
from ..tensor import Tensor

# activations


def leaky_relu(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    return where(input > 0, input, input * negative_slope)


def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    return where(input > 0, input, alpha * (exp(minimum(input, 0.0)) - 1))


def selu(input: Tensor) -> Tensor:
    return 1.0507009873554805 * elu(input, 1.6732632423543772)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x times the normal distribution's probability of less than x; "tanh" approximates it (Hendrycks and Gimpel 2016)."""
    if approximate == "tanh":
        return 0.5 * input * (1 + tanh(math.sqrt(2 / math.pi) * (input + 0.044715 * input**3)))
    if approximate != "none":
        raise ValueError(f"approximate is {approximate!r}, expected 'none' or 'tanh'")
    return 0.5 * input * (1 + erf(input * math.sqrt(0.5)))


def silu(input: Tensor) -> Tensor:
    return input * sigmoid(input)


def mish(input: Tensor) -> Tensor:
    return input * tanh(_softplus(input))


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    scaled = input * beta
    return where(scaled > threshold, input, _softplus(scaled) / beta)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    return clamp(input, min_val, max_val)


def relu6(input: Tensor) -> Tensor:
    return clamp(input, 0.0, 6.0)


def hardsigmoid(input: Tensor) -> Tensor:
    return clamp(input + 3.0, 0.0, 6.0) / 6


def hardswish(input: Tensor) -> Tensor:
    return input * hardsigmoid(input)


def softsign(input: Tensor) -> Tensor:
    return input / (1 + abs(input))


def logsigmoid(input: Tensor) -> Tensor:
    return -_softplus(-input)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """input where positive, weight * input elsewhere; weight has one element, or one for each channel."""
    if weight.numel() != 1:
        weight = weight.reshape(1, -1, *(1 for _ in range(input.ndim - 2)))
    return where(input > 0, input, weight * input)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    a, b = input.chunk(2, dim)
    return a * sigmoid(b)


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    return input / maximum(norm(input, p, dim, True), eps)


# pooling


def avg_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window of input (N, C, H, W); padding counts as zeros, or not at all.

    A convolution of each channel with a constant kernel. `ceil_mode` is not supported: ValueError.
    """
    if ceil_mode:
        raise ValueError("ceil_mode is True, which avg_pool2d does not support")
    kh, kw = kernel_size if isinstance(kernel_size, (tuple, list)) else (kernel_size, kernel_size)
    n, c, h, w = input.shape
    kernel = input.new_full((1, 1, kh, kw), 1.0 / (kh * kw))
    planes = input.reshape(n * c, 1, h, w)
    y = conv2d(planes, kernel, None, stride or kernel_size, padding)
    if padding and not count_include_pad:
        y = y / conv2d(input.new_ones(1, 1, h, w), kernel, None, stride or kernel_size, padding)
    return y.reshape(n, c, *y.shape[2:])


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Means over output_size (rows, columns) nearly equal parts of each plane."""
    return _adaptive(input, output_size, mean)


def adaptive_max_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Maxima over output_size (rows, columns) nearly equal parts of each plane."""
    return _adaptive(input, output_size, amax)


def _adaptive(input: Tensor, output_size: Any, reduce: Any) -> Tensor:
    from ..ops import cat

    sizes = output_size if isinstance(output_size, (tuple, list)) else (output_size, output_size)
    oh, ow = (n if size is None else size for size, n in zip(sizes, input.shape[-2:]))
    h, w = input.shape[-2:]
    if (oh, ow) == (1, 1):
        return reduce(input, (-2, -1), True)  # type: ignore[no-any-return]
    if h % oh == 0 and w % ow == 0:
        blocks = input.reshape(*input.shape[:-2], oh, h // oh, ow, w // ow)
        return reduce(blocks, (-3, -1))  # type: ignore[no-any-return]
    rows = []
    for i in range(oh):
        strip = input[..., i * h // oh : -(-(i + 1) * h // oh), :]
        parts = [reduce(strip[..., j * w // ow : -(-(j + 1) * w // ow)], (-2, -1), True) for j in range(ow)]
        rows.append(cat(parts, -1))
    return cat(rows, -2)


# normalisation


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """input (N, C, ...) normalised by the batch's statistics (training) or the running ones (Ioffe and Szegedy 2015).

    In training the running statistics, if given, move towards the batch's by `momentum`; the variance is unbiased there.
    """
    shape = (1, -1, *(1 for _ in range(input.ndim - 2)))
    if training or running_mean is None or running_var is None:
        count = input.numel() // max(input.shape[1], 1)
        if training and count <= 1:
            raise ValueError(f"input has shape {input.shape}, expected more than one value per channel in training")
        y, batch_mean, batch_var = _normalise_batch(input, eps)
        if training and running_mean is not None and running_var is not None:
            for running, value in ((running_mean, batch_mean), (running_var, batch_var * (count / (count - 1)))):
                running._array *= 1 - momentum
                running._array += momentum * value._array
                running._version[0] += 1
    else:
        y = (input - running_mean.reshape(shape)) / sqrt(running_var.reshape(shape) + eps)
    if weight is not None:
        y = y * weight.reshape(shape)
    return y if bias is None else y + bias.reshape(shape)


def layer_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """input with its last dimensions, which `normalized_shape` gives, brought to mean 0 and variance 1 (Ba et al. 2016)."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if input.shape[-len(shape) :] != shape:
        raise ValueError(f"input has shape {input.shape}, expected it to end in {shape}")
    dims = tuple(range(-len(shape), 0))
    centred = input - mean(input, dims, True)
    y = centred / sqrt(mean(centred * centred, dims, True) + eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """input (N, C, ...) with each group of channels of a sample brought to mean 0 and variance 1 (Wu and He 2018)."""
    n, c = input.shape[:2]
    if c % num_groups:
        raise ValueError(f"num_groups is {num_groups}, which does not divide {c} channels")
    groups = input.reshape(n, num_groups, -1)
    y = layer_norm(groups, groups.shape[-1], eps=eps).reshape(input.shape)
    shape = (1, -1, *(1 for _ in range(input.ndim - 2)))
    y = y if weight is None else y * weight.reshape(shape)
    return y if bias is None else y + bias.reshape(shape)


def rms_norm(input: Tensor, normalized_shape: Any, weight: Tensor | None = None, eps: float | None = None) -> Tensor:
    """input over the root of the mean square of its last dimensions (Zhang and Sennrich 2019)."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    dims = tuple(range(-len(shape), 0))
    small = float(np.finfo(input.dtype).eps) if eps is None else eps
    y = input / sqrt(mean(input * input, dims, True) + small)
    return y if weight is None else y * weight


def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, generator: random.Generator | None = None
) -> Tensor:
    """Whole channels of input (N, C, ...) set to 0 with probability p, the others divided by 1 - p."""
    if not training or p == 0.0:
        return input
    ones = input.new_ones(*input.shape[:2], *(1 for _ in range(input.ndim - 2)))
    return input * dropout(ones, p, True, generator)


def embedding(input: Tensor, weight: Tensor, padding_idx: int | None = None) -> Tensor:
    """Rows of weight at integer positions; no gradient reaches the row `padding_idx`."""
    rows = _rows(weight, input)
    if padding_idx is None:
        return rows
    return where((input == padding_idx).unsqueeze(-1), rows.detach(), rows)


# losses


def _reduce(loss: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        return mean(loss)
    if reduction == "sum":
        return sum(loss)
    if reduction == "none":
        return loss
    raise ValueError(f"reduction is {reduction!r}, expected 'mean', 'sum' or 'none'")


def _same_shape(input: Tensor, target: Tensor) -> None:
    if input.shape != target.shape:
        raise ValueError(f"target has shape {target.shape}, expected {input.shape} as the input has")


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross-entropy of logits (N, C, ...) or (C,) against classes (N, ...), or against probabilities of input's shape.

    The mean is over the rows that are not ignored, weighted by `weight` (C,) if it is given. Errors as `conv2d`; a class
    out of range is an IndexError on the CPU.
    """
    if target.dtype.kind == "f":
        _same_shape(input, target)
        dim = 0 if input.ndim == 1 else 1
        smooth = target * (1 - label_smoothing) + label_smoothing / input.shape[dim]
        terms = log_softmax(input, dim) * smooth
        if weight is not None:
            terms = terms * weight.reshape(-1, *(1 for _ in range(input.ndim - dim - 1)))
        loss = -sum(terms, dim)
        return sum(loss) / max(loss.numel(), 1) if reduction == "mean" else _reduce(loss, reduction)
    if weight is not None:
        return _weighted_cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)
    logits, labels, shape = _as_rows(input, target)
    loss = softmax_cross_entropy(logits, labels, ignore_index, label_smoothing)
    if reduction == "mean":
        return _mean_of_counted(loss, labels, ignore_index)
    return _reduce(loss.reshape(shape), reduction)


def _mean_of_counted(loss: Tensor, labels: Tensor, ignore_index: int) -> Tensor:
    ignored = labels._array == ignore_index
    if isinstance(ignored, np.ndarray):
        count = int(labels.numel() - ignored.sum())
        if count == 0:  # 0 / 0, as in PyTorch
            return sum(loss) * float("nan")
        return sum(loss) * (1.0 / count)
    return sum(loss) / Tensor._make((~ignored).sum().astype(loss.dtype))  # the count stays on the device


def _as_rows(input: Tensor, target: Tensor) -> tuple[Tensor, Tensor, tuple[int, ...]]:
    """Logits as (rows, C), labels as (rows,)."""
    if input.ndim == 1:
        return input.unsqueeze(0), target.reshape(1), ()
    expected = (input.shape[0], *input.shape[2:])
    if target.shape != expected:
        raise ValueError(f"target has shape {target.shape}, expected {expected} for an input of shape {input.shape}")
    if input.ndim > 2:
        input = input.movedim(1, -1).reshape(-1, input.shape[1])
    return input, target.reshape(-1), target.shape


def _weighted_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor, ignore_index: int, reduction: str, smoothing: float
) -> Tensor:
    logits, labels, shape = _as_rows(input, target)
    logs = log_softmax(logits, 1)
    plain = nll_loss(logs, labels, weight, ignore_index, "none")
    ignored = labels == ignore_index
    weights = weight[labels.masked_fill(ignored, 0)].masked_fill(ignored, 0.0)
    uniform = -(logs * weight).sum(1).masked_fill(ignored, 0.0) / logits.shape[1]
    loss = (1 - smoothing) * plain + smoothing * uniform
    return sum(loss) / sum(weights) if reduction == "mean" else _reduce(loss.reshape(shape), reduction)


def nll_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """-input at the target class, for log-probabilities (N, C, ...) or (C,) and classes (N, ...)."""
    rows, labels, shape = _as_rows(input, target)
    ignored = labels == ignore_index
    safe = labels.masked_fill(ignored, 0)
    picked = -gather(rows, 1, safe.unsqueeze(1)).squeeze(1)
    weights = rows.new_ones(labels.shape) if weight is None else weight[safe]
    weights = weights.masked_fill(ignored, 0.0)
    loss = where(ignored, picked.detach() * 0, picked * weights)
    return sum(loss) / sum(weights) if reduction == "mean" else _reduce(loss.reshape(shape), reduction)


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    difference = input - target
    return _reduce(difference * difference, reduction)


def l1_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    return _reduce(abs(input - target), reduction)


def smooth_l1_loss(input: Tensor, target: Tensor, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """Quadratic below `beta`, linear above (Girshick 2015)."""
    distance = abs(input - target)
    if beta == 0:
        return _reduce(distance, reduction)
    return _reduce(where(distance < beta, distance * distance * (0.5 / beta), distance - 0.5 * beta), reduction)


def huber_loss(input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """Quadratic below `delta`, linear above (Huber 1964)."""
    distance = abs(input - target)
    return _reduce(where(distance < delta, 0.5 * distance * distance, delta * (distance - 0.5 * delta)), reduction)


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """Cross-entropy of probabilities; logarithms are kept above -100, as in PyTorch. ValueError outside [0, 1] on the CPU."""
    _same_shape(input, target)
    if isinstance(input._array, np.ndarray) and input.numel() and not ((input._array >= 0) & (input._array <= 1)).all():
        raise ValueError("input has elements outside [0, 1], expected probabilities; or use the function with logits")
    loss = -(target * clamp(log(input), -100.0) + (1 - target) * clamp(log(1 - input), -100.0))
    return _reduce(loss if weight is None else loss * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Cross-entropy of sigmoid(input), without computing it."""
    _same_shape(input, target)
    if pos_weight is None:
        loss = _softplus(input) - input * target
    else:
        loss = _softplus(-input) * (1 + (pos_weight - 1) * target) + (1 - target) * input
    return _reduce(loss if weight is None else loss * weight, reduction)


def kl_div(input: Tensor, target: Tensor, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """target * (log target - input) for log-probabilities `input`; "batchmean" divides the sum by the batch."""
    if log_target:
        loss = exp(target) * (target - input)
    else:
        positive = target > 0
        loss = where(positive, target * (log(where(positive, target, target.detach() * 0 + 1)) - input), input * 0)
    return sum(loss) / input.shape[0] if reduction == "batchmean" else _reduce(loss, reduction)


def poisson_nll_loss(
    input: Tensor, target: Tensor, log_input: bool = True, eps: float = 1e-8, reduction: str = "mean"
) -> Tensor:
    loss = exp(input) - target * input if log_input else input - target * log(input + eps)
    return _reduce(loss, reduction)


def gaussian_nll_loss(input: Tensor, target: Tensor, var: Any, eps: float = 1e-6, reduction: str = "mean") -> Tensor:
    variance = maximum(var, eps) if isinstance(var, Tensor) else max(var, eps)
    logs = log(variance) if isinstance(variance, Tensor) else math.log(variance)
    return _reduce(0.5 * (logs + (input - target) ** 2 / variance), reduction)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    return sum(x1 * x2, dim) / (maximum(norm(x1, 2, dim), eps) * maximum(norm(x2, 2, dim), eps))


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: str = "mean"
) -> Tensor:
    cosine = cosine_similarity(input1, input2, -1)
    return _reduce(where(target > 0, 1 - cosine, clamp(cosine - margin, 0.0)), reduction)


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    return norm(x1 - x2 + eps, p, -1, keepdim)


def triplet_margin_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0, p: float = 2.0, reduction: str = "mean"
) -> Tensor:
    gap = pairwise_distance(anchor, positive, p) - pairwise_distance(anchor, negative, p)
    return _reduce(clamp(gap + margin, 0.0), reduction)


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: str = "mean"
) -> Tensor:
    return _reduce(clamp(-target * (input1 - input2) + margin, 0.0), reduction)


__all__ = [
    "adaptive_avg_pool2d",
    "adaptive_max_pool2d",
    "avg_pool2d",
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "conv2d",
    "conv_transpose2d",
    "cosine_embedding_loss",
    "cosine_similarity",
    "cross_entropy",
    "dropout",
    "dropout2d",
    "elu",
    "embedding",
    "gaussian_nll_loss",
    "gelu",
    "glu",
    "group_norm",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "logsigmoid",
    "margin_ranking_loss",
    "max_pool2d",
    "mish",
    "mse_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "pairwise_distance",
    "poisson_nll_loss",
    "prelu",
    "relu",
    "relu6",
    "rms_norm",
    "selu",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "softmax",
    "softplus",
    "softsign",
    "tanh",
    "triplet_margin_loss",
]
