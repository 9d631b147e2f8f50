"""Losses and distances."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
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
    mean_cross_entropy,
    minimum,
    norm,
    one_hot,
    ones_like,
    softmax_cross_entropy,
    sqrt,
    sum,
    where,
)
from ...ops import binary_cross_entropy as _binary_cross_entropy
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
    if reduction == "mean":
        return mean_cross_entropy(logits, labels, ignore_index, label_smoothing)
    loss = softmax_cross_entropy(logits, labels, ignore_index, label_smoothing)
    return _reduce(loss.reshape(shape), reduction)


def _as_rows(input: Tensor, target: Tensor) -> tuple[Tensor, Tensor, tuple[int, ...]]:
    """Logits as (rows, C), labels as (rows,)."""
    if input.ndim == 1:
        if target.numel() != 1 or target.shape == input.shape:
            raise ValueError(f"target has shape {target.shape}, expected one class for an input of shape {input.shape}")
        return input.unsqueeze(0), target.reshape(1), ()
    expected = (input.shape[0], *input.shape[2:])
    if target.shape != expected:
        raise ValueError(f"target has shape {target.shape}, expected {expected} for an input of shape {input.shape}")
    if input.ndim > 2:
        input = input.movedim(1, -1).reshape(-1, input.shape[1])
    return input, target if target.ndim == 1 else target.reshape(-1), target.shape


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


def _warn_of_broadcasting(input: Tensor, target: Tensor) -> None:
    if input.shape != target.shape:
        warnings.warn(
            f"target has shape {target.shape}, and input {input.shape}: they are broadcast, which is seldom meant",
            stacklevel=3,
        )


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    _warn_of_broadcasting(input, target)
    difference = input - target
    return _weighted(difference * difference, weight, reduction)


def l1_loss(input: Tensor, target: Tensor, reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    _warn_of_broadcasting(input, target)
    return _weighted(abs(input - target), weight, reduction)


def _weighted(loss: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    """The reduced loss; the mean is over the weights."""
    if weight is None:
        return _reduce(loss, reduction)
    if weight.shape != loss.shape:
        raise ValueError(f"weight has shape {weight.shape}, expected {loss.shape}")
    return sum(loss * weight) / sum(weight) if reduction == "mean" else _reduce(loss * weight, reduction)


def smooth_l1_loss(input: Tensor, target: Tensor, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """Quadratic below `beta`, linear above (Girshick 2015)."""
    if beta < 0:
        raise ValueError(f"beta is {beta}, expected at least 0")
    _warn_of_broadcasting(input, target)
    distance = abs(input - target)
    if beta == 0:
        return _reduce(distance, reduction)
    return _reduce(where(distance < beta, distance * distance * (0.5 / beta), distance - 0.5 * beta), reduction)


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """Quadratic below `delta`, linear above (Huber 1964)."""
    if delta <= 0:
        raise ValueError(f"delta is {delta}, expected more than 0")
    _warn_of_broadcasting(input, target)
    distance = abs(input - target)
    loss = where(distance < delta, 0.5 * distance * distance, delta * (distance - 0.5 * delta))
    return _weighted(loss, weight, reduction)


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """Cross-entropy of probabilities; logarithms are kept above -100, as in PyTorch. ValueError outside [0, 1] on the CPU."""
    _same_shape(input, target)
    if isinstance(input._array, np.ndarray) and input.numel() and not ((input._array >= 0) & (input._array <= 1)).all():
        raise ValueError("input has elements outside [0, 1], expected probabilities; or use the function with logits")
    loss = _binary_cross_entropy(input, target)
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
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Tensor:
    """The negative log-likelihood of counts under a Poisson distribution, whose rate, or its logarithm, is `input`.

    `full` adds Stirling's approximation of log(target!) for targets above 1.
    """
    loss = exp(input) - target * input if log_input else input - target * log(input + eps)
    if full:
        large = target > 1
        safe = where(large, target, 1.0)
        loss = loss + where(large, safe * log(safe) - safe + 0.5 * log(2 * math.pi * safe), 0.0)
    return _reduce(loss, reduction)


def gaussian_nll_loss(
    input: Tensor, target: Tensor, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Tensor:
    """The negative log-likelihood of targets under normal distributions with means `input` and variances `var`.

    Variances below eps count as eps, without this showing in the gradient; `full` adds the constant log(2 pi) / 2.
    """
    if not isinstance(var, Tensor):
        var = ones_like(input) * var
    elif var.shape == input.shape[:-1]:
        var = var.unsqueeze(-1)
    if isinstance(var._array, np.ndarray) and (var._array < 0).any():
        raise ValueError("var has negative elements, expected variances")
    var = where(var < eps, var - var.detach() + eps, var)
    loss = 0.5 * (log(var) + (input - target) ** 2 / var)
    return _reduce(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    return sum(x1 * x2, dim) / (maximum(norm(x1, 2, dim), eps) * maximum(norm(x2, 2, dim), eps))


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, reduction: str = "mean"
) -> Tensor:
    """1 - cos for targets 1, cos above `margin` for targets -1; inputs (N, D) and targets (N,), or (D,) and ()."""
    if input1.shape != input2.shape or target.shape != input1.shape[:-1]:
        raise ValueError(
            f"input1 {input1.shape}, input2 {input2.shape} and target {target.shape} do not fit (N, D), (N, D) and (N,)"
        )
    small = 1e-12
    squares1, squares2 = sum(input1 * input1, -1) + small, sum(input2 * input2, -1) + small
    cosine = sum(input1 * input2, -1) / sqrt(squares1 * squares2)
    return _reduce(where(target == 1, 1 - cosine, where(target == -1, clamp(cosine - margin, 0.0), 0.0)), reduction)


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The p-norm of x1 - x2 + eps along the last dimension."""
    return norm(x1 - x2 + eps, p, -1, keepdim)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """How much nearer than by `margin` the anchor is to the negative than to the positive (Balntas et al. 2016).

    `swap` takes the positive's distance to the negative where that is less than the anchor's.
    """
    return triplet_margin_with_distance_loss(
        anchor,
        positive,
        negative,
        distance_function=lambda a, b: pairwise_distance(a, b, p, eps),
        margin=margin,
        swap=swap,
        reduction=reduction,
    )


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """`triplet_margin_loss` with a distance of one's own; by default `pairwise_distance`."""
    if margin <= 0:
        raise ValueError(f"margin is {margin}, expected more than 0")
    distance = pairwise_distance if distance_function is None else distance_function
    far = distance(anchor, negative)
    if swap:
        far = minimum(far, distance(positive, negative))
    return _reduce(clamp(margin + distance(anchor, positive) - far, 0.0), reduction)


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, reduction: str = "mean"
) -> Tensor:
    """max(0, -target * (input1 - input2) + margin): target 1 where input1 should rank higher, else -1."""
    return _reduce(clamp(-target * (input1 - input2) + margin, 0.0), reduction)


def hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    """The distances `input` for targets 1, what they lack to `margin` for targets -1."""
    far = where(target != 1, clamp(margin - input, 0.0), 0.0)
    return _reduce(where(target != -1, input, 0.0) + far, reduction)


def soft_margin_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """log(1 + exp(-target * input)) for targets 1 and -1."""
    _same_shape(input, target)
    return _reduce(_softplus(-target * input), reduction)


def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """Binary cross-entropy of sigmoid(input) (N, C), averaged over the classes."""
    _same_shape(input, target)
    loss = target * _softplus(-input) + (1 - target) * _softplus(input)
    return _reduce(mean(loss if weight is None else loss * weight, -1), reduction)


def _margins(input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """input (N, C) less that of each row's class (N,), and a mask of the other classes."""
    rows = input.unsqueeze(0) if input.ndim == 1 else input
    classes = target.reshape(-1, 1)
    if rows.ndim != 2 or classes.shape[0] != rows.shape[0]:
        raise ValueError(f"input {input.shape} and target {target.shape} do not fit (N, C) and (N,)")
    return rows - gather(rows, 1, classes), ~one_hot(classes.squeeze(1), rows.shape[1]).bool()


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """sum over other classes of max(0, margin - x[class] + x[other]) ** p / C for scores (N, C) and classes (N,)."""
    if p not in (1, 2):
        raise ValueError(f"p is {p}, expected 1 or 2")
    gaps, others = _margins(input, target)
    terms = clamp(gaps + margin, 0.0) ** p
    if weight is not None:
        terms = terms * weight[target.reshape(-1, 1)]
    loss = sum(where(others, terms, 0.0), 1) / gaps.shape[1]
    return _reduce(loss if input.ndim > 1 else loss.squeeze(0), reduction)


def multilabel_margin_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """sum over classes in `target` and others not in it of max(0, 1 - x[class] + x[other]) / C, for scores (N, C).

    target (N, C) lists the classes of each row from its start; -1 ends the list.
    """
    _same_shape(input, target)
    if input.ndim == 1:
        return _reduce(multilabel_margin_loss(input.unsqueeze(0), target.unsqueeze(0), "none").squeeze(0), reduction)
    count = input.shape[1]
    listed = (target < 0).long().cumsum(1) == 0
    classes = where(listed, target, 0)
    chosen = (one_hot(classes, count).bool() & listed.unsqueeze(-1)).any(1)
    gaps = clamp(1 - gather(input, 1, classes).unsqueeze(2) + input.unsqueeze(1), 0.0)
    counted = listed.unsqueeze(2) & ~chosen.unsqueeze(1)
    return _reduce(sum(where(counted, gaps, 0.0), (1, 2)) / count, reduction)
