"""The definitions of counted_mean and mean_cross_entropy."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..softmax_cross_entropy.reference import softmax_cross_entropy, softmax_cross_entropy_grad


def counted_mean(loss: Any, labels: Any, *, ignore_index: int = -100) -> tuple[Any, Any]:
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.asarray(loss.dtype.type(1) / loss.dtype.type((labels != ignore_index).sum()))
        return np.asarray(loss.sum() * share), share


def mean_cross_entropy(logits: Any, labels: Any, *, ignore_index: int = -100, **params: Any) -> tuple[Any, Any, Any]:
    loss, lse = softmax_cross_entropy(logits, labels, ignore_index=ignore_index, **params)
    mean, share = counted_mean(loss, labels, ignore_index=ignore_index)
    return mean, share, softmax_cross_entropy_grad(logits, labels, lse, share, ignore_index=ignore_index, **params)
