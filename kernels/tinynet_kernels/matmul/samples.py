"""Valid and invalid calls of matmul."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..spec import BadSample, Sample


def _sample(
    name: str, a: tuple[int, ...], b: tuple[int, ...], *, bias: int | None = None, bench: bool = False, **params: Any
) -> Sample:
    def make(rng: np.random.Generator, dtype: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        arrays = [rng.standard_normal(shape).astype(dtype) for shape in (a, b)]
        if bias is not None:
            arrays.append(rng.standard_normal(bias).astype(dtype))
        return tuple(arrays), params

    return Sample(name, make, bench)


SAMPLES = [
    _sample("plain", (5, 7), (7, 3)),
    _sample("transpose_a", (7, 5), (7, 3), transpose_a=True),
    _sample("transpose_b", (5, 7), (3, 7), transpose_b=True),
    _sample("both", (7, 5), (3, 7), transpose_a=True, transpose_b=True),
    _sample("bias_relu", (6, 4), (4, 9), bias=9, activation="relu"),
    _sample("batched", (2, 3, 5, 4), (2, 3, 4, 6)),
    _sample("broadcast", (2, 1, 5, 4), (3, 4, 6), transpose_b=False),
    _sample("broadcast_transposed", (4, 5), (3, 6, 4), transpose_a=True, transpose_b=True),
    _sample("tails", (17, 19), (19, 33)),
    _sample("row", (1, 9), (9, 13)),
    _sample("column", (13, 9), (9, 1)),
    _sample("scalar", (1, 1), (1, 1)),
    _sample("empty_rows", (0, 4), (4, 3)),
    _sample("empty_inner", (3, 0), (0, 4), bias=4),
    _sample("empty_batch", (0, 3, 4), (4, 5)),
    _sample("tiles", (128, 64), (64, 128), bench=True),
    _sample("off_tile", (131, 67), (67, 257), bias=257, bench=True),
    _sample("off_tile_transposed", (67, 131), (257, 67), transpose_a=True, transpose_b=True, bench=True),
    _sample("long_inner", (33, 3000), (3000, 40), bench=True),
    _sample("many_batches", (300, 9, 11), (300, 11, 10), bench=True),
    _sample("dense", (128, 576), (64, 576), bias=64, transpose_b=True, activation="relu", bench=True),
    _sample("few_rows", (70, 67), (301, 67), bias=301, transpose_b=True, activation="relu", bench=True),
    _sample("many_rows_transposed", (150, 300), (350, 300), bias=350, transpose_b=True, bench=True),
    _sample("square512", (512, 512), (512, 512), bench=True),
]


def _bad(
    name: str, error: type[Exception], match: str, *shapes: tuple[int, ...], dtype: Any = "float32", **params: Any
) -> BadSample:
    def make(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return tuple(np.ones(shape, dtype) for shape in shapes), params

    return BadSample(name, make, error, match)


BAD_SAMPLES = [
    _bad("inner", ValueError, "rows of 4 elements, b columns of 5", (3, 4), (5, 6)),
    _bad("vector", ValueError, "a has shape", (3,), (3, 4)),
    _bad("batch", ValueError, "do not broadcast", (2, 3, 4), (3, 4, 5)),
    _bad("bias", ValueError, "bias has shape", (3, 4), (4, 5), (4,)),
    _bad("integer", TypeError, "a has dtype int64", (3, 4), (4, 5), dtype="int64"),
    _bad("precision", ValueError, "precision is 'low'", (3, 4), (4, 5), precision="low"),
    _bad("activation", ValueError, "activation is 'tanh'", (3, 4), (4, 5), activation="tanh"),
]
