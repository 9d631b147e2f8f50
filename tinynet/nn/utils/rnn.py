"""Sequences of different lengths. There are no packed sequences: pad, and mask what is padding."""

from __future__ import annotations

from collections.abc import Sequence

from ...ops import cat, stack
from ...tensor import Tensor


def pad_sequence(
    sequences: Sequence[Tensor], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Tensor:
    """Sequences (L, ...) as one tensor (longest, N, ...), or (N, longest, ...) if batch_first, filled with padding_value."""
    if padding_side not in ("right", "left"):
        raise ValueError(f"padding_side is {padding_side!r}, expected 'right' or 'left'")
    given = list(sequences)
    if not given or len({s.shape[1:] for s in given}) > 1:
        raise ValueError(f"sequences have shapes {[s.shape for s in given]}, expected one (L, ...) but for L")
    longest = max(s.shape[0] for s in given)
    rows = []
    for s in given:
        fill = s.new_full((longest - s.shape[0], *s.shape[1:]), padding_value)
        rows.append(cat([s, fill] if padding_side == "right" else [fill, s], 0))
    return stack(rows, 0 if batch_first else 1)


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """What `pad_sequence` was given, from its result and the lengths."""
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [row[: int(n)] for row, n in zip(rows, lengths.tolist())]
