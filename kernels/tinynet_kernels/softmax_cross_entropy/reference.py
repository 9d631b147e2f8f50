"""The definition of softmax-cross-entropy and its gradient."""

from __future__ import annotations

from typing import Any

import numpy as np


def softmax_cross_entropy(
    logits: Any, labels: Any, *, ignore_index: int = -100, label_smoothing: float = 0.0
) -> tuple[Any, Any]:
    top = logits.max(axis=1)
    lse = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    ignored = labels == ignore_index
    chosen = logits[np.arange(len(labels)), np.where(ignored, 0, labels)]
    loss = lse - (1 - label_smoothing) * chosen
    if label_smoothing:
        loss = loss - label_smoothing * logits.mean(axis=1)
    return np.where(ignored, np.zeros_like(loss), loss), lse


def softmax_cross_entropy_grad(
    logits: Any, labels: Any, lse: Any, gy: Any, *, ignore_index: int = -100, label_smoothing: float = 0.0
) -> Any:
    ignored = labels == ignore_index
    target = np.full(logits.shape, label_smoothing / logits.shape[1], logits.dtype)
    target[np.arange(len(labels)), np.where(ignored, 0, labels)] += 1 - label_smoothing
    grad = (np.exp(logits - lse[:, None]) - target) * gy.reshape(-1, 1)
    return np.where(ignored[:, None], np.zeros_like(grad), grad)
