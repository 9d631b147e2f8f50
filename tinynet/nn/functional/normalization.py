"""Normalisation."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ops import batch_norm as _normalise_batch
from ...ops import maximum, mean, norm, sqrt
from ...tensor import Tensor


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
