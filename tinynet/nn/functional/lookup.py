"""Tables of vectors."""

from __future__ import annotations

from ...autograd import no_grad
from ...ops import clamp, norm, unique, where
from ...ops import embedding as _rows
from ...tensor import Tensor


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
