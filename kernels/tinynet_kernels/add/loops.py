"""The compiled loop of `add`."""

from __future__ import annotations

from typing import Any

from ..runtime.compiled import for_each, once, parallel, span

PIECE = 1 << 14  # elements of a piece of work


@once
def _add(piece: int, a: Any, b: Any, y: Any) -> None:
    for i in range(*span(piece, PIECE, a.size)):
        y[i] = a[i] + b[i]


@parallel
def add(a: Any, b: Any, y: Any) -> None:
    """Flat arrays."""
    for_each((a.size + PIECE - 1) // PIECE, _add, a, b, y)
