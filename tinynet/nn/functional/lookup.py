"""Tables of vectors."""

from __future__ import annotations

import math

import numpy as np

from ...autograd import no_grad
from ...ops import cat, clamp, norm, ones_like, unique, where
from ...ops import embedding as _rows
from ...tensor import Tensor, tensor


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Rows of weight at integer positions; no gradient reaches the row `padding_idx`.

    max_norm  rows that are looked up are scaled down to this norm first, in place.
    There are no sparse gradients, and none scaled by frequency: True for either is a ValueError.
    """
    if sparse or scale_grad_by_freq:
        raise ValueError("sparse and scale_grad_by_freq are not supported, expected False")
    if max_norm is not None:
        with no_grad():
            found = unique(input)
            rows = _rows(weight, found)
            lengths = norm(rows, norm_type, 1, True)
            weight[found] = where(lengths > max_norm, rows * (max_norm / (clamp(lengths, 1e-30) + 1e-7)), rows)
    rows = _rows(weight, input)
    if padding_idx is None:
        return rows
    if not -weight.shape[0] <= padding_idx < weight.shape[0]:
        raise ValueError(f"padding_idx is {padding_idx}, expected a row of {weight.shape[0]}")
    return where((input == padding_idx % weight.shape[0]).unsqueeze(-1), rows.detach(), rows)


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The mean, sum or largest elements (mode "mean", "sum", "max") of the rows of weight in each bag: (bags, columns).

    input    integer positions, a bag in each row (bags, n); or (n,) with the start of each bag in `offsets`.
    per_sample_weights  a factor for each position, for mode "sum" only.
    include_last_offset  whether offsets ends with the end of the last bag.
    padding_idx  positions of this row are left out.

    An empty bag gives 0. The other options are those of `embedding`. Raises ValueError for offsets that do not rise from 0,
    an unknown mode, or weights where there can be none.
    """
    if mode not in ("mean", "sum", "max"):
        raise ValueError(f"mode is {mode!r}, expected 'mean', 'sum' or 'max'")
    if per_sample_weights is not None and (mode != "sum" or per_sample_weights.shape != input.shape):
        raise ValueError("per_sample_weights needs mode 'sum' and the shape of input")
    rows = embedding(input, weight, None, max_norm, norm_type, scale_grad_by_freq, sparse)
    used = ones_like(input, dtype="bool") if padding_idx is None else input != padding_idx % weight.shape[0]
    if input.ndim == 1:
        places = _bags(input, offsets, include_last_offset)
        rows = cat([rows, rows.new_zeros(1, weight.shape[1])])[places]
        used = cat([used, used.new_zeros(1)])[places]
        if per_sample_weights is not None:
            per_sample_weights = cat([per_sample_weights, per_sample_weights.new_zeros(1)])[places]
    elif input.ndim != 2 or offsets is not None:
        raise ValueError(f"input has shape {input.shape}, expected (bags, n), or (n,) with offsets")
    used = used.unsqueeze(-1)
    if mode == "max":
        largest = where(used, rows, -math.inf).amax(1) if rows.shape[1] else rows.sum(1)
        return where(used.any(1), largest, 0.0)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.unsqueeze(-1)
    total = where(used, rows, 0.0).sum(1)
    return total / clamp(used.sum(1), 1).to(dtype=total.dtype) if mode == "mean" else total


def _bags(input: Tensor, offsets: Tensor | None, include_last_offset: bool) -> Tensor:
    """(bags, longest): the places of each bag's positions in the input, and one place behind it where there is none."""
    if offsets is None:
        raise ValueError("offsets is None, expected the start of each bag, as input has one dimension")
    ends = np.asarray(offsets.cpu(), np.int64)
    ends = ends if include_last_offset else np.append(ends, input.numel())
    if not len(ends) or ends[0] != 0 or (np.diff(ends) < 0).any() or ends[-1] > input.numel():
        raise ValueError(f"offsets is {offsets.tolist()}, expected numbers that rise from 0 to at most {input.numel()}")
    places = ends[:-1, None] + np.arange(np.diff(ends).max(initial=0))
    return tensor(np.where(places < ends[1:, None], places, input.numel()), device=input.device)
