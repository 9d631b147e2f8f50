"""The tiles that products are computed in: how a block's share of the result is divided among its threads.

Larger tiles read less: a thread's tile of R x S takes R + S reads of shared memory for R S multiply-adds, a block's tile of
M x N takes M + N reads of global memory for M N. Smaller tiles make more blocks, so that a small result keeps the whole
device busy. `tuning` chooses.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, eq=False)
class Tile:
    """A block's `rows` x `columns` of the result; a thread's is `thread_rows` x `thread_columns` (multiples of 4).

    depth       how far along the inner dimension a slice in shared memory reaches.
    min_blocks  blocks that share a multiprocessor, which bounds the registers of a thread.

    There are the few below, each equal to itself alone: they are looked up at every launch.
    """

    rows: int
    columns: int
    thread_rows: int
    thread_columns: int
    depth: int
    min_blocks: int

    @property
    def threads(self) -> int:
        return self.rows * self.columns // (self.thread_rows * self.thread_columns)

    def __str__(self) -> str:
        return f"{self.rows}x{self.columns}"


# In the order of preference among equals; `tuning` says what each is good for.
HUGE = Tile(256, 128, 16, 8, depth=8, min_blocks=1)
LARGE = Tile(128, 128, 8, 8, depth=16, min_blocks=2)
FLAT = Tile(64, 128, 8, 8, depth=16, min_blocks=3)
MEDIUM = Tile(64, 64, 4, 4, depth=16, min_blocks=3)
SMALL = Tile(32, 32, 4, 4, depth=16, min_blocks=8)
FLAT_SHALLOW = replace(FLAT, depth=8)
# As many blocks of the others would not fit into the registers.
MEDIUM_FLOAT64, SMALL_FLOAT64 = replace(MEDIUM, min_blocks=2), replace(SMALL, min_blocks=6)
