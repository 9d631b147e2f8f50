"""The loss of sequences of labels that are not aligned with their inputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ops import full_like, gather, logaddexp, logsumexp, pad, stack, where
from ...tensor import Tensor, tensor
from .losses import _reduce

_NEVER = -1e30  # the logarithm of a probability of 0, with which one can still compute


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """Connectionist temporal classification (Graves et al. 2006): -log P(labels), summed over all alignments.

    log_probs       (T, N, C) or (T, C): log_softmax of the scores at each step.
    targets         (N, S) classes other than `blank`, or all of them in one row, (sum of target_lengths,).
    input_lengths   how many of the T steps count, one for each sequence; target_lengths: how many of the labels.
    zero_infinity   0 where the input is too short for the labels, and the loss therefore infinite.

    The mean is over the losses divided by target_lengths. The gradient is that of the formula; PyTorch's differs from it by
    what log_softmax takes away. Raises ValueError for lengths or classes out of range.
    """
    batched = log_probs.ndim == 3
    x = log_probs if batched else log_probs.unsqueeze(1)
    if x.ndim != 3:
        raise ValueError(f"log_probs has shape {log_probs.shape}, expected (T, N, C) or (T, C)")
    steps, count, classes = x.shape
    ends, sizes = _lengths("input_lengths", input_lengths, count), _lengths("target_lengths", target_lengths, count)
    if (ends > steps).any():
        raise ValueError(f"input_lengths is {ends.tolist()}, expected at most {steps}")
    labels = _labels(np.asarray(targets.cpu(), np.int64), sizes, blank)
    if not 0 <= blank < classes or (labels.size and not 0 <= labels.min() <= labels.max() < classes):
        raise ValueError(f"targets or blank has a class outside 0 to {classes - 1}")
    path = np.full((count, 2 * labels.shape[1] + 1), blank)  # the labels with blanks around each
    path[:, 1::2] = labels
    leaps = np.zeros(path.shape, bool)  # where a blank may be left out: between two different labels
    leaps[:, 3::2] = labels[:, 1:] != labels[:, :-1]

    def there(array: Any) -> Tensor:
        return tensor(array, device=x.device)

    x = x.float() if x.itemsize < 4 else x
    emitted = gather(x, 2, there(path).expand(steps, *path.shape).contiguous())
    begin = np.zeros(path.shape, bool)
    begin[:, :2] = True
    never, leap = full_like(emitted[0], _NEVER), there(leaps)
    state = where(there(begin), emitted[0], never)
    for step in range(1, steps):
        one = pad(state, (1, 0), value=_NEVER)[:, :-1]
        two = where(leap, pad(state, (2, 0), value=_NEVER)[:, :-2], never)
        following = logsumexp(stack([state, one, two]), 0) + emitted[step]
        state = where(there(step < ends[:, None]), following, state)
    last = gather(state, 1, there(2 * sizes[:, None])).squeeze(1)
    before = gather(state, 1, there(np.maximum(2 * sizes[:, None] - 1, 0))).squeeze(1)
    loss = -where(there(sizes > 0), logaddexp(last, before), last)
    loss = where(loss < -_NEVER / 2, loss, 0.0 if zero_infinity else float("inf"))
    if reduction == "mean":
        loss = loss / there(np.maximum(sizes, 1)).to(dtype=loss.dtype)
    return _reduce(loss if batched else loss[0], reduction)


def _lengths(name: str, given: Any, count: int) -> Any:
    array = np.asarray(given.cpu() if isinstance(given, Tensor) else given, np.int64).reshape(-1)
    if array.shape != (count,) or (array < 0).any():
        raise ValueError(f"{name} is {array.tolist()}, expected {count} numbers of at least 0")
    return array


def _labels(targets: Any, sizes: Any, blank: int) -> Any:
    """(N, longest) labels, with blanks behind the shorter ones."""
    longest = int(sizes.max(initial=0))
    rows = np.full((len(sizes), longest), blank)
    if targets.ndim == 1 and targets.size != sizes.sum():
        raise ValueError(f"targets has {targets.size} elements, expected the {sizes.sum()} of target_lengths")
    if targets.ndim == 2 and (len(targets) != len(sizes) or targets.shape[1] < longest):
        raise ValueError(f"targets has shape {targets.shape}, expected {len(sizes)} rows of at least {longest}")
    parts = targets if targets.ndim == 2 else np.split(targets, np.cumsum(sizes)[:-1])
    for row, part, size in zip(rows, parts, sizes):
        row[:size] = part[:size]
    return rows
