"""Losses and distances."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...ops import (
    abs,
    clamp,
    exp,
    gather,
    log,
    log_softmax,
    maximum,
    mean,
    norm,
    softmax_cross_entropy,
    sum,
    where,
)
from ...ops import softplus as _softplus
from ...tensor import Tensor


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
