"""Tables of vectors."""

from __future__ import annotations

from ...ops import embedding as _rows
from ...ops import where
from ...tensor import Tensor


def embedding(input: Tensor, weight: Tensor, padding_idx: int | None = None) -> Tensor:
    """Rows of weight at integer positions; no gradient reaches the row `padding_idx`."""
    rows = _rows(weight, input)
    if padding_idx is None:
        return rows
    return where((input == padding_idx).unsqueeze(-1), rows.detach(), rows)
