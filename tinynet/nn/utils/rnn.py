"""Sequences of different lengths: padded to one length, or packed without padding for the recurrent layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...ops import cat, stack
from ...tensor import Tensor, as_tensor


class PackedSequence(NamedTuple):
    """Sequences without padding, as `pack_padded_sequence` makes them and RNN, LSTM and GRU take and return them.

    data              (all steps of all sequences, ...): the first steps of all, the longest sequence first, then the second
                      steps of those that have one, and so on.
    batch_sizes       how many sequences have a first step, a second one, ...: int64, on the CPU.
    sorted_indices    the sequences by falling length; None if they were given so.
    unsorted_indices  where each sequence stands among the sorted ones.
    """

    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None = None
    unsorted_indices: Tensor | None = None

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """With the data on another device or in another dtype."""
        data = self.data.to(*args, **kwargs)
        moved = [None if i is None else i.to(data.device) for i in (self.sorted_indices, self.unsorted_indices)]
        return PackedSequence(data, self.batch_sizes, *moved)


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Packs padded sequences (longest, N, ...), or (N, longest, ...) if batch_first, of these lengths.

    With enforce_sorted they must come by falling length. Raises ValueError for lengths that do not fit, or do not fall.
    """
    sizes = np.asarray(as_tensor(lengths).cpu(), np.int64)
    steps_first = input.transpose(0, 1) if batch_first else input
    longest, count = steps_first.shape[:2]
    if sizes.shape != (count,) or not count or sizes.min() < 1 or sizes.max() > longest:
        raise ValueError(f"lengths is {sizes.tolist()}, expected {count} numbers from 1 to {longest}")
    if enforce_sorted and (np.diff(sizes) > 0).any():
        raise ValueError(f"lengths is {sizes.tolist()}, expected falling numbers, or enforce_sorted=False")
    order = np.argsort(-sizes, kind="stable")
    batch_sizes = (sizes[:, None] > np.arange(sizes.max())).sum(0)
    rows = np.concatenate([step * count + order[:n] for step, n in enumerate(batch_sizes)])
    flat = steps_first.reshape(longest * count, *input.shape[2:])
    data = flat[as_tensor(rows, device=input.device)]
    if enforce_sorted:
        return PackedSequence(data, as_tensor(batch_sizes))
    places = [as_tensor(i, device=input.device) for i in (order, np.argsort(order))]
    return PackedSequence(data, as_tensor(batch_sizes), *places)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """The sequences padded to the longest, or to total_length, in their first order; and their lengths, int64 on the CPU.

    Raises ValueError for a total_length below the longest.
    """
    batch_sizes = np.asarray(sequence.batch_sizes)
    longest, count = len(batch_sizes), int(batch_sizes[0])
    total = longest if total_length is None else total_length
    if total < longest:
        raise ValueError(f"total_length is {total}, expected at least the longest sequence's {longest}")
    data = sequence.data
    places = np.full((total, count), len(data))  # where there is no step: the row of padding behind the data
    for step, (n, end) in enumerate(zip(batch_sizes, np.cumsum(batch_sizes))):
        places[step, :n] = np.arange(end - n, end)
    lengths = (batch_sizes[:, None] > np.arange(count)).sum(0)
    if sequence.unsorted_indices is not None:
        back = np.asarray(sequence.unsorted_indices.cpu())
        places, lengths = places[:, back], lengths[back]
    places = np.ascontiguousarray(places.T if batch_first else places)
    padded = cat([data, data.new_full((1, *data.shape[1:]), padding_value)])
    return padded[as_tensor(places, device=data.device)], as_tensor(lengths)


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Packs a list of sequences (L, ...); with enforce_sorted they must come by falling length."""
    return pack_padded_sequence(pad_sequence(sequences), [len(s) for s in sequences], enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The list of sequences (L, ...) that `pack_sequence` was given."""
    return unpad_sequence(*pad_packed_sequence(packed_sequences))


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
