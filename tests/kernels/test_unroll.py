"""Loops that are written once and compiled as straight-line code: the results of the loops, without them."""

from __future__ import annotations

import dis
from typing import Any

from tinynet_kernels.runtime.unroll import static_range, unrolled

SIZE, WIDE = 3, False
total = 100


def weighted(values: Any, k: int) -> Any:
    total = 0  # not the global of that name
    for i in static_range(SIZE):
        for j in static_range(i, 2 * SIZE, 2):
            if WIDE:
                total += missing(values)  # type: ignore[name-defined]  # noqa: F821
            elif (i + j) % 2:
                total -= values[i * SIZE + j]
            else:
                total += (k + i) * values[j]
    if total > 50:
        total = -total
    return total


def test_unrolled() -> None:
    straight = unrolled(weighted)
    assert "FOR_ITER" not in [instruction.opname for instruction in dis.get_instructions(straight)]
    assert "missing" not in straight.__code__.co_names
    for k in (-50, 0, 1):
        assert straight(list(range(20)), k) == weighted(list(range(20)), k)
