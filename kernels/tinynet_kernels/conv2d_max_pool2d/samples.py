"""Valid and invalid calls of conv2d_max_pool2d."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..spec import BadSample, Sample

Shape = tuple[int, int, int, int]

# name, x, w, bias, pool_size, bench, parameters
_CASES: list[tuple[str, Shape, Shape, bool, Any, bool, dict[str, Any]]] = [
    ("plain", (2, 3, 8, 9), (4, 3, 3, 3), True, 2, False, {"activation": "relu"}),
    ("no_bias", (3, 1, 7, 7), (5, 1, 2, 3), False, 2, False, {}),
    ("many_images", (40, 2, 6, 7), (3, 2, 3, 3), True, 2, False, {"activation": "relu", "padding": 1}),
    ("overlap", (33, 2, 7, 7), (18, 2, 3, 3), True, 3, False, {"pool_stride": 2, "pool_padding": 1}),
    ("ceil", (33, 2, 8, 7), (4, 2, 2, 2), True, (2, 3), False, {"ceil_mode": True, "stride": (1, 2), "padding": 1}),
    ("dilation", (34, 1, 9, 9), (3, 1, 3, 3), False, 2, False, {"dilation": 2, "pool_dilation": 2, "pool_stride": 1}),
    ("groups", (2, 4, 6, 6), (6, 2, 3, 3), True, 2, False, {"groups": 2}),
    ("empty_batch", (0, 3, 6, 6), (4, 3, 3, 3), True, 2, False, {}),
    ("mnist_1", (128, 1, 28, 28), (32, 1, 3, 3), True, 2, True, {"activation": "relu"}),
    ("mnist_2", (128, 32, 13, 13), (64, 32, 3, 3), True, 2, True, {"activation": "relu"}),
]


def _maker(x: Shape, w: Shape, bias: bool, pool_size: Any, params: dict[str, Any]) -> Any:
    def make(rng: np.random.Generator, dtype: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        def steps(shape: tuple[int, ...]) -> Any:
            """Small whole numbers, whose sums are exact: any order of summation finds the same maximum."""
            return rng.integers(-3, 4, shape).astype(dtype)

        return (steps(x), steps(w), steps(w[:1]) if bias else None, pool_size), params

    return make


SAMPLES = [Sample(name, _maker(x, w, bias, size, params), bench) for name, x, w, bias, size, bench, params in _CASES]


def _bad(name: str, error: type[Exception], match: str, x: Shape, pool_size: Any, **params: Any) -> BadSample:
    def make(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (np.ones(x, "f4"), np.ones((4, 3, 3, 3), "f4"), None, pool_size), params

    return BadSample(name, make, error, match)


BAD_SAMPLES = [
    _bad("channels", ValueError, "x has 2 channels, expected 3", (1, 2, 6, 6), 2),
    _bad("window", ValueError, "the window covers 5", (1, 3, 6, 6), 5),
    _bad("pool_padding", ValueError, "at most half of the window", (1, 3, 6, 6), 2, pool_padding=2),
    _bad("activation", ValueError, "activation is 'tanh'", (1, 3, 6, 6), 2, activation="tanh"),
]
