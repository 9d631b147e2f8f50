"""Normalisation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...autograd import is_grad_enabled, no_grad
from ...ops import batch_norm as _normalise_batch
from ...ops import batch_norm_by, maximum, norm, pad, relu, sqrt, var_mean
from ...ops import layer_norm as _layer_norm
from ...tensor import Tensor
from .pooling import avg_pool2d


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    return input / maximum(norm(input, p, dim, True), eps)


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    activation: str | None = None,
    residual: Tensor | None = None,
) -> Tensor:
    """input (N, C, ...) normalised by the batch's statistics (training) or the running ones (Ioffe and Szegedy 2015).

    In training the running statistics, if given, move towards the batch's by `momentum`; the variance is unbiased there.
    `residual`, of the shape of input, is added to the result, and `activation`, None or "relu", applied to that, in the same
    pass.
    """
    channels = input.shape[1] if input.ndim > 1 else 0
    given = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    for name, value in given.items():
        if value is not None and value.shape != (channels,):
            raise ValueError(
                f"{name} has shape {value.shape}, expected {(channels,)} for an input of shape {input.shape}"
            )
    if training or running_mean is None or running_var is None:
        count = input.numel() // max(channels, 1)
        if training and count <= 1:
            raise ValueError(f"input has shape {input.shape}, expected more than one value per channel in training")
        followed = (running_mean, running_var) if training else (None, None)
        return _normalise_batch(input, *followed, weight, bias, momentum, eps, activation, residual)
    tensors = input, weight, bias, running_mean, running_var, residual
    if input.dtype == running_mean.dtype and not (
        is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)
    ):
        return batch_norm_by(input, running_mean, running_var, weight, bias, eps, activation, residual)
    shape = (1, -1, *(1 for _ in range(input.ndim - 2)))
    y = (input - running_mean.reshape(shape)) / sqrt(running_var.reshape(shape) + eps)
    y = _affine(y, weight, bias)
    y = y if residual is None else y + residual
    return relu(y) if activation == "relu" else y


def layer_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """input with its last dimensions, which `normalized_shape` gives, brought to mean 0 and variance 1 (Ba et al. 2016)."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    _check_end(input, shape)
    for name, value in (("weight", weight), ("bias", bias)):
        if value is not None and value.shape != shape:
            raise ValueError(f"{name} has shape {value.shape}, expected normalized_shape {shape}")
    return _layer_norm(input, len(shape), weight, bias, eps)


def _check_end(input: Tensor, shape: tuple[int, ...]) -> None:
    if not shape or input.shape[-len(shape) :] != shape:
        raise ValueError(f"input has shape {input.shape}, expected it to end in normalized_shape {shape}")


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """input (N, C, ...) with each group of channels of a sample brought to mean 0 and variance 1 (Wu and He 2018)."""
    if input.ndim < 2 or num_groups < 1 or input.shape[1] % num_groups:
        raise ValueError(f"num_groups is {num_groups}, which does not divide the channels of {input.shape}")
    if input.numel() == num_groups:
        raise ValueError(f"input has shape {input.shape}, expected more than one value in a group")
    parts = input.reshape(input.shape[0], num_groups, input.shape[1] // num_groups, *input.shape[2:])
    y = _layer_norm(parts, parts.ndim - 2, eps=eps).reshape(input.shape)
    return _affine(y, weight, bias)


def _affine(y: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """y (N, C, ...) times weight (C,) plus bias (C,)."""
    shape = (1, -1, *(1 for _ in range(y.ndim - 2)))
    y = y if weight is None else y * weight.reshape(shape)
    return y if bias is None else y + bias.reshape(shape)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """input (N, C, ...) with each channel of a sample brought to mean 0 and variance 1 (Ulyanov et al. 2016).

    With use_input_stats the running statistics, if given, move by `momentum` towards the means over the batch; without, they
    are used.
    """
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise ValueError("running_mean and running_var are needed if not use_input_stats")
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    count, dims = math.prod(input.shape[2:]), tuple(range(2, input.ndim))
    if count <= 1:
        raise ValueError(f"input has shape {input.shape}, expected more than one value per channel")
    if running_mean is not None and running_var is not None:
        with no_grad():
            variance, average = var_mean(input, dims)
            _follow(running_mean, average.mean(0), momentum)
            _follow(running_var, variance.mean(0), momentum)
    return _affine(_layer_norm(input, len(dims), eps=eps), weight, bias)


def _follow(running: Tensor, value: Tensor, momentum: float) -> None:
    """Moves a running statistic towards a value, in place."""
    running._array *= 1 - momentum
    running._array += momentum * value._array
    running._version[0] += 1


def rms_norm(input: Tensor, normalized_shape: Any, weight: Tensor | None = None, eps: float | None = None) -> Tensor:
    """input over the root of the mean square of its last dimensions (Zhang and Sennrich 2019).

    eps defaults to the smallest number that changes 1 in the input's dtype.
    """
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    _check_end(input, shape)
    small = float(np.finfo(input.dtype).eps) if eps is None else eps
    if weight is not None and weight.shape != shape:
        raise ValueError(f"weight has shape {weight.shape}, expected normalized_shape {shape}")
    return _layer_norm(input, len(shape), weight, None, small, centre=False)


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """input (N, C, ...) over (k + alpha * mean of the squares in `size` neighbouring channels) ** beta (Krizhevsky 2012)."""
    if input.ndim < 3:
        raise ValueError(f"input has shape {input.shape}, expected at least 3 dimensions")
    rows = (input * input).flatten(2).unsqueeze(1)
    padded = pad(rows, (0, 0, size // 2, (size - 1) // 2))
    squares = avg_pool2d(padded, (size, 1), stride=1).reshape(input.shape)
    return input / (squares * alpha + k) ** beta
